"""Child processes that never outlive their parent."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: not safe between fork and exec


@dataclass
class Child:
    """A running program and how to start it again."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)


def _die_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
    """Start a program in a process group of its own, so that Ctrl-C reaches only the supervisor, which then ends all
    in order. On Linux the kernel ends it when the supervisor is killed."""
    process = subprocess.Popen(  # noqa: S603  our own programs, no shell, nothing a user typed
        command,
        env=None if environment is None else dict(environment),
        process_group=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  one system call; the supervisor has no threads
    )
    return Child(name, command, environment, process)


def stop(children: Sequence[Child], seconds: float = 10) -> None:
    """Ask all to end, the youngest first; kill what has not after `seconds`."""
    for child in reversed(children):
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + seconds
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
