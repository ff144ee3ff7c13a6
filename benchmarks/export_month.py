"""Export of one month for 1,000 connectors, from quarter hours in SQLite to bytes.

This design against the straightforward way: ORM rows of each connector, summed in Python, written by lxml or the csv
module. Both ways must give the same energy.
"""

import csv
import io
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.orm import Session

from benchmarks.result import Result
from portal import models  # noqa: F401  every table
from portal.accounts.models import Account
from portal.charging.energy import EnergySource, meter_periods
from portal.charging.models import ChargingSession, Coverage, QuarterHour
from portal.charging.spreading import spread
from portal.core import schema
from portal.core.db import reading_only, session_factory
from portal.exports.periods import make_period
from portal.formats import csv_file, esl_xml
from portal.formats.rows import Meter
from portal.stations.models import Connector, Station

CONNECTORS, SESSIONS = 1_000, 30
ZONE = ZoneInfo("Europe/Zurich")
PERIOD = make_period(date(2026, 10, 1), date(2026, 11, 1), ZONE)  # with the autumn clock change: 2,980 quarter hours
QUARTER = timedelta(minutes=15)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        schema.upgrade(url)
        sessions = session_factory(url)
        with sessions() as session:
            total = _build(session)
            session.commit()
        with reading_only(), sessions() as session:
            yield _compare(session, "month to ESL XML, 1,000 connectors", _esl, _lxml, total, ">= 1.5")
            name = "month to CSV of quarter hours, 1,000 connectors"
            yield _compare(session, name, _csv, _csv_module, total, ">= 1.2")
        sessions.kw["bind"].dispose()


def _compare(
    session: Session,
    name: str,
    ours: Callable[[Session], tuple[int, int]],
    peer: Callable[[Session], tuple[int, int]],
    total: int,
    demand: str,
) -> Result:
    speeds = []
    for way in (ours, peer):
        started = time.perf_counter()
        energy_wh, rows = way(session)
        speeds.append(rows / (time.perf_counter() - started))
        session.rollback()
        if energy_wh != total:
            raise AssertionError(f"{name}: {way.__name__} has {energy_wh} Wh instead of {total}")
    names = {_lxml: "ORM rows, lxml", _csv_module: "ORM rows, csv.writer"}
    return Result(name, "rows/s", speeds[0], names[peer], speeds[1], demand)


def _build(session: Session) -> int:
    """Connectors with sessions all over the month; their energy in Wh."""
    dice = random.Random(1)
    session.add(Account(id=1, email="owner@bench.example"))
    session.flush()
    numbers = range(1, CONNECTORS + 1)
    session.execute(sa.insert(Station), [{"id": n, "owner_id": 1, "name": f"Station {n}"} for n in numbers])
    session.execute(sa.insert(Connector), [_connector(n) for n in numbers])
    whole = {"starts_at": PERIOD.starts_at, "ends_at": PERIOD.ends_at}
    session.execute(sa.insert(Coverage), [{"connector_id": n, **whole} for n in numbers])
    charged = [_session(dice, n, turn) for n in numbers for turn in range(SESSIONS)]
    for number, row in enumerate(charged, 1):
        row["id"] = number
    session.execute(sa.insert(ChargingSession), charged)
    session.execute(sa.insert(QuarterHour), [quarter for row in charged for quarter in _quarters(row)])
    return sum(int(str(row["energy_wh"])) for row in charged)


def _connector(number: int) -> dict[str, object]:
    return {"id": number, "station_id": number, "owner_id": 1, "number": 1, "factory_no": f"F{number:06}"}


def _session(dice: random.Random, connector_id: int, turn: int) -> dict[str, object]:
    started_at = PERIOD.starts_at + timedelta(days=turn, minutes=dice.randint(0, 600))
    row = {"owner_id": 1, "connector_id": connector_id, "source": "bench", "external_id": f"{connector_id}/{turn}"}
    ended_at = started_at + timedelta(minutes=dice.randint(20, 700))
    return {**row, "started_at": started_at, "ended_at": ended_at, "energy_wh": dice.randint(500, 60_000)}


def _quarters(row: dict[str, object]) -> Iterable[dict[str, object]]:
    started_at, ended_at, energy_wh = row["started_at"], row["ended_at"], row["energy_wh"]
    for starts_at, part in spread(started_at, ended_at, energy_wh):  # type: ignore[arg-type]  # a plain row of a dict
        if part:
            key = {"connector_id": row["connector_id"], "session_id": row["id"], "starts_at": starts_at}
            yield {**key, "energy_wh": part, "quality": "E"}


def _sources() -> list[EnergySource]:
    return [
        EnergySource(Meter(None, f"F{n:06}", None, None, f"Station {n} · 1"), (n,)) for n in range(1, CONNECTORS + 1)
    ]


def _esl(session: Session) -> tuple[int, int]:
    rows = meter_periods(session, _sources(), PERIOD.starts_at, PERIOD.ends_at)
    written = b"".join(esl_xml.write(rows, esl_xml.EslSettings(identifier="factory_no"), datetime.now(UTC)))
    values = etree.fromstring(written).iter("ValueRow")
    return sum(round(float(value.get("value", "0")) * 1000) for value in values), CONNECTORS


def _lxml(session: Session) -> tuple[int, int]:
    root, energy_wh = etree.Element("ESLBillingData"), 0
    for number in range(1, CONNECTORS + 1):
        meter = etree.SubElement(root, "Meter", factoryNo=f"F{number:06}")
        period = etree.SubElement(meter, "TimePeriod", end=PERIOD.end.isoformat())
        advance = sum(row.energy_wh for row in _orm_rows(session, number))
        etree.SubElement(period, "ValueRow", obis="1-1:1.9.0", value=f"{advance / 1000:.4f}", status="V")
        energy_wh += advance
    etree.tostring(root)
    return energy_wh, CONNECTORS


def _orm_rows(session: Session, connector_id: int) -> Iterable[QuarterHour]:
    within = QuarterHour.starts_at.between(PERIOD.starts_at, PERIOD.ends_at - QUARTER)
    mine = sa.select(QuarterHour).where(QuarterHour.connector_id == connector_id, within)
    return session.scalars(mine.order_by(QuarterHour.starts_at))


def _csv(session: Session) -> tuple[int, int]:
    columns = ("identifier", "period_end", "energy_wh", "status")
    settings = csv_file.CsvSettings(identifier="factory_no", per="quarter", columns=columns)
    rows = meter_periods(session, _sources(), PERIOD.starts_at, PERIOD.ends_at, quarters=True)
    energy_wh, count = 0, -1
    for chunk in csv_file.write(rows, settings):
        lines = chunk.split(b"\n")
        count += len(lines) - 1
        energy_wh += sum(int(line.split(b";")[2]) for line in lines if line.endswith((b"E", b"E\r")))
    return energy_wh, count


def _csv_module(session: Session) -> tuple[int, int]:
    energy_wh = count = 0
    for number in range(1, CONNECTORS + 1):
        held: dict[datetime, int] = {}
        for row in _orm_rows(session, number):
            held[row.starts_at] = held.get(row.starts_at, 0) + row.energy_wh
        text = io.StringIO()
        writer, stamp = csv.writer(text, delimiter=";"), PERIOD.starts_at
        while stamp < PERIOD.ends_at:
            advance = held.get(stamp, 0)
            stamp += QUARTER
            writer.writerow([f"F{number:06}", stamp.isoformat(), advance, "E" if advance else "W"])
            energy_wh, count = energy_wh + advance, count + 1
        text.getvalue().encode()
    return energy_wh, count
