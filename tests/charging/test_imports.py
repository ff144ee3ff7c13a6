"""Imports as a job: what becomes of every row, on real files, and whatever is killed."""

import csv
import gzip
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.charging import claims, jobs, queries
from portal.charging.date_text import DateOrder
from portal.charging.models import (
    ChargingSession,
    Coverage,
    Driver,
    FlaggedRow,
    ImportState,
    QuarterHour,
    SessionImport,
)
from portal.core import clock
from portal.core.db import reading_only
from portal.licences.models import Kind
from portal.stations.models import Connector, Grant, Station
from tests import world
from tests.charging.files import EPFL, GARAGES, HEAD, PERTH, TRONDHEIM, imported, queued, stations

NIGHT = b"7;A;01.03.2024 22:50;02.03.2024 06:20;30,5;ann@driver.example\n"


@pytest.fixture
def owner(session: Session) -> Account:
    return world.account(session, "owner@demo.example")


def total(session: Session, column: object) -> int:
    return int(session.scalar(sa.select(sa.func.coalesce(sa.func.sum(column), 0))) or 0)


def count(session: Session, table: type) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def everything(session: Session) -> list[tuple[object, ...]]:
    """All that an import writes, without its row ids."""
    quarters = sa.select(
        ChargingSession.external_id, QuarterHour.connector_id, QuarterHour.starts_at, QuarterHour.energy_wh
    ).join(ChargingSession, ChargingSession.id == QuarterHour.session_id)
    rows = [tuple(row) for row in session.execute(quarters.order_by(*quarters.selected_columns[:3]))]
    flagged = sa.select(FlaggedRow.external_id, FlaggedRow.line).order_by(FlaggedRow.line)
    covered = sa.select(Coverage.connector_id, Coverage.starts_at, Coverage.ends_at).order_by(Coverage.connector_id)
    return rows + [tuple(row) for row in session.execute(flagged)] + [tuple(row) for row in session.execute(covered)]


def independent_energy_wh(path: Path, most: int | None = None) -> int:
    """The file's energy by another road: the csv module and decimals, rows with a plug-out only."""
    with gzip.open(path, "rt") as lines:
        rows = islice(csv.DictReader(lines, delimiter=";"), most)
        return sum(
            int(Decimal(row["El_kWh"].replace(",", ".")) * 1000 + Decimal("0.5"))
            for row in rows
            if row["End_plugout"] not in ("", "NA")
        )


def excerpt(path: Path, rows: int) -> bytes:
    with gzip.open(path, "rb") as lines:
        return b"".join(islice(lines, rows + 1))


def test_it_brings_in_a_whole_real_file_to_the_last_watt_hour(session: Session, owner: Account) -> None:
    stations(session, owner, *GARAGES)
    whole = session.get_bind().dialect.name == "sqlite"
    rows = None if whole else 1500
    row = imported(session, owner, TRONDHEIM if whole else excerpt(TRONDHEIM, 1500))
    expected = independent_energy_wh(TRONDHEIM, rows)
    assert row.state == ImportState.DONE
    assert total(session, ChargingSession.energy_wh) == total(session, QuarterHour.energy_wh) == expected
    assert row.energy_wh == expected
    assert row.rows_read == row.sessions_added + row.rows_flagged == (rows or 6878)
    assert not whole or (row.sessions_added, row.rows_flagged, row.energy_wh) == (6844, 34, 87_107_570)


def test_it_changes_nothing_when_the_file_comes_twice(session: Session, owner: Account) -> None:
    stations(session, owner, *GARAGES)
    data = excerpt(TRONDHEIM, 400)
    imported(session, owner, data)
    before = everything(session)
    again = imported(session, owner, data)
    assert (again.sessions_added, again.rows_flagged, again.rows_known) == (0, 0, 400)
    assert everything(session) == before


@pytest.mark.either_engine
def test_it_goes_on_after_kill_9_in_the_middle(session: Session, owner: Account, database_url: str) -> None:
    stations(session, owner, *GARAGES)
    row = queued(session, owner, excerpt(TRONDHEIM, 2500))
    assert 0 < killed_in_the_middle(session, database_url, row.id) < 2500
    session.execute(sa.update(SessionImport).values(lease_until=clock.now() - timedelta(minutes=1)))
    session.commit()
    assert jobs.run_due(sessionmaker(session.get_bind())) == 1
    session.refresh(row)
    assert row.rows_known == 0  # it went on where it stopped, and met nothing twice
    after_the_kill = everything(session), row.rows_read, row.sessions_added, row.rows_flagged, row.energy_wh
    for table in (QuarterHour, FlaggedRow, ChargingSession, Coverage):
        session.execute(sa.delete(table))
    session.execute(
        sa.update(SessionImport).values(
            state="queued", rows_read=0, sessions_added=0, rows_flagged=0, energy_wh=0, warnings={}
        )
    )
    session.commit()
    jobs.run_due(sessionmaker(session.get_bind()))
    session.refresh(row)
    assert (everything(session), row.rows_read, row.sessions_added, row.rows_flagged, row.energy_wh) == after_the_kill


def killed_in_the_middle(session: Session, url: str, import_id: int) -> int:
    """Runs the import in a process of its own and kills that once batches are written, but not all; says how many
    rows are stored."""
    program = (
        "import sys; from portal import models; from portal.core.db import session_factory;"
        "from portal.charging import jobs; jobs.BATCH = 50; jobs.run_due(session_factory(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, url], cwd=Path(__file__).parents[2])
    limit = time.monotonic() + 30
    while rows_read(session, import_id) < 100 and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return rows_read(session, import_id)


def rows_read(session: Session, import_id: int) -> int:
    with reading_only():
        found = session.scalar(sa.select(SessionImport.rows_read).where(SessionImport.id == import_id))
        session.rollback()
    return found or 0


def test_two_workers_never_get_the_same_import(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    row = queued(session, owner, HEAD + NIGHT)
    first, second = claims.claim(session), claims.claim(session)
    assert first is not None
    assert first.row_id == row.id
    assert second is None


def test_a_worker_that_lost_its_lease_changes_nothing(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    queued(session, owner, HEAD + NIGHT)
    held = claims.claim(session)
    assert held is not None
    session.execute(sa.update(SessionImport).values(attempt=SessionImport.attempt + 1))
    with pytest.raises(claims.LeaseLost):
        claims.write(session, held, rows_read=1)


def test_it_gives_up_after_three_attempts_without_progress(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    row = queued(session, owner, HEAD + NIGHT)
    row.mapping = {}  # nothing that a worker can read
    session.commit()
    sessions = sessionmaker(session.get_bind())
    for _ in range(claims.MOST_FAILURES):
        with pytest.raises(Exception, match="columns"):
            jobs.run_due(sessions)
    assert jobs.run_due(sessions) == 0
    session.refresh(row)
    assert (row.state, row.error["key"]) == (ImportState.FAILED, "gave_up")


def test_a_file_that_is_damaged_later_on_fails_with_its_reason(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    rows = b"".join(b"%d;A;01.03.2024 10:00;01.03.2024 11:00;1,5;x\n" % number for number in range(1, 9000))
    row = imported(session, owner, HEAD + rows + b'9001;A;01.03.2024 10:00;"01.03.2024 11:00;1,5;x\n')
    assert (row.state, row.error["key"]) == (ImportState.FAILED, "file_unclosed_quote")


def test_a_session_is_spread_over_its_quarter_hours(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    imported(session, owner, HEAD + b"7;A;01.03.2024 10:50;01.03.2024 11:20;3,001;Ann\n")
    rows = session.execute(sa.select(QuarterHour.energy_wh, QuarterHour.quality).order_by(QuarterHour.starts_at)).all()
    assert [tuple(row) for row in rows] == [(1000, "E"), (1500, "E"), (501, "E")]


def test_a_driver_that_is_an_address_is_known_by_it(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    more = b"8;A;03.03.2024 22:50;04.03.2024 06:20;30,5;Ann@Driver.example\n"
    imported(session, owner, HEAD + NIGHT + more)
    assert session.scalars(sa.select(Driver.email)).all() == ["ann@driver.example"]
    assert session.scalar(sa.select(sa.func.count(sa.distinct(ChargingSession.driver_id)))) == 1


def test_the_confirmed_time_is_whole_local_days(session: Session, owner: Account) -> None:
    stations(session, owner, "A", "B")
    imported(session, owner, HEAD + NIGHT)
    row = session.scalars(sa.select(Coverage)).one()
    assert row.starts_at.isoformat() == "2024-02-29T23:00:00+00:00"
    assert row.ends_at.isoformat() == "2024-03-02T23:00:00+00:00"


def test_the_time_can_cover_all_charging_points(session: Session, owner: Account) -> None:
    stations(session, owner, "A", "B")
    imported(session, owner, HEAD + NIGHT, covers="all")
    assert count(session, Coverage) == 2


def test_adjoining_files_make_one_coverage(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    imported(session, owner, HEAD + NIGHT)
    imported(session, owner, HEAD + b"8;A;03.03.2024 10:50;03.03.2024 11:20;3;Ann\n")
    row = session.scalars(sa.select(Coverage)).one()
    assert (row.ends_at - row.starts_at).days == 3


def test_bad_rows_are_kept_with_what_is_wrong(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    bad = b"1;B;01.03.2024 10:00;01.03.2024 11:00;5;x\n2;A;01.03.2024 10:00;01.03.2024 09:00;-1;x\n"
    row = imported(session, owner, HEAD + bad)
    found = {one.external_id: set(one.problems) for one in session.scalars(sa.select(FlaggedRow))}
    assert found == {"1": {"unknown_station"}, "2": {"end_before_start", "negative_energy"}}
    assert (row.sessions_added, row.rows_flagged) == (0, 2)


def test_every_repetition_in_a_file_is_kept_once(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    for _ in range(2):
        imported(session, owner, HEAD + NIGHT * 3)
    assert (count(session, ChargingSession), count(session, FlaggedRow)) == (1, 2)


def test_another_content_under_a_known_number_is_flagged(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    imported(session, owner, HEAD + NIGHT)
    imported(session, owner, HEAD + NIGHT.replace(b"30,5", b"31,5"))
    assert session.scalars(sa.select(FlaggedRow.problems)).all() == [["differs_from_stored"]]
    assert total(session, QuarterHour.energy_wh) == 30_500


def test_numbers_of_another_system_do_not_collide(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    imported(session, owner, HEAD + NIGHT)
    other = HEAD + b"7;A;05.03.2024 10:00;05.03.2024 11:00;2;x\n"
    assert imported(session, owner, other, source="old portal").sessions_added == 1


def test_the_same_session_under_another_number_is_not_counted_twice(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    imported(session, owner, HEAD + NIGHT)
    again = imported(session, owner, HEAD + NIGHT.replace(b"7;", b"99;"), source="old portal")
    assert (again.sessions_added, again.rows_known) == (0, 1)


def test_a_sub_account_imports_only_to_the_stations_of_its_group(session: Session) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    world.station(session, owner, "B")
    world.grant(session, group, "manage", manage.email)
    rows = b"1;A;01.03.2024 10:00;01.03.2024 11:00;5;x\n2;B;01.03.2024 10:00;01.03.2024 11:00;5;x\n"
    row = imported(session, manage, HEAD + rows, owner=owner, covers="all")
    assert (row.sessions_added, row.rows_flagged) == (1, 1)
    assert session.scalars(sa.select(ChargingSession.owner_id)).all() == [owner.id]
    assert count(session, Coverage) == 1


def test_perths_swapped_dates_are_read_as_they_were(session: Session, owner: Account) -> None:
    with gzip.open(PERTH, "rt") as lines:
        references = sorted({row["CP ID"] for row in csv.DictReader(lines)})
    stations(session, owner, *references, connectors=3)
    row = imported(session, owner, PERTH, order=DateOrder.SWAPPED_WHEN_AMBIGUOUS, zone="Europe/London")
    first, last = session.execute(
        sa.select(sa.func.min(ChargingSession.started_at), sa.func.max(ChargingSession.started_at))
    ).one()
    assert row.sessions_added > 1400
    assert first.isoformat() >= "2018-08-31"
    assert last.isoformat() < "2019-09-01"
    assert total(session, QuarterHour.energy_wh) == row.energy_wh


def test_a_workbook_is_read(session: Session, owner: Account) -> None:
    stations(session, owner, "CCS1", "CCS2")
    row = imported(session, owner, EPFL, order=DateOrder.EXCEL, zone="Europe/Zurich")
    assert (row.rows_read, row.state) == (1878, ImportState.DONE)
    assert row.energy_wh == total(session, QuarterHour.energy_wh)
    flagged_wh = sum(int(float(one.cells[5])) for one in session.scalars(sa.select(FlaggedRow)))
    assert abs(row.energy_wh + flagged_wh - 60_442_000) < 1000


def test_nul_and_odd_characters_do_no_harm(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    odd = "3;A;01.03.2024 10:00;01.03.2024 11:00;5;\N{SNOWMAN}\n".encode() + b"4;A;01.03.2024\0 10:00;x;5;y\0z\n"
    padding = b"".join(b"%d;A;02.03.2024 10:00;02.03.2024 11:00;%d;x\n" % (n, n) for n in range(10, 9000))
    row = imported(session, owner, HEAD + padding + odd)
    assert (row.state, row.rows_read) == (ImportState.DONE, 8992)


def test_a_worker_takes_the_import_from_the_queue(session: Session, owner: Account) -> None:
    stations(session, owner, "A")
    row = queued(session, owner, HEAD + NIGHT)
    assert claims.waits_since(session) is not None
    session.rollback()
    assert jobs.run_due(sessionmaker(session.get_bind())) == 1
    assert claims.waits_since(session) is None
    assert session.get_one(SessionImport, row.id, populate_existing=True).state == ImportState.DONE


def test_a_revocation_while_it_runs_ends_what_it_may_store(session: Session) -> None:
    """The importer keeps A and loses B after the first batch: from the next row on B is unknown to him."""
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    groups = [world.station_group(session, owner) for _ in range(2)]
    for name, group in zip("AB", groups, strict=True):
        world.station(session, owner, name, group)
    world.grant(session, groups[0], "manage", manage.email)
    lost = world.grant(session, groups[1], "manage", manage.email)
    first, slot = datetime(2024, 3, 1, tzinfo=UTC), timedelta(minutes=20)
    starts = [first + n * slot for n in range(2 * jobs.BATCH)]  # all before the clock is put forward
    rows = [
        f"{n};{'AB'[n % 2]};{start:%d.%m.%Y %H:%M};{start + slot:%d.%m.%Y %H:%M};5;x\n"
        for n, start in enumerate(starts)
    ]
    row = queued(session, manage, HEAD + "".join(rows).encode(), owner=owner)
    lost_id, row_id = lost.id, row.id
    session.commit()
    made = sessionmaker(session.get_bind())

    def revoked(_permille: int, position: int) -> None:
        if position == jobs.BATCH:
            with made() as other:
                other.execute(sa.update(Grant).where(Grant.id == lost_id).values(revoked_at=clock.now()))
                other.commit()

    assert jobs.run_one(made, row_id, revoked)
    session.expire_all()
    at = dict(session.execute(
        sa.select(Station.name, sa.func.count(ChargingSession.id))
        .join(Connector, Connector.station_id == Station.id)
        .join(ChargingSession, ChargingSession.connector_id == Connector.id)
        .group_by(Station.name)
    ).all())  # fmt: skip
    assert at == {"A": jobs.BATCH, "B": jobs.BATCH // 2}
    flagged = session.scalars(sa.select(FlaggedRow.problems)).all()
    assert flagged == [["unknown_station"]] * (jobs.BATCH // 2)
    covered = sa.select(Station.name).join(Connector, Connector.station_id == Station.id)
    covered = covered.join(Coverage, Coverage.connector_id == Connector.id)
    assert session.scalars(covered).all() == ["A"], "what he lost is not told to be complete"


def test_an_importer_who_may_not_know_the_drivers_learns_nothing_from_what_is_known(session: Session) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    world.grant(session, group, "manage", manage.email, hides_drivers=True)
    bare = HEAD.replace(b"id;", b"")
    line = b"A;01.03.2024 10:00;01.03.2024 11:00;5;"
    imported(session, owner, bare + line + b"Ann\n", owner=owner)
    right, wrong = (imported(session, manage, bare + line + name, owner=owner) for name in (b"Ann\n", b"Ben\n"))
    assert [(row.rows_known, row.sessions_added) for row in (right, wrong)] == [(1, 0), (1, 0)]


def test_who_may_not_know_the_drivers_sees_no_number_at_what_he_brought_in(session: Session) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    world.grant(session, group, "manage", manage.email, hides_drivers=True)
    imported(session, owner, HEAD + b"1;A;01.03.2024 10:00;01.03.2024 11:00;5;Ann\n", owner=owner)
    imported(session, manage, HEAD + b"2;A;02.03.2024 10:00;02.03.2024 11:00;5;Ann\n", owner=owner)
    lines = queries.sessions(session, manage.id, queries.SessionFilter(), 1).items
    (ann,) = session.scalars(sa.select(Driver.id)).all()
    assert [line.driver for line in lines] == ["", f"#{ann}"]
