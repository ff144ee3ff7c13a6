"""Whatever is killed, every period arrives exactly once: real workers, a real scheduler, kill -9 in the middle of the
work, energy that arrives late or changes, Redis gone. The long form, with all servers killed as well, is test_storm.

A failure prints its seed; `CRASH_SEED=7 pytest tests/exports/test_crashes.py` meets the same order of kills again.
"""

import contextlib
import os
import random
import time
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.core.config import Settings
from portal.core.vault import Vault
from tests.exports.billing import reckon
from tests.exports.crashing import change_energy, environment, many, wait_until_over
from tests.exports.crowd import Crowd
from tests.exports.receiver import Receiver, compare
from tests.servers.sshd import Sshd
from tests.servers.valkey import run_valkey

FAULTS = 16


def test_every_period_arrives_once_whatever_is_killed(
    session: Session, settings: Settings, vault: Vault, sshd: Sshd, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(10**6))
    print(f"seed {seed}")  # noqa: T201  to meet the same kills again
    scenes = many(session, vault, sshd, tasks=3, days=8)
    receiver, log = Receiver([scene.folder for scene in scenes]), tmp_path / "crowd.log"
    with receiver.running(), run_valkey() as redis_url, contextlib.ExitStack() as stack:
        crowd = Crowd({**environment(settings, sshd.port), "REDIS_URL": redis_url}, seed, log)
        stack.callback(crowd.end)
        acts = {
            lambda: crowd.kill_busy(session): 8,
            crowd.kill_one: 3,
            lambda: change_energy(session, crowd, scenes): 3,
        }
        for _ in range(FAULTS):
            time.sleep(crowd.chance.uniform(0.1, 1.0))
            (act,) = crowd.chance.choices(list(acts), list(acts.values()))
            act()
        wait_until_over(session, crowd, 24, seconds=90, log=log)
    compare(session, receiver)
    reckon(settings.database_url, receiver.contents)


@pytest.mark.either_engine
def test_without_redis_the_scheduler_delivers_alone(
    session: Session, settings: Settings, vault: Vault, sshd: Sshd, tmp_path: Path
) -> None:
    scenes = many(session, vault, sshd, tasks=1, days=3)
    receiver, log = Receiver([scene.folder for scene in scenes]), tmp_path / "crowd.log"
    gone = {**environment(settings, sshd.port), "REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    with receiver.running(), contextlib.ExitStack() as stack:
        crowd = Crowd(gone, 0, log)
        stack.callback(crowd.end)
        wait_until_over(session, crowd, 3, seconds=60, log=log)
    compare(session, receiver)
