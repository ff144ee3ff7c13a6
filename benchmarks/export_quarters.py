"""Quarter hours of a month from PostgreSQL to a file, against `psql`'s own COPY of the same values in the same run.

10,000 meters with a row for every quarter hour of January: 29.8 million values, in the product's schema. Another number
of meters by the environment variable METERS.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks import worlds
from benchmarks.result import Result
from benchmarks.writing_quarters import PERIOD, QUARTERS
from portal import models  # noqa: F401  every table
from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Coverage
from portal.core import schema
from portal.core.db import session_factory
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation

METERS = int(os.environ.get("METERS", "10000"))
ALL, SOME = 1, 2  # station groups
FEW = 10  # times smaller is SOME: the memory must not grow from there to all meters
MOST_MB = 120
DEMANDS = {"ise_csv": ">= 0.8", "csv": ">= 0.8", "sdat": ">= 0.6", "mscons": ">= 0.6"}

# One row for each meter and quarter hour, in the order of the file. It may take the rows as they lie: there is one for
# each. Adding up what several sessions have in one, as we must, would make it two to three times as slow.
SAME = """
SELECT c.metering_code, q.starts_at + interval '15 minutes', q.energy_wh, q.quality
FROM quarter_hour q JOIN connector c ON c.id = q.connector_id
WHERE q.starts_at >= '{starts_at}' AND q.starts_at < '{ends_at}'
ORDER BY q.connector_id, q.starts_at
"""


def run() -> Iterator[Result]:
    url = worlds.empty("quarters")
    _fill(url, METERS)
    copied = METERS * QUARTERS / _copy(url)
    for name, demand in DEMANDS.items():
        rows, seconds, memory = _process(url, name, ALL)
        few = _process(url, name, SOME)[2]
        if rows != METERS * QUARTERS:
            raise AssertionError(f"{name}: {rows} rows instead of {METERS * QUARTERS}")
        yield Result(f"month of quarter hours to {name}", "rows/s", rows / seconds, "psql COPY TO", copied, demand)
        yield Result(f"memory of writing {name}", "MB", memory, f"at most {MOST_MB} MB", MOST_MB, "<= 1")
        peer = f"the same with {FEW} times fewer meters"
        yield Result(f"memory of writing {name}, flat", "MB", memory, peer, few, "<= 1.3")


def _copy(url: str) -> float:
    query = " ".join(SAME.format(starts_at=PERIOD.starts_at, ends_at=PERIOD.ends_at).split())
    command = ["psql", "-qX", "-c", f"COPY ({query}) TO STDOUT", _plain(url)]
    started = time.perf_counter()
    with Path(os.devnull).open("wb") as sink:
        subprocess.run(command, check=True, stdout=sink)
    return time.perf_counter() - started


def _process(url: str, name: str, group: int) -> tuple[int, float, float]:
    command = [sys.executable, "-m", "benchmarks.writing_quarters", url, name, str(group)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return int(answer[0]), float(answer[1]), float(answer[2])


def _plain(url: str) -> str:
    return re.sub(r"^postgresql\+psycopg", "postgresql", url)


def _fill(url: str, meters: int) -> None:
    """A station with one connector for each meter, one session in it, and a row for every quarter hour; station group
    ALL holds all of them, SOME a part."""
    schema.upgrade(url)
    sessions = session_factory(url)
    numbers = range(1, meters + 1)
    with sessions() as session:
        session.execute(sa.text("SET session_replication_role = replica"))  # no look at foreign keys
        session.execute(sa.insert(Account), [{"id": 1, "email": "owner@bench.example"}])
        session.execute(sa.insert(Station), [{"id": n, "owner_id": 1, "name": f"Station {n:06}"} for n in numbers])
        session.execute(sa.insert(Connector), [_connector(number) for number in numbers])
        session.execute(sa.insert(StationGroup), [{"id": n, "owner_id": 1, "name": f"{n}"} for n in (ALL, SOME)])
        for group, members in ((ALL, numbers), (SOME, range(1, meters // FEW + 1))):
            rows = [{"station_group_id": group, "station_id": n, "owner_id": 1} for n in members]
            session.execute(sa.insert(StationGroupStation), rows)
        whole = {"starts_at": PERIOD.starts_at, "ends_at": PERIOD.ends_at}
        session.execute(sa.insert(Coverage), [{"connector_id": n, **whole} for n in numbers])
        session.execute(sa.insert(ChargingSession), [_session(number) for number in numbers])
        session.execute(sa.text(QUARTER_HOURS), {"meters": meters, **whole})
        session.commit()
    engine = sessions.kw["bind"]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()


def _connector(number: int) -> dict[str, object]:
    code = f"CH1012301234500000000000{number:09}"
    return {"id": number, "station_id": number, "owner_id": 1, "number": 1, "metering_code": code}


def _session(number: int) -> dict[str, object]:
    times = {"started_at": PERIOD.starts_at, "ended_at": PERIOD.ends_at}
    row = {"id": number, "owner_id": 1, "connector_id": number, "energy_wh": 1, "source": "bench"}
    return {**row, **times, "external_id": str(number)}


# Amounts from 1 to 5,500 Wh (22 kW), a fifth of them substitutes, as dice would have them.
QUARTER_HOURS = """
INSERT INTO quarter_hour (connector_id, starts_at, session_id, energy_wh, quality)
SELECT number, instant, number, 1 + (dice & 2147483647) % 5500, CASE WHEN dice % 5 = 0 THEN 'E' ELSE 'W' END
FROM generate_series(1, CAST(:meters AS bigint)) AS number,
     generate_series(CAST(:starts_at AS timestamptz), CAST(:ends_at AS timestamptz) - interval '15 minutes',
                     interval '15 minutes') AS instant,
     LATERAL (SELECT hashint8(number * 100003 + CAST(extract(epoch FROM instant) AS bigint))) AS thrown (dice)
ORDER BY number, instant
"""
