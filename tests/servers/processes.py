"""Starting and ending the programs that tests use."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def free_port() -> int:
    """A loopback port that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def folder(owner: str | None = None) -> Iterator[Path]:
    """A temporary folder with a path short enough for unix sockets; given to `owner` when root."""
    with tempfile.TemporaryDirectory(prefix="pq-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        if owner and os.geteuid() == 0:
            shutil.chown(path, owner)
        yield path


def as_user(command: list[str], user: str | None) -> list[str]:
    """The command run by another user when root, ended with its parent where the machine can do that."""
    setpriv = shutil.which("setpriv")
    if user and os.geteuid() == 0:
        if not setpriv:
            raise RuntimeError("setpriv (util-linux) is needed to run servers for tests as root")
        group = f"--regid={user}" if user != "nobody" else "--regid=nogroup"
        return [setpriv, f"--reuid={user}", group, "--clear-groups", "--pdeathsig=TERM", *command]
    return [setpriv, "--pdeathsig=TERM", *command] if setpriv else command


def _limited(largest_file: int | None) -> list[str]:
    """What a command is preceded by so that no file of its gets larger: writing fails there, and nothing else does."""
    if largest_file is None:
        return []
    return ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={largest_file}"]


class Program:
    """A program whose output goes to a log; it can be killed at any moment, and started again as it was."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        answers: Callable[[], bool],
        user: str | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        within: float = 20.0,
    ) -> None:
        self._command, self._log, self._answers, self._user = command, log, answers, user
        self._folder, self._environment, self._within = folder or log.parent, environment, within
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, largest_file: int | None = None) -> None:
        """Start it and wait until it answers; no file that it writes gets larger than `largest_file` bytes.

        Raises RuntimeError with its output if it ends by itself or does not answer in time."""
        command = as_user([*_limited(largest_file), *self._command], self._user)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=self._environment,
            )
        limit = time.monotonic() + self._within
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                text = self._log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._command[0]} did not start:\n{text}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of it and of everything that it has started; over when all of them are gone."""
        assert self._process is not None
        pids = [self.pid, *below(self.pid)]
        send(pids, signal.SIGKILL)
        self._process.wait()
        limit = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]) and time.monotonic() < limit:
            time.sleep(0.01)

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        self._process.send_signal(by)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running(
    command: list[str],
    log: Path,
    *,
    answers: Callable[[], bool],
    user: str | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    end: signal.Signals = signal.SIGTERM,
    within: float = 20.0,
    largest_file: int | None = None,
) -> Iterator[Program]:
    """A server from the moment it answers to the end of the block; its output goes to `log`.

    It starts in `folder`, or where the log is, and with the tests' own environment unless another is given. Of a file
    it writes `largest_file` bytes at most.

    Raises RuntimeError with that output if it ends by itself or does not answer `within` seconds.
    """
    program = Program(command, log, answers, user, folder, environment, within)
    try:
        program.start(largest_file)
        yield program
    finally:
        program.end(end)


def below(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have started, the last ones first."""
    children = []
    with contextlib.suppress(OSError):  # gone meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += [int(child) for child in (task / "children").read_text().split()]
    return [each for child in children for each in (*below(child), child)]


def send(pids: list[int], number: signal.Signals) -> None:
    """A signal to each of those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def port_answers(port: int) -> bool:
    """Whether something takes connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
