"""Energy of a period, against a reference that looks at every quarter hour one by one."""

import random
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import energy, quarter_columns
from portal.charging.energy import EnergySource, meter_periods, uncovered
from portal.charging.models import ChargingSession, Coverage, Driver, QuarterHour
from portal.exports.periods import DAY, make_period
from portal.formats.rows import Meter, Series
from portal.stations.models import Connector
from tests import world
from tests.statements import plan, recorded

ZURICH = ZoneInfo("Europe/Zurich")
QUARTER = timedelta(minutes=15)
MIDNIGHT = datetime(2026, 3, 9, 23, tzinfo=UTC)


def _meter(name: str) -> Meter:
    return Meter(None, None, None, None, name)


def _sources(connectors: list[Connector]) -> list[EnergySource]:
    return [EnergySource(_meter(str(row.id)), (row.id,)) for row in connectors]


@pytest.fixture
def owner(session: Session) -> Account:
    return world.account(session, "owner@demo.example")


@pytest.fixture
def connectors(session: Session, owner: Account) -> list[Connector]:
    return world.station(session, owner, connectors=3).connectors


def _charge(
    session: Session, connector: Connector, at: datetime, *amounts: int, quality: str = "W", driver: int | None = None
) -> ChargingSession:
    """A session with these Wh in the quarter hours from `at` on."""
    row = ChargingSession(
        owner_id=connector.owner_id,
        connector_id=connector.id,
        driver_id=driver,
        started_at=at,
        ended_at=at + len(amounts) * QUARTER,
        energy_wh=sum(amounts),
        source="test",
        external_id=str(random.getrandbits(60)),
    )
    session.add(row)
    session.flush()
    for number, amount in enumerate(amounts):
        stamp = at + number * QUARTER
        quarter = QuarterHour(
            connector_id=connector.id, starts_at=stamp, session_id=row.id, energy_wh=amount, quality=quality
        )
        session.add(quarter)
    session.flush()
    return row


def _cover(session: Session, connector: Connector, starts_at: datetime, ends_at: datetime) -> None:
    session.add(Coverage(connector_id=connector.id, starts_at=starts_at, ends_at=ends_at))
    session.flush()


def _reference(session: Session, source: EnergySource, starts_at: datetime, ends_at: datetime) -> list[tuple[int, str]]:
    """Energy and quality of every quarter hour, asked one connector and one quarter at a time."""
    sessions = {row.id: row.driver_id for row in session.scalars(sa.select(ChargingSession))}
    quarters = session.scalars(sa.select(QuarterHour)).all()
    coverage = session.scalars(sa.select(Coverage)).all()
    found, at = [], starts_at
    while at < ends_at:
        total, worst = 0, "W"
        for connector_id in source.connector_ids:
            mine = [
                row
                for row in quarters
                if (row.connector_id, row.starts_at) == (connector_id, at)
                and source.driver_id in (None, sessions[row.session_id])
            ]
            spans = [(row.starts_at, row.ends_at) for row in coverage if row.connector_id == connector_id]
            minutes = [at + timedelta(minutes=minute) for minute in range(15)]
            covered = all(any(start <= minute < end for start, end in spans) for minute in minutes)
            quality = min((row.quality for row in mine), default="W" if covered else "F")
            total += sum(row.energy_wh for row in mine)
            worst = max(worst, quality, key="WEF".index)
        found.append((total, worst))
        at += QUARTER
    return found


def _check(session: Session, source: EnergySource, starts_at: datetime, ends_at: datetime) -> None:
    expected = _reference(session, source, starts_at, ends_at)
    for quarters in (False, True):
        (row,) = meter_periods(session, [source], starts_at, ends_at, quarters=quarters)
        counts = [sum(quality == letter for _, quality in expected) for letter in "WEF"]
        assert [row.measured, row.substitute, row.missing] == counts
        assert row.energy_wh == sum(amount for amount, _ in expected)
    assert row.series is not None
    assert list(zip(row.series.energy_wh, row.series.quality, strict=True)) == expected


@pytest.mark.parametrize(
    ("day", "quarters"), [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 5, 1), 96)]
)
def test_a_covered_day_without_a_session_is_measured_zero(
    session: Session, connectors: list[Connector], day: date, quarters: int
) -> None:
    period = make_period(day, day + DAY, ZURICH)
    _cover(session, connectors[0], period.starts_at, period.ends_at)
    (row,) = meter_periods(session, _sources(connectors[:1]), period.starts_at, period.ends_at, quarters=True)
    assert (row.energy_wh, row.measured, row.missing) == (0, quarters, 0)
    assert row.series == Series(period.starts_at, [0] * quarters, "W" * quarters)


def test_the_register_is_all_energy_until_the_period_ends(
    session: Session, owner: Account, connectors: list[Connector]
) -> None:
    driver = _driver(session, owner)
    _charge(session, connectors[0], MIDNIGHT - 300 * DAY, 7, 11)
    _charge(session, connectors[0], MIDNIGHT - QUARTER, 100, 20, driver=driver)
    _charge(session, connectors[1], MIDNIGHT, 5, driver=driver)
    _charge(session, connectors[1], MIDNIGHT + DAY, 1000, driver=driver)
    virtual = EnergySource(_meter("driver"), tuple(row.id for row in connectors), driver)
    sources = [*_sources(connectors), virtual]
    before = list(meter_periods(session, sources, MIDNIGHT - DAY, MIDNIGHT, register=True))
    rows = list(meter_periods(session, sources, MIDNIGHT, MIDNIGHT + DAY, register=True))
    assert [row.register_wh for row in before] == [118, 0, 0, 100]
    assert [row.register_wh for row in rows] == [138, 5, 0, 125]
    assert [row.energy_wh for row in rows] == [20, 5, 0, 25]


def test_no_register_is_read_unless_it_is_wanted(session: Session, connectors: list[Connector]) -> None:
    (row,) = meter_periods(session, _sources(connectors[:1]), MIDNIGHT, MIDNIGHT + DAY)
    assert row.register_wh is None


def test_a_day_that_nothing_covers_is_missing(session: Session, connectors: list[Connector]) -> None:
    (row,) = meter_periods(session, _sources(connectors[:1]), MIDNIGHT, MIDNIGHT + DAY)
    assert (row.energy_wh, row.measured, row.missing) == (0, 0, 96)


def test_two_sessions_in_one_quarter_are_one_quarter(session: Session, connectors: list[Connector]) -> None:
    _cover(session, connectors[0], MIDNIGHT, MIDNIGHT + DAY)
    _charge(session, connectors[0], MIDNIGHT, 100)
    _charge(session, connectors[0], MIDNIGHT, 20, quality="E")
    (row,) = meter_periods(session, _sources(connectors[:1]), MIDNIGHT, MIDNIGHT + DAY)
    assert (row.energy_wh, row.measured, row.substitute) == (120, 95, 1)


def test_a_gap_of_a_minute_makes_its_quarter_missing(session: Session, connectors: list[Connector]) -> None:
    minute = timedelta(minutes=1)
    _cover(session, connectors[0], MIDNIGHT, MIDNIGHT + 7 * minute)
    _cover(session, connectors[0], MIDNIGHT + 8 * minute, MIDNIGHT + DAY)
    (row,) = meter_periods(session, _sources(connectors[:1]), MIDNIGHT, MIDNIGHT + DAY)
    assert (row.missing, row.measured) == (1, 95)


def test_a_quarter_belongs_to_the_period_it_begins_in(session: Session, connectors: list[Connector]) -> None:
    _charge(session, connectors[0], MIDNIGHT - QUARTER, 1, 20)
    _charge(session, connectors[0], MIDNIGHT + DAY - QUARTER, 300, 4000)
    (row,) = meter_periods(session, _sources(connectors[:1]), MIDNIGHT, MIDNIGHT + DAY)
    assert row.energy_wh == 320


def test_a_virtual_meter_lacks_what_one_of_its_connectors_lacks(
    session: Session, owner: Account, connectors: list[Connector]
) -> None:
    driver = _driver(session, owner)
    _cover(session, connectors[0], MIDNIGHT, MIDNIGHT + DAY)
    _charge(session, connectors[0], MIDNIGHT, 500, driver=driver)
    source = EnergySource(_meter("driver"), (connectors[0].id, connectors[1].id), driver)
    (row,) = meter_periods(session, [source], MIDNIGHT, MIDNIGHT + DAY)
    assert (row.energy_wh, row.missing) == (500, 96)


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_the_reference(session: Session, owner: Account, connectors: list[Connector], seed: int) -> None:
    chance, driver = random.Random(seed), _driver(session, owner)
    day = chance.choice([date(2026, 3, 29), date(2026, 10, 25), date(2026, 5, 1)])
    period = make_period(day, day + DAY, ZURICH)
    for connector in connectors:
        for _ in range(chance.randint(0, 4)):
            start = period.starts_at + timedelta(minutes=chance.randint(-120, 1400))
            _cover(session, connector, start, start + timedelta(minutes=chance.randint(1, 900)))
        for _ in range(chance.randint(0, 6)):
            at = period.starts_at + chance.randint(-6, 99) * QUARTER
            amounts = [chance.randint(1, 4000) for _ in range(chance.randint(1, 9))]
            _charge(session, connector, at, *amounts, quality=chance.choice("WE"), driver=chance.choice([None, driver]))
    ids = tuple(connector.id for connector in connectors)
    for source in (*_sources(connectors), EnergySource(_meter("d"), ids, driver), EnergySource(_meter("all"), ids)):
        _check(session, source, period.starts_at, period.ends_at)


def test_rows_come_in_the_order_of_their_sources(session: Session, owner: Account, connectors: list[Connector]) -> None:
    _charge(session, connectors[2], MIDNIGHT, 7)
    virtual = EnergySource(_meter("d"), (connectors[2].id,), _driver(session, owner))
    sources = [*_sources(connectors[::-1]), virtual, *_sources(connectors)]
    rows = list(meter_periods(session, sources, MIDNIGHT, MIDNIGHT + DAY))
    assert [row.meter for row in rows] == [source.row for source in sources]
    assert [row.energy_wh for row in rows] == [7, 0, 0, 0, 0, 0, 7]


@pytest.mark.parametrize("covered", [True, False])
def test_the_number_of_statements_is_two_per_portion(
    session: Session, connectors: list[Connector], monkeypatch: pytest.MonkeyPatch, covered: bool
) -> None:
    monkeypatch.setattr(energy, "CONNECTORS_AT_ONCE", 2)
    for connector in connectors if covered else ():
        _cover(session, connector, MIDNIGHT, MIDNIGHT + DAY)
    session.flush()
    read, real = [], quarter_columns.Reader.take  # it goes past SQLAlchemy on PostgreSQL

    def take(reader: quarter_columns.Reader, some: list[int]) -> dict[int, quarter_columns.Held]:
        read.append(some)
        return real(reader, some)

    monkeypatch.setattr(quarter_columns.Reader, "take", take)
    with recorded() as seen:
        assert len(list(meter_periods(session, _sources(connectors), MIDNIGHT, MIDNIGHT + DAY))) == 3
    tables = [statement.partition("FROM ")[2].split()[0] for statement, *_ in seen]
    assert tables.count("coverage") == 2
    assert (len(read), len(seen) - 2) in ([(0, 2)] if covered else [(2, 0), (2, 2)])


@pytest.mark.parametrize("lacking", [None, 0, 50, 95])
def test_a_connector_that_charges_all_day(session: Session, connectors: list[Connector], lacking: int | None) -> None:
    """With a row for every quarter hour its columns are taken as they come; with as many rows but one quarter hour of
    two sessions and one without any they are not."""
    amounts = [number + 1 for number in range(96)]
    for number, amount in enumerate(amounts):
        if number != lacking:
            at = MIDNIGHT + number * QUARTER
            _charge(session, connectors[0], at, amount, quality="WE"[number % 2])
    if lacking is not None:
        _charge(session, connectors[0], MIDNIGHT + 20 * QUARTER, 1_000, quality="E")
    _check(session, _sources(connectors)[0], MIDNIGHT, MIDNIGHT + DAY)
    with quarter_columns.Reader(session, (MIDNIGHT, MIDNIGHT + DAY)) as reader:
        held = reader.take([connectors[0].id])[connectors[0].id]
    assert (held.numbers is None) == (lacking is None)


def test_the_next_ones_are_read_while_some_are_written(
    session: Session, owner: Account, connectors: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "WITH_QUARTERS_AT_ONCE", 1)
    for number, connector in enumerate(connectors):
        _charge(session, connector, MIDNIGHT, 10 + number)
    virtual = EnergySource(_meter("d"), (connectors[2].id,), _driver(session, owner))
    sources = [*_sources(connectors[:2]), virtual, *_sources(connectors[2:])]
    asked, real = [], quarter_columns.Reader.ask

    def ask(reader: quarter_columns.Reader, some: list[int]) -> None:
        asked.append(some)
        real(reader, some)

    monkeypatch.setattr(quarter_columns.Reader, "ask", ask)
    rows = meter_periods(session, sources, MIDNIGHT, MIDNIGHT + DAY, quarters=True)
    found = [next(rows).energy_wh]
    assert [connectors[1].id] in asked
    assert session.get_one(Account, owner.id, populate_existing=True) is owner, "the session answers meanwhile"
    found += [row.energy_wh for row in rows]
    assert found == [10, 11, 0, 12]
    assert asked.count([connectors[1].id]) == asked.count([connectors[2].id]) == 1


def test_who_reads_no_further_keeps_a_session_that_works(
    session: Session, connectors: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "WITH_QUARTERS_AT_ONCE", 1)
    rows = meter_periods(session, _sources(connectors), MIDNIGHT, MIDNIGHT + DAY, quarters=True)
    next(rows)
    rows.close()
    _charge(session, connectors[0], MIDNIGHT, 7)
    session.flush()
    assert next(meter_periods(session, _sources(connectors), MIDNIGHT, MIDNIGHT + DAY)).energy_wh == 7


def test_a_big_virtual_meter_is_read_in_portions(
    session: Session, owner: Account, connectors: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "CONNECTORS_AT_ONCE", 1)
    driver = _driver(session, owner)
    for connector in connectors:
        _charge(session, connector, MIDNIGHT, 10, driver=driver)
    source = EnergySource(_meter("d"), tuple(row.id for row in connectors), driver)
    (row,) = meter_periods(session, [source], MIDNIGHT, MIDNIGHT + DAY)
    assert row.energy_wh == 30


def test_gaps_are_told_per_connector(session: Session, connectors: list[Connector]) -> None:
    noon = MIDNIGHT + timedelta(hours=12)
    _cover(session, connectors[0], MIDNIGHT - DAY, noon)
    _cover(session, connectors[1], MIDNIGHT, MIDNIGHT + DAY)
    first, second, third = (row.id for row in connectors)
    whole = (MIDNIGHT, MIDNIGHT + DAY)
    assert uncovered(session, [first, second, third], *whole) == {
        first: [(noon, MIDNIGHT + DAY)],
        second: [],
        third: [whole],
    }


@pytest.mark.parametrize("virtual", [True, False])
def test_no_table_is_read_from_end_to_end(
    session: Session, owner: Account, connectors: list[Connector], virtual: bool
) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # the tables are too small for an index to pay
    driver = _driver(session, owner) if virtual else None
    session.flush()
    with recorded() as seen:
        source = EnergySource(_meter("m"), (connectors[0].id,), driver)
        list(meter_periods(session, [source], MIDNIGHT, MIDNIGHT + DAY))
    for found in [plan(session, statement) for statement in seen]:
        assert "Seq Scan" not in found
        assert not re.search(r"\bSCAN (?!\(?(subquery|anon))", found), found


def _driver(session: Session, owner: Account) -> int:
    row = Driver(owner_id=owner.id, label="Fleet card", email="driver@demo.example")
    session.add(row)
    session.flush()
    return row.id
