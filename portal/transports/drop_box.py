"""A small SFTP server on loopback: where the demo delivers to when there is no utility at hand."""

import argparse
import contextlib
import errno
import hmac
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_PERMISSION_DENIED

from portal.transports.ssh_keys import fingerprint, generate_key_pair, signing_key

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer  # collections.abc.Buffer is there from 3.12 on

_ADDRESS = "127.0.0.1"
_MOST_CONNECTIONS = 50
_LOGIN_GRACE = 30.0  # seconds a connection may stay without having logged in
_LONGEST_READ = 262_144  # bytes
_TICK = 0.25  # seconds between looks at the stop event

# paramiko logs a traceback for every visitor who hangs up.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class User:
    """The one user of a drop box; a password, a public line, or both, each enough alone."""

    name: str
    password: str | None = field(default=None, repr=False)
    public_key: str | None = None


def serve(
    root: Path,
    port: int,
    host_key_file: Path,
    user: User,
    *,
    stop: threading.Event,
    ready: Callable[[int, str], None] = lambda _port, _fingerprint: None,
) -> None:
    """Serves `root` on 127.0.0.1 until `stop` is set, then ends every connection and returns.

    Port 0 picks a free one. `ready` is called once, with the port and the host key's fingerprint, when
    connections are taken. The host key file is made (mode 600) if it is not there. Raises OSError if the port is
    in use and ValueError if the user has neither password nor key.
    """
    if user.password is None and user.public_key is None:
        raise ValueError("the user of a drop box needs a password or a public key")
    root = root.resolve(strict=True)
    host_key = _host_key(host_key_file)
    open_connections: list[_Connection] = []
    with socket.create_server((_ADDRESS, port), backlog=64) as listener:
        listener.settimeout(_TICK)
        ready(listener.getsockname()[1], fingerprint(host_key.asbytes()))
        while not stop.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                accepted, _peer = listener.accept()
                _reap(open_connections)
                if len(open_connections) >= _MOST_CONNECTIONS:
                    accepted.close()
                else:
                    open_connections.append(_Connection(accepted, host_key, user, root))
            _reap(open_connections)
    for connection in open_connections:
        connection.transport.close()


def _host_key(path: Path) -> paramiko.PKey:
    if not path.exists():
        new = path.with_name(path.name + ".new")
        new.touch(mode=0o600)
        new.write_text(generate_key_pair("drop box").private)
        new.rename(path)
    return signing_key(path.read_text())


class _Connection:
    def __init__(self, accepted: socket.socket, host_key: paramiko.PKey, user: User, root: Path) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = time.monotonic()
        self.transport = paramiko.Transport(accepted)
        self.transport.add_server_key(host_key)
        self.transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, root)
        self.transport.start_server(event=threading.Event(), server=_Login(user))

    def is_over(self) -> bool:
        late = time.monotonic() - self.since > _LOGIN_GRACE and not self.transport.is_authenticated()
        return late or not self.transport.is_alive()


def _reap(connections: list[_Connection]) -> None:
    for connection in [connection for connection in connections if connection.is_over()]:
        connection.transport.close()
        connections.remove(connection)


class _Login(paramiko.ServerInterface):
    def __init__(self, user: User) -> None:
        self._user = user

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  # paramiko's signature
        return ",".join(
            way
            for way, secret in (("publickey", self._user.public_key), ("password", self._user.password))
            if secret is not None
        )

    def check_auth_password(self, username: str, password: str) -> int:
        wanted = self._user.password
        right = wanted is not None and hmac.compare_digest(wanted.encode(), password.encode())
        return self._answer(username, right)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        wanted = (self._user.public_key or "").split()[:2]
        return self._answer(username, wanted == [key.get_name(), key.get_base64()])

    def _answer(self, username: str, right: bool) -> int:
        if right and hmac.compare_digest(username.encode(), self._user.name.encode()):
            return AUTH_SUCCESSFUL
        return AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002  # paramiko's signature
        if kind == "session":
            return OPEN_SUCCEEDED
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


def _code(error: OSError) -> int:
    if isinstance(error, PermissionError):
        return SFTP_PERMISSION_DENIED
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SFTP_NO_SUCH_FILE
    return SFTP_FAILURE


def _done(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return _code(error)
    return SFTP_OK


class _Files(paramiko.SFTPServerInterface):
    """The files below one folder. Clients cannot make symbolic links, and those there are lead nowhere."""

    def __init__(self, server: paramiko.ServerInterface, root: Path) -> None:
        super().__init__(server)
        self._root = root

    def _real(self, path: str) -> Path:
        real = self._root.joinpath(*PurePosixPath(self.canonicalize(path)).parts[1:])
        if "\0" in path or real.resolve() != real:
            raise PermissionError(errno.EACCES, "the path goes through a symbolic link")
        return real

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:
        try:
            entries = [entry for entry in self._real(path).iterdir() if not entry.is_symlink()]
            return [paramiko.SFTPAttributes.from_stat(entry.lstat(), entry.name) for entry in entries]
        except OSError as error:
            return _code(error)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._real(path).lstat())
        except OSError as error:
            return _code(error)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self.stat(path)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:  # noqa: ARG002  # paramiko's signature
        try:
            real = self._real(path)
            if real.is_dir():
                return SFTP_FAILURE
            return _OpenFile(os.open(real, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        except OSError as error:
            return _code(error)

    def remove(self, path: str) -> int:
        return _done(lambda: self._real(path).unlink())

    def mkdir(self, path: str, attr: paramiko.SFTPAttributes) -> int:  # noqa: ARG002  # paramiko's signature
        return _done(lambda: self._real(path).mkdir(0o755))

    def rmdir(self, path: str) -> int:
        return _done(lambda: self._real(path).rmdir())

    def rename(self, oldpath: str, newpath: str) -> int:
        """Refuses an existing name, as the protocol's version 3 demands."""
        return _done(lambda: _rename_to_new(self._real(oldpath), self._real(newpath)))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return _done(lambda: self._real(oldpath).replace(self._real(newpath)))


def _rename_to_new(old: Path, new: Path) -> None:
    if old.is_dir():
        if new.exists():
            raise FileExistsError(errno.EEXIST, "exists")
        old.rename(new)
    else:
        os.link(old, new)  # of two at once only one succeeds
        old.unlink()


class _OpenFile(paramiko.SFTPHandle):
    """An open file; paramiko asks for one thing at a time of it."""

    def __init__(self, handle: int) -> None:
        super().__init__()
        self._handle: int | None = handle

    def _descriptor(self) -> int:
        if self._handle is None:
            raise OSError(errno.EBADF, "closed")
        return self._handle

    def read(self, offset: int, length: int) -> bytes | int:
        try:
            return os.pread(self._descriptor(), min(length, _LONGEST_READ), offset)
        except OSError as error:
            return _code(error)

    def write(self, offset: int, data: "ReadableBuffer") -> int:
        def write_all() -> None:
            rest, at = memoryview(data), offset
            while rest:
                count = os.pwrite(self._descriptor(), rest, at)
                rest, at = rest[count:], at + count

        return _done(write_all)

    def stat(self) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(os.fstat(self._descriptor()))
        except OSError as error:
            return _code(error)

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; prints one line once connections are taken."""
    parser = argparse.ArgumentParser(prog="python -m portal.transports.drop_box", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder that is served; it must exist")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 picks a free one")
    parser.add_argument("--host-key", type=Path, required=True, help="made if it is not there")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password-file", type=Path, help="its first line is the password")
    parser.add_argument("--public-key-file", type=Path, help="one line, as in authorized_keys")
    given = parser.parse_args(arguments)
    if not given.password_file and not given.public_key_file:
        parser.error("give --password-file, --public-key-file or both")
    user = User(
        name=given.username,
        password=_first_line(given.password_file),
        public_key=_first_line(given.public_key_file),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    serve(given.root, given.port, given.host_key, user, stop=stop, ready=_announce)
    return 0


def _first_line(path: Path | None) -> str | None:
    return path.read_text().partition("\n")[0].strip() if path else None


def _announce(port: int, host_key_fingerprint: str) -> None:
    sys.stdout.write(f"drop box: {_ADDRESS}:{port} {host_key_fingerprint}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
