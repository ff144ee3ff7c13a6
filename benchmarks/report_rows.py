"""A report of 100,000 sessions as extended CSV, from the first question to the database to the last byte, against the
bare csv module, which gets the same cells ready made and does nothing but write them."""

import csv
import io
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.result import Result
from portal import models  # noqa: F401  every table
from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.core import schema
from portal.core.db import reading_only, session_factory
from portal.reports import tables
from portal.reports.rows import report_rows
from portal.stations.models import Connector, Station

SESSIONS, STATIONS, DRIVERS, QUARTERS = 100_000, 200, 500, 6
ZURICH = ZoneInfo("Europe/Zurich")
STARTS_AT, ENDS_AT = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/piquet.db"
        schema.upgrade(url)
        with session_factory(url)() as session:
            _fill(session)
            session.commit()
        with reading_only(), session_factory(url)() as session:
            ids = session.scalars(sa.select(Connector.id).order_by(Connector.id)).all()
            owner_id = session.scalars(sa.select(Account.id)).one()
            started = time.perf_counter()
            with (Path(folder) / "report.csv").open("wb") as file:
                rows = report_rows(session, owner_id, ids, STARTS_AT, ENDS_AT)
                for line in tables.csv(rows, ZURICH, str, extended=True):
                    file.write(line)
            by_report = time.perf_counter() - started
        by_csv = _by_csv(Path(folder))
    peer = "the bare csv module, cells ready made"
    yield Result("report_rows_100000", "rows/s", SESSIONS / by_report, peer, SESSIONS / by_csv, "")


def _by_csv(folder: Path) -> float:
    """The seconds to write the same cells again; AssertionError where the bytes differ."""
    written = (folder / "report.csv").read_bytes()
    cells = list(csv.reader(io.StringIO(written.decode("utf-8-sig"), newline=""), delimiter=";"))
    if len(cells) != SESSIONS + 1:
        raise AssertionError(f"{len(cells)} lines")
    started = time.perf_counter()
    with (folder / "bare.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(cells)
    seconds = time.perf_counter() - started
    if (folder / "bare.csv").read_bytes() != written:
        raise AssertionError("the two files differ")
    return seconds


def _fill(session: Session) -> None:
    owner = Account(email="owner@x.example")
    session.add(owner)
    session.flush()
    for number in range(STATIONS):
        session.add(
            Station(owner_id=owner.id, name=f"Station {number}", connectors=[Connector(owner_id=owner.id, number=1)])
        )
    drivers = [Driver(owner_id=owner.id, label=f"d{n}", email=f"driver{n}@x.example") for n in range(DRIVERS)]
    session.add_all(drivers)
    session.flush()
    connectors = session.scalars(sa.select(Connector.id)).all()
    sessions, quarters, kept = [], [], []
    for key in range(1, SESSIONS + 1):
        start = STARTS_AT + key * (ENDS_AT - STARTS_AT - timedelta(days=2)) / SESSIONS
        at = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
        start, connector_id = at + timedelta(minutes=1), connectors[key % STATIONS]
        times = {"started_at": start, "charged_until": at + QUARTERS * QUARTER, "ended_at": at + 9 * QUARTER}
        named = {"source": "file", "external_id": str(key), "driver_id": drivers[key % DRIVERS].id, "card": f"c{key}"}
        whose = {"id": key, "owner_id": owner.id, "connector_id": connector_id, "energy_wh": 1500 * QUARTERS}
        sessions.append({**whose, **times, **named})
        quarters += [
            {
                "connector_id": connector_id,
                "session_id": key,
                "starts_at": at + n * QUARTER,
                "energy_wh": 1500,
                "quality": "W",
            }
            for n in range(QUARTERS)
        ]
        kept.append(_cost(key))
    for table, some in ((ChargingSession, sessions), (QuarterHour, quarters), (SessionCost, kept)):
        session.execute(sa.insert(table), some)


def _cost(key: int) -> dict[str, object]:
    parts = {"energy": 405, "time": 90, "parking": key % 50, "start": 0, "rounding": 0}
    return {
        "session_id": key,
        **parts,
        "total": 495 + key % 50,
        "gap": False,
        "vat_permille": 81,
        "currency": "CHF",
        "decisions": [],
    }
