"""Starting and ending the programs that tests use."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
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


def limited(largest_file: int | None) -> list[str]:
    """What a command is preceded by so that no file of its gets larger: writing fails there, and nothing else does."""
    if largest_file is None:
        return []
    return ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={largest_file}"]


@contextlib.contextmanager
def running(
    command: list[str],
    log: Path,
    *,
    answers: Callable[[], bool],
    user: str | None = None,
    folder: Path | None = None,
    end: signal.Signals = signal.SIGTERM,
    within: float = 20.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server from the moment it answers to the end of the block; its output goes to `log`.

    It starts in `folder`, or where the log is.

    Raises RuntimeError with that output if it ends by itself or does not answer `within` seconds.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            as_user(command, user), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder or log.parent
        )
    try:
        limit = time.monotonic() + within
        while not answers():
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def port_answers(port: int) -> bool:
    """Whether something takes connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
