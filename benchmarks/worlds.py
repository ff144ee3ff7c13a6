"""The worlds of the benchmarks, in both engines: each is made when the first benchmark asks for it, and kept for the
others until the program ends."""

import atexit
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from benchmarks import large_world
from benchmarks.result import Result
from tests.servers.postgres import PostgresServer, run_postgres

ENGINES = ("sqlite", "postgresql")
FULL, SMALL = 1, 100  # scales
MOST_SECONDS = 300
_open = ExitStack()
atexit.register(_open.close)
_seconds: dict[tuple[str, int], float] = {}


@cache
def url(engine: str, scale: int) -> str:
    """The URL of a database that holds the world."""
    if engine == "sqlite":
        address = f"sqlite:///{_folder() / f'world{scale}.db'}"
    else:
        address = _server().create_database(f"world{scale}")
    started = time.perf_counter()
    large_world.fill(address, scale)
    _seconds[engine, scale] = time.perf_counter() - started
    return address


def empty(name: str) -> str:
    """The URL of a new database in PostgreSQL, for a world of one benchmark."""
    return _server().create_database(name)


@cache
def _folder() -> Path:
    return Path(_open.enter_context(tempfile.TemporaryDirectory(prefix="piquet-bench-")))


@cache
def _server() -> PostgresServer:
    return _open.enter_context(run_postgres())


def making(engine: str) -> Result:
    """How long the full world took to make, against the time it may take."""
    url(engine, FULL)
    took = _seconds[engine, FULL]
    return Result(f"making the world, {engine}", "s", took, "five minutes", MOST_SECONDS, "<= 1")
