"""User groups as their owner and their members use them: by a file, many at once, and what follows for grants."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, clock
from portal.core.mail import MailMessage
from portal.licences.models import Kind, Licence
from portal.sharing import memberships, operations
from portal.sharing.operations import Offer
from portal.stations.models import Grant, Permission
from tests import world
from tests.accounts.post import shown
from tests.statements import recorded

Browser = Callable[[Account], FlaskClient]


def inside(session: Session, group: UserGroup) -> list[str]:
    found = sa.select(UserGroupMember.email).where(UserGroupMember.user_group_id == group.id)
    emails = list(session.scalars(found.order_by(UserGroupMember.email)))
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return emails


def upload(browser: FlaskClient, group: UserGroup, content: bytes) -> str:
    data = {"file": (io.BytesIO(content), "team.csv")}
    return browser.post(f"/user-groups/{group.id}/upload", data=data, content_type="multipart/form-data").text


def sealed(page: str) -> str:
    found = re.search(r'name="found" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_a_member_gains_at_once_and_loses_at_once(
    session: Session, place: SimpleNamespace, master: FlaskClient, logged_in: Browser
) -> None:
    world.grant(session, place.group, "display", place.users)
    late = world.account(session, "late@x.example", Kind.AUTHORISATION)
    browser, page = logged_in(late), f"/station-groups/{place.group.id}"
    assert browser.get(page).status_code == 404
    master.post(f"/user-groups/{place.users.id}/members", data={"emails": late.email})
    assert browser.get(page).status_code == 200
    member = session.scalars(sa.select(UserGroupMember.id).where(UserGroupMember.email == late.email)).one()
    session.commit()
    master.post(f"/user-groups/{place.users.id}/members/remove", data={"member": member})
    assert browser.get(page).status_code == 404


def test_every_way_in_sends_a_mail(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    master.post("/user-groups/new", data={"name": "New", "emails": "a@x.example"})
    master.post(f"/user-groups/{place.users.id}/members", data={"emails": "b@x.example, sub@x.example"})
    found = sealed(upload(master, place.users, b"c@x.example"))
    master.post(f"/user-groups/{place.users.id}/upload/add", data={"found": found})
    recipients = session.scalars(sa.select(MailMessage.recipient).order_by(MailMessage.id)).all()
    assert recipients == ["a@x.example", "b@x.example", "c@x.example"]


def test_a_file_shows_what_it_would_do_and_writes_nothing(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    page = upload(master, place.users, b"Mail;Name\nnew@x.example;A\nSUB@x.example;B\nnew@x.example;C\nbad@;D\n")
    rows = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in re.findall(r"<tr>.*?</tr>", page, re.S)
    ]
    assert rows[1:] == [
        "bad@ 5 Not an address, left out",
        "new@x.example 4 Twice in the file",
        "SUB@x.example 3 Already in the group",
        "new@x.example 2 New",
    ]
    assert inside(session, place.users) == ["sub@x.example"]
    answer = master.post(f"/user-groups/{place.users.id}/upload/add", data={"found": sealed(page)})
    assert answer.location == f"/user-groups/{place.users.id}"
    assert inside(session, place.users) == ["new@x.example", "sub@x.example"]


def test_what_was_sealed_for_one_group_opens_no_other(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    other = world.user_group(session, place.master, "Other")
    session.commit()
    found = sealed(upload(master, place.users, b"new@x.example"))
    for text in (found, found + "x", ""):
        answer = master.post(f"/user-groups/{other.id}/upload/add", data={"found": text})
        assert answer.location == f"/user-groups/{other.id}/upload"
    assert inside(session, other) == []


@pytest.mark.parametrize("content", [b"", b"nothing", b"x" * 1_100_000])
def test_a_file_without_addresses_or_too_large_is_refused(
    place: SimpleNamespace, master: FlaskClient, content: bytes
) -> None:
    assert "Please check these entries" in upload(master, place.users, content)


@pytest.mark.parametrize("rows", [600, pytest.param(10_000, marks=pytest.mark.deep)])
def test_a_long_file_comes_in_with_one_step(
    session: Session, place: SimpleNamespace, master: FlaskClient, rows: int
) -> None:
    page = upload(master, place.users, b"\n".join(b"person%d@company.example" % n for n in range(rows)))
    assert f"{rows - 500:,} rows more are not shown".replace(",", "’") in page
    url = f"/user-groups/{place.users.id}/upload/add"
    answer = master.post(url, data={"found": sealed(page)}, follow_redirects=True)
    assert f"{rows:,} addresses were added".replace(",", "’") in answer.text
    assert f"{rows - 200:,} mails wait".replace(",", "’") in answer.text
    assert session.scalar(sa.select(sa.func.count(MailMessage.id))) == 200


def test_a_member_list_is_searched(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    for number in range(60):
        session.add(UserGroupMember(user_group_id=place.users.id, email=f"a{number}@x.example"))
    session.commit()
    page = f"/user-groups/{place.users.id}"
    assert "Page 1 of 2" in master.get(page).text
    found = master.get(page, query_string={"q": "A59"}).text
    assert ("a59@x.example" in found, "a58@x.example" in found) == (True, False)
    assert "No address found" in master.get(page, query_string={"q": "nobody"}).text
    with recorded() as statements:
        master.get(page)
    assert len(statements) <= 12


def test_many_are_removed_after_the_consequence_was_shown(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    top = world.grant(session, place.group, "administrate", place.users)
    operations.give(session, place.sub, place.group, Offer(Permission.DISPLAY, "child@x.example"))
    session.add(UserGroupMember(user_group_id=place.users.id, email="b@x.example"))
    session.flush()
    ids = session.scalars(sa.select(UserGroupMember.id)).all()
    session.commit()
    url = f"/user-groups/{place.users.id}/members/remove"
    page = master.get(url, query_string={"member": ids}).text
    assert "sub@x.example is taken out of the user group" in page
    assert "lose “Administrate group” on “Lugano Centro”" in page
    assert "child@x.example loses “Display stations”" in page
    assert "2 addresses were removed" in master.post(url, data={"member": ids}, follow_redirects=True).text
    assert inside(session, place.users) == []
    assert [grant.id for grant in session.scalars(sa.select(Grant).where(Grant.revoked_at.is_(None)))] == [top.id]


def test_members_of_another_group_are_not_removed(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    other = world.user_group(session, place.stranger, "Theirs", "b@x.example")
    theirs = other.members[0].id
    session.commit()
    answer = master.post(f"/user-groups/{place.users.id}/members/remove", data={"member": [theirs, "x", "9" * 40]})
    assert answer.status_code == 302
    assert inside(session, other) == ["b@x.example"]


def test_who_leaves_is_told_what_he_loses_and_his_own_grants_end(
    session: Session, place: SimpleNamespace, sub: FlaskClient
) -> None:
    world.grant(session, place.group, "administrate", place.users)
    child = operations.give(session, place.sub, place.group, Offer(Permission.DISPLAY, "child@x.example"))
    member = session.scalars(sa.select(UserGroupMember.id)).one()
    session.commit()
    url = f"/user-groups/memberships/{member}/leave"
    page = sub.get(url).text
    assert "You lose “Administrate group” on “Lugano Centro”" in page
    assert "child@x.example loses “Display stations”" in page
    assert sub.post(url).location == "/user-groups"
    session.refresh(child)
    assert child.revoked_at is not None
    assert inside(session, place.users) == []
    actions = session.scalars(sa.select(audit.AuditEntry.action)).all()
    assert "user_group:leave" in actions
    assert sub.get(f"/station-groups/{place.group.id}").status_code == 404


def test_what_has_no_effect_so_far_is_not_named_to_who_leaves(
    session: Session, place: SimpleNamespace, sub: FlaskClient
) -> None:
    world.grant(session, place.group, "display", place.users)
    session.execute(sa.delete(Licence).where(Licence.account_id == place.sub.id))
    member = session.scalars(sa.select(UserGroupMember.id)).one()
    session.commit()
    page = sub.get(f"/user-groups/memberships/{member}/leave").text
    assert "You lose 1 authorisation that is without effect for you so far." in page
    assert "Lugano Centro" not in page


def test_nobody_leaves_for_somebody_else(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    member = session.scalars(sa.select(UserGroupMember.id)).one()
    for account in (place.master, place.stranger):
        assert logged_in(account).post(f"/user-groups/memberships/{member}/leave").status_code == 404
    assert inside(session, place.users) == ["sub@x.example"]


def test_the_group_shows_everything_granted_to_it(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.grant(session, place.group, "manage", place.users, hides_drivers=True)
    session.commit()
    page = master.get(f"/user-groups/{place.users.id}").text
    for text in (
        "Lugano Centro",
        f"/station-groups/{place.group.id}/sharing",
        "Manage stations",
        "by Master",
        "without end",
    ):
        assert text in page, text
    assert "without the drivers" in page
    assert "Planned" not in page


def test_the_group_shows_what_is_planned_its_owners_licence_and_the_way_to_each_person(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.grant(session, place.group, "manage", place.users, starts_at=clock.now() + timedelta(days=3))
    session.execute(sa.delete(Licence).where(Licence.account_id == place.master.id))
    session.commit()
    page = shown(master.get(f"/user-groups/{place.users.id}"))
    for text in ("Planned", "The licence “Authorisation” is missing", "/access?email=sub@x.example"):
        assert text in page, text


def test_nothing_tells_whether_an_address_of_a_file_has_an_account(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.account(session, "aaa@x.example", Kind.AUTHORISATION)
    session.commit()
    told = []
    for email in ("aaa@x.example", "bbb@x.example"):
        with recorded() as statements:
            page = upload(master, place.users, email.encode())
            master.post(f"/user-groups/{place.users.id}/upload/add", data={"found": sealed(page)})
        told.append([text for text, _values in statements])
    assert told[0] == told[1]
    page = shown(master.get(f"/user-groups/{place.users.id}"))
    lines = [line for line in re.findall(r"<tr>.*?</tr>", page, re.S) if re.search("aaa|bbb", line)]
    assert len({re.sub(r'aaa|bbb|/members/\d+/|value="\d+"', "", line) for line in lines}) == 1


def test_two_who_add_the_same_address_add_it_once(session: Session, place: SimpleNamespace) -> None:
    assert [memberships.add(session, place.master, place.users, ["a@x.example"]) for _ in range(2)] == [1, 0]
