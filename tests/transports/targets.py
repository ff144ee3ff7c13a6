"""Targets that point at the servers of the tests."""

from typing import Any

from portal.transports.addresses import Reach
from portal.transports.targets import FtpsTarget, SftpTarget
from tests.servers.drop_box import DropBox
from tests.servers.ftp import FtpServer
from tests.servers.sshd import Sshd


def reach_of(port: int, timeout: float = 10.0) -> Reach:
    return Reach(networks=("127.0.0.0/8",), ports=(port,), timeout=timeout)


def on_sshd(server: Sshd, **changes: Any) -> SftpTarget:
    """A target that works; `changes` replace its fields, `port` and `timeout` also in its reach."""
    port, timeout = changes.pop("port", server.port), changes.pop("timeout", 10.0)
    kind = changes.pop("host_key_type", "ssh-ed25519")
    fields: dict[str, Any] = {
        "host": server.host,
        "port": port,
        "username": server.username,
        "private_key": server.private_key,
        "host_key_type": kind,
        "host_key_fingerprint": server.fingerprints.get(kind or ""),
        "reach": reach_of(port, timeout),
    }
    return SftpTarget(**(fields | changes))


def on_drop_box(server: DropBox, **changes: Any) -> SftpTarget:
    fields: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "password": server.password,
        "host_key_type": "ssh-ed25519",
        "host_key_fingerprint": server.fingerprint,
        "reach": reach_of(server.port),
    }
    return SftpTarget(**(fields | changes))


def on_ftp(server: FtpServer, **changes: Any) -> FtpsTarget:
    """A target that works, by the tests' own authority; `changes` as for `on_sshd`."""
    port, timeout = changes.pop("port", server.port), changes.pop("timeout", 10.0)
    fields: dict[str, Any] = {
        "host": server.host,
        "port": port,
        "username": server.username,
        "password": server.password,
        "trust": "own_ca",
        "own_ca": server.authority,
        "reach": reach_of(port, timeout),
    }
    return FtpsTarget(**(fields | changes))
