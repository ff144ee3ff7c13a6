"""From a run to its file: the rows of its meters, written by its formatter, kept with size and SHA-256."""

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.exports.documents import Document, documents, name_parts
from portal.exports.models import ExportRun, ExportTask, Files
from portal.exports.totals import Totals
from portal.exports.writers import files_of, pattern_of, takes_quarters
from portal.formats.errors import FormatError
from portal.formats.file_names import file_name
from portal.formats.packing import SUFFIXES

__all__ = ["Document", "Totals", "contents", "documents", "name_of", "numbered", "taken", "takes_quarters"]


def contents(session: Session, run: ExportRun, totals: Totals, created: datetime) -> Iterator[bytes]:
    """The bytes of the run's file; `totals` is complete when they are all read. FormatError names the meter that
    cannot be written, and refuses a formatter of several files."""
    if files_of(run.task.formatter) != Files.TASK:
        raise FormatError(None, "This formatter makes several files.")
    (document,) = documents(session, run, totals, created)
    return document.content


def name_of(session: Session, run: ExportRun, created: datetime) -> str:
    """The name of the run's file by the formatter's pattern; with the run's number where another run to the same
    destination has that name already, because a first delivery replaces nothing."""
    formatter = run.task.formatter
    name = file_name(pattern_of(formatter), name_parts(run, created))
    name += SUFFIXES[formatter.settings.get("packing") or ""]
    return numbered(name, run.id) if taken(session, run, name) else name


def numbered(name: str, number: int) -> str:
    """The file name with a number before its suffix, 200 characters at most."""
    packing = next((suffix for suffix in (".gz", ".zip") if name.endswith(suffix)), "")
    stem, dot, suffix = name.removesuffix(packing).rpartition(".")
    if not stem:
        stem, dot, suffix = name.removesuffix(packing), "", ""
    tail = f"-{number}{dot}{suffix}{packing}"
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
