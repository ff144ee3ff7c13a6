"""Going through what is shared: what is listed, confirmed, revoked, taken along, and when a mail asks for it."""

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.core.mail import MailMessage
from portal.sharing import received, review_reminders, reviews
from portal.sharing.reviews import Filter
from portal.stations.models import Grant, StationGroup
from portal.workers.chores import Seldom
from tests import world
from tests.statements import plan, recorded

Browser = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)
LINKS = Links("a secret", "http://piquet.example")


def listed(session: Session, reader: Account, **wanted: str) -> list[int]:
    return [line.grant.id for line in reviews.by_me(session, reader.id, Filter(**wanted)).items]


def ago(days: int) -> dict[str, object]:
    instant = clock.now() - days * DAY
    return {"granted_at": instant, "starts_at": instant}


@pytest.fixture
def grants(session: Session, place: SimpleNamespace) -> dict[str, Grant]:
    """One grant of each state on the master's group, by the name of the state."""
    now = clock.now()
    fields = {
        "in_use": {"first_used_at": now, "last_used_at": now},
        "invited": {},
        "planned": {"starts_at": now + DAY},
        "ending": {"ends_at": now + 5 * DAY},
        "unused": ago(100),
        "unreviewed": ago(400) | {"last_used_at": now, "first_used_at": now},
        "ended": {"ends_at": now - DAY},
        "revoked": {"revoked_at": now - DAY},
        "long_ended": {"ends_at": now - 100 * DAY},
    }
    return {
        name: world.grant(session, place.group, "display", f"{name}@x.example", **values)
        for name, values in fields.items()
    }


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("", {"in_use", "invited", "planned", "ending", "unused", "unreviewed"}),
        ("in_use", {"in_use", "unreviewed"}),
        ("invited", {"invited", "ending", "unused"}),
        ("planned", {"planned"}),
        ("ending", {"ending"}),
        ("endless", {"in_use", "invited", "planned", "unused", "unreviewed"}),
        ("unused", {"unused"}),
        ("unreviewed", {"unreviewed"}),
        ("ended", {"ended", "revoked"}),
    ],
)
def test_the_list_is_filtered_by_state(
    session: Session, place: SimpleNamespace, grants: dict[str, Grant], state: str, names: set[str]
) -> None:
    assert set(listed(session, place.master, state=state)) == {grants[name].id for name in names}


@pytest.mark.parametrize("text", ["SUB@x", "piquet", "lugano"])
def test_a_person_is_found_by_address_user_group_and_station_group(
    session: Session, place: SimpleNamespace, text: str
) -> None:
    direct = world.grant(session, place.group, "display", "sub@x.example")
    through = world.grant(session, place.group, "manage", place.users)
    found = {"SUB@x": {direct.id, through.id}, "piquet": {through.id}, "lugano": {direct.id, through.id}}
    assert set(listed(session, place.master, text=text)) == found[text]
    assert listed(session, place.master, text="nobody") == []
    assert listed(session, place.master, role="manage") == [through.id]


def test_an_administrator_reviews_the_group_and_does_not_search_in_the_owners_user_groups(
    session: Session, place: SimpleNamespace
) -> None:
    own = world.grant(session, place.group, "administrate", "sub@x.example")
    hidden = world.user_group(session, place.master, "Others", "secret@x.example")
    through = world.grant(session, place.group, "display", hidden)
    world.grant(session, world.station_group(session, place.master), "display", "sub@x.example")
    assert set(listed(session, place.sub)) == {own.id, through.id}
    assert listed(session, place.sub, text="secret") == []
    assert listed(session, place.master, text="secret") == [through.id]
    assert listed(session, place.stranger) == []


def test_confirming_notes_day_and_name_and_is_audited(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    grant = world.grant(session, place.group, "display", "sub@x.example", **ago(400))
    session.commit()
    answer = master.post("/shared-by-me/confirm", data={"only": grant.id, "back": "/shared-by-me?state=unreviewed"})
    assert answer.location == "/shared-by-me?state=unreviewed"
    session.refresh(grant)
    assert (grant.reviewed_by_id, grant.reviewed_at is not None) == (place.master.id, True)
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "grant:review")).one()
    assert (entry.actor_id, entry.owner_id, entry.detail["grant"]) == (place.master.id, place.master.id, grant.id)
    assert "by Master" in master.get("/shared-by-me").text


def test_nobody_confirms_or_revokes_what_is_not_his(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    world.grant(session, place.group, "manage", "sub@x.example")
    grant = world.grant(session, place.group, "display", "third@x.example")
    for account in (place.sub, place.stranger):
        browser = logged_in(account)
        for verb in ("confirm", "revoke"):
            browser.post(f"/shared-by-me/{verb}", data={"grant": grant.id, "agreed": "1"})
    session.refresh(grant)
    assert (grant.reviewed_at, grant.revoked_at) == (None, None)


def test_many_are_revoked_at_once_after_the_consequences_were_shown(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    other = world.station_group(session, place.master, "Bellinzona")
    one, two = (world.grant(session, group, "display", "sub@x.example") for group in (place.group, other))
    session.commit()
    page = " ".join(master.post("/shared-by-me/revoke", data={"grant": [one.id, two.id]}).text.split())
    assert "Lugano Centro: sub@x.example loses" in page
    assert "Bellinzona: sub@x.example loses" in page
    session.refresh(one)
    assert one.revoked_at is None
    session.commit()
    master.post("/shared-by-me/revoke", data={"grant": [one.id, two.id], "agreed": "1"})
    for grant in (one, two):
        session.refresh(grant)
        assert grant.revoked_by_id == place.master.id


def hidden(page: str) -> dict[str, list[str]]:
    """What the form of a page that asks sends along."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(value)
    return fields


@pytest.fixture
def across(session: Session, place: SimpleNamespace) -> list[Grant]:
    """Two grants of the master's, on two station groups; under the first one hangs another."""
    other = world.station_group(session, place.master, "Bellinzona")
    first = world.grant(session, place.group, "administrate", "sub@x.example")
    world.grant(session, place.group, "manage", "child@x.example", under_grant_id=first.id)
    return [first, world.grant(session, other, "display", "third@x.example")]


def live(session: Session) -> dict[str | None, str]:
    found = {row.email: row.role for row in session.scalars(sa.select(Grant).where(Grant.revoked_at.is_(None)))}
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return found


def test_many_are_changed_across_station_groups_after_the_consequences_were_shown(
    session: Session, place: SimpleNamespace, master: FlaskClient, across: list[Grant]
) -> None:
    before, ids, back = live(session), [grant.id for grant in across], "/shared-by-me?q=x"
    form = master.post("/shared-by-me/change", data={"grant": ids, "back": back}).text
    assert "Bellinzona: third@x.example" in form
    chosen = hidden(form) | {"role": "manage", "end": "keep"}
    page = " ".join(master.post("/shared-by-me/change", data=chosen).text.split())
    assert "Bellinzona: third@x.example: “Display stations” becomes “Manage stations”." in page
    assert "Lugano Centro: child@x.example loses “Manage stations”." in page
    assert live(session) == before
    answer = master.post("/shared-by-me/change", data=hidden(page))
    assert answer.location == back
    assert live(session) == {"sub@x.example": "manage", "third@x.example": "manage"}


def test_of_many_either_all_are_changed_or_none(
    session: Session, place: SimpleNamespace, master: FlaskClient, across: list[Grant]
) -> None:
    world.grant(session, session.get_one(StationGroup, across[1].station_group_id), "manage", "third@x.example")
    before = live(session)
    chosen = {"grant": [grant.id for grant in across], "role": "manage", "end": "keep"}
    answer = master.post("/shared-by-me/change", data=chosen)
    assert answer.status_code == 422
    assert "Nothing is changed. third@x.example: This authorisation exists already" in answer.text
    assert live(session) == before


def test_who_administrates_changes_many_only_up_to_what_he_may_give_on_all(
    session: Session, place: SimpleNamespace, sub: FlaskClient, across: list[Grant]
) -> None:
    own = world.station_group(session, place.sub, "Chiasso")
    mine = world.grant(session, own, "display", "third@x.example")
    child = session.scalars(sa.select(Grant.id).where(Grant.email == "child@x.example")).one()
    session.commit()
    page = sub.post("/shared-by-me/change", data={"grant": [mine.id, child, across[1].id]}).text
    assert ("Chiasso: third@x.example" in page, "Lugano Centro: child@x.example" in page) == (True, True)
    assert "Bellinzona" not in page
    sub.post("/shared-by-me/change", data={"grant": across[1].id, "role": "manage", "end": "keep"})
    assert live(session)["third@x.example"] == "display"


def test_a_right_lost_at_the_last_moment_is_refused_and_recorded(
    session: Session, place: SimpleNamespace, sub: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the list and the act: the rule asks again, and nothing of the attempt is lost."""
    own = world.grant(session, place.group, "administrate", "sub@x.example")
    grant = world.grant(session, place.group, "display", "third@x.example")
    session.commit()
    chosen = reviews.chosen

    def then_lose_it(asking: Session, *arguments: Any) -> object:
        lines = chosen(asking, *arguments)
        asking.execute(sa.update(Grant).where(Grant.id == own.id).values(revoked_at=clock.now()))
        return lines

    monkeypatch.setattr(reviews, "chosen", then_lose_it)
    assert sub.post("/shared-by-me/revoke", data={"grant": grant.id, "agreed": "1"}).status_code == 403
    session.refresh(grant)
    assert grant.revoked_at is None
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "access:refused")).one()
    assert (entry.actor_id, entry.detail["path"]) == (place.sub.id, "/shared-by-me/revoke")


def rows_of(answer: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))  # type: ignore[attr-defined]


def test_the_csv_holds_what_the_filter_lets_through_and_no_formula(
    session: Session, place: SimpleNamespace, master: FlaskClient
) -> None:
    evil = world.station_group(session, place.master, "=1+1")
    for group in (place.group, evil):
        world.grant(session, group, "manage", "sub@x.example")
    world.grant(session, place.group, "display", "third@x.example")
    session.commit()
    rows = rows_of(master.get("/shared-by-me.csv?role=manage"))
    assert [row[0] for row in rows[1:]] == ["'=1+1", "Lugano Centro"]
    assert {len(row) for row in rows} == {17}
    assert rows[1][2:5] == ["sub@x.example", "1", "Manage stations"]


def test_what_is_shared_with_me_is_filtered_and_taken_along(
    session: Session, place: SimpleNamespace, sub: FlaskClient
) -> None:
    other = world.station_group(session, place.stranger, "Chiasso")
    world.grant(session, place.group, "display", place.users)
    world.grant(session, place.group, "manage", "sub@x.example", last_used_at=clock.now())
    world.grant(session, other, "display", "sub@x.example")
    session.commit()
    assert [row[0] for row in rows_of(sub.get("/shared-with-me.csv"))[1:]] == ["Chiasso", "Lugano Centro"]
    assert [row[0] for row in rows_of(sub.get("/shared-with-me.csv?role=display"))[1:]] == ["Chiasso"]
    assert [row[0] for row in rows_of(sub.get("/shared-with-me.csv?q=lugano"))[1:]] == ["Lugano Centro"]
    page = sub.get("/shared-with-me?role=manage").text
    assert "Lugano Centro" in page
    assert "Chiasso" not in page


def test_the_use_of_a_user_group_is_not_told_as_my_own(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", place.users, last_used_at=clock.now())
    row = received.listed(session, place.sub, Filter()).items[0]
    assert (row.user_group_name, row.used_at) == ("Piquet", None)


def test_owners_are_reminded_once_a_year(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", "sub@x.example", **ago(400))
    world.grant(session, place.group, "display", "third@x.example", **ago(400), revoked_at=clock.now())
    recent = world.station_group(session, place.stranger)
    world.grant(session, recent, "display", "sub@x.example", **ago(300))
    assert review_reminders.remind(session, LINKS) == 1
    assert review_reminders.remind(session, LINKS) == 0
    letter = session.scalars(sa.select(MailMessage)).one()
    assert letter.recipient == "master@x.example"
    assert "1 authorisation that nobody" in letter.body
    assert "http://piquet.example/shared-by-me?state=unreviewed" in letter.body


def test_what_was_confirmed_needs_no_reminder(session: Session, place: SimpleNamespace) -> None:
    grant = world.grant(session, place.group, "display", "sub@x.example", **ago(400))
    reviews.confirm(session, place.master, [grant.id])
    assert review_reminders.remind(session, LINKS) == 0


def test_the_chore_looks_seldom(session: Session, place: SimpleNamespace) -> None:
    remind = Seldom(review_reminders.remind, review_reminders.LOOK_EVERY, review_reminders.AT_ONCE)
    assert remind(session, LINKS) == 0
    world.grant(session, place.group, "display", "sub@x.example", **ago(400))
    assert remind(session, LINKS) == 0
    assert review_reminders.remind(session, LINKS) == 1


def test_the_pages_ask_few_questions_and_read_no_table(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    for number in range(60):
        group = world.station_group(session, place.master)
        world.grant(session, group, "administrate", "sub@x.example")
        world.grant(session, group, "display", f"person{number}@x.example")
    browser = logged_in(place.sub)
    for url in ("/shared-by-me", "/shared-by-me?state=unused&q=person", "/shared-with-me", "/shared-by-me?page=3"):
        with recorded() as statements:
            assert browser.get(url).status_code == 200
        assert len(statements) <= 12, (url, statements)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_owner_and_an_administrator_read_their_grants_by_an_index(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", "sub@x.example")
    for reader in (place.master, place.sub):
        with recorded() as statements:
            reviews.by_me(session, reader.id, Filter())
        plans = [plan(session, statement) for statement in statements]
        assert not [found for found in plans if "SCAN station_group_grant" in found]
