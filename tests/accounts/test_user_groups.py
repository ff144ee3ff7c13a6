"""User groups: their addresses, their pages, and what they tell of whom."""

import csv
import io
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts import address_files, user_groups
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from tests import world

Browser = Callable[[Account], FlaskClient]


def emails(session: Session) -> list[str]:
    found = list(session.scalars(sa.select(UserGroupMember.email).order_by(UserGroupMember.email)))
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return found


@pytest.mark.parametrize(
    "text",
    [
        "a@x.example b@x.example",
        "a@x.example,b@x.example;",
        " A@X.example\r\n\tb@x.example\n\na@x.example",
        "Anna Muster <a@x.example>; Bruno <b@x.example>",
    ],
)
def test_addresses_are_found_in_what_people_paste(text: str) -> None:
    assert user_groups.addresses(text) == ["a@x.example", "b@x.example"]


@pytest.mark.parametrize("text", ["", " ;, ", "a@x", "ä@x.example", "a@x.example\x00", "a@x.example b@"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RuleBroken) as broken:
        user_groups.addresses(text)
    assert broken.value.field == "emails"


def test_too_many_at_once_are_refused() -> None:
    with pytest.raises(RuleBroken, match="at most 1000"):
        user_groups.addresses(" ".join(f"a{n}@x.example" for n in range(1001)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_column_of_the_addresses_is_found(encoding: str, separator: str) -> None:
    rows = [
        ["Name", "Größe", "E-Mail"],
        ["Müller, Anna", "1.80", "A@x.example"],
        [],
        ['Rüdi "R"', "", " Rüdi <b@x.example> "],
        ["Nobody", "x@", ""],
        ["Nöl", "", "nöl@x.example"],
    ]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    found = address_files.read(text.getvalue().encode(encoding))
    assert [(row.line, row.email) for row in found] == [(2, "a@x.example"), (4, "b@x.example"), (5, None), (6, None)]
    assert found[-1].text == "nöl@x.example"


def test_a_list_of_addresses_without_headings_is_a_file_too() -> None:
    assert [row.email for row in address_files.read(b"a@x.example\r\nb@x.example")] == ["a@x.example", "b@x.example"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "No e-mail address"),
        (b"name;mail\nAnna;none\n", "No e-mail address"),
        (bytes(range(256)) * 20, "No e-mail address"),
        (b"a@x.example\n" * 10_001, "more than 10000 rows"),
        (b"a@x.example\n" * 100_000, "larger than 1 MB"),
        (b'"' + b"a" * 200_000 + b'"\na@x.example', "No e-mail address"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(RuleBroken, match=why) as broken:
        address_files.read(content)
    assert broken.value.field == "file"


def test_a_file_of_the_largest_size_is_read() -> None:
    assert len(address_files.read(b"mail\n" + b"".join(b"a%d@x.example\n" % n for n in range(10_000)))) == 10_000


def test_adding_says_who_is_new(session: Session) -> None:
    master = world.account(session, "master@x.example")
    group = world.user_group(session, master, "Piquet", "a@x.example")
    added = user_groups.add_addresses(session, master, group, ["a@x.example", "b@x.example"])
    assert [member.email for member in added] == ["b@x.example"]
    assert user_groups.inside(session, group) == {"a@x.example", "b@x.example"}


def test_addresses_are_searched_as_they_are_written(session: Session) -> None:
    group = world.user_group(
        session, world.account(session, "m@x.example"), "P", "a_b@x.example", "aXb@x.example".lower()
    )
    assert [member.email for member in user_groups.members(session, group, text=" A_B").items] == ["a_b@x.example"]
    assert user_groups.members(session, group, text="%").total == 0


def test_the_owner_makes_fills_and_renames_one(session: Session, logged_in: Browser) -> None:
    browser = logged_in(world.account(session, "master@x.example"))
    made = browser.post("/user-groups/new", data={"name": " Piquet  Süd ", "emails": "a@x.example"})
    browser.post(f"{made.location}/members", data={"emails": "b@x.example, a@x.example"})
    browser.post(f"{made.location}/edit", data={"name": "Piquet Nord"})
    page = browser.get(made.location).text
    assert "Piquet Nord" in page
    assert emails(session) == ["a@x.example", "b@x.example"]
    actions = session.scalars(sa.select(AuditEntry.action).where(AuditEntry.subject.like("user_group/%"))).all()
    assert sorted(actions) == ["user_group:add_member"] * 2 + ["user_group:create", "user_group:edit"]


def test_a_bad_address_is_quoted_and_nothing_is_written(session: Session, logged_in: Browser) -> None:
    master = world.account(session, "master@x.example")
    group = world.user_group(session, master, "Piquet")
    answer = logged_in(master).post(f"/user-groups/{group.id}/members", data={"emails": "good@x.example bad@"})
    assert answer.status_code == 422
    assert "“bad@”" in answer.text
    assert "good@x.example bad@" in answer.text
    assert emails(session) == []


def test_a_name_is_used_once_per_owner(session: Session, logged_in: Browser) -> None:
    master, other = (world.account(session, f"{name}@x.example") for name in ("master", "other"))
    world.user_group(session, other, "Piquet")
    browser = logged_in(master)
    assert [browser.post("/user-groups/new", data={"name": "Piquet"}).status_code for _ in range(2)] == [302, 422]


def test_nothing_tells_whether_an_address_has_an_account(session: Session, logged_in: Browser) -> None:
    master = world.account(session, "master@x.example")
    world.account(session, "known@x.example")
    pages = []
    for email in ("known@x.example", "other@x.example"):
        group = world.user_group(session, master, f"Group {email}", email)
        page = logged_in(master).get(f"/user-groups/{group.id}").text
        pages.append(page[page.index("<main") :].replace(email, "").replace(f"/{group.id}", ""))
    member_ids = session.scalars(sa.select(UserGroupMember.id)).all()
    told = [
        re.sub(rf'/members/{number}|value="{number}"', "", page) for page, number in zip(pages, member_ids, strict=True)
    ]
    tokens = [sorted(set(text.split("csrf_token")[0::2])) for text in told]
    assert tokens[0] == tokens[1]


def test_a_member_sees_name_and_owner_and_nothing_else(session: Session, logged_in: Browser) -> None:
    master, sub = world.account(session, "master@x.example"), world.account(session, "sub@x.example")
    group = world.user_group(session, master, "Piquet Sottoceneri", "sub@x.example", "colleague@x.example")
    browser = logged_in(sub)
    page = browser.get("/user-groups").text
    assert "You are in these user groups" in page
    assert "Piquet Sottoceneri" in page
    assert "/leave" in page
    assert "master@x.example" in page
    assert "colleague@x.example" not in page
    for url in ("", "/edit", "/delete"):
        assert browser.get(f"/user-groups/{group.id}{url}").status_code == 404


def test_removing_and_deleting_ask_first(session: Session, logged_in: Browser) -> None:
    master = world.account(session, "master@x.example")
    lugano = world.station_group(session, master, "Lugano Centro")
    group = world.user_group(session, master, "Piquet", "sub@x.example", "b@x.example")
    world.grant(session, lugano, "manage", group)
    browser = logged_in(master)
    session.refresh(group)
    remove = f"/user-groups/members/{group.members[0].id}/remove"
    session.commit()
    assert "Lugano Centro" in browser.get(remove).text
    assert browser.post(remove).status_code == 302
    assert len(emails(session)) == 1
    assert "Piquet loses “Manage stations”" in browser.get(f"/user-groups/{group.id}/delete").text
    assert browser.post(f"/user-groups/{group.id}/delete").location == "/user-groups"
    assert session.scalars(sa.select(UserGroup)).all() == []


def test_every_member_of_a_deleted_group_stands_in_the_audit_log(session: Session, logged_in: Browser) -> None:
    master = world.account(session, "master@x.example")
    group = world.user_group(session, master, "Piquet", "sub@x.example", "b@x.example")
    browser = logged_in(master)
    browser.post(f"/user-groups/{group.id}/delete")
    log = browser.get("/audit").text
    for told in ("Removed sub@x.example from", "Removed b@x.example from", "Deleted"):
        assert f"{told} the user group Piquet" in log
