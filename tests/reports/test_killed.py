"""A worker killed with -9 in the middle of a report leaves nothing half; the next one makes it whole."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.core import clock, files
from portal.reports import jobs
from portal.reports.models import Report, ReportFile
from portal.stations.models import StationGroup
from tests.reports.halfway_worker import MIDDLE
from tests.reports.test_jobs import content, ordered

ROOT = Path(__file__).parents[2]


def test_a_killed_worker_leaves_nothing_half(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup, database_url: str
) -> None:
    report = ordered(session, owner, group, "csv", "xlsx")
    command = [sys.executable, "-m", "tests.reports.halfway_worker", database_url]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        said = worker.stdout.readline()
        worker.kill()
    assert said == MIDDLE
    session.refresh(report)
    assert (report.state, report.done_permille) == ("running", 250), "one of two rows, of the first of two files"
    session.commit()
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
