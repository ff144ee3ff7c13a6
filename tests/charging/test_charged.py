"""What was charged in a period: energy per local day and group, number and latest sessions, as a reader sees it."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.charged import Charged, Period, charged
from portal.charging.models import ChargingSession
from portal.licences.models import Kind
from portal.stations.models import Station, StationGroup, StationGroupStation
from tests import world
from tests.charging.files import HEAD, imported, stations

ZURICH = ZoneInfo("Europe/Zurich")
ROWS = (
    b"1;A;01.03.2024 23:00;02.03.2024 01:00;8;Ann\n"
    b"2;B;05.03.2024 10:00;05.03.2024 11:00;2,5;Ben\n"
    b"3;A;06.03.2024 10:00;06.03.2024 11:00;1;Ben\n"
)
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 6)


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    stations(session, row, "A", "B")
    imported(session, row, HEAD + ROWS, zone="Europe/Zurich")
    return row


@pytest.fixture
def display(session: Session) -> Account:
    return world.account(session, "display@demo.example", Kind.AUTHORISATION)


def group(session: Session, owner: Account, name: str, *references: str) -> StationGroup:
    made = world.station_group(session, owner, name)
    for station in session.scalars(sa.select(Station).where(Station.reference.in_(references))):
        session.add(StationGroupStation(station_group_id=made.id, station_id=station.id, owner_id=owner.id))
    session.flush()
    return made


def seen(
    session: Session, account: Account, first: date = FIRST, last: date = LAST, since: date | None = None
) -> Charged:
    return charged(session, account.id, Period(first, since or first, last, ZURICH), groups=2, latest=2)


def numbers(session: Session, found: Charged) -> list[str]:
    return [session.get_one(ChargingSession, session_id).external_id for session_id in found.latest]


def test_energy_per_day_splits_at_local_midnight(session: Session, owner: Account) -> None:
    assert list(seen(session, owner).days.values()) == [4000, 4000, 0, 0, 2500, 1000]


def test_energy_per_day_is_right_on_days_of_92_and_100_quarter_hours(session: Session, owner: Account) -> None:
    rows = b"11;A;30.03.2024 23:00;31.03.2024 23:00;23;x\n12;B;27.10.2024 00:00;28.10.2024 00:00;25;x\n"
    imported(session, owner, HEAD + rows, zone="Europe/Zurich")
    spring = seen(session, owner, date(2024, 3, 30), date(2024, 3, 31))
    autumn = seen(session, owner, date(2024, 10, 26), date(2024, 10, 28))
    assert list(spring.days.values()) == [1000, 22_000]
    assert list(autumn.days.values()) == [0, 25_000, 0]


def test_what_a_long_session_charged_before_the_period_is_not_in_it(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + b"13;A;02.04.2024 00:00;03.05.2024 00:00;744;x\n", zone="Europe/Zurich")
    found = seen(session, owner, date(2024, 5, 2), date(2024, 5, 3))
    assert list(found.days.values()) == [24_000, 0]
    assert found.sessions == 0  # it began before


def test_number_and_latest_sessions_begin_within_the_days(session: Session, owner: Account) -> None:
    found = seen(session, owner)
    assert (found.sessions, numbers(session, found)) == (3, ["3", "2"])
    assert numbers(session, seen(session, owner, since=LAST)) == ["3"]
    assert seen(session, owner, last=date(2024, 3, 5)).sessions == 2


def test_the_groups_with_the_most_energy_come_first(session: Session, owner: Account) -> None:
    both, b = group(session, owner, "Both", "A", "B"), group(session, owner, "B", "B")
    a = group(session, owner, "A", "A")
    assert list(seen(session, owner).by_group.items()) == [(both.id, 11_500), (a.id, 9000)]
    since = seen(session, owner, since=FIRST + timedelta(days=2))
    assert list(since.by_group.items()) == [(both.id, 3500), (b.id, 2500)]


def test_it_follows_the_share(session: Session, owner: Account, display: Account) -> None:
    shared, _other = group(session, owner, "B", "B"), group(session, owner, "Both", "A", "B")
    world.grant(session, shared, "display", display.email)
    found = seen(session, display)
    assert (sum(found.days.values()), found.by_group, found.sessions) == (2500, {shared.id: 2500}, 1)
    assert numbers(session, found) == ["2"]


def test_a_station_in_two_shared_groups_counts_once(session: Session, owner: Account, display: Account) -> None:
    for name in ("One", "Two"):
        world.grant(session, group(session, owner, name, "B"), "display", display.email)
    found = seen(session, display)
    assert (sum(found.days.values()), list(found.by_group.values()), found.sessions) == (2500, [2500, 2500], 1)


def test_who_shares_with_himself_sees_his_own_once(session: Session, owner: Account) -> None:
    world.grant(session, group(session, owner, "B", "B"), "display", owner.email)
    found = seen(session, owner)
    assert (sum(found.days.values()), found.sessions) == (11_500, 3)


def test_a_stranger_sees_nothing(session: Session, owner: Account) -> None:
    group(session, owner, "B", "B")
    found = seen(session, world.account(session, "stranger@demo.example"))
    assert (sum(found.days.values()), found.by_group, found.sessions, found.latest) == (0, {}, 0, [])
