"""The supervisor as a process of its own, and a look at every process that belongs to it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.portal import ROOT, environment
from tests.servers.processes import free_port

COMMAND = (sys.executable, "-m", "portal.workers.supervisor")
READY_SECONDS = 120
PRODUCTION = {"SECRET_KEY": "x" * 32, "VAULT_KEYS": "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="}


@dataclass(frozen=True)
class Supervised:
    """A started supervisor: what it writes, and what runs under it."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    home: Path

    @property
    def out(self) -> str:
        return (self.home / "out").read_text()

    @property
    def err(self) -> str:
        return (self.home / "err").read_text()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def wait_until_ready(self) -> None:
        wait_for(lambda: "Piquet is ready" in self.out or self.process.poll() is not None, READY_SECONDS)
        assert "Piquet is ready" in self.out, self.out + self.err

    def pids(self, *words: str) -> set[int]:
        """The processes of this DATA_DIR whose command line has all the words; the ended ones have none."""
        return {pid for pid, command in self._commands() if all(word in command for word in words)}

    def first(self, *words: str) -> int:
        """Of these processes the one that started the others; numbers begin anew at times, so it is not the lowest."""
        pids = self.pids(*words)
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in pids}
        (pid,) = (pid for pid, parent in parents.items() if parent not in pids)
        return pid

    def _commands(self) -> Iterator[tuple[int, str]]:
        mark = f"DATA_DIR={self.data_dir}\0".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                # Valkey writes its title, which names its socket, over its environment.
                if mark in (folder / "environ").read_bytes() or f"{self.data_dir}/" in command:
                    yield int(folder.name), command

    def seconds_to_end(self, number: signal.Signals) -> float:
        """Send a signal to the process that was started; how long it and everything under it took to be gone."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        wait_for(lambda: not self.pids(), 60)
        return time.monotonic() - begun


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def begin(home: Path, command: tuple[str, ...] = COMMAND, **settings: str) -> Supervised:
    """Start it, in its own session, and return at once."""
    port = int(settings.pop("PORT", "") or free_port())
    environ = environment(home / "data", port, **settings)
    home.mkdir(exist_ok=True)
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        process = subprocess.Popen(command, env=environ, stdout=out, stderr=err, cwd=ROOT, start_new_session=True)
    return Supervised(process, port, Path(environ["DATA_DIR"]), home)


@contextlib.contextmanager
def supervised(home: Path, command: tuple[str, ...] = COMMAND, **settings: str) -> Iterator[Supervised]:
    """A supervisor that is ready; whatever is left of it after the block is killed."""
    started = begin(home, command, **settings)
    try:
        started.wait_until_ready()
        yield started
    finally:
        with contextlib.suppress(ProcessLookupError):
            started.process.kill()
        started.process.wait()
        for pid in started.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
