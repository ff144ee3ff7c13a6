"""A PostgreSQL server for tests, and fresh databases in it."""

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.processes import Program, as_user, folder, free_port, running
from tests.servers.requirements import need

_USER = "postgres"
# Nothing written here needs to survive a power cut, which makes the tests several times faster.
_SETTINGS = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=100",
    "shared_buffers=64MB", "timezone=UTC", "log_min_messages=fatal", "jit=off",
)  # fmt: skip
_KEPT = ("synchronous_commit=on", "full_page_writes=on", "autovacuum=on")


@dataclass(frozen=True)
class PostgresServer:
    """A running server: trusted on loopback and on a unix socket in `socket_folder`."""

    port: int
    socket_folder: Path
    program: Program = field(repr=False, compare=False)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count, repr=False, compare=False)

    def url(self, database: str = "postgres") -> str:
        """A SQLAlchemy URL over loopback."""
        return f"postgresql+psycopg://{_USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str | None = None, *, template: str = "template1") -> str:
        """The URL of a new database, a copy of `template`, which nobody may be connected to meanwhile."""
        name = name or f"test_{next(self._numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drops the database of a URL, with whoever is still connected to it."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", url.rpartition("/")[2])

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _dsn(self) -> str:
        return _dsn(self.socket_folder, self.port)

    def answers(self) -> bool:
        return _answers(self.socket_folder, self.port)


def _dsn(socket_folder: Path, port: int) -> str:
    return f"host={socket_folder} port={port} user={_USER} dbname=postgres connect_timeout=2"


def _answers(socket_folder: Path, port: int) -> bool:
    try:
        psycopg.connect(_dsn(socket_folder, port)).close()
    except psycopg.OperationalError:
        return False
    return True


@contextlib.contextmanager
def run_postgres(*, kept: bool = False) -> Iterator[PostgresServer]:
    """PostgreSQL in a temporary folder; as root it runs as the user postgres, whom the package made.

    Killed and started again it has lost what was committed last, unless `kept`.
    """
    initdb = Path(need("initdb")).resolve()
    with folder(owner=_USER) as home:
        data, log = home / "data", home / "log"
        make = [str(initdb), "-D", str(data), "-U", _USER, "--auth=trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"]
        user = _USER if os.geteuid() == 0 else None
        subprocess.run(as_user(make, user), check=True, capture_output=True, cwd=home)
        port = free_port()
        options = ["listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={home}", *_SETTINGS]
        options += _KEPT if kept else ()
        command = [str(initdb.with_name("postgres")), "-D", str(data)]
        command += [word for option in options for word in ("-c", option)]
        answers: Callable[[], bool] = lambda: _answers(home, port)  # noqa: E731
        with running(command, log, answers=answers, user=user, end=signal.SIGINT) as program:
            yield PostgresServer(port, home, program)
