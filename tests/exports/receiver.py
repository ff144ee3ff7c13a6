"""What a utility receives, and whether every file came once; what it would bill of them is billing.py's."""

import contextlib
import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.exports.models import ExportFile, ExportRun


@dataclass
class Receiver:
    """A utility that takes every finished file away within moments, and notes what it took."""

    folders: list[Path]
    taken: list[tuple[str, str, str]] = field(default_factory=list)  # folder, name, SHA-256
    contents: dict[str, bytes] = field(default_factory=dict)  # by folder and name
    _looks: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._ended.wait(0.01):
            self.look()
            self._looks += 1

    def settle(self) -> None:
        """Wait until everything that is there now has been taken."""
        until = self._looks + 2
        while self._looks < until:
            time.sleep(0.01)

    def look(self) -> None:
        for folder in self.folders:
            for path in folder.iterdir():
                if path.name.startswith("."):
                    continue
                content = path.read_bytes()
                self.taken.append((folder.name, path.name, hashlib.sha256(content).hexdigest()))
                self.contents[f"{folder.name}/{path.name}"] = content
                path.unlink()

    def forget(self, folder: str, names: set[str]) -> None:
        """What arrived under these names is to arrive once more."""
        self.taken = [one for one in self.taken if one[0] != folder or one[1] not in names]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(5)
            self.look()


def compare(session: Session, receiver: Receiver) -> None:
    """Every file of every run arrived once, with the bytes that are stored."""
    assert missing(session, receiver) == []


def missing(session: Session, receiver: Receiver) -> list[tuple[ExportRun, ExportFile]]:
    """The files that did not arrive; AssertionError for one that arrived twice, changed, or came from no run."""
    arrived, gone = Counter(receiver.taken), []
    for run in session.scalars(sa.select(ExportRun)):
        for file in run.files:
            name = (run.task.destination.directory, file.name, file.sha256)
            if name in arrived:
                arrived[name] -= 1
            else:
                gone.append((run, file))
    assert not +arrived, f"too often: {+arrived}"
    return gone
