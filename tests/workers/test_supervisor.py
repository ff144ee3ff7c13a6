"""The supervisor with real processes: it starts all, mends what dies, and leaves nothing behind.

The tests share one portal, started as people do by `make run`; the last of them ends it.
"""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from os import kill
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from tests.servers.postgres import PostgresServer
from tests.servers.processes import folder
from tests.workers.supervised import COMMAND, PRODUCTION, Supervised, begin, supervised, wait_for

MAKE_RUN = ("make", "-s", f"BIN={Path(sys.executable).parent}", "--old-file=.venv/.runs", "run")
END_SECONDS = 15
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (WARNING|ERROR) [\w.]+\[\d+\]: ")
PARTS = {
    "web": ("gunicorn",),
    "worker": ("portal.workers.worker", "mail"),
    "scheduler": ("portal.workers.scheduler",),
    "queue": ("valkey",),
}


@pytest.fixture(scope="module")
def portal() -> Iterator[Supervised]:
    with folder() as home, supervised(home, MAKE_RUN) as started:
        yield started


def work_is_done(queue_url: str, proof: Path) -> None:
    """Have a worker make a folder."""
    with Redis.from_url(queue_url) as client:
        Queue("mail", connection=client).enqueue("os.mkdir", str(proof))
    wait_for(proof.exists)


def refusal(home: Path, **settings: str) -> str:
    """What a supervisor with these settings says on stderr before it gives up."""
    started = begin(home, **settings)
    assert started.process.wait(60) == 1, started.out
    assert not started.pids()
    return started.err


def test_it_is_healthy_once_it_says_that_it_is_ready(portal: Supervised) -> None:
    assert portal.get("/healthz") == (200, '{"broken":[],"status":"ok"}\n')


def test_its_link_makes_the_first_operator(portal: Supervised) -> None:
    (link,) = re.findall(rf"http://127.0.0.1:{portal.port}(/set-up/\S+)", portal.out)
    status, page = portal.get(link)
    assert (status, 'name="password"' in page) == (200, True)


def test_a_worker_takes_the_ring(portal: Supervised) -> None:
    work_is_done(f"unix://{portal.data_dir / 'valkey.sock'}", portal.home / "proof")


def test_a_second_one_on_the_same_data_is_refused(portal: Supervised) -> None:
    second = subprocess.run(
        COMMAND, env={"DATA_DIR": str(portal.data_dir)}, capture_output=True, text=True, check=False
    )
    said = f"piquet: Piquet is running already with DATA_DIR {portal.data_dir}; stop it first.\n"
    assert (second.returncode, second.stderr) == (1, said)
    assert portal.get("/healthz")[0] == 200


def test_a_port_in_use_is_refused(portal: Supervised, tmp_path: Path) -> None:
    said = refusal(tmp_path, PORT=str(portal.port))
    assert said == (
        f"piquet: PORT {portal.port} on 127.0.0.1 cannot be used: Address already in use; choose another PORT.\n"
    )


@pytest.mark.parametrize("part", PARTS)
def test_what_was_killed_is_started_again_and_work_goes_on(portal: Supervised, part: str) -> None:
    wait_for(lambda: portal.pids(*PARTS[part]))
    before = portal.pids(*PARTS[part])
    kill(portal.first(*PARTS[part]), signal.SIGKILL)
    wait_for(lambda: portal.pids(*PARTS[part]) and not portal.pids(*PARTS[part]) & before)
    wait_for(lambda: portal.get("/healthz")[0] == 200)
    work_is_done(f"unix://{portal.data_dir / 'valkey.sock'}", portal.home / f"proof of {part}")


def test_it_is_quiet_and_its_log_has_one_format(portal: Supervised) -> None:
    assert portal.out.rstrip().splitlines()[-1].startswith("Ctrl-C stops everything")
    assert all(map(LOG_LINE.match, portal.err.splitlines())), portal.err
    assert "queue ended (status -9) and is started again" in portal.err


def test_ending_make_ends_everything(portal: Supervised) -> None:
    assert portal.seconds_to_end(signal.SIGTERM) < END_SECONDS
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", portal.port)) != 0


@pytest.fixture
def servers(postgres_server: PostgresServer, valkey_url: str) -> Iterator[dict[str, str]]:
    """The settings of a portal on servers of its own."""
    url = postgres_server.create_database()
    yield {"DATABASE_URL": url, "REDIS_URL": valkey_url, **PRODUCTION}
    postgres_server.drop_database(url)


def test_killed_outright_it_leaves_nothing_and_starts_again(servers: dict[str, str], tmp_path: Path) -> None:
    with supervised(tmp_path, **servers) as portal:
        assert portal.pids("valkey") == set()
        with Redis.from_url(servers["REDIS_URL"]) as client:
            Queue("mail", connection=client).enqueue("time.sleep", 60)
        wait_for(lambda: len(portal.pids("portal.workers.worker", "mail")) == 2)  # the worker and its job
        assert portal.seconds_to_end(signal.SIGKILL) < 5
    with supervised(tmp_path, **servers) as portal:
        assert portal.get("/healthz")[0] == 200
        assert portal.seconds_to_end(signal.SIGINT) < END_SECONDS
        assert portal.process.returncode == 0


DESTRUCTOR = """
import os, signal
from portal.workers.supervisor import Ended, Ending

class Asked:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(3))  # Python calls the handler of a signal between two steps of its own

Ending.listen()
try:
    with Ending.at_once():
        Asked()
        while True:
            pass
except Ended:
    print("ended")
"""


def test_a_signal_in_the_middle_of_a_destructor_is_heard() -> None:
    done = subprocess.run([sys.executable, "-c", DESTRUCTOR], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_it_ends_at_once_while_it_is_still_starting(tmp_path: Path) -> None:
    started = begin(tmp_path)
    wait_for(lambda: "starting" in started.out)
    assert started.seconds_to_end(signal.SIGINT) < END_SECONDS
    assert (started.out, started.err) == ("Piquet is starting ...\nPiquet is stopping ...\n", "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"DATABASE_URL": "postgresql://piquet:open-sesame@127.0.0.1:1/piquet", **PRODUCTION}, "Connection refused"),
        ({"DATABASE_URL": "mysql://piquet:open-sesame@127.0.0.1/piquet", **PRODUCTION}, "PostgreSQL 15 or newer"),
        ({"REDIS_URL": "redis://:open-sesame@127.0.0.1:1/0"}, "Connection refused"),
        ({"SECRET_KEY": "open-sesame"}, "SECRET_KEY is too short"),
        ({"DATA_DIR": "/dev/null/piquet"}, "DATA_DIR /dev/null/piquet cannot be written to"),
        ({"HOST": "192.0.2.1"}, "PORT"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    line = refusal(tmp_path, **settings)
    assert re.fullmatch(r"piquet: [^\n]*\.\n", line)
    assert said in line
    assert "open-sesame" not in line


def test_a_database_of_a_newer_version_is_refused(postgres_server: PostgresServer, tmp_path: Path) -> None:
    import sqlalchemy as sa

    from portal.core import schema

    url = f"sqlite:///{tmp_path / 'piquet.db'}"
    schema.upgrade(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert "was made by another version of Piquet" in refusal(tmp_path, DATABASE_URL=url, **PRODUCTION)
