"""Claims: a run is one worker's at a time."""

import json
import subprocess
import sys
from collections import Counter

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock
from portal.exports import claims, jobs
from portal.exports.models import ExportRun
from tests.exports.conftest import Sessions
from tests.exports.scene import Scene, plan, runs, wake

# A process that claims until nothing is left, and prints what it got.
CLAIMER = """
import json, sys
from portal import models
from portal.core.db import session_factory
from portal.exports.claims import claim
sessions = session_factory(sys.argv[1])
got = []
while True:
    with sessions() as session:
        held = claim(session, sys.argv[2])
        session.commit()
    if held is None:
        break
    got.append(held.run_id)
print(json.dumps(got))
"""


def test_two_processes_never_take_the_same_run(session: Session, scene: Scene, database_url: str) -> None:
    scene.task.starts_on = scene.task.starts_on.replace(year=2025)
    plan(session)
    total = len(runs(session))
    session.commit()
    command = [sys.executable, "-c", CLAIMER, database_url]
    claimers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE) for name in ("one", "two")]
    taken = [json.loads(claimer.communicate(timeout=60)[0]) for claimer in claimers]
    assert Counter(taken[0] + taken[1]) == Counter(run.id for run in runs(session))
    assert total > 300
    assert {run.attempt for run in runs(session)} == {1}


def test_a_claimed_run_is_not_due(session: Session, scene: Scene) -> None:
    plan(session)
    first, second = claims.claim(session, "a"), claims.claim(session, "a")
    assert first is not None
    assert second is not None
    assert first.run_id != second.run_id
    assert claims.claim(session, "a") is None
    assert jobs.waits_since(session) is None


def test_a_lease_that_ended_gives_the_run_to_the_next(
    session: Session, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    monkeypatch.setattr(claims, "LEASE_SECONDS", -1)
    first = claims.claim(session, "killed")
    session.commit()
    again = [claims.claim(session, "next"), claims.claim(session, "next")]
    assert first is not None
    assert (first.run_id, 2) in [(held.run_id, held.attempt) for held in again if held]


def test_renames_come_first(session: Session, scene: Scene) -> None:
    plan(session)
    last = runs(session)[1]
    last.state = "uploaded"
    last.not_before = clock.now()
    session.flush()
    held = claims.claim(session, "a")
    assert held is not None
    assert (held.run_id, held.uploaded) == (last.id, True)


def test_a_paused_task_rests_but_a_rename_is_still_done(session: Session, scene: Scene) -> None:
    plan(session)
    scene.task.paused_at = clock.now()
    session.flush()
    assert claims.claim(session, "a") is None
    runs(session)
    scene.task.paused_at = clock.now()
    session.execute(sa.update(ExportRun).values(state="uploaded"))
    assert claims.claim(session, "a") is not None


def test_failed_and_delivered_runs_are_nobodys_work(session: Session, scene: Scene) -> None:
    plan(session)
    first, second = runs(session)
    first.state, second.state = "failed", "delivered"
    session.flush()
    assert claims.claim(session, "a") is None


def test_a_fenced_write_of_an_old_attempt_is_refused(session: Session, scene: Scene) -> None:
    plan(session)
    held = claims.claim(session, "a")
    assert held is not None
    session.execute(sa.update(ExportRun).values(attempt=ExportRun.attempt + 1))
    with pytest.raises(claims.LeaseLost):
        claims.step(session, held, "built", "", {"rows": 7})


def test_the_heartbeat_renews_and_notices_a_loss(
    session: Session, scene: Scene, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(session)
    monkeypatch.setattr(claims, "LEASE_SECONDS", 0.3)
    held = claims.claim(session, "a")
    session.commit()
    assert held is not None
    with claims.Heartbeat(sessions, held) as heartbeat:
        heartbeat._ended.wait(0.5)
        session.execute(sa.update(ExportRun).values(attempt=9))
        session.commit()
        heartbeat._ended.wait(0.5)
        with pytest.raises(claims.LeaseLost):
            heartbeat.check()
    wake(session)
