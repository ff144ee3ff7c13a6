"""A worker killed with -9 in the middle of a report leaves nothing half; the next one makes it whole."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.core import clock, files
from portal.reports import jobs
from portal.reports.models import Report, ReportFile
from portal.stations.models import StationGroup
from tests.reports.test_jobs import content, ordered

ROOT = Path(__file__).parents[2]


def test_a_killed_worker_leaves_nothing_half(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup, database_url: str
) -> None:
    report = ordered(session, owner, group, "csv", "xlsx")
    worker = subprocess.Popen([sys.executable, "-m", "tests.reports.slow_worker", database_url], cwd=ROOT)
    try:
        _wait_until_it_is_in_the_middle(session, report)
    finally:
        worker.kill()
        worker.wait()
    assert session.scalars(sa.select(ReportFile)).all() == []
    kept = session.scalar(sa.select(sa.func.count()).select_from(files.StoredFile))
    session.commit()
    assert jobs.run_due(sessions) == 0, "its lease still runs"
    session.get_one(Report, report.id).lease_until = clock.now() - timedelta(seconds=1)
    session.commit()
    assert jobs.run_due(sessions) == 1
    session.refresh(report)
    assert (report.state, report.attempt, [file.kind for file in report.files]) == ("done", 2, ["csv", "xlsx"])
    assert session.scalar(sa.select(sa.func.count()).select_from(files.StoredFile)) == (kept or 0) + 2
    assert len(content(session, report, "csv").splitlines()) == 3


def _wait_until_it_is_in_the_middle(session: Session, report: Report) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        session.refresh(report)
        found = (report.state, report.done_permille)
        session.commit()
        if found[0] == "running" and found[1] > 0:
            return
        time.sleep(0.05)
    raise TimeoutError(found)
