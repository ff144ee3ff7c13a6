"""A logged-in SFTP session: files written aside, checked, and given their name by one rename."""

import contextlib
import re
from collections.abc import Iterable, Iterator

import paramiko
from paramiko.sftp import (
    CMD_EXTENDED,
    CMD_INIT,
    CMD_VERSION,
    SFTPError,
)

from portal.transports import DeliveryError, NameTakenError, StepName, TemporaryGoneError
from portal.transports.ssh import SftpTarget, mapped, time_limit

_NAME = re.compile(r"[A-Za-z0-9._=+@-]{1,200}")
_REQUEST = 32_768  # bytes; what draft-ietf-secsh-filexfer-02 obliges a server to take
_LARGEST_REQUEST = 250_000  # bytes; OpenSSH takes 261,120
_ASK_LIMITS_FROM = 1_000_000  # bytes of a file that make larger requests (1.3 times as fast) worth a round trip
_LIMITS = "limits@openssh.com"
_EXTENSIONS = 64  # read of a server's list, at most; OpenSSH has 13
_FSYNC = "fsync@openssh.com"


def remote_directory(directory: str) -> str:
    """The directory as it is sent: without empty parts and without a "/" at its end.

    Raises a permanent DeliveryError for ".", "..", backslashes, control characters and what is not UTF-8.
    """
    parts = [part for part in directory.split("/") if part]
    odd = "\\" in directory or not all(letter.isprintable() for letter in directory)
    if odd or "." in parts or ".." in parts or len(directory) > 1000:
        raise DeliveryError(
            "directory", "The directory %(directory)s may not hold '.', '..', '\\' or control characters.",
            permanent=True, directory=repr(directory[:200]),
        )  # fmt: skip
    return ("/" if directory.startswith("/") else "") + "/".join(parts)


def remote_path(directory: str, name: str) -> str:
    """A file in a directory as it is sent. Raises a permanent DeliveryError for anything but a plain name."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise DeliveryError(
            "directory", "The file name %(name)s is not made of letters, digits and . _ = + @ - alone.",
            permanent=True, name=repr(name[:200]),
        )  # fmt: skip
    folder = remote_directory(directory)
    return f"{folder}{'' if folder in ('', '/') else '/'}{name}"


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


class SftpSession:
    """A logged-in connection, made by `sftp.connect`.

    All names are plain file names in the target's directory. Every method raises DeliveryError; after one that is
    not permanent the session is best thrown away.
    """

    def __init__(self, target: SftpTarget, transport: paramiko.Transport, client: _Client) -> None:
        self._target = target
        self._transport = transport
        self._client = client

    def upload(self, temporary_name: str, chunks: Iterable[bytes], size: int) -> None:
        """Writes a file of `size` bytes under its temporary name, replacing an earlier half of it.

        When it returns, the server has acknowledged every write, flushed to its disk if it offers that, and
        states the right size. Takes one chunk at a time from `chunks`, so memory stays flat; what `chunks`
        raises passes through. What was written before an error stays: the caller removes it.
        """
        path = self._path(temporary_name)
        self._write(path, chunks, size)
        found = self.size(temporary_name)
        if found is None:
            raise DeliveryError("size", "%(name)s is gone after writing.", name=temporary_name)
        if found != size:
            raise DeliveryError(
                "size", "%(name)s has %(found)s bytes after writing; it should have %(size)s.",
                name=temporary_name, found=found, size=size,
            )  # fmt: skip

    def _write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        with self._during("write", missing="directory"):
            file = self._client.open(path, "wb")
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
                file.close()

    def publish(self, temporary_name: str, final_name: str, *, replace: bool = False) -> None:
        """Gives the uploaded file its name, in one step of the server's.

        Without `replace` an existing file is left alone and NameTakenError raised. With it the file is
        replaced, never removed first; on a server that cannot do that, an existing file is left alone as
        well. Raises TemporaryGoneError if there is no such temporary file (see there).
        """
        temporary, final = self._path(temporary_name), self._path(final_name)
        with self._during("rename"):
            try:
                self._rename(temporary, final, final_name, replace)
            except TimeoutError:
                raise
            except OSError:
                self._explain(temporary_name, final_name, replace)
                raise

    def _rename(self, temporary: str, final: str, final_name: str, replace: bool) -> None:
        if replace:
            try:
                return self._client.posix_rename(temporary, final)
            except (FileNotFoundError, TimeoutError):
                raise
            except OSError:  # not offered, or not allowed: a plain rename does where no file is in the way
                return self._client.rename(temporary, final)
        if self._stat(final) is not None and self._stat(temporary) is not None:
            raise NameTakenError(final_name)  # for the servers whose plain rename replaces
        return self._client.rename(temporary, final)

    def _explain(self, temporary_name: str, final_name: str, replace: bool) -> None:
        """Raises the exact reason of a refused rename, if it can be found out."""
        if self._stat(self._path(temporary_name)) is None:
            self._check_directory()
            raise TemporaryGoneError(temporary_name)
        if self._stat(self._path(final_name)) is not None:
            if replace:
                raise DeliveryError(
                    "rename", "%(name)s exists and the server does not let it be replaced.", permanent=True,
                    name=final_name,
                )  # fmt: skip
            raise NameTakenError(final_name)

    def size(self, name: str) -> int | None:
        """The size in bytes of a file as the server states it, None if there is no such file."""
        path = self._path(name)
        with self._during("size"):
            found = self._stat(path)
        if found is None:
            return None
        if found.st_size is None:
            raise DeliveryError("size", "The server does not state the size of files.", permanent=True)
        return found.st_size

    def remove(self, name: str) -> None:
        """Removes a file; one that is not there is fine."""
        path = self._path(name)
        with self._during("delete"), contextlib.suppress(FileNotFoundError):
            self._client.remove(path)

    def check_directory(self) -> None:
        """Raises a permanent DeliveryError of the step directory unless the target's directory stands."""
        with self._during("directory"):
            self._check_directory()

    def _check_directory(self) -> None:
        folder = remote_directory(self._target.directory) or "."
        found = self._stat(folder)
        if found is None or (found.st_mode is not None and found.st_mode & 0o170000 not in (0, 0o040000)):
            raise self._no_directory()

    def _no_directory(self) -> DeliveryError:
        return DeliveryError(
            "directory", "There is no directory '%(directory)s' on the server.", permanent=True,
            directory=self._target.directory,
        )  # fmt: skip

    def _stat(self, path: str) -> paramiko.SFTPAttributes | None:
        try:
            return self._client.stat(path)
        except FileNotFoundError:
            return None

    def _path(self, name: str) -> str:
        return remote_path(self._target.directory, name)

    @contextlib.contextmanager
    def _during(self, step: StepName, missing: StepName | None = None) -> Iterator[None]:
        with mapped(step, self._transport):
            try:
                yield
            except FileNotFoundError as error:
                if missing:
                    raise self._no_directory() from error
                raise


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
