"""The product's own drop box as a process, for what OpenSSH cannot be asked without an account: passwords."""

import contextlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.processes import folder, running

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class DropBox:
    """A running drop box; `fingerprint` is of its ed25519 host key."""

    port: int
    fingerprint: str
    root: Path
    host_key_file: Path
    log: Path
    pid: int
    username: str = "utility"
    password: str = field(default="a pass phrase, with 'quotes'", repr=False)
    host: str = "127.0.0.1"


@contextlib.contextmanager
def run_drop_box(*, public_key: str | None = None) -> Iterator[DropBox]:
    """A drop box with an empty folder that takes the password, and the public line if one is given."""
    with folder() as home:
        root, log = home / "files", home / "log"
        root.mkdir()
        (home / "password").write_text(DropBox.password + "\n")
        command = [sys.executable, "-m", "portal.transports.drop_box", "--root", str(root), "--port", "0"]
        command += ["--host-key", str(home / "host_key"), "--username", DropBox.username]
        command += ["--password-file", str(home / "password")]
        if public_key:
            (home / "public_key").write_text(public_key + "\n")
            command += ["--public-key-file", str(home / "public_key")]
        ready = re.compile(r"drop box: 127\.0\.0\.1:(\d+) (SHA256:\S+)\n")
        with running(command, log, answers=lambda: bool(ready.match(log.read_text())), folder=ROOT) as process:
            port, fingerprint = ready.findall(log.read_text())[0]
            yield DropBox(int(port), fingerprint, root, home / "host_key", log, process.pid)
