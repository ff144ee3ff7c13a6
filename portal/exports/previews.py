"""What a task would send for any days: built from the values of this moment, stored nowhere, sent nowhere."""

import gzip
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import IO
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.core.errors import RuleBroken
from portal.exports import drafts, formatters
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportTask, Files, Format, RunKind
from portal.exports.periods import DAY, Interval, make_period, split
from portal.exports.totals import Totals
from portal.exports.writers import files_of
from portal.formats.errors import FormatError, SettingsError
from portal.formats.packing import zipped

MOST_METER_DAYS = 20_000  # 1.9 million quarter hours: some seconds
READ = 1 << 16  # bytes of the first file that lines are taken from


@dataclass(frozen=True, slots=True)
class Preview:
    """The files of a period, one behind the other in `content`, with the first lines of the first one."""

    content: IO[bytes]
    names: Sequence[str]
    sizes: Sequence[int]
    totals: Totals
    lines: Sequence[str]


def usual_days(task: ExportTask) -> tuple[date, date]:
    """The first and last day of the last period of the task that has ended, or of its first one."""
    interval, zone = Interval(task.interval), ZoneInfo(task.time_zone)
    if task.planned_until is None:
        first = next(split(interval, task.starts_on, (task.ends_on or date.max - DAY) + DAY, zone))
        return first.start, first.end - DAY
    before = max(task.starts_on, task.planned_until - timedelta(days=31))
    last = list(split(interval, before, task.planned_until, zone))[-1]
    return last.start, last.end - DAY


def build(session: Session, task: ExportTask, first_day: date, last_day: date, content: IO[bytes]) -> Preview:
    """Build the files of these days into `content`. RuleBroken where they cannot be built, or are too many for a
    page."""
    if last_day < first_day:
        raise RuleBroken("last_day", "The last day lies before the first.")
    days = (last_day - first_day).days + 1
    if days > MOST_METER_DAYS or days * len(meters(session, task)) > MOST_METER_DAYS:
        raise RuleBroken(
            "last_day", "These are more than %(most)s days of meters: choose fewer days.", most=MOST_METER_DAYS
        )
    totals = Totals()
    try:
        names, sizes = drafts.write(session, _run(task, first_day, last_day + DAY), content, totals)
    except (FormatError, SettingsError) as error:
        raise RuleBroken("", error.template, **error.params) from None
    return Preview(content, names, sizes, totals, _lines(task, content, sizes[0]) if sizes else [])


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


def _lines(task: ExportTask, content: IO[bytes], size: int) -> Sequence[str]:
    formatter = task.formatter
    with drafts.temporary() as first:
        content.seek(0)
        for piece in drafts.part(content, size):
            first.write(piece)
        first.seek(0)
        packing = formatter.settings.get("packing")
        if packing == "zip" or (formatter.format == Format.SDAT and files_of(formatter) == Files.TASK):
            archive = zipfile.ZipFile(first)
            return _of_file(task, archive.open(archive.infolist()[0]))
        return _of_file(task, gzip.GzipFile(fileobj=first) if packing == "gzip" else first)


def _of_file(task: ExportTask, file: IO[bytes] | gzip.GzipFile) -> Sequence[str]:
    if task.formatter.format == Format.XLSX:
        return list(islice(formatters.sheet(file.read()), formatters.PREVIEW_LINES))
    return formatters.first_lines(task.formatter.format, task.formatter.settings, file.read(READ))
