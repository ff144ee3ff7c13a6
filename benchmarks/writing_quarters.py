"""The process that writes a month's quarter hours of a station group, through the same `documents` as every run.

`python -m benchmarks.writing_quarters URL FORMAT GROUP` prints rows, seconds and its peak memory in MB.
"""

import os
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal import models  # noqa: F401  every table
from portal.core.db import reading_only, session_factory
from portal.exports.documents import documents
from portal.exports.models import ExportRun, ExportTask, Formatter
from portal.exports.periods import Interval, make_period
from portal.exports.totals import Totals

PERIOD = make_period(date(2026, 1, 1), date(2026, 2, 1), ZoneInfo("Europe/Zurich"))
QUARTERS = 31 * 96
COMPANIES = {"sender": "12X-EXAMPLE----Z", "receiver": "12X-EXAMPLE----Z"}
FORMATS: dict[str, dict[str, str]] = {
    "ise_csv": {},
    "csv": {"per": "quarter"},
    "sdat": COMPANIES,
    "mscons": {**COMPANIES, "kind": "profile"},
}


def _write(session: Session, name: str, group: int) -> tuple[int, float]:
    """Rows written and the seconds that took, from the first question to the database to the last byte."""
    run, totals, started = _run(name, group), Totals(), time.perf_counter()
    with Path(os.devnull).open("wb") as sink:
        for document in documents(session, run, totals, datetime.now(UTC)):
            for piece in document.content:
                sink.write(piece)
    return totals.quarters_measured + totals.quarters_substitute, time.perf_counter() - started


def _run(name: str, group: int) -> ExportRun:
    formatter = Formatter(format=name, identifier="metering_code", obis="1-1:1.29.0", settings=FORMATS[name])
    parts = {"scope": "charging_points", "station_group_id": group, "time_zone": "Europe/Zurich"}
    task = ExportTask(name="January", formatter=formatter, **parts)
    times = {"starts_at": PERIOD.starts_at, "ends_at": PERIOD.ends_at, "interval": Interval.MONTHLY.value}
    return ExportRun(id=1, revision=0, task=task, period_start=PERIOD.start, period_end=PERIOD.end, **times)


def main(url: str, name: str, group: int) -> None:
    with reading_only(), session_factory(url)() as session:
        rows, seconds = _write(session, name, group)
    most = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(rows, seconds, int(most) / 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
