"""No period waits in silence: after three days its owner is told. A chore of the scheduler, without Flask.

A step `told` of the run keeps that it was done, and is what makes its delivery a recovery that is told as well.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.links import Links
from portal.core import clock
from portal.exports import rights, telling
from portal.exports.claims import CLAIMABLE
from portal.exports.models import ExportAttempt, ExportRun, ExportTask, RunState, Trigger

LONG = timedelta(days=3)  # after the period fell due
AT_ONCE = 100
LOOK_EVERY = timedelta(minutes=10)  # nothing hangs on the minute, and the look reads every run that waits
TOLD = "told"


def tell(session: Session, links: Links) -> int:
    """Tell the owners of up to AT_ONCE tasks that a period has waited for long, once a task until that period is
    delivered. Says how many tasks were looked at."""
    chosen = _untold().with_only_columns(ExportRun.task_id).group_by(ExportRun.task_id)
    ids = list(session.scalars(chosen.order_by(sa.func.min(ExportRun.created_at)).limit(AT_ONCE)))
    if not ids:
        return 0
    # Of two schedulers the second one passes by what the first one holds, and finds afterwards what it wrote.
    held = sa.select(ExportTask).where(ExportTask.id.in_(ids)).order_by(ExportTask.id)
    tasks = session.scalars(held.with_for_update(skip_locked=True)).all()
    stopped = rights.stops(session, tasks)  # told of already, and its owner learns nothing of its meters any more
    for task in tasks:
        if task.id not in stopped:
            _tell(session, task, links)
    return len(ids)


def is_long(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of a run, joined with its task, that has waited for long although nobody chose so: a task that
    sends some hours after the end, whatever is missing, waits for values by its owner's choice."""
    code = ExportRun.reason["code"].as_string()
    chosen = sa.and_(ExportTask.trigger == Trigger.HOURS_AFTER_END, code == "values")
    waits = (ExportRun.state == RunState.WAITING, ExportRun.created_at <= now - LONG)
    return (*waits, code.not_in(rights.STOPS), ~chosen)


def for_long(task: ExportTask, reason: Mapping[str, Any], since: datetime, now: datetime) -> bool:
    """As `is_long`, of a period of the task that waits for this reason and fell due at `since`."""
    chosen = task.trigger == Trigger.HOURS_AFTER_END and reason.get("code") == "values"
    return since <= now - LONG and reason.get("code") not in rights.STOPS and not chosen


def was_told(session: Session, run: ExportRun) -> bool:
    """Whether the owner of the run's task was told that this run waits."""
    if run.created_at > clock.now() - LONG:
        return False
    told = sa.select(ExportAttempt.id).where(ExportAttempt.run_id == run.id, ExportAttempt.step == TOLD)
    return session.scalar(told.limit(1)) is not None


def _untold() -> sa.Select[ExportRun]:
    """The runs that wait for long, of tasks at work of which no run that was told of is still on its way."""
    other = aliased(ExportRun)
    told = (
        sa.exists()
        .where(other.task_id == ExportRun.task_id, other.state.in_(CLAIMABLE))
        .where(ExportAttempt.run_id == other.id, ExportAttempt.step == TOLD)
    )
    runs = sa.select(ExportRun).join(ExportTask, ExportTask.id == ExportRun.task_id)
    return runs.where(*is_long(clock.now()), ExportTask.paused_at.is_(None), ~told)


def _tell(session: Session, task: ExportTask, links: Links) -> None:
    waiting: Sequence[ExportRun] = session.scalars(
        _untold().where(ExportRun.task_id == task.id).order_by(ExportRun.period_start, ExportRun.revision).limit(1)
    ).all()
    for run in waiting:
        count = sa.select(sa.func.count(ExportRun.id)).join(ExportTask).where(ExportRun.task_id == task.id)
        others = (session.scalar(count.where(*is_long(clock.now()))) or 1) - 1
        session.add(ExportAttempt(run_id=run.id, number=run.attempt, step=TOLD))
        telling.of_wait(session, run, links.public_url, others=others)
