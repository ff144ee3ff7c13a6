"""The pages of sharing: who sees what, what a form refuses, what is told of the other side."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from time import monotonic
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import clock
from portal.core.mail import MailMessage
from portal.core.web import limiter
from portal.licences.models import Kind, Licence
from portal.stations.models import Grant, StationGroup
from tests import world
from tests.statements import recorded
from tests.test_guards import examples

Browser = Callable[[Account], FlaskClient]

VERSIONS = count(1000)  # limits are counted for each log-in, and outlive a test


def page_of(place: SimpleNamespace) -> str:
    return f"/station-groups/{place.group.id}/sharing"


def test_the_owner_gives_and_sees_it(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    data = {"email": "sub@x.example", "role": "manage", "ends_on": "2099-12-31", "hides_drivers": "y"}
    answer = master.post(page_of(place) + "/add", data=data, follow_redirects=True)
    assert "sub@x.example" in answer.text
    assert "Dec 31, 2099" in answer.text or "31 Dec 2099" in answer.text
    grant = session.scalars(sa.select(Grant)).one()
    assert (grant.role, grant.hides_drivers, grant.granted_by_id) == ("manage", True, place.master.id)


def test_the_mail_is_the_same_whether_an_account_exists_or_not(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    for email in ("sub@x.example", "nobody@x.example"):
        master.post(page_of(place) + "/add", data={"email": email, "role": "display"})
    known, unknown = session.scalars(sa.select(MailMessage).order_by(MailMessage.id)).all()
    assert (known.recipient, unknown.recipient) == ("sub@x.example", "nobody@x.example")
    bodies = {re.sub(r"/invitation/\S+", "/invitation/…", mail.body) for mail in (known, unknown)}
    assert known.subject == unknown.subject
    assert len(bodies) == 1
    assert "http://piquet.example/shared-with-me" in known.body


def test_a_user_group_gets_no_mail(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    master.post(page_of(place) + "/add", data={"user_group": place.users.id, "role": "display"})
    assert session.scalars(sa.select(Grant)).one().user_group_id == place.users.id
    assert not session.scalars(sa.select(MailMessage)).all()


@pytest.mark.parametrize(
    "data",
    [
        {"role": "display"},
        {"email": "a@x.example"},
        {"email": "a@x.example", "role": "owner"},
        {"email": "a@x.example", "role": "display", "ends_on": "2001-01-01"},
        {"email": "a@x.example", "role": "display", "ends_on": "9999-12-31"},
        {"email": "ä@x.example", "role": "display"},
        {"email": "a@x.example", "role": "display", "user_group": "1"},
        {"user_group": "4711", "role": "display"},
        {"user_group": "\u2028", "role": "display"},
    ],
)
def test_a_wrong_entry_is_refused_and_kept(
    session: Session, place: SimpleNamespace, master: FlaskClient, data: dict[str, str]
) -> None:
    answer = master.post(page_of(place) + "/add", data=data)
    assert answer.status_code == 422
    assert "Please check these entries" in answer.text
    assert data.get("email", "") in answer.text
    assert not session.scalars(sa.select(Grant)).all()


def test_who_only_sees_the_group_gets_no_sharing(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    world.grant(session, place.group, "manage", place.sub.email)
    grant = world.grant(session, place.group, "display", "a@x.example")
    browser = logged_in(place.sub)
    for url in (page_of(place), page_of(place) + "/add", f"/grants/{grant.id}/revoke", f"/grants/{grant.id}/change"):
        assert browser.get(url).status_code == 403, url


def test_an_account_without_licence_reads_like_no_account(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.account(session, "aaa@x.example")
    world.account(session, "bbb@x.example", Kind.AUTHORISATION, verified=False)
    for email in ("aaa@x.example", "bbb@x.example", "ccc@x.example"):
        world.grant(session, place.group, "display", email)
    session.commit()
    rows = re.findall(r"<tr>.*?</tr>", master.get(page_of(place)).text, re.DOTALL)[2:]
    told = {re.sub(r"(aaa|bbb|ccc)@x.example|>[ABC]<|/grants/\d+/|value=.\d+.", "", row) for row in rows}
    assert len(rows) == 3
    assert len(told) == 1
    assert "The other side must act" in told.pop()


def test_both_sides_learn_which_one_must_act(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    world.grant(session, place.group, "display", place.sub.email)
    session.execute(sa.delete(Licence).where(Licence.account_id == place.master.id))
    page, mine = logged_in(place.master).get(page_of(place)).text, logged_in(place.sub).get("/shared-with-me").text
    assert "The licence “Authorisation” is missing" in page
    assert "This side must act" in page
    assert "The other side must act" not in page
    assert "The other side must act" in mine
    assert "Your licence is missing" not in mine
    assert "master@x.example" in mine
    assert "Lugano Centro" not in mine


def test_the_sub_account_learns_that_its_own_licence_is_missing(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "display", place.users)
    session.execute(sa.delete(Licence).where(Licence.account_id == place.sub.id))
    mine = logged_in(place.sub).get("/shared-with-me").text
    assert "1 station group is shared with you, without effect so far" in mine
    assert "Your licence is missing" in mine
    assert "The other side must act" not in mine
    assert "Lugano Centro" not in mine


def test_what_is_shared_is_listed_with_its_owner(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    world.grant(session, place.group, "display", place.users)
    world.grant(session, place.group, "manage", place.sub.email)
    page = logged_in(place.sub).get("/shared-with-me").text
    assert page.count(">Lugano Centro<") == 1
    assert "Manage stations" in page
    assert "Piquet" in page


def test_opening_a_shared_page_marks_the_grant_as_used_once_a_day(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    def uses(of: Grant) -> tuple[datetime | None, datetime | None]:
        session.refresh(of)
        session.commit()  # on SQLite an open transaction of the test would block the application's
        return of.first_used_at, of.last_used_at

    grant = world.grant(session, place.group, "manage", place.sub.email)
    weaker = world.grant(session, place.group, "display", place.sub.email)
    browser = logged_in(place.sub)
    browser.get("/shared-with-me")
    assert uses(grant) == (None, None)
    station, group = f"/stations/{place.stations[0].id}", f"/station-groups/{place.group.id}"
    session.commit()
    assert browser.get(station).status_code == 200
    first, last = uses(grant)
    assert first == last is not None
    browser.get(group)
    assert uses(grant) == (first, last)
    assert uses(weaker) == (None, None)
    grant.last_used_at = last - timedelta(days=2)
    session.commit()
    browser.get(group)
    assert uses(grant)[0] == first < uses(grant)[1]


def test_a_reader_waits_for_nobody_who_writes_and_is_noted_the_next_time(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    grant = world.grant(session, place.group, "manage", place.users)
    browser = logged_in(place.sub)
    urls = [f"/stations/{place.stations[0].id}", f"/station-groups/{place.group.id}"]
    session.commit()
    session.execute(sa.update(Grant).values(hides_drivers=True))  # of somebody else, who has not come to an end
    session.execute(sa.update(UserGroupMember).values(first_used_at=None))
    began = monotonic()
    assert [browser.get(url).status_code for url in urls] == [200, 200]
    assert monotonic() - began < 10
    session.refresh(grant)
    assert grant.last_used_at is None
    session.commit()
    browser.get(urls[1])
    session.refresh(grant)
    assert grant.last_used_at is not None
    assert None not in session.scalars(sa.select(UserGroupMember.first_used_at)).all()


@pytest.mark.parametrize("to", ["sub@x.example", "user group"])
def test_all_that_belongs_to_what_is_shared_counts_as_use(
    session: Session, place: SimpleNamespace, logged_in: Browser, to: str
) -> None:
    place.users.name = "On call"  # the examples have a Piquet too
    ids = examples(session, place.master)
    group = session.get_one(StationGroup, ids["station_group_id"])
    grant = world.grant(session, group, "administrate", to if "@" in to else place.users)
    browser = logged_in(place.sub)
    opened = ("/connectors/{connector_id}", "/sessions/{charging_session_id}", "/exports/tasks/{task_id}")
    opened += ("/exports/runs/{run_id}", "/exports/runs/{run_id}/files/0", "/grants/{grant_id}/revoke")
    for url in opened:
        session.execute(sa.update(Grant).values(last_used_at=None))
        session.commit()
        answer = browser.get(url.format(**ids))
        assert (answer.status_code, bool(answer.data)) == (200, True), url
        session.refresh(grant)
        assert grant.last_used_at is not None, url


def test_a_form_that_was_taken_counts_as_use_and_a_refused_one_does_not(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    grant = world.grant(session, place.group, "administrate", place.sub.email)
    browser = logged_in(place.sub)
    for email, status, used in (("", 422, False), ("a@x.example", 302, True)):
        answer = browser.post(page_of(place) + "/add", data={"role": "display", "email": email})
        assert answer.status_code == status
        session.refresh(grant)
        assert (grant.last_used_at is not None) == used
        session.commit()


def test_each_member_of_a_user_group_has_a_last_use_of_his_own(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "display", place.users)
    other = world.account(session, "b@x.example", Kind.AUTHORISATION)
    session.add(UserGroupMember(user_group_id=place.users.id, email=other.email, last_used_at=clock.now()))
    long_ago = clock.now() - timedelta(days=40)
    session.execute(sa.update(UserGroupMember).values(first_used_at=long_ago, last_used_at=long_ago))
    session.commit()
    logged_in(place.sub).get(f"/station-groups/{place.group.id}")
    rows = session.scalars(sa.select(UserGroupMember).execution_options(populate_existing=True)).all()
    last = {row.email: row.last_used_at for row in rows}
    assert {row.first_used_at for row in rows} == {long_ago}
    assert last["b@x.example"] == long_ago < last["sub@x.example"]


def test_neither_the_owner_nor_a_refused_visitor_uses_a_grant(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    grant = world.grant(session, place.group, "manage", place.sub.email)
    session.execute(sa.delete(Licence).where(Licence.account_id == place.sub.id))
    for account in (place.master, place.sub):
        logged_in(account).get(f"/station-groups/{place.group.id}")
    session.refresh(grant)
    assert grant.first_used_at is None


def test_revoking_lists_what_ends_and_ends_it(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    top = world.grant(session, place.group, "administrate", place.sub.email)
    fields = {"under_grant_id": top.id, "granted_by_id": place.sub.id}
    child = world.grant(session, place.group, "display", "child@x.example")
    for name, value in fields.items():
        setattr(child, name, value)
    session.commit()
    page = master.get(f"/grants/{top.id}/revoke").text
    assert "child@x.example loses “Display stations”. 2 stations become invisible there." in page
    assert "1 authorisation that was given under it ends too." in page
    assert "2 authorisations have ended" in master.post(f"/grants/{top.id}/revoke", follow_redirects=True).text
    history = master.get(page_of(place)).text
    assert "Show 2 ended authorisations" in history
    assert "child@x.example" in history


def test_an_administrator_who_revokes_himself_is_led_out(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    own = world.grant(session, place.group, "administrate", place.sub.email)
    browser = logged_in(place.sub)
    assert browser.post(f"/grants/{own.id}/revoke").location == "/shared-with-me"
    assert browser.get(page_of(place)).status_code == 404


def test_a_change_is_one_step(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    old = world.grant(session, place.group, "manage", place.users)
    session.commit()
    assert master.post(f"/grants/{old.id}/change", data={"role": "display"}).status_code == 302
    assert master.post(f"/grants/{old.id}/change", data={"role": "manage"}).status_code == 422
    roles = session.scalars(sa.select(Grant.role).where(Grant.revoked_at.is_(None))).all()
    assert roles == ["display"]


def test_giving_and_changing_share_one_limit_of_letters(
    session: Session, place: SimpleNamespace, logged_in: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = world.grant(session, place.group, "display", "a@x.example")
    place.master.session_version = next(VERSIONS)
    master = logged_in(place.master)
    monkeypatch.setattr(limiter, "enabled", True)
    add, change = page_of(place) + "/add", f"/grants/{grant.id}/change"
    answers = [master.post(url, data={}).status_code for _ in range(61) for url in (add, change)]
    assert (answers[119], answers[-2:]) == (422, [429, 429])
    assert master.get(add).status_code == 200


def test_the_list_takes_as_many_statements_for_many_grants_as_for_few(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    browser = logged_in(place.master)
    world.grant(session, place.group, "display", place.users)
    session.commit()
    with recorded() as few:
        browser.get(page_of(place))
    for number in range(60):
        world.grant(
            session, place.group, "display", f"a{number}@x.example", revoked_at=clock.now() if number % 2 else None
        )
    session.commit()
    with recorded() as many:
        assert browser.get(page_of(place)).status_code == 200
    assert len(many) == len(few) <= 12
