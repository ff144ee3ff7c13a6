"""What a storm does: each fault once, and how the owners put in order afterwards what is theirs to put in order."""

import contextlib
import hashlib
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.exports import operations, revisions
from portal.exports.models import ExportFile, ExportRun, ExportTask, RunState
from tests.exports.crashing import change_energy
from tests.exports.crowd import Crowd
from tests.exports.owner import Owner
from tests.exports.receiver import Receiver, missing
from tests.exports.scene import Scene
from tests.servers.ftp import FtpServer
from tests.servers.postgres import PostgresServer
from tests.servers.processes import Program, below, send
from tests.servers.sshd import Sshd

NO_SPACE = 10  # bytes: the largest file that a server with a full disk writes


@dataclass
class Storm:
    """The faults. Each method is one, and is counted in `crowd.faults` when it met something."""

    session: Session
    crowd: Crowd
    scenes: list[Scene]
    sshd: Sshd
    ftp: FtpServer
    redis: Program
    web: Program
    database: PostgresServer | None
    owners: list[tuple[Owner, int]]  # with the task of each
    elsewhere: Path
    taken_aside: set[tuple[str, str]] = field(default_factory=set)  # directory and SHA-256 of temporary files

    def acts(self) -> dict[Callable[[], None], int]:
        """Each fault with its weight."""
        crowd, session = self.crowd, self.session
        database = {self.kill_database: 1, self.kill_a_backend: 2} if self.database else {self.lock_database: 2}
        return {
            lambda: crowd.kill_busy(session): 10,
            crowd.kill_one: 4,
            lambda: change_energy(session, crowd, self.scenes): 6,
            lambda: crowd.freeze(session): 2,
            lambda: crowd.cut(self.sshd.pid): 4,
            lambda: crowd.cut(self.ftp.pid): 3,
            crowd.empty_redis: 1,
            lambda: self.kill_server("Redis", self.redis): 1,
            lambda: self.kill_server("SFTP server", self.sshd.program): 2,
            lambda: self.kill_server("FTPS server", self.ftp.program): 2,
            self.fill_a_disk: 2,
            self.take_aside: 6,
            self.press: 4,
            self.kill_web: 1,
            **database,
        }

    def kill_server(self, name: str, program: Program) -> None:
        program.kill()
        time.sleep(self.crowd.chance.uniform(0, 1))
        program.start()
        self.crowd.faults[f"{name} killed"] += 1

    def fill_a_disk(self) -> None:
        """For a while a server can write nothing."""
        program = self.crowd.chance.choice([self.sshd.program, self.ftp.program])
        program.kill()
        program.start(NO_SPACE)
        time.sleep(self.crowd.chance.uniform(0.5, 3))
        program.kill()
        program.start()
        self.crowd.faults["disk full"] += 1

    def take_aside(self) -> None:
        """Somebody at the receiver deletes or moves a file that does not have its name yet."""
        found = [path for scene in self.scenes for path in scene.folder.iterdir() if path.name.startswith(".")]
        if not found:
            return
        path = self.crowd.chance.choice(found)
        to = self.elsewhere / f"{len(self.taken_aside)}{path.name}"
        with contextlib.suppress(FileNotFoundError):  # it was faster
            path.rename(to)
            self.taken_aside.add((path.parent.name, hashlib.sha256(to.read_bytes()).hexdigest()))
            self.crowd.faults["temporary file taken away"] += 1
            if self.crowd.chance.random() < 0.5:
                to.unlink()

    def kill_database(self) -> None:
        program = self._database().program
        program.kill()
        time.sleep(self.crowd.chance.uniform(0, 2))
        program.start()
        self._reconnect()
        self.crowd.faults["PostgreSQL killed"] += 1

    def kill_a_backend(self) -> None:
        """PostgreSQL throws everybody out and recovers."""
        server = self._database()
        if backends := below(server.program.pid):
            send([self.crowd.chance.choice(backends)], signal.SIGKILL)
            time.sleep(0.2)
            limit = time.monotonic() + 20
            while not server.answers() and time.monotonic() < limit:
                time.sleep(0.05)
            self._reconnect()
            self.crowd.faults["a process of PostgreSQL killed"] += 1

    def _database(self) -> PostgresServer:
        assert self.database
        return self.database

    def _reconnect(self) -> None:
        """No connection is used again; the session holds none between two faults."""
        self.session.rollback()
        engine = self.session.get_bind()
        assert isinstance(engine, sa.Engine)
        engine.dispose()

    def lock_database(self) -> None:
        """Somebody else holds the only right to write for seconds, as a long import or a backup does."""
        name = self.session.get_bind().engine.url.database or ""
        with contextlib.closing(sqlite3.connect(name, timeout=20, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(self.crowd.chance.uniform(0.5, 7))
            other.execute("ROLLBACK")
        self.crowd.faults["SQLite locked"] += 1

    def press(self) -> None:
        """An owner pauses, resumes, runs now, or exports a period again."""
        owner, task_id = self.crowd.chance.choice(self.owners)
        owner.press(self._button(task_id))

    def kill_web(self) -> None:
        """kill -9 of the web server while it answers."""
        owner, task_id = self.crowd.chance.choice(self.owners)
        pressing = threading.Thread(target=owner.press, args=(self._button(task_id),))
        pressing.start()
        time.sleep(self.crowd.chance.uniform(0, 0.1))
        self.web.kill()
        pressing.join()
        self.web.start()
        self.crowd.faults["web server killed"] += 1

    def _button(self, task_id: int) -> str:
        newest = sa.select(ExportRun.id).where(ExportRun.task_id == task_id).order_by(ExportRun.id.desc())
        run_id = self.session.scalar(newest.limit(1))
        self.session.rollback()
        of_task = [f"/exports/tasks/{task_id}/{button}" for button in ("pause", "resume", "run")]
        return self.crowd.chance.choice([*of_task, f"/exports/runs/{run_id}/export-again"])

    def mend(self) -> None:
        """What the owners do once the weather is better: they resume, try again, and confirm what waits for them."""
        for task in self.session.scalars(sa.select(ExportTask)):
            if task.paused_at:
                operations.resume(self.session, task.owner, task)
            given_up = (ExportRun.task_id == task.id, ExportRun.state == RunState.FAILED)
            if self.session.scalar(sa.select(ExportRun.id).where(*given_up).limit(1)):
                operations.run_now(self.session, task.owner, task)
        for run in self.session.scalars(sa.select(ExportRun).where(ExportRun.state == RunState.PROPOSED)):
            revisions.confirm(self.session, run.task.owner, run)
        self.session.commit()

    def send_what_is_lost(self, receiver: Receiver) -> int:
        """Send again what somebody deleted at the receiver at the worst moment: those runs say that nobody knows
        whether the file arrived. How many there were."""
        lost = {run.id: run for run, file in self._lost(receiver)}
        sent = 0
        for run in lost.values():
            if not self._is_superseded(run):
                receiver.forget(run.task.destination.directory, {file.name for file in run.files})
                revisions.send_again(self.session, run.task.owner, run)
                sent += 1
        self.session.commit()
        return sent

    def _lost(self, receiver: Receiver) -> list[tuple[ExportRun, ExportFile]]:
        gone = missing(self.session, receiver)
        for run, file in gone:
            assert run.unconfirmed, f"run {run.id} is told as delivered for sure, and {file.name} is not there"
            assert (run.task.destination.directory, file.sha256) in self.taken_aside, f"run {run.id}: {file.name}"
        return gone

    def _is_superseded(self, run: ExportRun) -> bool:
        of_period = (ExportRun.task_id == run.task_id, ExportRun.period_start == run.period_start)
        later = sa.select(ExportRun.id).where(*of_period, ExportRun.revision > run.revision)
        return self.session.scalar(later.where(ExportRun.state == RunState.DELIVERED).limit(1)) is not None

    def is_all_there(self, receiver: Receiver) -> bool:
        """Whether nothing is missing but what a later revision of the same period has made needless."""
        return all(self._is_superseded(run) for run, _file in self._lost(receiver))
