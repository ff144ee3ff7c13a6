"""The real servers of every kind behind one face, for tests that ask the same of all of them."""

import contextlib
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.transports import ftps, sftp
from portal.transports.probing import Step
from portal.transports.session import Session
from portal.transports.targets import FtpsTarget, SftpTarget, Target
from tests.servers.ftp import FtpServer, run_ftp
from tests.servers.processes import below, send
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_ftp, on_sshd

# A server that knows nothing but SHA-1, in its key exchange, host key and integrity.
SHA_1 = """KexAlgorithms diffie-hellman-group14-sha1
HostKeyAlgorithms ssh-rsa
Ciphers aes128-cbc,aes128-ctr
MACs hmac-sha1"""
COLUMNS = (
    "sshd",
    "sshd SHA-1",
    *(f"{kind} TLS {tls}" for kind in ("vsftpd", "proftpd", "pure-ftpd") for tls in ("1.2", "1.3")),
)
FTPS_COLUMNS = COLUMNS[2:]


@dataclass(frozen=True)
class Server:
    """A running server; logins start in `root`."""

    column: str
    running: Sshd | FtpServer

    @property
    def root(self) -> Path:
        return self.running.root

    @property
    def port(self) -> int:
        return self.running.port

    def target(self, **changes: Any) -> Target:
        if self.column == "sshd SHA-1":
            changes = {"legacy": True, "host_key_type": "ssh-rsa"} | changes
        if isinstance(self.running, Sshd):
            return on_sshd(self.running, **changes)
        return on_ftp(self.running, **changes)

    def session(self, **changes: Any) -> contextlib.AbstractContextManager[Session]:
        return connect(self.target(**changes))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())

    def kill_sessions(self) -> None:
        """Ends the processes that serve the present connections, as a crash would."""
        send(below(self.running.pid), signal.SIGKILL)

    def empty(self) -> None:
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def connect(target: Target) -> contextlib.AbstractContextManager[Session]:
    if isinstance(target, FtpsTarget):
        return ftps.connect(target)
    assert isinstance(target, SftpTarget)
    return sftp.connect(target)


def probe(target: Target) -> Iterator[Step]:
    if isinstance(target, FtpsTarget):
        return ftps.probe(target)
    assert isinstance(target, SftpTarget)
    return sftp.probe(target)


@contextlib.contextmanager
def run(column: str, **options: Any) -> Iterator[Server]:
    """The server of a column."""
    kind, _, tls = column.partition(" TLS ")
    if kind.startswith("sshd"):
        if kind == "sshd SHA-1":
            options = {"settings": SHA_1, "key_types": ("ssh-rsa",)} | options
        with run_sshd(**options) as sshd:
            yield Server(column, sshd)
    else:
        with run_ftp(kind, tls=tls, **options) as server:
            yield Server(column, server)
