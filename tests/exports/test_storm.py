"""A long storm: 20 tasks, 300 periods and their corrections, while everything is killed that can be: workers, the
scheduler, the web server, PostgreSQL, Redis, the SFTP and the FTPS server; while files are taken away before they have
their names, disks are full, connections are cut, and energy arrives late or is changed.

Afterwards every file of every run was received once, byte for byte, and the receivers' files say what was charged.

A failure prints its seed; with `CRASH_SEED` the same order of faults comes again.
"""

import contextlib
import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from portal.core import schema
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination
from portal.delivery.sending import place
from tests.exports.billing import reckon
from tests.exports.crashing import environment, many, wait_until_over
from tests.exports.crowd import Crowd
from tests.exports.owner import Owner
from tests.exports.receiver import Receiver
from tests.exports.scene import Scene
from tests.exports.storm import Storm
from tests.servers.ftp import FtpServer, run_ftp
from tests.servers.portal import ROOT
from tests.servers.postgres import PostgresServer, run_postgres
from tests.servers.processes import Program, free_port, port_answers, running
from tests.servers.sshd import run_sshd
from tests.servers.valkey import run_valkey_program

TASKS, DAYS, FAULTS = 20, 15, 500
OVER_FTPS, CONFIRMED_BY_HAND = 6, 5  # tasks

pytestmark = pytest.mark.deep


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[PostgresServer | None]:
    """A PostgreSQL of its own, which keeps what was committed when it is killed; or none, for SQLite."""
    if request.param == "sqlite":
        yield None
        return
    with run_postgres(kept=True) as server:
        yield server


@pytest.fixture
def database_url(database: PostgresServer | None, tmp_path: Path) -> str:
    url = database.create_database("storm") if database else f"sqlite:///{tmp_path / 'storm.db'}"
    schema.upgrade(url)
    return url


def _over_ftps(session: Session, vault: Vault, scene: Scene, server: FtpServer) -> None:
    row: Destination = scene.destination
    row.protocol, row.host, row.port = "ftps_explicit", server.host, server.port
    row.username, row.login, row.certificate_check, row.own_ca = server.username, "password", "own_ca", server.authority
    row.sealed_secret = vault.seal(place(row), server.password)
    scene.folder.rmdir()
    scene.folder = server.root / scene.folder.name
    scene.folder.mkdir()
    scene.folder.chmod(0o777)
    session.commit()


@contextlib.contextmanager
def _web(own: dict[str, str], log: Path) -> Iterator[tuple[str, Program]]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "wsgi:app", "--config", "python:portal.workers.web"]
    command += ["--bind", f"127.0.0.1:{port}"]
    answers: Callable[[], bool] = lambda: port_answers(port)  # noqa: E731
    with running(command, log, answers=answers, folder=ROOT, environment=own, within=60) as program:
        yield f"http://127.0.0.1:{port}", program


def test_every_period_arrives_once_in_a_long_storm(
    session: Session, settings: Settings, vault: Vault, database: PostgresServer | None, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(10**6))
    print(f"seed {seed}")  # noqa: T201  to meet the same faults again
    with contextlib.ExitStack() as stack:
        sshd, ftp = stack.enter_context(run_sshd()), stack.enter_context(run_ftp("vsftpd"))
        redis_url, redis = stack.enter_context(run_valkey_program())
        scenes = many(session, vault, sshd, TASKS, DAYS)
        for scene in scenes[-OVER_FTPS:]:
            _over_ftps(session, vault, scene, ftp)
        for scene in scenes[:CONFIRMED_BY_HAND]:
            scene.task.corrections = "confirm"
        session.commit()
        own = {**environment(settings, sshd.port, ftp.port), "REDIS_URL": redis_url}
        url, web = stack.enter_context(_web(own, tmp_path / "web.log"))
        owners = [(Owner(url, scene.owner.email), scene.task.id) for scene in scenes[:CONFIRMED_BY_HAND]]
        receiver = Receiver([scene.folder for scene in scenes])
        stack.enter_context(receiver.running())
        crowd = Crowd(own, seed, tmp_path / "crowd.log")
        stack.callback(crowd.end)
        elsewhere = sshd.root / "elsewhere"
        elsewhere.mkdir()
        storm = Storm(session, crowd, scenes, sshd, ftp, redis, web, database, owners, elsewhere)
        _blow(storm)
        _calm(storm, receiver, tmp_path / "crowd.log")
        print(f"{len(receiver.taken)} files, faults: {dict(crowd.faults)}")  # noqa: T201
        assert storm.is_all_there(receiver)
        reckon(settings.database_url, receiver.contents)
        shutil.rmtree(elsewhere)


def _blow(storm: Storm) -> None:
    """Until there have been enough faults."""
    acts, chance = storm.acts(), storm.crowd.chance
    while storm.crowd.faults.total() < FAULTS:
        time.sleep(chance.uniform(0.1, 0.8))
        (act,) = chance.choices(list(acts), list(acts.values()))
        act()


def _calm(storm: Storm, receiver: Receiver, log: Path) -> None:
    """The weather is better: everything that is under way arrives, and what was deleted is sent again."""
    arrives = {"seconds": 120.0, "log": log, "meanwhile": storm.mend}
    wait_until_over(storm.session, storm.crowd, TASKS * DAYS, **arrives)  # type: ignore[arg-type]
    receiver.settle()
    if storm.send_what_is_lost(receiver):
        wait_until_over(storm.session, storm.crowd, TASKS * DAYS, **arrives)  # type: ignore[arg-type]
        receiver.settle()
