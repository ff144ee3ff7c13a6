"""From a run to its file: the rows of its meters, written by its formatter, kept with size and SHA-256."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import energy
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportTask, Format, Formatter
from portal.formats import csv_file, esl_xml
from portal.formats.file_names import CSV_PATTERN, ESL_PATTERN, FileNameParts, file_name
from portal.formats.rows import MeterPeriod

PATTERNS = {Format.ESL_XML: ESL_PATTERN, Format.CSV: CSV_PATTERN}


@dataclass(slots=True)
class Totals:
    """What a file holds, counted while it is written."""

    rows: int = 0
    energy_wh: int = 0
    quarters_measured: int = 0
    quarters_substitute: int = 0
    quarters_missing: int = 0

    def count(self, rows: Iterable[MeterPeriod]) -> Iterator[MeterPeriod]:
        for row in rows:
            self.rows += 1
            self.energy_wh += row.energy_wh
            self.quarters_measured += row.measured
            self.quarters_substitute += row.substitute
            self.quarters_missing += row.missing
            yield row

    def values(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


def contents(session: Session, run: ExportRun, totals: Totals, created: datetime) -> Iterator[bytes]:
    """The bytes of the run's file; `totals` is complete when they are all read. FormatError names the meter that
    cannot be written."""
    formatter, zone = run.task.formatter, ZoneInfo(run.task.time_zone)
    sources, quarters = meters(session, run.task), formatter.settings.get("per") == "quarter"
    counted = totals.count(energy.meter_periods(session, sources, run.starts_at, run.ends_at, quarters=quarters))
    if formatter.format == Format.ESL_XML:
        return esl_xml.write(counted, esl_settings(formatter, zone), created)
    return csv_file.write(counted, csv_settings(formatter, zone))


def esl_settings(formatter: Formatter, zone: ZoneInfo) -> esl_xml.EslSettings:
    """The formatter's settings as its format wants them; SettingsError names a wrong one."""
    return esl_xml.EslSettings(**_given(formatter), zone=zone)


def csv_settings(formatter: Formatter, zone: ZoneInfo) -> csv_file.CsvSettings:
    """The formatter's settings as its format wants them; SettingsError names a wrong one."""
    return csv_file.CsvSettings(**_given(formatter), zone=zone)


def _given(formatter: Formatter) -> dict[str, Any]:
    given = {name: value for name, value in formatter.settings.items() if name != "file_name"}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return {**given, "identifier": formatter.identifier, "obis": formatter.obis}


def name_of(session: Session, run: ExportRun, created: datetime) -> str:
    """The name of the run's file by the formatter's pattern; with the run's number where another run to the same
    destination has that name already, because a first delivery replaces nothing."""
    formatter = run.task.formatter
    pattern = formatter.settings.get("file_name") or PATTERNS[Format(formatter.format)]
    parts = FileNameParts(
        task=run.task.name,
        sender=formatter.settings.get("system_from") or "piquet",
        period_start=run.period_start,
        period_end=run.period_end,
        created=created.astimezone(ZoneInfo(run.task.time_zone)),
        revision=run.revision,
        run=run.id,
    )
    name = file_name(pattern, parts)
    return numbered(name, run.id) if taken(session, run, name) else name


def numbered(name: str, number: int) -> str:
    """The file name with a number before its suffix, 200 characters at most."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    tail = f"-{number}{dot}{suffix}"
    return f"{stem[: 200 - len(tail)]}{tail}"


def taken(session: Session, run: ExportRun, name: str) -> bool:
    """Whether another run to the same destination has this file name."""
    same = (
        sa.select(ExportRun.id)
        .join(ExportTask)
        .where(ExportRun.file_name == name, ExportTask.destination_id == run.task.destination_id)
        .where(sa.or_(ExportRun.task_id != run.task_id, ExportRun.period_start != run.period_start))
    )
    return session.scalar(sa.select(same.exists())) or False
