"""SFTP to servers that know SHA-1 alone, by asyncssh: only where a destination allows it.

paramiko 5 no longer speaks `ssh-rsa` and the key exchanges with SHA-1. What is safe today is offered first here too;
the host key is pinned and compared before any secret is sent, as everywhere.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import asyncssh

from portal.transports import DeliveryError, StepName
from portal.transports.addresses import Judged, dial
from portal.transports.paths import remote_directory
from portal.transports.session import Session
from portal.transports.ssh import addresses, check_host_key, mapped, words
from portal.transports.ssh_keys import BadKeyError, HostKey, unlocked
from portal.transports.targets import SftpTarget

_KEX = (
    "curve25519-sha256", "ecdh-sha2-nistp256", "diffie-hellman-group14-sha256", "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1",
)  # fmt: skip
_HOST_KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")
_RSA = _HOST_KEYS[2:]
_CIPHERS = ("aes128-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes128-cbc", "aes256-cbc", "3des-cbc")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1")
_SIGNATURES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", *_RSA)
_Result = TypeVar("_Result")

# Every failure is a DeliveryError here.
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)


class _Client(asyncssh.SSHClient):
    """Says yes to the pinned host key alone, and keeps what it was shown."""

    def __init__(self, pinned: str | None) -> None:
        self._pinned = pinned
        self.seen: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, _host: str, _addr: str, _port: int, key: asyncssh.SSHKey) -> bool:
        self.seen = key
        return self._pinned is not None and key.get_fingerprint() == self._pinned.rstrip("=")


class Connection:
    """One connection, worked step by step in the caller's thread. Raises DeliveryError."""

    def __init__(self, target: SftpTarget) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._client = _Client(target.host_key_fingerprint if target.host_key_type else None)
        self._connection: asyncssh.SSHClientConnection | None = None

    def run(self, work: Awaitable[_Result]) -> _Result:
        """The result of one step, which may take the target's timeout as a whole."""
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, self._target.reach.timeout))
        except asyncssh.SFTPNoSuchFile as error:
            raise FileNotFoundError(error.reason) from error
        except asyncssh.SFTPPermissionDenied as error:
            raise PermissionError(error.reason) from error
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError) as error:
            raise EOFError(str(error)) from error
        except asyncssh.Error as error:
            raise OSError(words(error)) from error

    def handshake(self, where: tuple[Judged, ...], *, look_alone: bool = False) -> HostKey:
        """Connects and logs in, if the host key is the pinned one; with `look_alone` the login is never begun."""
        if look_alone:
            self._client = _Client(None)
        socket = dial(where, self._target.reach)
        socket.setblocking(False)
        try:
            self._connection = self._loop.run_until_complete(
                asyncio.wait_for(asyncssh.connect(sock=socket, **self._options(look_alone)), self._target.reach.timeout)
            )
        except asyncssh.HostKeyNotVerifiable:
            socket.close()
            seen = self.seen()
            if not look_alone:
                check_host_key(self._target, seen)
        except BaseException as error:
            socket.close()
            self._explain(error)
        return self.seen()

    def _options(self, any_key: bool) -> dict[str, Any]:
        target = self._target
        wanted: tuple[str, ...] = _HOST_KEYS
        if target.host_key_type and not any_key:
            wanted = _RSA if target.host_key_type == "ssh-rsa" else (target.host_key_type,)
        return {
            "host": target.host, "port": target.port, "username": target.username,
            "client_factory": lambda: self._client,
            "known_hosts": lambda *_: ([], [], [], [], [], [], []), "server_host_key_algs": list(wanted),
            "kex_algs": list(_KEX), "encryption_algs": list(_CIPHERS), "mac_algs": list(_MACS),
            "signature_algs": list(_SIGNATURES), "compression_algs": ["none"], "password": target.password,
            "client_keys": self._keys() or None,
            # Nothing of this machine's own SSH settings, keys and agents.
            "config": None, "agent_path": None, "gss_host": None, "host_based_auth": False,
        }  # fmt: skip

    def _keys(self) -> list[asyncssh.SSHKey]:
        if not self._target.private_key:
            return []
        try:
            pair = unlocked(self._target.private_key, self._target.passphrase)
        except BadKeyError as error:
            raise DeliveryError("login", error.template, permanent=True, **error.params) from error
        return [asyncssh.import_private_key(pair.private)]

    def _explain(self, error: BaseException) -> None:
        """Raises what a failed connection means. The login begins where the host key was found right."""
        step: StepName = "login" if self._client.seen is not None else "connect"
        with mapped(step):
            if isinstance(error, asyncssh.KeyExchangeFailed):
                raise DeliveryError(
                    "connect", "The server offers no encryption that is taken, not even an old one: %(words)s",
                    permanent=True, words=words(error),
                ) from error  # fmt: skip
            if isinstance(error, asyncssh.PermissionDenied):
                raise DeliveryError(
                    "login", "The server refused the user name %(name)s or its secret.", permanent=True,
                    name=self._target.username,
                ) from error  # fmt: skip
            if isinstance(error, asyncssh.DisconnectError):
                raise EOFError(str(error)) from error
            raise error

    def seen(self) -> HostKey:
        """What the server showed."""
        key, target = self._client.seen, self._target
        if key is None:
            raise DeliveryError("host_key", "The server showed no host key.")
        kind = key.get_algorithm()
        host = target.host if target.port == 22 else f"[{target.host}]:{target.port}"
        return HostKey(kind, key.get_fingerprint(), f"{host} {key.export_public_key('openssh').decode().strip()}")

    def told(self) -> list[str]:
        """What the server calls itself, and the cipher that was agreed on."""
        assert self._connection is not None
        return [str(self._connection.get_extra_info(name) or "") for name in ("server_version", "recv_cipher")]

    def open_session(self) -> Session:
        """SFTP on the connection."""
        assert self._connection is not None
        with mapped("login"):
            return LegacySession(self._target, self, self.run(self._connection.start_sftp_client()))

    def close(self) -> None:
        """Ends the connection without waiting for long."""
        with contextlib.suppress(Exception):
            if self._connection is not None:
                self._connection.abort()
                self._loop.run_until_complete(asyncio.wait_for(self._connection.wait_closed(), 1))
        with contextlib.suppress(Exception):
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class LegacySession(Session):
    """The single steps on an old server."""

    def __init__(self, target: SftpTarget, connection: Connection, client: asyncssh.SFTPClient) -> None:
        super().__init__(target)
        self._connection = connection
        self._client = client

    def _write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002  the interface's
        run = self._connection.run
        with self._during("write"):
            try:
                file = run(self._client.open(path, "wb"))
            except FileNotFoundError as error:
                raise self._no_directory(path.rpartition("/")[0] or "/") from error
        try:
            for chunk in filter(None, chunks):
                with self._during("write"):
                    run(file.write(chunk))
            with self._during("write"):
                run(file.close())
        except BaseException:
            with contextlib.suppress(OSError, EOFError):
                run(file.close())
            raise

    def _stat(self, path: str) -> int | None:
        try:
            size = self._connection.run(self._client.stat(path)).size
        except FileNotFoundError:
            return None
        if size is None:
            raise DeliveryError("size", "The server does not state the size of files.", permanent=True)
        return size

    def _is_directory(self, path: str) -> bool:
        try:
            return self._connection.run(self._client.isdir(path or "."))
        except FileNotFoundError:
            return False

    def _names(self, path: str, most: int) -> list[str]:
        async def listed() -> list[str]:
            found: list[str] = []
            async for entry in self._client.scandir(path or "."):
                if entry.filename not in (".", ".."):
                    found.append(str(entry.filename))
                if len(found) == most:
                    break
            return found

        return self._connection.run(listed())

    def _make_directory(self, path: str) -> None:
        self._connection.run(self._client.mkdir(path))

    def _rename(self, path: str, to: str) -> None:
        self._connection.run(self._client.rename(path, to))

    def _replace(self, path: str, to: str) -> None:
        try:
            self._connection.run(self._client.posix_rename(path, to))
        except (FileNotFoundError, TimeoutError):
            raise
        except OSError:  # not offered, or not allowed: a plain rename does where no file is in the way
            self._rename(path, to)

    def _remove(self, path: str) -> None:
        self._connection.run(self._client.remove(path))

    def _during(self, step: StepName) -> AbstractContextManager[None]:
        return mapped(step)


@contextlib.contextmanager
def connect(target: SftpTarget) -> Iterator[Session]:
    """As `sftp.connect`."""
    remote_directory(target.directory)
    with contextlib.closing(Connection(target)) as connection:
        connection.handshake(addresses(target))
        yield connection.open_session()


def fetch_host_key(target: SftpTarget) -> HostKey:
    """As `sftp.fetch_host_key`."""
    with contextlib.closing(Connection(target)) as connection:
        return connection.handshake(addresses(target), look_alone=True)
