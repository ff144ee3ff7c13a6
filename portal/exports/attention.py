"""Which tasks somebody should look at, and since when: the one answer for the daily digest and the operator's page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from portal.core import clock
from portal.exports import queries, waiting
from portal.exports.models import ExportTask, RunState
from portal.exports.status import Facts, status

AT_ONCE_NEWS = ("identifier", "meters", "no_connectors", "no_driver", "host_key", "licence")  # waits that no time mends


class Look(NamedTuple):
    """How a task is doing: `kind` as of `status`, why, and whether somebody should look at it."""

    kind: str
    reason: Mapping[str, Any]
    urgent: bool


def looks(session: Session, tasks: Sequence[ExportTask]) -> Mapping[int, Look]:
    """How each of these tasks is doing, by a few statements for all of them."""
    facts, now = queries.facts(session, tasks), clock.now()
    return {task.id: _look(task, facts[task.id], now) for task in tasks}


def _look(task: ExportTask, facts: Facts, now: datetime) -> Look:
    found = status(facts)
    if found.kind == "paused":
        return Look("paused", task.paused_reason or {"code": "paused"}, bool(task.paused_reason))
    if found.kind in ("error", "stopped"):
        return Look(found.kind, found.reason, urgent=True)
    reason = facts.reasons.get(RunState.WAITING, {})
    if facts.waiting_since and waiting.for_long(task, reason, facts.waiting_since, now):
        return Look("waiting", reason, urgent=True)
    if found.kind == "retry":
        return Look("retry", found.reason, task.trouble_since is not None)
    return Look(found.kind, found.reason, found.reason.get("code") in AT_ONCE_NEWS)
