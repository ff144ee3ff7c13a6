"""When a licence counts."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences import operations, queries
from portal.licences.models import Kind, Licence
from tests import world

EXPORT = Kind.AUTO_EXPORT


@pytest.fixture
def operator(session: Session) -> Account:
    return world.account(session, "operator@demo.example", operator=True)


@pytest.fixture
def account(session: Session) -> Account:
    return world.account(session, "master@demo.example")


def today() -> date:
    return clock.now().astimezone(operations.ZoneInfo("Europe/Zurich")).date()


def test_days_are_whole_local_days_of_the_operator(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, date(2027, 3, 28), date(2027, 3, 28))
    assert (row.starts_at, row.ends_at) == (
        datetime(2027, 3, 27, 23, tzinfo=UTC),
        datetime(2027, 3, 28, 22, tzinfo=UTC),
    )
    assert row.ends_at - row.starts_at == timedelta(hours=23)  # the clock goes forward that day


def test_it_counts_from_the_first_instant_until_before_the_last(
    session: Session, operator: Account, account: Account
) -> None:
    row = operations.activate(session, operator, account, EXPORT, date(2027, 1, 1), date(2027, 1, 31))
    moments = [row.starts_at - timedelta(seconds=1), row.starts_at, row.ends_at - timedelta(seconds=1), row.ends_at]
    assert [queries.active(session, account.id, EXPORT, at) for at in moments] == [False, True, True, False]


def test_a_licence_counts_for_its_kind_and_account_only(session: Session, operator: Account, account: Account) -> None:
    operations.activate(session, operator, account, EXPORT, today(), None)
    assert queries.active(session, account.id, EXPORT)
    assert not queries.active(session, account.id, Kind.REPORTS)
    assert not queries.active(session, operator.id, EXPORT)


@pytest.mark.parametrize(
    ("first", "last", "refused"),
    [
        (date(2027, 1, 1), date(2027, 1, 31), True),
        (date(2027, 1, 31), None, True),
        (date(2026, 12, 1), date(2027, 1, 1), True),
        (date(2026, 12, 1), None, True),
        (date(2027, 1, 10), date(2027, 1, 11), True),
        (date(2027, 2, 1), None, False),
        (date(2026, 12, 1), date(2026, 12, 31), False),
    ],
)
def test_the_same_licence_does_not_stand_twice(
    session: Session, operator: Account, account: Account, first: date, last: date | None, refused: bool
) -> None:
    operations.activate(session, operator, account, EXPORT, date(2027, 1, 1), date(2027, 1, 31))
    operations.activate(session, operator, account, Kind.REPORTS, first, last)
    if refused:
        with pytest.raises(RuleBroken, match="in some of these days"):
            operations.activate(session, operator, account, EXPORT, first, last)
    else:
        operations.activate(session, operator, account, EXPORT, first, last)


def test_nothing_follows_a_licence_without_end(session: Session, operator: Account, account: Account) -> None:
    operations.activate(session, operator, account, EXPORT, date(2027, 1, 1), None)
    with pytest.raises(RuleBroken):
        operations.activate(session, operator, account, EXPORT, date(2030, 1, 1), date(2030, 1, 2))


def test_the_days_must_follow_each_other(session: Session, operator: Account, account: Account) -> None:
    with pytest.raises(RuleBroken) as broken:
        operations.activate(session, operator, account, EXPORT, date(2027, 1, 2), date(2027, 1, 1))
    assert broken.value.field == "last_day"


def test_ending_keeps_the_row(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, today() - timedelta(days=9), None)
    operations.end(session, operator, row)
    session.flush()
    assert not queries.active(session, account.id, EXPORT)
    assert [one.id for one in queries.history(session, account.id)] == [row.id]


def test_it_ends_after_a_day(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, today(), None)
    operations.end(session, operator, row, today())
    assert row.ends_at == operations.beginning(today() + timedelta(days=1), operations.ZoneInfo("Europe/Zurich"))
    assert queries.active(session, account.id, EXPORT)


def test_a_licence_that_has_not_begun_is_withdrawn(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, today() + timedelta(days=9), None)
    operations.end(session, operator, row)
    session.flush()
    assert queries.current(session, account.id)[EXPORT].next is None
    operations.activate(session, operator, account, EXPORT, today(), None)


@pytest.mark.parametrize("day", [today() - timedelta(days=1), today() + timedelta(days=30), date.max])
def test_it_refuses_a_day_that_is_over_or_after_the_end(
    session: Session, operator: Account, account: Account, day: date
) -> None:
    row = operations.activate(session, operator, account, EXPORT, today(), today() + timedelta(days=10))
    with pytest.raises(RuleBroken) as broken:
        operations.end(session, operator, row, day)
    assert broken.value.field == "last_day"


def test_it_ends_once(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, today(), None)
    operations.end(session, operator, row)
    session.flush()
    with pytest.raises(RuleBroken, match="ended already"):
        operations.end(session, operator, row)


def test_both_are_recorded_for_the_account(session: Session, operator: Account, account: Account) -> None:
    row = operations.activate(session, operator, account, EXPORT, today(), None)
    operations.end(session, operator, row)
    session.flush()
    entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.owner_id == account.id)).all()
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("licence:activate", operator.id),
        ("licence:end", operator.id),
    ]


def test_renewals_count_as_one_period(session: Session, operator: Account, account: Account) -> None:
    last, day = today() + timedelta(days=9), timedelta(days=1)
    operations.activate(session, operator, account, EXPORT, today(), last)
    renewed = operations.activate(session, operator, account, EXPORT, last + day, last + 5 * day)

    held = queries.current(session, account.id)[EXPORT]
    assert held.is_active
    assert held.until == renewed.ends_at


def test_it_counts_what_stops_to_act(session: Session, operator: Account, account: Account) -> None:
    on_call = world.user_group(session, account, "On call", operator.email)
    mine, both = world.station_group(session, account), world.station_group(session, account)
    for group in (mine, both):
        world.grant(session, group, "display", on_call)
    world.grant(session, both, "manage", operator.email)
    world.station_group(session, account)
    world.grant(session, world.station_group(session, operator), "display", account.email)
    assert queries.sharing(session, account.id) == (2, 1)
    assert queries.sharing(session, operator.id) == (1, 2)


def test_the_view_of_standings_agrees(session: Session, operator: Account, account: Account) -> None:
    operations.activate(session, operator, account, Kind.AUTHORISATION, today(), None)
    session.flush()
    licensed = "SELECT count(*) FROM licensed WHERE account_id = :id"
    assert session.scalar(sa.text(licensed), {"id": account.id}) == 1
    operations.end(session, operator, session.scalars(sa.select(Licence)).one())
    session.flush()
    session.commit()
    assert session.scalar(sa.text(licensed), {"id": account.id}) == 0
