"""Which tasks somebody should look at, and since when: the one answer for the daily digest and the operator's page."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock
from portal.exports import queries, waiting
from portal.exports.models import ExportRun, ExportTask
from portal.exports.status import Facts, status

AT_ONCE_NEWS = ("identifier", "meters", "no_connectors", "no_driver", "host_key", "licence")  # waits that no time mends


class Look(NamedTuple):
    """How a task is doing: `kind` as of `status`, why, and whether somebody should look at it."""

    kind: str
    reason: Mapping[str, Any]
    urgent: bool


def looks(session: Session, tasks: Sequence[ExportTask]) -> Mapping[int, Look]:
    """How each of these tasks is doing, by a few statements for all of them."""
    facts, long = queries.facts(session, tasks), _wait_long(session, tasks)
    return {task.id: _look(task, facts[task.id], long.get(task.id)) for task in tasks}


def _look(task: ExportTask, facts: Facts, long: dict[str, Any] | None) -> Look:
    found = status(facts)
    if found.kind == "paused":
        return Look("paused", task.paused_reason or {"code": "paused"}, bool(task.paused_reason))
    if found.kind in ("error", "stopped"):
        return Look(found.kind, found.reason, urgent=True)
    if long is not None:
        return Look("waiting", long, urgent=True)
    if found.kind == "retry":
        return Look("retry", found.reason, task.trouble_since is not None)
    return Look(found.kind, found.reason, found.reason.get("code") in AT_ONCE_NEWS)


def _wait_long(session: Session, tasks: Sequence[ExportTask]) -> Mapping[int, dict[str, Any]]:
    """Of these tasks those with a period that has waited for long, each with the oldest one's reason."""
    ids = [task.id for task in tasks]
    first = (
        sa.select(ExportRun.task_id, sa.func.min(ExportRun.period_start).label("first"))
        .join(ExportTask, ExportTask.id == ExportRun.task_id)
        .where(ExportRun.task_id.in_(ids), *waiting.is_long(clock.now()))
        .group_by(ExportRun.task_id)
        .subquery()
    )
    oldest = sa.and_(ExportRun.task_id == first.c.task_id, ExportRun.period_start == first.c.first)
    rows = session.execute(sa.select(ExportRun.task_id, ExportRun.reason).join(first, oldest))
    return {row[0]: row[1] for row in rows}
