"""Tasks that need attention, of all accounts, for the operator: counts, causes and who is concerned, without a
meter's name or a server's words."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.paging import SIZE, Page, offset
from portal.exports import waiting
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.rights import STOPS

KINDS = ("stopped", "error", "paused", "retry", "waiting")  # a task is listed once, under the first that fits
# The state of the runs that say why.
SAYING = {
    "stopped": (RunState.WAITING,),
    "error": (RunState.FAILED,),
    "retry": (RunState.DUE, RunState.UPLOADED),
    "waiting": (RunState.WAITING,),
}


class Listed(NamedTuple):
    """A task that needs attention: since when, how many of its periods are concerned, and the code and step of why."""

    task_id: int
    name: str
    owner_id: int
    owner: str
    kind: str
    since: datetime
    periods: int
    code: str
    step: str


def tasks(session: Session, text: str = "", kind: str = "", number: int = 1) -> Page[Listed]:
    """A page of them, the longest trouble first; of one kind, of owners whose address begins with `text`. Three
    statements, however many there are."""
    found = _troubled()
    conditions = [found.c.kind == kind] if kind in KINDS else []
    if text.strip():
        conditions.append(Account.email.startswith(text.strip().lower(), autoescape=True))
    joined = sa.select(found, Account.email).join(Account, Account.id == found.c.owner_id).where(*conditions)
    total = session.scalar(sa.select(sa.func.count()).select_from(joined.subquery())) or 0
    shown = joined.order_by(found.c.since, found.c.id).limit(SIZE).offset(offset(number))
    rows = session.execute(shown).all()
    why = _reasons(session, [row.id for row in rows])
    return Page([_listed(row, why.get((row.id, row.kind), {})) for row in rows], max(1, number), total)


def _listed(row: Any, reason: Mapping[str, Any]) -> Listed:
    told = row.paused_reason if row.kind == "paused" else reason
    code, step = str(told.get("code", "")), str(told.get("step", ""))
    return Listed(row.id, row.name, row.owner_id, row.email, row.kind, row.since, row.periods or 0, code, step)


def _troubled() -> sa.Subquery:
    """Every task that needs attention, with its kind, since when, and how many periods are concerned."""
    runs = _runs()
    task = ExportTask
    paused = sa.and_(task.paused_at.is_not(None), task.paused_reason["code"].as_string().is_not(None))
    at_work = task.paused_at.is_(None)
    kinds = (
        (sa.and_(at_work, runs.c.stopped > 0), "stopped", runs.c.stopped_since, runs.c.stopped),
        (runs.c.error > 0, "error", sa.func.coalesce(task.trouble_since, runs.c.error_since), runs.c.error),
        (paused, "paused", task.paused_at, sa.null()),
        (sa.and_(at_work, task.trouble_since.is_not(None)), "retry", task.trouble_since, sa.null()),
        (sa.and_(at_work, runs.c.waiting > 0), "waiting", runs.c.waiting_since, runs.c.waiting),
    )
    columns = (
        sa.case(*((fits, sa.literal(kind)) for fits, kind, _, _ in kinds)).label("kind"),
        sa.type_coerce(sa.case(*((fits, since) for fits, _, since, _ in kinds)), task.created_at.type).label("since"),
        sa.case(*((fits, count) for fits, _, _, count in kinds)).label("periods"),
    )
    found = sa.select(task.id, task.name, task.owner_id, task.paused_reason, *columns)
    found = found.outerjoin(runs, runs.c.task_id == task.id)
    return found.where(sa.or_(*(fits for fits, _, _, _ in kinds))).subquery()


def _runs() -> sa.Subquery:
    """For each task with runs that failed or wait: how many of each kind, and since when the oldest."""
    stopped = sa.and_(ExportRun.state == RunState.WAITING, ExportRun.reason["code"].as_string().in_(STOPS))
    of_kind = {"error": ExportRun.state == RunState.FAILED, "stopped": stopped}
    of_kind["waiting"] = sa.and_(*waiting.is_long(clock.now()))
    columns = []
    for kind, fits in of_kind.items():
        columns.append(sa.func.sum(sa.case((fits, 1), else_=0)).label(kind))
        columns.append(sa.func.min(sa.case((fits, ExportRun.created_at))).label(f"{kind}_since"))
    counted = sa.select(ExportRun.task_id, *columns).join(ExportTask, ExportTask.id == ExportRun.task_id)
    counted = counted.where(ExportRun.state.in_((RunState.FAILED, RunState.WAITING)))
    return counted.group_by(ExportRun.task_id).subquery()


def _reasons(session: Session, ids: Sequence[int]) -> Mapping[tuple[int, str], Mapping[str, Any]]:
    """Task and kind -> why, as its oldest run of that kind says."""
    states = [state.value for some in SAYING.values() for state in some]
    oldest = (
        sa.select(ExportRun.task_id, ExportRun.state, sa.func.min(ExportRun.period_start).label("first"))
        .where(ExportRun.task_id.in_(ids), ExportRun.state.in_(states), ExportRun.reason["code"].as_string() != "")
        .group_by(ExportRun.task_id, ExportRun.state)
        .subquery()
    )
    same = sa.and_(
        ExportRun.task_id == oldest.c.task_id,
        ExportRun.state == oldest.c.state,
        ExportRun.period_start == oldest.c.first,
    )
    found: dict[tuple[int, str], Mapping[str, Any]] = {}
    for task_id, state, reason in session.execute(
        sa.select(ExportRun.task_id, ExportRun.state, ExportRun.reason).join(oldest, same)
    ):
        for kind, some in SAYING.items():
            if state in some:
                found.setdefault((task_id, kind), reason)
    return found
