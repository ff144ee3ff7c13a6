"""A logged-in session of any protocol: files written aside, checked, and given their name by one rename.

What each call means stands here, once; a protocol brings the single steps, on paths.
"""

import abc
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from portal.transports import DeliveryError, NameTakenError, StepName, TemporaryGoneError
from portal.transports.paths import parents, remote_directory, remote_path
from portal.transports.targets import Target

GRACE_SECONDS, SLOWEST = 120, 2048  # bytes a second: a server that takes less keeps a worker from everybody else

Item = TypeVar("Item")
Result = TypeVar("Result")


class Session(abc.ABC):
    """All names are plain file names: temporary ones in the target's directory for those, others in its directory.

    Every method raises DeliveryError; after one that is not permanent the session is best thrown away.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._made: set[str] = set()

    def moved_to(self, target: Target) -> None:
        """Goes on in another directory of the same server and login."""
        self._target = target

    def upload(self, temporary_name: str, chunks: Iterable[bytes], size: int) -> None:
        """Writes a file of `size` bytes under its temporary name, replacing an earlier half of it.

        When it returns, the server has acknowledged every write, flushed to its disk if it offers that, and
        states the right size. Takes one chunk at a time from `chunks`, so memory stays flat; what `chunks`
        raises passes through. What was written before an error stays: the caller discards it. A server that takes
        less than SLOWEST on average is given up after GRACE_SECONDS.
        """
        path = self._aside(temporary_name)
        self._make_directories()
        self._write(path, _fast_enough(chunks), size)
        found = self._size(path)
        if found is None:
            raise DeliveryError("size", "%(name)s is gone after writing.", name=temporary_name)
        if found != size:
            raise DeliveryError(
                "size", "%(name)s has %(found)s bytes after writing; it should have %(size)s.",
                name=temporary_name, found=found, size=size,
            )  # fmt: skip

    def publish(self, temporary_name: str, final_name: str, *, replace: bool = False) -> None:
        """Gives the uploaded file its name, in one step of the server's, and writes the done-file if one is wished.

        Without `replace` an existing file is left alone and NameTakenError raised. With it the file is
        replaced, never removed first; on a server that cannot do that, an existing file is left alone as
        well. Raises TemporaryGoneError if there is no such temporary file (see there); the done-file is then
        written if the final name is still there without one. Nothing is renamed where files are written direct.
        """
        if not self._target.direct:
            try:
                self._give_name(temporary_name, final_name, replace)
            except TemporaryGoneError:
                # Whoever waits for done-files takes nothing without one: a file that is there still needs it.
                if self._target.done_suffix and self.size(final_name) is not None:
                    self._write_done_file(final_name, unless_there=True)
                raise
        self._write_done_file(final_name)

    def _give_name(self, temporary_name: str, final_name: str, replace: bool) -> None:
        temporary, final = self._aside(temporary_name), self._path(final_name)
        with self._during("rename"):
            try:
                if replace:
                    self._replace(temporary, final)
                else:
                    if self._stat(final) is not None and self._stat(temporary) is not None:
                        raise NameTakenError(final_name)  # for the servers whose plain rename replaces
                    self._rename(temporary, final)
            except TimeoutError:
                raise
            except OSError:
                self._explain(temporary, final, (temporary_name, final_name), replace)
                raise

    def _explain(self, temporary: str, final: str, names: tuple[str, str], replace: bool) -> None:
        """Raises the exact reason of a refused rename, if it can be found out."""
        if self._stat(temporary) is None:
            self._check(self._target.aside)
            raise TemporaryGoneError(names[0])
        self._check(self._target.directory)
        if self._stat(final) is not None:
            if replace:
                raise DeliveryError(
                    "rename", "%(name)s exists and the server does not let it be replaced.", permanent=True,
                    name=names[1],
                )  # fmt: skip
            raise NameTakenError(names[1])

    def _write_done_file(self, final_name: str, *, unless_there: bool = False) -> None:
        if not self._target.done_suffix:
            return
        path = self._path(final_name + self._target.done_suffix)
        if not (unless_there and self._size(path) is not None):
            self._write(path, [], 0)

    def holds(self, temporary_name: str) -> bool:
        """Whether the temporary file is there and waits for its name. False where files are written direct."""
        return not self._target.direct and self._size(self._aside(temporary_name)) is not None

    def discard(self, temporary_name: str) -> None:
        """Removes a temporary file; one that is not there is fine. One written direct has its final name already: it
        stays."""
        if not self._target.direct:
            self._remove_path(self._aside(temporary_name))

    def size(self, name: str) -> int | None:
        """The size in bytes of a file as the server states it, None if there is no such file."""
        return self._size(self._path(name))

    def remove(self, name: str) -> None:
        """Removes a file; one that is not there is fine."""
        self._remove_path(self._path(name))

    def check_directory(self) -> None:
        """Raises a permanent DeliveryError of the step directory unless the target's directories stand. Makes them
        first where that is wished."""
        self._make_directories()
        with self._during("directory"):
            self._check(self._target.directory)
            if self._target.temporary_directory:
                self._check(self._target.temporary_directory)

    def names(self, most: int) -> list[str] | None:
        """The first names in the target's directory, at most `most`; None where the server lets nobody list it."""
        with self._during("directory"):
            try:
                return self._names(remote_directory(self._target.directory), most)
            except (PermissionError, FileNotFoundError):
                return None

    def said(self) -> list[str]:
        """What the server answered since the last call, in a protocol in which it speaks."""
        return []

    def for_each(self, work: Callable[["Session", Item], Result], items: Sequence[Item]) -> list[Result]:
        """The work done for every item, in their order where the protocol has one session only; several at a time, in
        threads with a session of their own each, where it has more. Raises the first error once all are at rest."""
        return [work(self, item) for item in items]

    def _make_directories(self) -> None:
        if not self._target.make_directory:
            return
        for wished in {self._target.directory, self._target.temporary_directory} - self._made:
            with self._during("directory"):
                if wished and not self._is_directory(remote_directory(wished)):
                    self._make_all(wished)
            self._made.add(wished)

    def _make_all(self, directory: str) -> None:
        for path in parents(directory):
            if not self._is_directory(path):
                try:
                    self._make_directory(path)
                except OSError:  # somebody else made it just now, or it is not allowed
                    if not self._is_directory(path):
                        raise

    def _check(self, directory: str) -> None:
        if not self._is_directory(remote_directory(directory)):
            raise self._no_directory(directory)

    def _no_directory(self, directory: str) -> DeliveryError:
        return DeliveryError(
            "directory", "There is no directory '%(directory)s' on the server.", permanent=True, directory=directory
        )

    def _size(self, path: str) -> int | None:
        with self._during("size"):
            return self._stat(path)

    def _remove_path(self, path: str) -> None:
        with self._during("delete"), contextlib.suppress(FileNotFoundError):
            self._remove(path)

    def _path(self, name: str) -> str:
        return remote_path(self._target.directory, name)

    def _aside(self, name: str) -> str:
        return remote_path(self._target.aside, name)

    # The single steps. They raise FileNotFoundError where something is missing, another OSError or an error of the
    # protocol else, all of which `_during` turns into a DeliveryError.

    @abc.abstractmethod
    def _during(self, step: StepName) -> AbstractContextManager[None]:
        """Turns what is raised inside it into a DeliveryError of that step."""

    @abc.abstractmethod
    def _write(self, path: str, chunks: Iterable[bytes], size: int) -> None:
        """As `upload`, without the look at the size. DeliveryError."""

    @abc.abstractmethod
    def _stat(self, path: str) -> int | None:
        """The size of what is there, None if nothing is."""

    @abc.abstractmethod
    def _is_directory(self, path: str) -> bool:
        """Whether it is a directory; "" is the one after log-in."""

    @abc.abstractmethod
    def _names(self, path: str, most: int) -> list[str]:
        """Of what lies in a directory, without reading it to its end. PermissionError where it may not be listed."""

    @abc.abstractmethod
    def _make_directory(self, path: str) -> None: ...

    @abc.abstractmethod
    def _rename(self, path: str, to: str) -> None:
        """A rename that leaves an existing file alone, where the protocol has one."""

    @abc.abstractmethod
    def _replace(self, path: str, to: str) -> None:
        """A rename that replaces, else one that does not."""

    @abc.abstractmethod
    def _remove(self, path: str) -> None: ...


def _fast_enough(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, each when the one before was taken. No single wait is long where a server lets everything drip."""
    started, taken = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        taken += len(chunk)
        seconds = time.monotonic() - started
        if seconds > GRACE_SECONDS and taken < seconds * SLOWEST:
            raise DeliveryError(
                "write", "The server takes the file too slowly: %(bytes)s bytes in %(seconds)s seconds.",
                bytes=taken, seconds=round(seconds),
            )  # fmt: skip
