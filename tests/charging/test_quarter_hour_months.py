"""The monthly partitions of the quarter hours, on PostgreSQL."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import daily_totals, energy, quarter_hour_months, queries
from portal.charging.models import ChargingSession, QuarterHour
from portal.core import clock, schema
from portal.core.db import engine_options
from portal.stations.models import Connector
from portal.workers.chores import Seldom
from tests import world
from tests.charging.files import HEAD, imported, stations
from tests.servers.postgres import PostgresServer

ZONE = "Europe/Zurich"
TODAY = date(2024, 5, 15)
PLACES = sa.text(
    "SELECT tableoid::regclass::text AS place, sum(energy_wh)::int AS wh FROM quarter_hour GROUP BY 1 ORDER BY 1"
)
JUNE = sa.text("SELECT sum(energy_wh) FROM quarter_hour WHERE starts_at BETWEEN '2023-06-01Z' AND '2023-06-30 23:59Z'")
WAITING = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'quarter_hour'::regclass")
ROWS = (
    b"1;A;30.06.2023 23:00;01.07.2023 03:00;8;Ann\n"  # from June into July, as UTC has it as well
    b"2;A;05.05.2024 10:00;05.05.2024 11:00;2,5;Ben\n"
    b"3;A;06.05.2009 10:00;06.05.2009 11:00;1;Ben\n"
)


@pytest.fixture
def url(postgres_server: PostgresServer, postgres_template: str) -> str:
    return postgres_server.create_database(template=postgres_template)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(url, **engine_options(url))
    yield made
    made.dispose()


@pytest.fixture
def session(engine: sa.Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        yield opened


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@piquet.example")
    stations(session, row, "A")
    session.commit()
    return row


def make_all(session: Session) -> int:
    """Look until the rest holds no more; how many months were made."""
    made = 0
    while more := quarter_hour_months.make(session, TODAY):
        session.commit()
        made += more
    return made


def places(session: Session) -> dict[str, int]:
    return {row.place: row.wh for row in session.execute(PLACES)}


def test_what_is_charged_today_lies_in_its_month(session: Session, owner: Account) -> None:
    now = clock.now()
    local = f"{now - timedelta(hours=1):%d.%m.%Y %H:%M};{now:%d.%m.%Y %H:%M}".encode()
    imported(session, owner, HEAD + b"1;A;" + local + b";2;Ann\n", zone="UTC")
    assert set(places(session)) <= {f"quarter_hour_{moment:%Y_%m}" for moment in (now - timedelta(hours=2), now)}, (
        "the migration made the months around the day on which it ran"
    )


def test_the_rest_becomes_months_and_nothing_is_lost(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    before = session.execute(sa.select(QuarterHour.__table__).order_by(*QuarterHour.__table__.primary_key)).all()
    assert places(session) == {"quarter_hour_rest": 11_500}
    assert make_all(session) == 5
    assert places(session) == {
        "quarter_hour_2023_06": 6000, "quarter_hour_2023_07": 2000, "quarter_hour_2024_05": 2500,
        "quarter_hour_rest": 1000,
    }, "May 2009 is no month of its own"  # fmt: skip
    after = session.execute(sa.select(QuarterHour.__table__).order_by(*QuarterHour.__table__.primary_key)).all()
    assert after == before
    assert make_all(session) == 0


def test_a_session_over_two_months_is_found_whole(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    make_all(session)
    for row in session.scalars(sa.select(ChargingSession)):
        assert sum(quarter.energy_wh for quarter in queries.quarter_hours(session, row)) == row.energy_wh
    connector_id = session.scalars(sa.select(Connector.id)).one()
    assert energy.last_at(session, [connector_id]) == datetime(2024, 5, 5, 8, 45, tzinfo=UTC)


def test_a_station_takes_its_quarter_hours_along_from_every_month(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    make_all(session)
    session.execute(sa.delete(ChargingSession).where(ChargingSession.external_id == "1"))
    assert set(places(session)) == {"quarter_hour_2024_05", "quarter_hour_rest"}
    session.execute(sa.delete(Connector))
    assert places(session) == {}


def test_daily_totals_stay_what_they_are(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    assert make_all(session) > 3
    assert list(daily_totals.differences(session)) == []
    session.execute(sa.delete(ChargingSession).where(ChargingSession.external_id == "1"))
    assert list(daily_totals.differences(session)) == []


def test_a_month_of_the_rest_a_look(session: Session, owner: Account) -> None:
    rows = b"".join(b"%d;A;05.%02d.2022 10:00;05.%02d.2022 11:00;1;Ann\n" % (n, n, n) for n in range(1, 3))
    imported(session, owner, HEAD + rows, zone=ZONE)
    assert quarter_hour_months.make(session, TODAY) == 3 + 1
    assert quarter_hour_months.make(session, TODAY) == 1
    assert quarter_hour_months.make(session, TODAY) == 0


def test_who_writes_for_long_is_not_disturbed(session: Session, owner: Account, engine: sa.Engine) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    with engine.begin() as writing:
        writing.execute(sa.text("UPDATE quarter_hour SET quality = 'W' WHERE energy_wh = 500"))
        assert quarter_hour_months.make(session, TODAY) == 0
        session.commit()
    assert places(session) == {"quarter_hour_rest": 11_500}
    session.commit()
    assert make_all(session) == 5


def test_who_sees_one_state_finds_all_in_its_place(session: Session, owner: Account, engine: sa.Engine) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    with Session(engine) as reading:
        quarter_hour_months.one_state(reading)
        assert reading.scalars(sa.select(Connector.id)).all(), "from here on it sees the state of this instant"
        assert make_all(session) == 0
        assert reading.scalar(JUNE) == 6000
    assert make_all(session) == 5


def test_who_comes_while_a_month_is_made_waits_and_finds_all(
    session: Session, owner: Account, engine: sa.Engine
) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    quarter_hour_months.make(session, TODAY)
    with Session(engine) as reading, ThreadPoolExecutor(1) as pool:
        found = pool.submit(reading.scalar, JUNE)
        limit = time.monotonic() + 20
        while session.scalar(WAITING) == 0 and time.monotonic() < limit:
            time.sleep(0.01)
        assert not found.done()
        session.commit()
        assert found.result(20) == 6000
    assert places(session)["quarter_hour_2023_06"] == 6000


def test_a_period_reads_its_own_months_only(session: Session, owner: Account) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    make_all(session)
    period = (datetime(2023, 6, 10, tzinfo=UTC), datetime(2023, 6, 20, tzinfo=UTC))
    table = QuarterHour
    wanted = sa.select(table.energy_wh).where(table.starts_at >= period[0], table.starts_at < period[1])
    text = str(wanted.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
    plan = "\n".join(session.scalars(sa.text(f"EXPLAIN {text}")))
    assert "quarter_hour_2023_06" in plan
    assert "rest" not in plan
    assert "2024" not in plan


def test_the_chore_looks_once_an_hour(session: Session, owner: Account) -> None:
    chore = Seldom(quarter_hour_months.make_present, quarter_hour_months.LOOK_EVERY, 1)
    chore(session, None)  # type: ignore[arg-type]  # it writes no letters
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    assert chore(session, None) == 0  # type: ignore[arg-type]
    assert "quarter_hour_2023_06" not in places(session)
    chore._next_look = clock.now() - timedelta(seconds=1)
    assert [chore(session, None) for _ in range(4)] == [1, 1, 1, 0]  # type: ignore[arg-type]


def test_the_applications_role_makes_months(two_roles: tuple[str, str]) -> None:
    application = two_roles[1]
    engine = sa.create_engine(application, **engine_options(application))
    with Session(engine) as session:
        stations(session, owner := world.account(session, "owner@piquet.example"), "A")
        imported(session, owner, HEAD + ROWS, zone=ZONE)
        assert make_all(session) == 5
        assert places(session)["quarter_hour_2023_06"] == 6000
        with pytest.raises(ProgrammingError, match="must be owner"):
            session.execute(sa.text("DROP TABLE quarter_hour_2023_06"))
    engine.dispose()


def test_an_upgrade_gives_what_is_there_its_months(session: Session, owner: Account, url: str) -> None:
    imported(session, owner, HEAD + ROWS, zone=ZONE)
    before = session.execute(sa.select(QuarterHour.__table__).order_by(*QuarterHour.__table__.primary_key)).all()
    session.commit()
    command.downgrade(schema._config(url), "0008")
    assert places(session) == {"quarter_hour": 11_500}
    session.commit()
    schema.upgrade(url)
    assert places(session) == {
        "quarter_hour_2009_05": 1000, "quarter_hour_2023_06": 6000, "quarter_hour_2023_07": 2000,
        "quarter_hour_2024_05": 2500,
    }  # fmt: skip
    after = session.execute(sa.select(QuarterHour.__table__).order_by(*QuarterHour.__table__.primary_key)).all()
    assert after == before
