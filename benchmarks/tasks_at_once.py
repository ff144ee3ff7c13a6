"""Many tasks due in one minute: until the last is delivered, with 1, 2 and 4 workers, beside the bare uploads alone;
and what a tick of the scheduler costs where 100,000 tasks wait for a period that is not over.

The bare uploads are the same files over one connection, each written aside, its size compared, renamed, as a worker
does it, without database, claim or build.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.result import Result
from portal.core import clock, schema
from portal.core.db import session_factory
from portal.core.vault import Vault
from portal.exports import jobs
from portal.exports.models import ExportFile, ExportRun, ExportTask
from portal.transports import sftp
from tests.exports import scene as scenes
from tests.servers.postgres import run_postgres
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_sshd

TASKS, WORKERS = int(os.environ.get("TASKS", "2000")), (1, 2, 4)
WAITING, TICKS = 100_000, 20
DRAIN = """
import sys
from portal import models
from portal.core import process
from portal.core.vault import Vault
from portal.exports import jobs
settings, sessions = process.context()
print("ready", flush=True)
sys.stdin.readline()
while jobs.run_due(sessions, settings, Vault(settings.vault_keys)):
    pass
"""


def run() -> Iterator[Result]:
    key = Fernet.generate_key().decode()
    with run_postgres() as server, run_sshd() as sshd:
        for workers in WORKERS:
            url = server.create_database(f"at_once_{workers}")
            sessions = _world(url, sshd, Vault([key]))
            with sessions() as session:
                folder = sshd.root / session.scalars(sa.select(ExportTask)).first().destination.directory  # type: ignore[union-attr]
            took = _deliver(sessions, url, sshd, key, workers)
            bare = _bare(sessions, sshd, folder)
            name = f"{TASKS} tasks at once, {workers} {'worker' if workers == 1 else 'workers'}"
            yield Result(name, "s", took, "the bare uploads over one connection", bare, "")
            sessions.kw["bind"].dispose()
        yield from _ticks(server.create_database("at_rest"), sshd, Vault([key]))


def _world(url: str, sshd: Sshd, vault: Vault, tasks: int = TASKS, *, due: bool = True) -> sessionmaker[Session]:
    """One owner with so many tasks of one day each, all with their values; the day is over where they are due."""
    schema.upgrade(url)
    sessions = session_factory(url)
    with sessions() as session:
        scene = scenes.set_up(session, vault, sshd)
        scene.task.ends_on = scenes.START
        copied = [column.name for column in ExportTask.__table__.columns if column.name not in ("id", "name")]
        row = {name: getattr(scene.task, name) for name in copied}
        if not due:
            row |= {"next_due_at": clock.now() + timedelta(days=1)}
            scene.task.next_due_at = row["next_due_at"]
        for first in range(1, tasks, 1000):
            numbers = range(first, min(first + 1000, tasks))
            session.execute(sa.insert(ExportTask), [row | {"name": f"Task {number}"} for number in numbers])
        session.commit()
    return sessions


def _deliver(sessions: sessionmaker[Session], url: str, sshd: Sshd, key: str, workers: int) -> float:
    """Seconds from the moment at which the periods are over to the last delivery; planning is part of it."""
    own = {"DATABASE_URL": url, "VAULT_KEYS": key, "SECRET_KEY": "only good for benchmarks, and long enough"}
    own |= {"DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8", "DELIVERY_ALLOWED_PORTS": str(sshd.port)}
    environment = {**os.environ, **own, "DATA_DIR": str(Path(url.rpartition("/")[2]).absolute().parent / "var")}
    command = [sys.executable, "-c", DRAIN]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=environment, **pipes) for _ in range(workers)]  # type: ignore[call-overload]
    for process in processes:
        process.stdout.readline()
    started = time.perf_counter()
    with sessions() as session:
        while jobs.plan(session):
            session.commit()
        session.commit()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.wait(timeout=900)
    took = time.perf_counter() - started
    with sessions() as session:
        delivered = session.scalar(sa.select(sa.func.count(ExportRun.id)).where(ExportRun.state == "delivered"))
    if delivered != TASKS:
        raise AssertionError(f"{delivered} of {TASKS} are delivered")
    return took


def _bare(sessions: sessionmaker[Session], sshd: Sshd, folder: Path) -> float:
    """Seconds for the same files over one connection."""
    with sessions() as session:
        names = list(session.scalars(sa.select(ExportFile.name)))
    contents = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    started = time.perf_counter()
    with sftp.connect(on_sshd(sshd, directory=folder.name)) as server:
        for name, content in contents.items():
            server.upload(f".{name}.part", [content], len(content))
            server.publish(f".{name}.part", name)
    return time.perf_counter() - started


def _ticks(url: str, sshd: Sshd, vault: Vault) -> Iterator[Result]:
    """The scheduler's look at tasks of which none is due, at 100,000 of them beside 100."""
    times = {}
    sessions = _world(url, sshd, vault, 100, due=False)
    for tasks in (100, WAITING):
        if tasks == WAITING:
            with sessions() as session:
                row = session.execute(sa.select(ExportTask.__table__).limit(1)).mappings().one()
                plain = {name: value for name, value in row.items() if name not in ("id", "name")}
                for first in range(101, WAITING, 5000):
                    numbers = range(first, min(first + 5000, WAITING))
                    session.execute(sa.insert(ExportTask), [plain | {"name": f"Task {n}"} for n in numbers])
                session.execute(sa.text("ANALYZE"))
                session.commit()
        times[tasks] = statistics.median(_tick(sessions) for _ in range(TICKS)) * 1000
    sessions.kw["bind"].dispose()
    yield Result(
        "tick of the scheduler, 100,000 tasks at rest", "ms", times[WAITING], "100 tasks", times[100], "<= 1.5"
    )


def _tick(sessions: sessionmaker[Session]) -> float:
    started = time.perf_counter()
    with sessions() as session:
        jobs.plan(session)
        session.commit()
    with sessions() as session:
        jobs.waits_since(session)
    return time.perf_counter() - started
