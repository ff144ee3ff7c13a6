"""The whole product as its users start it: the supervisor in a process, its data in a temporary folder."""

import contextlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import folder, free_port, running

ROOT = Path(__file__).parents[2]
# What a developer's shell may hold must not reach a test's portal.
LEFT_OUT = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "VAULT_KEYS", "MAIL_URL", "PUBLIC_URL", "DATA_DIR", "DEMO")


@dataclass(frozen=True)
class Portal:
    """A running portal. `pid` is the supervisor's."""

    url: str
    data_dir: Path
    log: Path
    pid: int


def environment(data_dir: Path, port: int, **settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return clean | {"DATA_DIR": str(data_dir), "PORT": str(port)} | settings


@contextlib.contextmanager
def run_portal(*options: str, data_dir: Path | None = None, within: float = 90, **settings: str) -> Iterator[Portal]:
    """The portal from the moment it says that it is ready; `--demo` loads the demo. All of it ends with the block."""
    with folder() as home:
        data_dir, port, log = data_dir or home / "data", free_port(), home / "log"
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "portal.workers.supervisor", *options]
        own = environment(data_dir, port, **settings)
        answers: Callable[[], bool] = lambda: _is_ready(url)  # noqa: E731
        with running(command, log, answers=answers, folder=ROOT, environment=own, within=within) as program:
            yield Portal(url, data_dir, log, program.pid)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
