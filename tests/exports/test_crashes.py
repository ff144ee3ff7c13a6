"""Whatever is killed, every period arrives exactly once: real workers, a real scheduler, kill -9, workers that sleep
until their lease is lost, connections that are cut, Redis gone or emptied, energy that arrives late or changes.

A failure prints its seed; `CRASH_SEED=7 pytest tests/exports/test_crashes.py` meets the same order of kills again.
"""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import changes
from portal.charging.models import EnergyChange, QuarterHour
from portal.core.config import Settings
from portal.core.db import database_now
from portal.core.vault import Vault
from portal.exports.models import ExportAttempt, ExportRun, ExportTask, RunState
from tests.conftest import ENVIRONMENT
from tests.exports.scene import BEGINS_AT, START, Scene, charge, set_up
from tests.exports.slow_process import LEASE_SECONDS
from tests.servers.sshd import Sshd
from tests.servers.valkey import run_valkey

KINDS = ("worker", "worker", "scheduler")


@dataclass
class Receiver:
    """A utility that takes every finished file away within moments, and notes what it took."""

    folders: list[Path]
    taken: list[tuple[str, str, str]] = field(default_factory=list)  # folder, name, SHA-256
    contents: dict[str, bytes] = field(default_factory=dict)  # by folder and name
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._ended.wait(0.01):
            self.look()

    def look(self) -> None:
        for folder in self.folders:
            for path in folder.iterdir():
                if path.name.startswith("."):
                    continue
                content = path.read_bytes()
                self.taken.append((folder.name, path.name, hashlib.sha256(content).hexdigest()))
                self.contents[f"{folder.name}/{path.name}"] = content
                path.unlink()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(5)
            self.look()


class Crowd:
    """The processes, killed and started again by a random generator with a seed."""

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
        _signal(asleep, signal.SIGSTOP)
        limit = time.monotonic() + 3 * LEASE_SECONDS
        while _hold(session, asleep) and time.monotonic() < limit:
            time.sleep(0.05)
        _signal(asleep, signal.SIGCONT)
        self.faults["frozen"] += 1

    def cut(self, sshd: Sshd) -> None:
        """End one connection at the server, at whatever byte it is."""
        children = [pid for pid, parent in _parents().items() if parent == sshd.pid]
        if children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(children), signal.SIGKILL)
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
        for pid in _of_session(process.pid) if whole else [process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self.faults["killed"] += 1
        self.revive()

    def end(self) -> None:
        for session_id in self._sessions:
            for pid in _of_session(session_id):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for _, process in self._members:
            process.wait()
        self._log.close()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _hold(session: Session, pids: list[int]) -> bool:
    """Whether one of the processes has a run whose lease goes on."""
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


def _parents() -> dict[int, int]:
    """Each process with its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


@pytest.fixture
def environment(settings: Settings, sshd: Sshd) -> dict[str, str]:
    own = {
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "DELIVERY_ALLOWED_PORTS": str(sshd.port),
    }
    return {**os.environ, **ENVIRONMENT, **own}


def _crash(
    session: Session,
    scenes: list[Scene],
    environment: dict[str, str],
    sshd: Sshd,
    seed: int,
    *,
    faults: int,
    storm: bool,
) -> Counter[str]:
    receiver = Receiver([scene.folder for scene in scenes])
    log = Path(environment["DATA_DIR"]) / "crowd.log"
    with receiver.running(), run_valkey() as redis_url, contextlib.ExitStack() as stack:
        print(f"seed {seed}")  # noqa: T201
        crowd = Crowd({**environment, "REDIS_URL": redis_url}, seed, log)
        stack.callback(crowd.end)
        acts: dict[Callable[[], None], int] = {
            lambda: crowd.kill_busy(session): 8,
            crowd.kill_one: 3,
            lambda: _change_energy(session, crowd, scenes): 3,
        }
        if storm:
            acts |= {lambda: crowd.freeze(session): 1, lambda: crowd.cut(sshd): 3, crowd.empty_redis: 1}
        for _ in range(faults):
            time.sleep(crowd.chance.uniform(0.1, 1.0))
            (act,) = crowd.chance.choices(list(acts), list(acts.values()))
            act()
        _wait_until_over(session, crowd, 90, log)
    _compare(session, receiver, seed)
    _reckon(session, receiver, scenes, seed)
    print(f"seed {seed}: {dict(crowd.faults)}")  # noqa: T201
    return crowd.faults


def _change_energy(session: Session, crowd: Crowd, scenes: list[Scene]) -> None:
    """A session arrives late, or one that was sent already is put right, as an import and a correction write them."""
    chance, scene = crowd.chance, crowd.chance.choice(scenes)
    days = ((scene.task.ends_on or START) - START).days + 1
    connector = chance.choice(scene.connectors)
    at = BEGINS_AT + timedelta(hours=chance.randrange(days * 24 - 2))
    if chance.random() < 0.6:
        charge(session, connector, at, chance.randrange(1, 9000))
        crowd.faults["late energy"] += 1
    else:
        of = QuarterHour.connector_id == connector.id
        session.execute(sa.update(QuarterHour).where(of).values(energy_wh=QuarterHour.energy_wh + chance.randrange(90)))
        crowd.faults["changed energy"] += 1
    changes.note(session, [(connector.id, BEGINS_AT, BEGINS_AT + timedelta(days=days + 1))])
    session.commit()


def _wait_until_over(session: Session, crowd: Crowd, seconds: float, log: Path) -> None:
    """Until every run is delivered; a failure when `seconds` pass without one more."""
    limit, before = time.monotonic() + seconds, -1
    over = (RunState.DELIVERED, RunState.SET_ASIDE)
    open_runs = sa.select(sa.func.count()).where(sa.or_(ExportRun.state.not_in(over), ExportRun.compare))
    noted = sa.select(sa.func.count(EnergyChange.id))
    while time.monotonic() < limit:
        crowd.revive()
        left = (session.scalar(open_runs) or 0) + (session.scalar(noted) or 0)
        made = session.scalar(sa.select(sa.func.count(ExportRun.id)))
        session.rollback()
        if left == 0 and made:
            return
        if left != before:
            limit, before = time.monotonic() + seconds, left or 0
        time.sleep(0.2)
    run, task = ExportRun, ExportTask
    told = (run.id, run.task_id, run.state, run.revision, run.failures, run.reason, run.compare, run.not_before)
    states = sa.select(*told, run.worker, run.lease_until).order_by(run.id)
    stuck = session.execute(states.where(sa.or_(run.state.not_in(over), run.compare))).all()
    tasks = session.execute(sa.select(task.id, task.failures, task.paused_at, task.paused_reason)).all()
    lines = "\n".join(map(str, [*tasks, *stuck]))
    pytest.fail(f"not over after {seconds} s:\n{lines}\n{log.read_text()[-3000:]}")


def _compare(session: Session, receiver: Receiver, seed: int) -> None:
    expected = Counter(
        (run.task.destination.directory, file.name, file.sha256)
        for run in session.scalars(sa.select(ExportRun))
        for file in run.files
    )
    assert Counter(receiver.taken) == expected, f"seed {seed}"
    again = sa.select(sa.func.count()).where(ExportAttempt.message == "Published by an earlier attempt.")
    print(f"seed {seed}: {len(receiver.taken)} files, {session.scalar(again)} found published already")  # noqa: T201


def _reckon(session: Session, receiver: Receiver, scenes: list[Scene], seed: int) -> None:
    """What the receiver would bill, from the latest file of each period and meter, is the energy of the sessions: added
    up here by hand from the files' own text and the quarter hours, in the days of Zurich."""
    latest: dict[tuple[str, str, str], tuple[int, int]] = {}
    for path, content in receiver.contents.items():
        folder, _, name = path.partition("/")
        revision = int(name.removesuffix(".csv").rpartition("-r")[2])
        for line in content.decode().splitlines()[1:]:
            meter, day, energy_kwh = line.split(";")
            key = (folder, meter, day[:10])
            latest[key] = max(latest.get(key, (-1, 0)), (revision, round(float(energy_kwh) * 1000)))
    expected: Counter[tuple[str, str, str]] = Counter()
    for scene in scenes:
        for connector in scene.connectors:
            held = sa.select(QuarterHour.starts_at, QuarterHour.energy_wh)
            for at, wh in session.execute(held.where(QuarterHour.connector_id == connector.id)):
                day = at.astimezone(ZoneInfo("Europe/Zurich")).date().isoformat()
                expected[scene.folder.name, connector.metering_code or "", day] += wh
    found = {key: wh for key, (_revision, wh) in latest.items() if wh}
    assert found == dict(expected), f"seed {seed}"


def _seed() -> int:
    return int(os.environ.get("CRASH_SEED") or random.randrange(10**6))


def _many(session: Session, vault: Vault, sshd: Sshd, tasks: int, days: int) -> list[Scene]:
    scenes = [set_up(session, vault, sshd, f"owner{number}") for number in range(tasks)]
    for number, scene in enumerate(scenes):
        scene.task.trigger, scene.task.hours_after_end = "hours_after_end", 1
        scene.task.corrections, scene.task.pause_after = "automatic", 100
        columns = {"columns": ["identifier", "period_start", "energy_kwh"], "stamps": "iso_local"}
        one = {"file_name": "{task}_{period_start}-r{revision}.csv", **columns}
        each = {"files": "meter", "file_name": "{meter}_{period_start}-r{revision}.csv", **columns}
        scene.formatter.settings = each if number % 2 else one
        scene.task.starts_on, scene.task.ends_on = START, START + timedelta(days=days - 1)
    session.commit()
    return scenes


def test_every_period_arrives_once_whatever_is_killed(
    session: Session, vault: Vault, sshd: Sshd, environment: dict[str, str]
) -> None:
    scenes = _many(session, vault, sshd, tasks=3, days=8)
    _crash(session, scenes, environment, sshd, _seed(), faults=16, storm=False)
    first = sa.select(sa.func.count(ExportRun.id)).where(ExportRun.revision == 0)
    assert session.scalar(first) == 24


def test_without_redis_the_scheduler_delivers_alone(
    session: Session, vault: Vault, sshd: Sshd, environment: dict[str, str], tmp_path: Path
) -> None:
    scenes = _many(session, vault, sshd, tasks=1, days=3)
    receiver = Receiver([scene.folder for scene in scenes])
    gone = {**environment, "REDIS_URL": f"unix://{tmp_path}/nobody.sock"}
    with receiver.running(), contextlib.ExitStack() as stack:
        crowd = Crowd(gone, _seed(), tmp_path / "crowd.log")
        stack.callback(crowd.end)
        _wait_until_over(session, crowd, 60, tmp_path / "crowd.log")
    _compare(session, receiver, 0)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(5))
def test_every_period_arrives_once_in_a_long_storm(
    session: Session, vault: Vault, sshd: Sshd, environment: dict[str, str], seed: int
) -> None:
    scenes = _many(session, vault, sshd, tasks=5, days=25)
    _crash(session, scenes, environment, sshd, seed, faults=100, storm=True)
