"""Names of a run's files that no other file at the receiver has."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.exports.models import ExportFile, ExportRun, ExportTask


def free_name(session: Session, run: ExportRun, name: str) -> str:
    """The name; with the run's number where another period sent to the same destination has that name already,
    because a first delivery replaces nothing."""
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
    """Whether another period sent to the same destination has this file name."""
    same = (
        sa.select(ExportFile.id)
        .join(ExportRun)
        .join(ExportTask)
        .where(ExportFile.name == name, ExportTask.destination_id == run.task.destination_id)
        .where(sa.or_(ExportRun.task_id != run.task_id, ExportRun.period_start != run.period_start))
    )
    return session.scalar(sa.select(same.exists())) or False
