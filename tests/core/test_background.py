"""The doorbell: rung after a commit only, harmless when nobody hears it, heard by a real worker."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy.orm import Session

from portal.core import background, clock, mail
from portal.core.config import Settings
from portal.core.db import session_factory
from portal.core.mail import MailMessage
from portal.workers import scheduler
from tests.conftest import ENVIRONMENT
from tests.servers.processes import running
from tests.workers.supervised import ROOT, wait_for

NOBODY = "unix:///nonexistent/valkey.sock"


@pytest.fixture
def queue(valkey_url: str) -> Iterator[Queue]:
    """The mail queue of an empty Valkey server that this process rings."""
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        background.connect(valkey_url)
        yield Queue("mail", connection=client)
        background.connect("")
        client.flushall()


@pytest.fixture
def deaf() -> Iterator[None]:
    """No queue server."""
    background.connect(NOBODY)
    yield
    background.connect("")


@pytest.fixture
def environ(database_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a worker's process."""
    return ENVIRONMENT | {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path), "REDIS_URL": valkey_url}


def test_a_commit_rings_once(session: Session, queue: Queue) -> None:
    mail.post(session, "a@piquet.example", "One", "text")
    mail.post(session, "b@piquet.example", "Two", "text")
    assert queue.count == 0
    session.commit()
    assert queue.count == 1
    session.commit()
    assert queue.count == 1


def test_a_rollback_rings_nothing(session: Session, queue: Queue) -> None:
    mail.post(session, "a@piquet.example", "One", "text")
    session.rollback()
    session.commit()
    assert queue.count == 0


def test_a_part_rolled_back_keeps_the_ring_of_the_rest(session: Session, queue: Queue) -> None:
    mail.post(session, "a@piquet.example", "One", "text")
    session.begin_nested().rollback()
    session.commit()
    assert queue.count == 1


def test_a_part_committed_does_not_ring_yet(session: Session, queue: Queue) -> None:
    with session.begin_nested():
        mail.post(session, "a@piquet.example", "One", "text")
    assert queue.count == 0
    session.commit()
    assert queue.count == 1


def test_a_full_queue_is_not_rung(queue: Queue) -> None:
    assert all(background.ring("mail") for _ in range(3 * background.LONGEST_QUEUE))
    assert queue.count == background.LONGEST_QUEUE


@pytest.mark.usefixtures("deaf")
def test_without_a_server_it_says_so_at_once(session: Session) -> None:
    begun = time.monotonic()
    assert background.ring("mail") is False
    assert not background.reachable()
    mail.post(session, "a@piquet.example", "One", "text")
    session.commit()
    assert time.monotonic() - begun < 2


def test_a_worker_hears_it_and_does_the_work(
    session: Session, queue: Queue, environ: dict[str, str], tmp_path: Path
) -> None:
    command = ["env", *(f"{name}={value}" for name, value in environ.items())]
    command += [sys.executable, "-m", "portal.workers.worker", "mail"]
    mail.post(session, "a@piquet.example", "One", "text")
    session.commit()
    with running(command, tmp_path / "log", answers=lambda: not waiting(session), folder=ROOT, within=60):
        mail.post(session, "a@piquet.example", "Two", "text")
        session.commit()
        wait_for(lambda: not waiting(session))
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 2
    assert queue.failed_job_registry.count == 0


def test_the_scheduler_rings_again_for_a_ring_that_was_lost(session: Session, queue: Queue) -> None:
    mail.post(session, "a@piquet.example", "One", "text")
    session.commit()
    queue.empty()
    scheduler.tick(lambda: session)
    assert queue.count == 1
    assert waiting(session)


@pytest.fixture
def own_work(settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A tick of a scheduler on the test's database."""
    sessions = session_factory(database_url)
    monkeypatch.setattr("portal.core.process.context", lambda: (settings, sessions))
    yield lambda: scheduler.tick(sessions)
    sessions.kw["bind"].dispose()


@pytest.mark.usefixtures("deaf")
def test_without_a_server_the_scheduler_does_the_work(session: Session, own_work: Callable[[], None]) -> None:
    mail.post(session, "a@piquet.example", "One", "text")
    session.commit()
    own_work()
    assert not waiting(session)


def test_what_nobody_takes_for_too_long_the_scheduler_does(
    session: Session, queue: Queue, own_work: Callable[[], None]
) -> None:
    mail.post(session, "a@piquet.example", "One", "text").not_before = (
        clock.now() - scheduler.TOO_LONG - timedelta(seconds=1)
    )
    session.commit()
    own_work()
    assert not waiting(session)


def test_a_worker_of_no_queue_says_which_there_are() -> None:
    command = [sys.executable, "-m", "portal.workers.worker", "letters"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = "piquet: there is no queue 'letters', only exports, imports, reports, mail\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_worker_refuses_a_database_without_tables(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portal.workers.worker", "mail"]
    environ = ENVIRONMENT | {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}", "DATA_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("piquet: The database has schema none")


def waiting(session: Session) -> bool:
    """Whether there is mail that has not left; asked without keeping anybody from writing."""
    found = session.query(MailMessage).filter(MailMessage.sent_at.is_(None)).first()
    session.rollback()
    return found is not None
