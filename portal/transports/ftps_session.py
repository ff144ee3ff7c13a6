"""FTPS: the single steps of a session."""

import ftplib
from collections.abc import Iterable
from contextlib import AbstractContextManager

from portal.transports import DeliveryError, StepName
from portal.transports.ftps_client import Client, Refusal
from portal.transports.session import Session
from portal.transports.targets import FtpsTarget

_NO_FILES_FOUND = 450  # of an empty directory, as ProFTPD says it
_NO_SUCH_COMMAND = (500, 502, 504)


class FtpsSession(Session):
    """FTPS on one control connection, made by `ftps.connect`. Servers end one that is idle for some minutes."""

    def __init__(self, target: FtpsTarget, client: Client) -> None:
        super().__init__(target)
        self._client = client
        self._home: str | None = None

    def _write(self, path: str, chunks: Iterable[bytes], size: int) -> None:  # noqa: ARG002  the interface's
        with self._during("write"):
            try:
                self._client.store(path, chunks)
            except Refusal as error:
                if error.permanent and not self._is_directory(path.rpartition("/")[0]):
                    raise self._no_directory(path.rpartition("/")[0]) from error
                raise

    def _stat(self, path: str) -> int | None:
        try:
            return int(self._client.command(f"SIZE {path}")[3:])
        except Refusal as error:
            if error.code not in _NO_SUCH_COMMAND:
                if error.permanent:
                    return None
                raise
        except ValueError:
            pass
        raise DeliveryError("size", "The server does not state the size of files.", permanent=True)

    def _is_directory(self, path: str) -> bool:
        """By going there and back: no other way is known to every server."""
        if path in ("", "/"):
            return True
        if self._home is None:
            self._home = ftplib.parse257(self._client.command("PWD"))
        try:
            self._client.command(f"CWD {path}")
        except Refusal as error:
            if error.permanent:
                return False
            raise
        self._client.command(f"CWD {self._home}")
        return True

    def _names(self, path: str, most: int) -> list[str]:
        try:
            found = self._client.names(path)
        except Refusal as error:
            if error.code == _NO_FILES_FOUND:
                return []
            raise PermissionError(str(error)) from error
        plain = (name.rstrip("/").rpartition("/")[2] for name in found)
        return [name for name in plain if name not in ("", ".", "..")][:most]

    def said(self) -> list[str]:
        return self._client.said()

    def _make_directory(self, path: str) -> None:
        self._client.command(f"MKD {path}")

    def _rename(self, path: str, to: str) -> None:
        """Replaces on most servers: whoever calls looks at the name first."""
        self._client.command(f"RNFR {path}")
        self._client.command(f"RNTO {to}")

    def _replace(self, path: str, to: str) -> None:
        self._rename(path, to)

    def _remove(self, path: str) -> None:
        try:
            self._client.command(f"DELE {path}")
        except Refusal as error:
            if error.permanent and self._stat(path) is None:
                raise FileNotFoundError(path) from error
            raise

    def _during(self, step: StepName) -> AbstractContextManager[None]:
        return self._client.mapped(step)
