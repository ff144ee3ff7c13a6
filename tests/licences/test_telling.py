"""Mails that fall due by the clock: before an end, at an end, and what waits for the operators."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.core.mail import MailMessage
from portal.licences import operations, requests, telling
from portal.licences.models import Kind, Licence
from tests import world

LINKS = Links("key", "https://piquet.example")
DAY = timedelta(days=1)


@pytest.fixture
def account(session: Session) -> Account:
    return world.account(session, "master@demo.example")


def subjects(session: Session) -> list[str]:
    session.flush()
    return list(session.scalars(sa.select(MailMessage.subject).order_by(MailMessage.id)))


def held(session: Session, account: Account, days: float, *, since: int = 400) -> Licence:
    now = clock.now()
    row = world.licence(session, account, Kind.REPORTS)
    row.starts_at, row.ends_at = now - since * DAY, now + days * DAY
    session.flush()
    return row


def announced(session: Session) -> int:
    telling.announce_ends(session, LINKS)
    telling.announce_ends(session, LINKS)
    return len(subjects(session))


@pytest.mark.parametrize(("days", "mails"), [(31, 0), (29, 1), (7.5, 1), (6, 1), (0.1, 1), (-0.1, 1), (-8, 0)])
def test_each_stage_is_told_once(session: Session, account: Account, days: float, mails: int) -> None:
    held(session, account, days)
    assert announced(session) == mails


def test_a_licence_is_told_thirty_and_seven_days_before_and_at_its_end(session: Session, account: Account) -> None:
    row = held(session, account, 29)
    for days in (29, 20, 6, 1, -0.5, -3):
        row.ends_at = clock.now() + days * DAY
        session.flush()
        telling.announce_ends(session, LINKS)
    assert ["has ended" in subject for subject in subjects(session)] == [False, False, True]
    assert row.announced_days == 0


def test_what_goes_on_is_not_announced(session: Session, account: Account) -> None:
    row = held(session, account, 6)
    following = held(session, account, 100)
    following.starts_at = row.ends_at or clock.now()
    session.flush()
    assert announced(session) == 0
    row.ends_at = following.starts_at = clock.now() - timedelta(hours=1)
    session.flush()
    assert announced(session) == 0


def test_a_gap_before_the_next_one_is_announced(session: Session, account: Account) -> None:
    row = held(session, account, 6)
    following = held(session, account, 100)
    following.starts_at = (row.ends_at or clock.now()) + DAY
    session.flush()
    assert announced(session) == 1


def test_another_kind_does_not_continue_it(session: Session, account: Account) -> None:
    held(session, account, 6)
    world.licence(session, account, Kind.MAINTENANCE)
    assert announced(session) == 1


def test_a_licence_of_a_few_days_is_told_at_its_end_only(session: Session, account: Account) -> None:
    row = held(session, account, 3, since=1)
    assert announced(session) == 0
    row.ends_at = clock.now() - timedelta(minutes=1)
    session.flush()
    assert announced(session) == 1


def test_what_was_withdrawn_before_it_began_is_not_told(session: Session, account: Account) -> None:
    row = held(session, account, 6)
    row.ends_at = row.starts_at = clock.now() - timedelta(hours=1)
    session.flush()
    assert announced(session) == 0


def test_an_end_that_is_moved_is_announced_anew(session: Session, account: Account) -> None:
    row = held(session, account, 29)
    operator = world.account(session, "operator@demo.example", operator=True)
    assert announced(session) == 1
    operations.end(session, operator, row, (clock.now() + 20 * DAY).date())
    session.flush()
    assert announced(session) == 2


def test_an_operator_who_ends_it_now_tells_the_account(session: Session, account: Account) -> None:
    account.language = "de"
    row = held(session, account, 200)
    operations.end(session, world.account(session, "operator@demo.example", operator=True), row)
    session.flush()
    assert announced(session) == 1
    body = session.scalars(sa.select(MailMessage.body)).one()
    assert "https://piquet.example/licences" in body


def test_operators_get_one_mail_a_day_with_all_new_requests(session: Session, account: Account) -> None:
    for name in ("one", "two"):
        world.account(session, f"{name}@operators.example", operator=True)
    assert telling.tell_operators(session, LINKS) == 0
    requests.ask(session, account, Kind.REPORTS)
    requests.ask(session, account, Kind.AUTHORISATION)
    assert [telling.tell_operators(session, LINKS) for _ in range(2)] == [2, 0]
    requests.ask(session, account, Kind.MAINTENANCE)
    session.flush()
    assert telling.tell_operators(session, LINKS) == 0
    assert len(subjects(session)) == 2
    told = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == telling.TOLD)).one()
    assert told.detail == {"count": 2}


def test_the_next_day_only_what_is_new_is_told(
    session: Session, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.account(session, "operator@demo.example", operator=True)
    requests.ask(session, account, Kind.REPORTS)
    telling.tell_operators(session, LINKS)
    session.flush()
    tomorrow = clock.now() + timedelta(hours=25)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    assert telling.tell_operators(session, LINKS) == 0
    requests.ask(session, account, Kind.MAINTENANCE)
    assert telling.tell_operators(session, LINKS) == 1
    body = session.scalars(sa.select(MailMessage.body).order_by(MailMessage.id.desc())).first()
    assert body is not None
    assert "Maintenance" in body
    assert "Reports" not in body


def test_without_an_operator_nothing_is_lost(session: Session, account: Account) -> None:
    requests.ask(session, account, Kind.REPORTS)
    assert telling.tell_operators(session, LINKS) == 0
    world.account(session, "operator@demo.example", operator=True)
    assert telling.tell_operators(session, LINKS) == 1
