"""What a task would send for any days: built from the values of this moment, stored nowhere, sent nowhere."""

import gzip
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import IO, NamedTuple, cast
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.errors import RuleBroken
from portal.exports import drafts, formatters
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportTask, Files, Format, Formatter, RunKind
from portal.exports.periods import DAY, Interval, make_period, split
from portal.exports.totals import Totals
from portal.exports.writers import files_of
from portal.formats.errors import FormatError, SettingsError
from portal.formats.packing import zipped

MOST_METER_DAYS = 62_000  # a month of 2,000 meters, 6 million quarter hours: built in 10 to 20 seconds
MOST_SECONDS, MOST_BYTES = 25, 2_000_000_000  # below the 30 s after which gunicorn ends a request; of the disk
MOST_DAYS = 3_660  # ten years
FIRST_YEAR, LAST_YEAR = 1990, 2999
SHOWN_FILES = 5
READ = 1 << 16  # bytes of a file that lines are taken from


class FirstLines(NamedTuple):
    """How a file begins, as a reader would see it: unpacked, a workbook as lines."""

    name: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Preview:
    """The files of a period, one behind the other in `content`, with the first lines of the first few.

    Of more meters than can be built at once they hold the first `meters` of `all_meters`.
    """

    content: IO[bytes]
    names: Sequence[str]
    sizes: Sequence[int]
    totals: Totals
    beginnings: Sequence[FirstLines]
    meters: int
    all_meters: int


def usual_days(task: ExportTask) -> tuple[date, date]:
    """The first and last day of the last period of the task that has ended, or of its first one; of the latest that
    has ended, where that one lies ahead."""
    interval, zone = Interval(task.interval), ZoneInfo(task.time_zone)
    if task.planned_until is None:
        first = next(split(interval, task.starts_on, (task.ends_on or date.max - DAY) + DAY, zone))
        if first.ends_at <= clock.now():
            return first.start, first.end - DAY
        today = clock.now().astimezone(zone).date()
        *_, last, _ = split(interval, (today - 62 * DAY).replace(day=1), today + DAY, zone)
        return last.start, last.end - DAY
    before = max(task.starts_on, task.planned_until - timedelta(days=31))
    last = list(split(interval, before, task.planned_until, zone))[-1]
    return last.start, last.end - DAY


def days_from(task: ExportTask, first_day: date | None, last_day: date | None) -> tuple[date, date]:
    """The days that somebody chose: without any the usual ones, without the last one period. RuleBroken."""
    if first_day is None and last_day is None:
        return usual_days(task)
    if first_day is None:
        raise RuleBroken("first_day", "This must be filled in.")
    if last_day is None:
        _check_days(first_day, first_day)
        return first_day, next(split(Interval(task.interval), first_day, date.max, ZoneInfo(task.time_zone))).end - DAY
    return first_day, last_day


def build(session: Session, task: ExportTask, first_day: date, last_day: date, most: int = MOST_METER_DAYS) -> Preview:
    """The files of these days: of all meters, or of the first `most`, and of no more than MOST_METER_DAYS allow.
    Whoever asks closes their content. RuleBroken where they cannot be built."""
    _check_days(first_day, last_day)
    days, found, totals = (last_day - first_day).days + 1, meters(session, task), Totals()
    some = found[: min(MOST_METER_DAYS // days, most)]
    with ExitStack() as stack:
        content = stack.enter_context(drafts.temporary())
        try:
            bounded = cast("IO[bytes]", _Bounded(content))
            names, sizes = drafts.write(session, _run(task, first_day, last_day + DAY), bounded, totals, some)
        except (FormatError, SettingsError) as error:
            raise RuleBroken("", error.template, **error.params) from None
        beginnings = list(_beginnings(task.formatter, content, names, sizes))
        stack.pop_all()
    return Preview(content, names, sizes, totals, beginnings, len(some), len(found))


class _Bounded:
    """A file that takes so much, and for so long, as somebody waits for a page."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content, self._ends_at = content, time.monotonic() + MOST_SECONDS
        self.tell = content.tell

    def write(self, piece: bytes) -> int:
        """RuleBroken where it is too much."""
        if time.monotonic() > self._ends_at or self.tell() + len(piece) > MOST_BYTES:
            raise RuleBroken("last_day", "This is too much for a preview: choose fewer days.")
        return self._content.write(piece)


def _check_days(first_day: date, last_day: date) -> None:
    for field, day in (("first_day", first_day), ("last_day", last_day)):
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise RuleBroken(field, "Choose a day between %(first)s and %(last)s.", first=FIRST_YEAR, last=LAST_YEAR)
    if last_day < first_day:
        raise RuleBroken("last_day", "The last day lies before the first.")
    if (last_day - first_day).days >= MOST_DAYS:
        raise RuleBroken("last_day", "These are more than %(most)s days: choose fewer days.", most=MOST_DAYS)


def _run(task: ExportTask, start: date, end: date) -> ExportRun:
    """A run of these days that no session holds, and so no transaction stores."""
    period = make_period(start, end, ZoneInfo(task.time_zone))
    run = ExportRun(id=0, task_id=task.id, period_start=start, period_end=end, revision=0, interval=task.interval)
    run.starts_at, run.ends_at, run.kind, run.task = period.starts_at, period.ends_at, RunKind.SCHEDULE.value, task
    return run


def pieces(preview: Preview) -> Iterator[bytes]:
    """The one file as it would be sent, or a zip of all of them."""
    preview.content.seek(0)
    if len(preview.names) == 1:
        yield from drafts.part(preview.content, preview.sizes[0])
    else:
        parts = zip(preview.names, preview.sizes, strict=True)
        yield from zipped((name, drafts.part(preview.content, size)) for name, size in parts)
    preview.content.close()


def _beginnings(
    formatter: Formatter, content: IO[bytes], names: Sequence[str], sizes: Sequence[int]
) -> Iterator[FirstLines]:
    begins_at = 0
    for name, size in islice(zip(names, sizes, strict=True), SHOWN_FILES):
        content.seek(begins_at)
        with drafts.temporary() as alone:
            if len(sizes) > 1:
                alone.writelines(drafts.part(content, size))
                alone.seek(0)
            yield FirstLines(name, _lines(formatter, content if len(sizes) == 1 else alone))
        begins_at += size


def _lines(formatter: Formatter, file: IO[bytes]) -> Sequence[str]:
    packing = formatter.settings.get("packing")
    if packing == "zip" or (formatter.format == Format.SDAT and files_of(formatter) == Files.TASK):
        archive = zipfile.ZipFile(file)
        return _of_file(formatter, archive.open(archive.infolist()[0]))
    return _of_file(formatter, gzip.GzipFile(fileobj=file) if packing == "gzip" else file)


def _of_file(formatter: Formatter, file: IO[bytes] | gzip.GzipFile) -> Sequence[str]:
    if formatter.format == Format.XLSX:
        return list(islice(formatters.sheet(file), formatters.PREVIEW_LINES))
    return formatters.first_lines(formatter.format, formatter.settings, file.read(READ))
