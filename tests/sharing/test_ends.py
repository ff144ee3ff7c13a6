"""Grants with a beginning and an end: planned, limited, announced, extended, over at that instant everywhere."""

import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.links import Links
from portal.core import authz, clock, mail
from portal.core.audit import AuditEntry
from portal.core.db import session_factory
from portal.core.errors import NotAllowed, RuleBroken
from portal.core.mail import MailMessage
from portal.licences.models import Kind
from portal.sharing import extending, operations, queries, reminders, terms
from portal.sharing.operations import Offer
from portal.sharing.terms import Span
from portal.stations.models import Grant, Permission
from tests import world

DISPLAY, ADMINISTRATE = Permission.DISPLAY, Permission.ADMINISTRATE
LINKS = Links("key", "http://piquet.example")
ZURICH = ZoneInfo("Europe/Zurich")
DAY = timedelta(days=1)
ASK = """
import sys, time
from portal import models
from portal.core import authz
from portal.core.db import reading_only, session_factory
url, account, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sessions = session_factory(url)
for line in sys.stdin:
    with reading_only(), sessions() as session:
        print(authz.may(session, account, "station:view", [group]), flush=True)
"""


def mails(session: Session) -> list[MailMessage]:
    return list(session.scalars(sa.select(MailMessage).order_by(MailMessage.id)))


def test_a_planned_grant_acts_from_its_first_day_on(session: Session, place: SimpleNamespace) -> None:
    begins = clock.now() + timedelta(seconds=1)
    operations.give(session, place.master, place.group, Offer(DISPLAY, place.sub.email, starts_at=begins))
    session.commit()
    assert not authz.may(session, place.sub.id, "station:view", [place.group.id])
    assert [line.state for line in queries.listed(session, place.group).live.items] == ["planned"]
    session.commit()
    time.sleep(1.1)
    assert authz.may(session, place.sub.id, "station:view", [place.group.id])
    assert [line.state for line in queries.listed(session, place.group).live.items] == ["invited"]


def test_an_ended_grant_is_inert_at_that_instant_in_every_process(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    command = [sys.executable, "-c", ASK, database_url, str(place.sub.id), str(place.group.id)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert other.stdin is not None
    assert other.stdout is not None

    def answers() -> tuple[str, bool]:
        print("?", file=other.stdin, flush=True)
        with session_factory(database_url)() as own:
            return other.stdout.readline().strip(), authz.may(own, place.sub.id, "station:view", [place.group.id])

    session.commit()
    assert answers() == ("False", False)
    ends_at = clock.now() + timedelta(seconds=4)
    operations.give(session, place.master, place.group, Offer(DISPLAY, place.sub.email, ends_at=ends_at))
    session.commit()
    assert answers() == ("True", True)
    time.sleep(max(0, (ends_at - clock.now()).total_seconds()) + 0.005)
    assert answers() == ("False", False)
    other.stdin.close()
    assert other.wait(10) == 0
    assert [line.state for line in queries.listed(session, place.group).past.items] == ["ended"]


@pytest.mark.parametrize(
    ("starts", "ends", "field"), [(-1, None, "starts_on"), (3, 2, "ends_on"), (3, 3, "ends_on"), (None, -1, "ends_on")]
)
def test_days_out_of_order_are_refused(
    session: Session, place: SimpleNamespace, starts: int | None, ends: int | None, field: str
) -> None:
    now = clock.now()
    starts_at, ends_at = (None if days is None else now + days * DAY for days in (starts, ends))
    with pytest.raises(RuleBroken) as broken:
        operations.give(
            session, place.master, place.group, Offer(DISPLAY, "a@x.example", starts_at=starts_at, ends_at=ends_at)
        )
    assert broken.value.field == field


def test_the_owners_maximum_binds_him_and_his_administrators(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.sub.email)
    place.master.grant_most_days = 10
    session.flush()
    for giver in (place.master, place.sub):
        for ends_at in (None, clock.now() + 12 * DAY):
            with pytest.raises(RuleBroken, match="10 days") as broken:
                operations.give(session, giver, place.group, Offer(DISPLAY, "a@x.example", ends_at=ends_at))
            assert broken.value.field == "ends_on"
    day = terms.latest(10, clock.now(), ZURICH)
    assert operations.give(
        session, place.sub, place.group, Offer(DISPLAY, "a@x.example", ends_at=terms.end_of(day, ZURICH))
    )


def test_the_maximum_counts_from_a_planned_first_day(session: Session, place: SimpleNamespace) -> None:
    place.master.grant_most_days = 7
    session.flush()
    starts_at = clock.now() + 30 * DAY
    offer = Offer(DISPLAY, "a@x.example", starts_at=starts_at, ends_at=starts_at + 7 * DAY)
    assert operations.give(session, place.master, place.group, offer)


def test_no_child_of_an_administrator_begins_after_his_own_end(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.sub.email, ends_at=clock.now() + DAY)
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example", starts_at=clock.now() + 2 * DAY))
    assert broken.value.field == "starts_on"


@pytest.mark.parametrize(
    ("span", "planned", "last"),
    [
        (Span.WEEK, True, date(2027, 2, 6)),
        (Span.WEEK, False, date(2027, 2, 7)),
        (Span.MONTH, True, date(2027, 2, 27)),
        (Span.YEAR, False, date(2028, 1, 31)),
    ],
)
def test_usual_durations(span: Span, planned: bool, last: date) -> None:
    assert terms.last_day_of(span, date(2027, 1, 31), planned=planned) == last


def given(session: Session, place: SimpleNamespace, to: object, days: float, lasted: float = 0) -> Grant:
    """A grant that ends in so many days and began so many days ago."""
    now = clock.now()
    return world.grant(session, place.group, "display", to, starts_at=now - lasted * DAY, ends_at=now + days * DAY)


def test_an_extension_lasts_as_long_again(session: Session, place: SimpleNamespace) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=ZURICH).astimezone(UTC)
    week = Grant(starts_at=midnight, ends_at=midnight + 7 * DAY)
    assert terms.prolonged(week, ZURICH) == midnight + 14 * DAY
    over_the_change_of_time = Grant(starts_at=midnight + 21 * DAY, ends_at=terms.end_of(date(2026, 3, 29), ZURICH))
    assert terms.prolonged(over_the_change_of_time, ZURICH) == terms.end_of(date(2026, 4, 5), ZURICH)
    years = Grant(starts_at=midnight - 900 * DAY, ends_at=terms.end_of(date(2026, 3, 1), ZURICH))
    assert terms.prolonged(years, ZURICH) == terms.end_of(date(2027, 3, 1), ZURICH)


def test_extending_moves_the_end_in_place_and_is_audited(session: Session, place: SimpleNamespace) -> None:
    grant = given(session, place, place.sub.email, 3, lasted=4)
    grant.reminded_at, before = clock.now(), grant.ends_at
    assert extending.extend(session, place.master, grant) is grant
    assert before + 6 * DAY < grant.ends_at < before + 8 * DAY
    assert grant.reminded_at is None
    entry = session.scalars(sa.select(AuditEntry)).one()
    assert (entry.action, entry.detail["before"]["until"]) == ("grant:extend", before.isoformat())
    assert entry.detail["after"]["until"] == grant.ends_at.isoformat()


def test_an_extension_stays_within_the_maximum_and_the_extenders_own_end(
    session: Session, place: SimpleNamespace
) -> None:
    own = world.grant(session, place.group, "administrate", place.sub.email, ends_at=clock.now() + 20 * DAY)
    grant = given(session, place, "a@x.example", 10, lasted=20)
    assert extending.extend(session, place.sub, grant).ends_at == own.ends_at
    with pytest.raises(RuleBroken, match="cannot last longer"):
        extending.extend(session, place.sub, grant)
    place.master.grant_most_days = 30
    session.flush()
    assert extending.extend(session, place.master, grant).ends_at == terms.end_of(
        terms.latest(30, clock.now(), ZURICH), ZURICH
    )


def test_nothing_outlives_what_it_hangs_under_by_an_extension(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.sub.email, ends_at=clock.now() + 5 * DAY)
    child = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    with pytest.raises(RuleBroken, match="cannot last longer"):
        extending.extend(session, place.master, child)


def test_what_has_ended_or_has_no_end_is_not_extended(session: Session, place: SimpleNamespace) -> None:
    with pytest.raises(RuleBroken, match="ended already"):
        extending.extend(session, place.master, given(session, place, "a@x.example", -1, lasted=5))
    with pytest.raises(RuleBroken, match="no end"):
        extending.extend(session, place.master, world.grant(session, place.group, "display", "b@x.example"))


def test_who_only_manages_extends_nothing(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "manage", place.sub.email)
    with pytest.raises(NotAllowed):
        extending.extend(session, place.sub, given(session, place, "a@x.example", 3, lasted=5))


@pytest.mark.parametrize(
    ("days", "lasted", "reminded"),
    [(6.9, 20, 1), (7.1, 20, 0), (6, 5, 0), (0.9, 5, 1), (1.1, 5, 0), (0.5, 0.5, 0), (-0.1, 20, 0), (5, -1, 0)],
)
def test_the_end_is_announced_in_time(
    session: Session, place: SimpleNamespace, days: float, lasted: float, reminded: int
) -> None:
    given(session, place, place.sub.email, days, lasted)
    assert reminders.remind_of_ends(session, LINKS) == reminded


def test_the_giver_and_the_holders_are_told_once_in_their_languages(session: Session, place: SimpleNamespace) -> None:
    place.sub.language = "de"
    place.users.members.append(type(place.users.members[0])(email="nobody@x.example"))
    grant = given(session, place, place.users, 5, lasted=20)
    assert reminders.remind_of_ends(session, LINKS) == 1
    assert reminders.remind_of_ends(session, LINKS) == 0
    told = {mail.recipient: mail.body for mail in mails(session)}
    assert told.keys() == {"master@x.example", "sub@x.example", "nobody@x.example"}
    assert f"http://piquet.example/grants/{grant.id}/extend" in told["master@x.example"]
    assert "Lugano" not in told["nobody@x.example"]
    extending.extend(session, place.master, grant)
    grant.ends_at = clock.now() + 5 * DAY
    session.flush()
    assert reminders.remind_of_ends(session, LINKS) == 1


@pytest.mark.parametrize("what", ["nothing", "revoked", "left", "moved", "giver"])
def test_an_announcement_leaves_only_while_it_is_true_and_theirs_to_read(
    session: Session, place: SimpleNamespace, sessions: sessionmaker[Session], tmp_path: Path, what: str
) -> None:
    top = given(session, place, place.stranger.email, 40)
    top.role = "administrate"
    world.licence(session, place.stranger, Kind.AUTHORISATION)
    grant = given(session, place, place.users, 5, lasted=20)
    grant.granted_by_id = place.stranger.id
    session.flush()
    assert reminders.remind_of_ends(session, LINKS) == 1
    if what in {"revoked", "giver"}:
        (grant if what == "revoked" else top).revoked_at = clock.now()
    elif what == "left":
        place.users.members.clear()
    elif what == "moved":
        extending.extend(session, place.master, grant)
    session.commit()
    sent = mail.send_due(sessions, f"folder://{tmp_path}/mail", "piquet@portal.example")
    left = {"nothing": {place.stranger.email, "sub@x.example"}, "giver": {"sub@x.example"}}
    left["left"] = {place.stranger.email}
    reached = session.scalars(sa.select(MailMessage.recipient).where(MailMessage.sent_at.is_not(None)))
    assert set(reached) == left.get(what, set())
    assert sent == len(left.get(what, ()))


def test_a_revoked_grant_is_not_announced_and_the_owner_hears_for_a_giver_who_left(
    session: Session, place: SimpleNamespace
) -> None:
    revoked = given(session, place, "gone@x.example", 5, lasted=20)
    revoked.revoked_at = clock.now()
    grant = given(session, place, "here@x.example", 5, lasted=20)
    grant.granted_by_id = place.stranger.id
    session.flush()
    assert reminders.remind_of_ends(session, LINKS) == 1
    assert {mail.recipient for mail in mails(session)} == {"master@x.example", "here@x.example"}
