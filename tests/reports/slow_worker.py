"""A worker so slow that it can be killed in the middle of a report: `python -m tests.reports.slow_worker URL`."""

import sys
import time
from collections.abc import Iterator
from typing import Any

from portal import models  # noqa: F401  every table
from portal.core.db import session_factory
from portal.reports import jobs, rows

quickly = rows.report_rows


def slowly(*arguments: Any) -> Iterator[rows.ReportRow]:
    for row in quickly(*arguments):
        yield row
        time.sleep(1.2)  # the next one is marked


if __name__ == "__main__":
    rows.report_rows = slowly
    jobs.run_due(session_factory(sys.argv[1]))
