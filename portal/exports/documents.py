"""The files of a run, one after the other, each as its bytes are made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import energy
from portal.charging.energy import CONNECTORS_AT_ONCE, EnergySource
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportValue, Files, Format, RunState
from portal.exports.periods import DAY, day_begins
from portal.exports.totals import Totals
from portal.exports.values import Said
from portal.exports.writers import WRITERS, files_of, pattern_of, settings_of, tells_parts, tells_register
from portal.formats import sdat, xlsx_file
from portal.formats.errors import FormatError
from portal.formats.file_names import FILE_NAME, FileNameParts, file_name
from portal.formats.issue import Issue
from portal.formats.packing import SUFFIXES, Packing, packed, zipped
from portal.formats.rows import QUARTER_HOUR, Meter, MeterPeriod, by_day, identifier_of


@dataclass(frozen=True, slots=True)
class Document:
    """One file of a run: its name by the formatter's pattern, and its bytes as they are made."""

    name: str
    content: Iterator[bytes]


def documents(
    session: Session,
    run: ExportRun,
    totals: Totals,
    created: datetime,
    sources: Sequence[EnergySource] | None = None,
) -> Iterator[Document]:
    """The files of the run, of all meters of its task or of these, each to be read before the next one is asked for;
    `totals` is complete after the last. FormatError names the meter that cannot be written; SettingsError."""
    return _Files(session, run, totals, created, meters(session, run.task) if sources is None else sources).made()


class _Files:
    """The files of one run: what its rows are divided by, and what they are called."""

    def __init__(
        self, session: Session, run: ExportRun, totals: Totals, created: datetime, sources: Sequence[EnergySource]
    ) -> None:
        self._session, self._run, self._totals = session, run, totals
        formatter, self._zone = run.task.formatter, ZoneInfo(run.task.time_zone)
        self._files, self._pattern = files_of(formatter), pattern_of(formatter)
        self._packing: Packing = formatter.settings.get("packing") or ""
        self._format, self._writer = Format(formatter.format), WRITERS[formatter.format]
        self._settings, self._identifier = settings_of(formatter, self._zone), formatter.identifier
        replaces = _replaced(session, run)
        self._issue = Issue(run.id, created, replaces, _identifiers(session, replaces) if replaces else None)
        self._parts = name_parts(run, created)
        self._numbers = count()
        self._quarters, self._register = tells_parts(formatter), tells_register(formatter)
        self._sources = sources
        self._said = totals.said = Said(run, self._sources)

    def made(self) -> Iterator[Document]:
        sources = self._sources
        if self._format == Format.SDAT:
            return self._sdat(sources)
        if self._files == Files.METER:
            return (made for row in self._rows(sources) for made in self._of([row], meter=row.meter))
        if self._files == Files.DAY:
            return self._daily(sources)
        if self._files == Files.METER_AND_DAY:
            days = (day for row in self._rows(sources) for day in by_day(row, self._zone))
            return (made for day in days for made in self._of([day], meter=day.meter, day=self._day(day)))
        self._check_size(len(sources), self._run.ends_at - self._run.starts_at)
        return self._of(self._rows(sources))

    def _rows(self, sources: Iterable[EnergySource]) -> Iterator[MeterPeriod]:
        """One row for each meter and period of the run; the periods of a meter stand behind each other."""
        periods, waiting = self._run.periods(), iter(sources)
        while some := list(islice(waiting, max(1, CONNECTORS_AT_ONCE // len(periods)))):
            columns = [self._between(some, one.starts_at, one.ends_at) for one in periods]
            for rows in zip(*columns, strict=True):
                yield from rows

    def _between(
        self, sources: Sequence[EnergySource], starts_at: datetime, ends_at: datetime
    ) -> Iterator[MeterPeriod]:
        parts = {"quarters": self._quarters, "register": self._register}
        rows = energy.meter_periods(self._session, sources, starts_at, ends_at, **parts)
        return self._totals.count(self._said.note(sources, rows))

    def _daily(self, sources: Sequence[EnergySource]) -> Iterator[Document]:
        day = self._run.period_start
        while day < self._run.period_end:
            starts_at, ends_at = day_begins(day, self._zone), day_begins(day + DAY, self._zone)
            self._check_size(len(sources), ends_at - starts_at)
            yield from self._of(self._between(sources, starts_at, ends_at), day=day)
            day += DAY

    def _of(
        self, rows: Iterable[MeterPeriod], meter: Meter | None = None, day: date | None = None
    ) -> Iterator[Document]:
        for extension, content in self._writer.files(rows, self._settings, self._issue, next(self._numbers)):
            yield self._packed(self._name(meter, day, extension), content)

    def _sdat(self, sources: Sequence[EnergySource]) -> Iterator[Document]:
        written = sdat.write(self._rows(sources), self._settings, self._issue)
        if self._files == Files.TASK:
            name = file_name(self._pattern, self._parts) + SUFFIXES["zip"]
            return iter([Document(name, zipped((made.name, [made.content]) for made in written))])
        return (
            self._packed(self._name(made.meter, made.day) if self._pattern else made.name, [made.content])
            for made in written
        )

    def _packed(self, name: str, content: Iterable[bytes]) -> Document:
        full = name + SUFFIXES[self._packing]
        if not FILE_NAME.fullmatch(full):
            raise FormatError(None, "%(name)s is too long for the name of a file.", name=full[:80])
        return Document(full, packed(self._packing, name, content))

    def _name(self, meter: Meter | None, day: date | None, extension: str = "") -> str:
        identifier = identifier_of(meter, self._identifier) if meter else ""  # type: ignore[arg-type]  # by the form
        return file_name(self._pattern, replace(self._parts, meter=identifier, day=day, extension=extension))

    def _day(self, row: MeterPeriod) -> date:
        return row.starts_at.astimezone(self._zone).date()

    def _check_size(self, meters_: int, span: timedelta) -> None:
        settings: Any = self._settings
        if self._format == Format.XLSX:
            xlsx_file.check_rows(meters_ * (span // QUARTER_HOUR if settings.per == "quarter" else 1), settings)


def name_parts(run: ExportRun, created: datetime) -> FileNameParts:
    """What the placeholders of a file name stand for in this run."""
    return FileNameParts(
        task=run.task.name,
        sender=run.task.formatter.settings.get("system_from") or "piquet",
        period_start=run.period_start,
        period_end=run.period_end,
        created=created.astimezone(ZoneInfo(run.task.time_zone)),
        revision=run.revision,
        run=run.id,
    )


def _replaced(session: Session, run: ExportRun) -> int | None:
    """The run whose files this one corrects: the latest revision of its period that was delivered before."""
    if run.revision == 0:
        return None
    earlier = (ExportRun.task_id == run.task_id, ExportRun.period_start == run.period_start)
    delivered = (ExportRun.revision < run.revision, ExportRun.state == RunState.DELIVERED)
    query = sa.select(ExportRun.id).where(*earlier, *delivered).order_by(ExportRun.revision.desc()).limit(1)
    return session.scalar(query)


def _identifiers(session: Session, run_id: int) -> frozenset[str] | None:
    """The identifiers under which a run sent its meters: others are new to the receiver. None where that is not known,
    of a run that is older than its record."""
    sent = sa.select(ExportValue.identifier).where(ExportValue.run_id == run_id).distinct()
    return frozenset(session.scalars(sent)) or None
