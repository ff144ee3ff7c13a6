"""The workers and the scheduler of a crash test, killed and started again by a random generator with a seed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.db import database_now, reading_only
from portal.exports.models import ExportRun
from tests.exports.slow_process import LEASE_SECONDS
from tests.servers.processes import below, send

KINDS = ("worker", "worker", "scheduler")


class Crowd:
    """The processes. `faults` counts what was done to them, and whatever else a test counts with it."""

    def __init__(self, environment: dict[str, str], seed: int, log: Path) -> None:
        self.chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self._environment, self._log = environment, log.open("ab")
        self._members = [(kind, self._start(kind)) for kind in KINDS]
        self._sessions = {process.pid for _, process in self._members}

    def _start(self, kind: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.exports.slow_process", kind, str(self.chance.randrange(10**6))]
        return subprocess.Popen(
            command, env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )

    def kill_busy(self, session: Session) -> None:
        """kill -9 of the process that holds a run at this moment, so that it dies in the middle of something."""
        holders = session.scalars(sa.select(ExportRun.worker).where(ExportRun.lease_until.is_not(None))).all()
        session.rollback()
        ours = {pid for session_id in self._sessions for pid in _of_session(session_id)}
        busy = sorted({int((holder or "0").rpartition(":")[2]) for holder in holders} & ours)
        if busy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(busy), signal.SIGKILL)
                self.faults["killed at work"] += 1
        self.revive()

    def freeze(self, session: Session) -> None:
        """Let a process sleep until its lease is lost, and wake it in the middle of what others do by then."""
        _, process = self.chance.choice(self._members)
        asleep = _of_session(process.pid)
        send(asleep, signal.SIGSTOP)
        limit = time.monotonic() + 3 * LEASE_SECONDS
        while _hold(session, asleep) and time.monotonic() < limit:
            time.sleep(0.05)
        send(asleep, signal.SIGCONT)
        self.faults["frozen"] += 1

    def cut(self, server_pid: int) -> None:
        """End one connection at its server, at whatever byte it is."""
        if serving := below(server_pid):
            send([self.chance.choice(serving)], signal.SIGKILL)
            self.faults["connection cut"] += 1

    def empty_redis(self) -> None:
        with redis.Redis.from_url(self._environment["REDIS_URL"]) as client:
            client.flushall()
        self.faults["Redis emptied"] += 1

    def revive(self) -> None:
        """Start again whoever has ended, as the supervisor does; one killed just now may take a moment to end."""
        for number, (kind, process) in enumerate(self._members):
            if process.poll() is not None:
                again = self._start(kind)
                self._sessions.add(again.pid)
                self._members[number] = (kind, again)

    def kill_one(self) -> None:
        """kill -9 of one: with the process that RQ forked for the present job, or of the parent alone."""
        number = self.chance.randrange(len(self._members))
        _, process = self._members[number]
        whole = self.chance.random() < 0.6
        send(_of_session(process.pid) if whole else [process.pid], signal.SIGKILL)
        process.wait()
        self.faults["killed"] += 1
        self.revive()

    def end(self) -> None:
        for session_id in self._sessions:
            send(_of_session(session_id), signal.SIGKILL)
        for _, process in self._members:
            process.wait()
        self._log.close()


def _hold(session: Session, pids: list[int]) -> bool:
    """Whether one of the processes has a run whose lease goes on. Only reads: one of them may hold SQLite's lock."""
    with reading_only():
        now = database_now(session)
        leased = session.scalars(sa.select(ExportRun.worker).where(ExportRun.lease_until > now)).all()
        session.rollback()
    return any(int((worker or "0").rpartition(":")[2]) in pids for worker in leased)


def _of_session(session_id: int) -> list[int]:
    """The processes of a session that was started here."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session_id:
                found.append(int(stat.parent.name))
    return found
