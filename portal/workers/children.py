"""Child processes that never outlive their parent."""

import ctypes
import os
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

    def ended(self) -> bool:
        return self.process.poll() is not None


def die_with_parent(parent: int) -> None:
    """In a forked child: on Linux the kernel kills this process the moment its parent is gone, however that ended.

    It is SIGKILL because nobody is left to wait: everything that runs here may be killed at any point, and a server
    that takes its time would still hold its port and socket when the next supervisor starts.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def start(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
    """Start a program in a process group of its own, so that Ctrl-C reaches only the supervisor, which then ends all
    in order. Only its stderr is shown."""
    parent = os.getpid()
    process = subprocess.Popen(  # noqa: S603  our own programs, no shell, nothing a user typed
        command,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509  one system call; the supervisor has no threads
    )
    return Child(name, command, environment, process)


def stop(children: Sequence[Child], seconds: float) -> None:
    """Ask all to end; kill what has not after `seconds`."""
    for child in children:
        if not child.ended():
            child.process.terminate()
    deadline = time.monotonic() + seconds
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
