"""Reports made in the background. The row is the job; killed at any point, the next worker begins it anew."""

import logging
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.finishing import instants
from portal.core import clock, files, leases, process
from portal.core.db import reading_only
from portal.core.errors import NotAllowed, NotThere
from portal.core.leases import Claim, LeaseLost, Sessions
from portal.licences import queries as licences
from portal.reports import billing as billings
from portal.reports import pdf, rows, scope, writers
from portal.reports.models import FileKind, Report, ReportFile, ReportState
from portal.reports.rows import ReportRow
from portal.reports.summary import Summary

log = logging.getLogger(__name__)
MARK_SECONDS = 1
SETTING = 10  # to set a row in a PDF takes as long as to read so many
_reports = leases.Jobs(Report)
waits_since = _reports.waits_since


def drain() -> int:
    """RQ's entry: make the reports that are due, with this process's settings."""
    _, sessions = process.context()
    return run_due(sessions)


def run_due(sessions: Sessions) -> int:
    """Make the reports that are due, one after the other, and say how many were taken up. Safe to call from any number
    of processes at once, and to be killed at any point."""
    return _reports.run_due(lambda: run_one(sessions))


def run_one(sessions: Sessions, report_id: int | None = None) -> bool:
    """Make one report, the oldest or this one; False when there was none to take. What goes wrong unexpectedly is
    raised, after the report was given back for another attempt."""

    def work(held: Claim) -> None:
        try:
            _make(sessions, held)
        except (NotAllowed, NotThere):
            with sessions() as session:
                _fail(session, held, "not_allowed")
                session.commit()

    return _reports.run_one(sessions, work, _fail, report_id)


def _make(sessions: Sessions, held: Claim) -> None:
    """Every file is made from one reading of the database, and stored afterwards in a transaction that is short: while
    a report is made nobody waits for it."""
    with sessions() as reader, reading_only():
        report = reader.get_one(Report, held.row_id)
        if licences.lacking(reader, report.ordered_by_id, scope.ACTION):
            raise NotAllowed
        found = scope.of(reader, report.account_id, report)
        zone = ZoneInfo(report.time_zone)
        source = (found.connector_ids, *instants(report.first_day, report.last_day, zone), found.driver_ids)
        owner = reader.get_one(Account, found.owner_id)
        may_bill = report.with_bills and found.owner_id == report.account_id
        billing = billings.of_owner(reader, found.owner_id) if may_bill else None
        progress = _Progress(sessions, held, rows.count(reader, *source), report.kinds)
        made: list[_Made] = []
        summary, error = Summary(zone, report.vat_permille), ""
        for kind in report.kinds:
            summary = Summary(zone, report.vat_permille)
            read = progress.of(rows.report_rows(reader, report.account_id, *source))
            try:
                with progress.kept_alive():
                    name = owner.name or owner.email
                    about = pdf.About(report, name, billing)
                    file = _written(writers.write(about, kind, read, summary, progress.set))
            except pdf.CannotSet:
                log.exception("PDFs cannot be made on this machine")
                error = "no_pdf"
            else:
                made.append(_Made(kind, writers.file_name(report, kind), file))
    with sessions() as writer:
        if made:
            _store(writer, held, summary, made, error, found.owner_id)
        else:
            _fail(writer, held, error)
        writer.commit()


class _Made(NamedTuple):
    kind: str
    name: str
    file: IO[bytes]


def _written(chunks: Iterable[bytes]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  closed when nobody holds it any more
    for chunk in chunks:
        file.write(chunk)
    file.seek(0)
    return file


def _store(session: Session, held: Claim, summary: Summary, made: Iterable[_Made], error: str, owner_id: int) -> None:
    done = {"state": ReportState.DONE.value, "done_permille": 1000, "finished_at": clock.now(), "lease_until": None}
    told = {"sessions": summary.sessions, "energy_wh": summary.energy_wh, "sums": summary.kept(), "failures": 0}
    _reports.write(session, held, **done, **told, error=error, owner_id=owner_id)
    for one in made:
        kept = files.keep(session, one.name, iter(lambda file=one.file: file.read(files.PIECE), b""))  # type: ignore[misc]
        session.add(ReportFile(report_id=held.row_id, kind=one.kind, file_id=kept.id))


class _Progress:
    """Marks how far a report is, and keeps the lease, every MARK_SECONDS."""

    def __init__(self, sessions: Sessions, held: Claim, rows_in_all: int, kinds: Collection[str]) -> None:
        self._sessions, self._held = sessions, held
        setting = min(rows_in_all, pdf.MOST_ROWS) * SETTING if FileKind.PDF in kinds else 0
        self._in_all = max(1, rows_in_all * len(kinds) + setting)
        self._read, self._set, self._marked = 0, 0, time.monotonic()

    def of(self, read: Iterable[ReportRow]) -> Iterator[ReportRow]:
        for row in read:
            self._read += 1
            self._mark_now_and_then()
            yield row

    def set(self, count: int) -> None:
        """So many rows of the PDF are set."""
        self._set = count
        self._mark_now_and_then()

    def _mark_now_and_then(self) -> None:
        if time.monotonic() - self._marked >= MARK_SECONDS:
            self.mark(self._permille)

    @property
    def _permille(self) -> int:
        return min(999, 1000 * (self._read + self._set * SETTING) // self._in_all)

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """While a part of a file is set without anything being marked, the lease is kept from another thread."""
        over = threading.Event()
        beat = threading.Thread(target=self._beat, args=(over,), daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(leases.LEASE_SECONDS / 6):
            if time.monotonic() - self._marked > leases.LEASE_SECONDS / 8:
                try:
                    self.mark(self._permille)
                except LeaseLost:
                    return  # whoever stores what was made is told

    def mark(self, permille: int) -> None:
        """LeaseLost when another worker has the report by now."""
        with self._sessions() as session:
            _reports.write(session, self._held, done_permille=permille)
            session.commit()
        self._marked = time.monotonic()


def _fail(session: Session, held: Claim, error: str) -> None:
    failed = {"state": ReportState.FAILED.value, "finished_at": clock.now(), "lease_until": None}
    _reports.write(session, held, error=error, **failed)
