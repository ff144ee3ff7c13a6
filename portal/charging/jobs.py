"""Imports worked off in the background. The row is the job; killed at any point, it goes on where it stopped.

A batch is one transaction: its sessions, quarter hours, flagged rows and the import's progress are there together or
not at all. A worker that takes over reads the file from its beginning again, so that it knows what the rows before
repeat, and writes from the first row that is not stored.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from portal.charging import finishing
from portal.charging.claims import Claim, Sessions, imports, waits_since, write
from portal.charging.file_reading import FileReading
from portal.charging.lookups import StationLookup
from portal.charging.models import ImportState, SessionImport
from portal.charging.reading import Reading
from portal.charging.storing import ChangedOwner, Origin, Stored, still_allowed, store
from portal.charging.table_files import FileProblem
from portal.core import clock, process
from portal.core.db import reading_only

__all__ = ["drain", "run_due", "run_one", "waits_since"]

BATCH = 1000
LOOK_UP_AGAIN_SECONDS = 5  # how long a station that was added is not found yet
RACES = 3  # another import stores the same row or driver at the same time: the batch is tried again and finds it known

Progress = Callable[[int, int], None]


def drain() -> int:
    """RQ's entry: work off the imports that are due, with this process's settings."""
    _, sessions = process.context()
    return run_due(sessions)


def run_due(sessions: Sessions) -> int:
    """Work off the imports that are due, one after the other, and say how many were taken up. Safe to call from any
    number of processes at once, and to be killed at any point."""
    return imports.run_due(lambda: run_one(sessions))


def run_one(sessions: Sessions, import_id: int | None = None, progress: Progress | None = None) -> bool:
    """Take up one import, the oldest or this one, and work on it to its end; False when there was none to take.

    `progress` is told the permille of the file and the rows read after every batch. What goes wrong unexpectedly is
    raised, after the import was given back for another attempt.
    """

    def work(held: Claim) -> None:
        try:
            with sessions() as reader, sessions() as writer:
                _Run(reader, writer, held, progress).work()
        except FileProblem as problem:
            with sessions() as session:
                _fail(session, held, f"file_{problem.message_key}", problem.params)
                session.commit()

    return imports.run_one(sessions, work, _fail, import_id)


def _fail(session: Session, held: Claim, key: str, params: dict[str, str | int] | None = None) -> None:
    error = {"key": key, "params": params or {}}
    write(session, held, state=ImportState.FAILED.value, error=error, finished_at=clock.now(), lease_until=None)


class _Run:
    """One attempt at one import: read by one session, written by another."""

    def __init__(self, reader: Session, writer: Session, held: Claim, progress: Progress | None) -> None:
        self._reader, self._writer, self._held, self._progress = reader, writer, held, progress
        self._renew()
        row = reader.get_one(SessionImport, held.row_id)
        self._row = row
        self._origin = Origin(row.owner_id, row.id, row.source, row.account_id)
        self._lookup = StationLookup(reader, row.account_id, row.owner_id)
        self._looked_up = time.monotonic()
        self._readings = FileReading(reader, row, self._lookup, clock.now())
        self._warnings = Counter({str(key): int(count) for key, count in row.warnings.items()})
        self._span = finishing.FileSpan()

    def work(self) -> None:
        stored_before, position = self._row.rows_read, 0
        for batch in self._batches():
            self._span.add(batch)
            new = batch[max(0, stored_before - position) :]
            position += len(batch)
            self._write(new, position)
            if self._progress:
                self._progress(self._readings.permille, position)
            self._renew()
        finishing.finish(self._writer, self._row, self._span, self._lookup.connector_ids, dict(self._warnings))
        write(
            self._writer,
            self._held,
            state=ImportState.DONE.value,
            done_permille=1000,
            finished_at=clock.now(),
            lease_until=None,
        )
        self._writer.commit()

    def _batches(self) -> Iterator[list[Reading]]:
        while batch := list(islice(self._readings, BATCH)):
            yield batch

    def _renew(self) -> None:
        """A fresh read transaction: an old one would keep SQLite's log from being cleared, and see old grants."""
        self._reader.rollback()
        with reading_only():
            self._reader.connection()

    def _write(self, readings: list[Reading], position: int) -> None:
        if time.monotonic() - self._looked_up > LOOK_UP_AGAIN_SECONDS:
            self._lookup.forget()
            self._looked_up = time.monotonic()
        if not readings:
            write(self._writer, self._held)
            self._writer.commit()
            return
        stored = self._stored(readings)
        self._warnings.update(stored.warnings)
        table = SessionImport
        write(
            self._writer,
            self._held,
            failures=0,
            rows_read=position,
            done_permille=min(self._readings.permille, 999),
            sessions_added=table.sessions_added + stored.added,
            rows_known=table.rows_known + stored.known,
            rows_flagged=table.rows_flagged + stored.flagged,
            energy_wh=table.energy_wh + stored.energy_wh,
            warnings=dict(self._warnings),
        )
        self._writer.commit()

    def _stored(self, readings: list[Reading]) -> Stored:
        for race in range(RACES):
            try:
                allowed = still_allowed(self._writer, self._origin, readings)
                return store(self._writer, self._origin, allowed)
            except (IntegrityError, OperationalError, ChangedOwner):
                self._writer.rollback()
                if race == RACES - 1:
                    raise
        raise AssertionError("unreachable")  # pragma: no cover
