"""What has to hold before anything is started; each is refused with one plain sentence (SettingsError)."""

import fcntl
import socket
from pathlib import Path
from typing import IO

from redis import Redis
from redis.exceptions import RedisError

from portal.core.config import Settings
from portal.core.errors import SettingsError

ANSWER_SECONDS = 5


def only_one(data_dir: Path) -> IO[str]:
    """The lock of this DATA_DIR: two supervisors would start two queues on one socket. It ends with the process."""
    lock = (data_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SettingsError(f"Piquet is running already with DATA_DIR {data_dir}; stop it first.") from None
    return lock


def port_is_free(host: str, port: int) -> None:
    """Refuse an address that web could not listen at."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or error
            raise SettingsError(f"PORT {port} on {host} cannot be used: {reason}; choose another PORT.") from None


def queue_answers(settings: Settings) -> None:
    """Refuse a REDIS_URL where nothing answers. The embedded queue's start has waited for its answer already."""
    if settings.embedded_queue:
        return
    seconds = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    try:
        with Redis.from_url(settings.redis_url, **seconds) as client:
            client.ping()
    except (RedisError, ValueError) as error:
        raise SettingsError(f"The queue of REDIS_URL cannot be used: {str(error).rstrip('.')}.") from None
