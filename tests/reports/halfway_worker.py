"""A worker that stops in the middle of a report until it is killed: `python -m tests.reports.halfway_worker URL`.

It says so in one line and then waits for its standard input to end, as it does when whoever started it is gone."""

import sys
from collections.abc import Iterator
from typing import Any

from portal import models  # noqa: F401  every table
from portal.core.db import session_factory
from portal.reports import jobs, rows

MIDDLE = "in the middle\n"
every_row = rows.report_rows


def halfway(*arguments: Any) -> Iterator[rows.ReportRow]:
    for row in every_row(*arguments):
        yield row
        sys.stdout.write(MIDDLE)
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    jobs.MARK_SECONDS = 0  # every row
    rows.report_rows = halfway
    jobs.run_due(session_factory(sys.argv[1]))
