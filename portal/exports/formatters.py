"""Rules of formatters: settings are proved by building what the format wants, file names by their pattern."""

import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import RuleBroken
from portal.exports import queries
from portal.exports.affected import check_tasks
from portal.exports.models import Format, Formatter
from portal.exports.writers import WRITERS, check_files, settings_of
from portal.formats import csv_file, mscons
from portal.formats.errors import FormatError, SettingsError
from portal.formats.issue import Issue
from portal.formats.rows import Identifier, Meter, MeterPeriod, Series

PREVIEW_LINES = 12
LONGEST_LINE = 1_000
ZURICH = ZoneInfo("Europe/Zurich")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form says of a formatter; `settings` as the format names them, and `file_name`."""

    name: str
    format: Format
    identifier: Identifier
    obis: str
    settings: dict[str, Any]


def create(session: Session, actor: Account, wanted: Wanted) -> Formatter:
    """A new formatter of the actor. RuleBroken."""
    row = Formatter(owner_id=actor.id)
    _fill(session, row, wanted)
    session.add(row)
    session.flush()
    _record(session, actor, "formatter.created", row, audit.differences({}, _told(row)))
    return row


def edit(session: Session, actor: Account, row: Formatter, wanted: Wanted) -> None:
    """Change a formatter; files built already stay as they are. RuleBroken; TasksLost where tasks could not be written
    with it any more."""
    before, was = _told(row), Formatter(format=row.format, identifier=row.identifier, obis=row.obis)
    was.settings = dict(row.settings)
    _fill(session, row, wanted)
    changed = audit.differences(before, _told(row))
    concerned = [name.removeprefix("settings.") for name in changed if name != "name"]
    if concerned:
        check_tasks(session, row, was, concerned[0] if len(concerned) == 1 else "identifier")
    if changed:
        _record(session, actor, "formatter.changed", row, changed)


def copy(session: Session, actor: Account, row: Formatter) -> Formatter:
    """The same formatter under a free name."""
    names = set(session.scalars(sa.select(Formatter.name).where(Formatter.owner_id == actor.id)))
    name = next(name for number in range(2, 9999) if (name := f"{row.name[:110]} {number}") not in names)
    twin = Formatter(owner_id=actor.id, name=name, format=row.format, identifier=row.identifier)
    twin.obis, twin.settings = row.obis, dict(row.settings)
    session.add(twin)
    session.flush()
    _record(session, actor, "formatter.created", twin, audit.differences({}, _told(twin)))
    return twin


def delete(session: Session, actor: Account, row: Formatter) -> None:
    """Delete a formatter that no task uses. RuleBroken."""
    if queries.tasks_with(session, row):
        raise RuleBroken("", "Tasks use this formatter. Delete them, or choose another formatter there.")
    _record(session, actor, "formatter.deleted", row)
    session.delete(row)


def formats(session: Session, ids: Sequence[int]) -> Mapping[int, str]:
    """The format of each of these formatters, for a list of some that are lent."""
    if not ids:
        return {}
    rows = session.execute(sa.select(Formatter.id, Formatter.format).where(Formatter.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def check(wanted: Wanted) -> None:
    """RuleBroken at the setting that the format does not take."""
    made = draft(wanted)
    try:
        check_files(made)
        settings = settings_of(made, ZURICH)
    except SettingsError as error:
        raise RuleBroken(error.field, error.template, **error.params) from None
    with_columns = wanted.format in (Format.ISE_PAIR, Format.ISE_CSV, Format.CSV, Format.XLSX)
    if with_columns and not csv_file.ENERGY_COLUMNS & set(settings.columns):
        raise RuleBroken("columns", "Choose a column with energy, such as energy_kwh: nothing could be billed.")


def preview(wanted: Wanted, rows: Iterator[MeterPeriod]) -> list[str]:
    """The first lines of the file that these settings make of the rows, as a reader would see them. RuleBroken."""
    check(wanted)
    writer, settings = WRITERS[wanted.format], settings_of(draft(wanted), ZURICH)
    try:
        if writer.several:
            return list(_of_several(writer.several(islice(rows, 2), settings, Issue(1, clock.now())), wanted))
        if wanted.format == Format.XLSX:
            book = io.BytesIO(b"".join(writer.write(rows, settings, Issue(1, clock.now()), 0)))
            return list(islice(sheet(book), PREVIEW_LINES))
        content = b"".join(islice(writer.write(rows, settings, Issue(1, clock.now()), 0), 2))
    except FormatError as error:
        raise RuleBroken("", error.template, **error.params) from None
    return first_lines(wanted.format, wanted.settings, content)


def _of_several(files: Iterator[tuple[str, Iterator[bytes]]], wanted: Wanted) -> Iterator[str]:
    for extension, pieces in files:
        settings = {} if extension == "xml" else wanted.settings
        yield from first_lines(wanted.format, settings, b"".join(pieces))[: PREVIEW_LINES // 2]


def first_lines(format_: str, settings: Mapping[str, Any], content: bytes) -> list[str]:
    """The first lines of a file of text, from its first bytes, as a reader would see them."""
    encoding = mscons.ENCODING if format_ == Format.MSCONS else settings.get("encoding", "utf-8")
    text = content.decode(encoding, "replace")
    if format_ == Format.MSCONS:
        text = text.replace("'", "'\n")
    return [line[:LONGEST_LINE] for line in text.splitlines()[:PREVIEW_LINES]]


def sheet(file: IO[bytes] | gzip.GzipFile) -> Iterator[str]:
    """The rows of a workbook as lines, read as they are asked for."""
    first = load_workbook(file, read_only=True).worksheets[0]
    for line in first.iter_rows(values_only=True):
        yield " | ".join(str(cell) for cell in line)


def draft(wanted: Wanted) -> Formatter:
    """The formatter of these settings, which no session holds."""
    made = Formatter(name=wanted.name.strip(), format=wanted.format.value, identifier=wanted.identifier)
    made.obis, made.settings = wanted.obis, wanted.settings
    return made


def samples() -> Iterator[MeterPeriod]:
    """Rows for a preview where there are no stations yet: two meters in one day, with all that a format may want."""
    starts_at = datetime(2026, 11, 1, 23, tzinfo=UTC)
    for number, wh in ((1, 21_540), (2, 8_075)):
        meter = Meter(
            f"CH100{number}",
            f"4711000{number}",
            f"P-{number}",
            f"CH10123012345000000000000000000{number:02}",
            f"Sample {number}",
        )
        amounts = [wh if quarter == 40 else 0 for quarter in range(96)]
        held = Series(starts_at, amounts, "W" * 96)
        yield MeterPeriod(meter, starts_at, starts_at + timedelta(days=1), wh, 96, 0, 0, held, 1_000_000 * number + wh)


def _fill(session: Session, row: Formatter, wanted: Wanted) -> None:
    name = wanted.name.strip()
    if not name or not name.isprintable():
        raise RuleBroken("name", "This must be filled in.")
    same = (Formatter.owner_id == row.owner_id, Formatter.name == name, Formatter.id != (row.id or 0))
    with session.no_autoflush:
        if session.scalar(sa.select(Formatter.id).where(*same)) is not None:
            raise RuleBroken("name", "You already have a formatter with this name.")
    check(wanted)
    row.name, row.format, row.identifier = name, wanted.format.value, wanted.identifier
    row.obis, row.settings = wanted.obis, wanted.settings


def _told(row: Formatter) -> dict[str, Any]:
    """What the audit log holds of a formatter: everything, each setting of its own."""
    names = ("name", "format", "identifier", "obis")
    told = {name: value for name in names if (value := getattr(row, name)) not in (None, "")}
    return told | {f"settings.{name}": value for name, value in sorted(row.settings.items())}


def _record(
    session: Session, actor: Account, action: str, row: Formatter, changed: dict[str, list[Any]] | None = None
) -> None:
    subject, detail = f"formatter/{row.id}", {"changed": changed} if changed else {}
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, name=row.name, **detail)
