"""SFTP by paramiko: the single steps of a session, and several channels for many files."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from queue import SimpleQueue

import paramiko
from paramiko.sftp import (
    CMD_EXTENDED,
    CMD_INIT,
    CMD_VERSION,
    SFTPError,
)

from portal.transports import DeliveryError, StepName
from portal.transports.session import Item, Result, Session
from portal.transports.ssh import mapped, time_limit
from portal.transports.targets import SftpTarget

_REQUEST = 32_768  # bytes; what draft-ietf-secsh-filexfer-02 obliges a server to take
_LARGEST_REQUEST = 250_000  # bytes; OpenSSH takes 261,120
_PACKET = 32_768  # bytes of a channel that OpenSSH takes at once; no server that is known takes more
_ASK_LIMITS_FROM = 1_000_000  # bytes of a file that make larger requests (1.3 times as fast) worth a round trip
_LIMITS = "limits@openssh.com"
_MOST_CHANNELS = 10  # what OpenSSH allows by itself
_EXTENSIONS = 64  # read of a server's list, at most; OpenSSH has 13
_FSYNC = "fsync@openssh.com"


class _Client(paramiko.SFTPClient):
    """paramiko's client, which also keeps what the server says it can do.

    It uses inner methods of paramiko: nothing public tells whether a server flushes files, and a flush that
    failed must not be taken for one that is not offered.
    """

    extensions: frozenset[str]

    def _send_version(self) -> int:
        hello = paramiko.Message()
        hello.add_int(3)
        self._send_packet(CMD_INIT, hello)  # type: ignore[attr-defined]  # not in the stubs
        kind, data = self._read_packet()  # type: ignore[attr-defined]  # not in the stubs
        if kind != CMD_VERSION:
            raise SFTPError("not an SFTP server")
        answer = paramiko.Message(data)
        version = answer.get_int()
        pairs = [(answer.get_binary(), answer.get_binary()) for _ in range(_EXTENSIONS)]
        self.extensions = frozenset(name.decode("utf-8", "replace") for name, _version in pairs)
        return version

    def _write_all(self, out: bytes) -> None:
        """As paramiko's, which copies all that is left of a request for each packet that it sends of it."""
        left = memoryview(out)
        while left:
            sent = self.sock.send(bytes(left[:_PACKET]))
            if sent <= 0:
                raise EOFError
            left = left[sent:]

    def request_size(self) -> int:
        """How many bytes one write may carry, as the server states it; what every server takes if it does not."""
        if _LIMITS not in self.extensions:
            return _REQUEST
        _kind, answer = self._request(CMD_EXTENDED, _LIMITS)  # type: ignore[attr-defined]  # not in the stubs
        _packet, _read, write = (int(answer.get_int64()) for _ in range(3))
        return max(_REQUEST, min(write, _LARGEST_REQUEST))

    def fsync(self, file: paramiko.SFTPFile) -> None:
        """Has the server write the file to its disk, where it offers that."""
        if _FSYNC in self.extensions:
            self._request(CMD_EXTENDED, _FSYNC, file.handle)  # type: ignore[attr-defined]  # not in the stubs


def _write_pieces(file: paramiko.SFTPFile, data: bytes, *, last: bool = False) -> None:
    """Sends data in requests of the file's size, without waiting for the answers.

    With `last` every answer of the file is collected and the first bad one raised: paramiko does this when a
    write is not pipelined, but drops the answers still under way when a file is closed.
    """
    end = len(data) - last
    for start in range(0, end, file.MAX_REQUEST_SIZE):
        file.write(data[start : min(start + file.MAX_REQUEST_SIZE, end)])
    if last:
        file.set_pipelined(False)
        file.write(data[-1:])


class SftpSession(Session):
    """SFTP on one channel of a connection, made by `sftp.connect`."""

    def __init__(self, target: SftpTarget, transport: paramiko.Transport, client: _Client) -> None:
        super().__init__(target)
        self._server = target
        self._transport = transport
        self._client = client

    def _write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        with self._during("write"):
            try:
                file = self._client.open(path, "wb")
            except FileNotFoundError as error:
                raise self._no_directory(path.rpartition("/")[0] or "/") from error
            file.set_pipelined(True)
            if size >= _ASK_LIMITS_FROM:
                file.MAX_REQUEST_SIZE = self._client.request_size()
        try:
            held = b""
            for chunk in filter(None, chunks):
                with self._during("write"):
                    _write_pieces(file, held)
                held = chunk
            with self._during("write"):
                _write_pieces(file, held, last=True)
                self._client.fsync(file)
        finally:
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                file._close(async_=True)  # type: ignore[attr-defined]  # not in the stubs; saves a round trip

    def _rename(self, path: str, to: str) -> None:
        self._client.rename(path, to)

    def _replace(self, path: str, to: str) -> None:
        try:
            self._client.posix_rename(path, to)
        except (FileNotFoundError, TimeoutError):
            raise
        except OSError:  # not offered, or not allowed: a plain rename does where no file is in the way
            self._client.rename(path, to)

    def _stat(self, path: str) -> int | None:
        try:
            size = self._client.stat(path).st_size
        except FileNotFoundError:
            return None
        if size is None:
            raise DeliveryError("size", "The server does not state the size of files.", permanent=True)
        return size

    def _remove(self, path: str) -> None:
        self._client.remove(path)

    def _is_directory(self, path: str) -> bool:
        try:
            mode = self._client.stat(path or ".").st_mode
        except FileNotFoundError:
            return False
        return mode is None or mode & 0o170000 in (0, 0o040000)

    def _names(self, path: str, most: int) -> list[str]:
        found = self._client.listdir_iter(path or ".", read_aheads=1)
        return [entry.filename for entry in itertools.islice(found, most)]

    def _make_directory(self, path: str) -> None:
        self._client.mkdir(path)

    def _during(self, step: StepName) -> AbstractContextManager[None]:
        return mapped(step, self._transport)

    def for_each(self, work: Callable[[Session, Item], Result], items: Sequence[Item]) -> list[Result]:
        """On channels of their own: where a round trip takes long, several files wait for it at the same time."""
        count = max(1, min(_MOST_CHANNELS, len(items)))
        sessions: SimpleQueue[Session] = SimpleQueue()
        sessions.put(self)

        def one(item: Item) -> Result:
            session = sessions.get()
            try:
                return work(session, item)
            finally:
                sessions.put(session)

        with contextlib.ExitStack() as opened, ThreadPoolExecutor(count) as threads:
            for another in threads.map(lambda _: self._another(), range(count - 1)):
                if another is not None:
                    opened.callback(another._client.close)
                    sessions.put(another)
            started = [threads.submit(one, item) for item in items]
            wait(started, return_when=FIRST_EXCEPTION)
            for each in started:
                each.cancel()
            wait(started)
            for error in [each.exception() for each in started if not each.cancelled()]:
                if error is not None:
                    raise error
            return [each.result() for each in started]

    def _another(self) -> "SftpSession | None":
        """One more channel of this connection; none where the server allows no more."""
        try:
            session = open_session(self._server, self._transport)
        except DeliveryError as error:
            if isinstance(error.__cause__, paramiko.ChannelException):
                return None
            raise
        session.moved_to(self._target)
        return session


def open_session(target: SftpTarget, transport: paramiko.Transport) -> SftpSession:
    """SFTP on a connection that is logged in."""
    timeout = target.reach.timeout
    with time_limit(transport, timeout, "login"), mapped("login", transport):
        try:
            channel = transport.open_session(timeout=timeout)
            channel.settimeout(timeout)
            channel.invoke_subsystem("sftp")
            return SftpSession(target, transport, _Client(channel))
        except paramiko.ChannelException as error:
            raise DeliveryError(
                "login", "The server lets %(name)s in but opens no SFTP session: %(words)s", permanent=True,
                name=target.username, words=error.text,
            ) from error  # fmt: skip
