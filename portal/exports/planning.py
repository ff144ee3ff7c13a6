"""Which runs there are to be: one row for every period of a task that has ended. The rows are the outbox."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.core import clock
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.periods import DAY, Interval, Period, day_begins, next_period, periods

MOST_TASKS = 200  # a look: the next one comes seconds later
MOST_PERIODS = 500


def plan(session: Session, now: datetime | None = None) -> int:
    """Make the run of every period that has ended by `now` and has none; returns how many tasks were looked at.

    Any number of processes may plan at the same time and as often as they like: the unique key (task, period,
    revision) lets each period in once. After a stop of any length everything missed is caught up.
    """
    now = now or clock.now()
    due = (
        sa.select(ExportTask)
        .where(ExportTask.next_due_at <= now, ExportTask.paused_at.is_(None))
        .order_by(ExportTask.next_due_at)
        .limit(MOST_TASKS)
        .with_for_update(skip_locked=True)
    )
    tasks = session.scalars(due).all()
    for task in tasks:
        _plan_task(session, task, now)
    return len(tasks)


def _plan_task(session: Session, task: ExportTask, now: datetime) -> None:
    ended = list(islice(_periods_after(task, now), MOST_PERIODS))
    if ended:
        _add(session, task, ended, now)
        task.planned_until = ended[-1].end
    task.next_due_at = next_due(task)


def plan_task(session: Session, task: ExportTask) -> None:
    """Make the missing runs of one task now; what is beyond one look follows at the next ones."""
    _plan_task(session, task, clock.now())


def plan_anew(session: Session, task: ExportTask) -> None:
    """After the task's days were changed: runs outside them that have no file yet go, days inside them that no run
    holds get runs. What was built stays as it is, so nothing is sent twice and nothing is left out."""
    _forget_unbuilt(session, task)
    taken = list(session.execute(_days_of(task)))
    first_day = task.starts_on
    for start, end in taken:
        if start > first_day:
            _add_between(session, task, first_day, start - DAY)
        first_day = max(first_day, end)
    task.planned_until = taken[-1][1] if taken else None
    task.next_due_at = next_due(task)


def _days_of(task: ExportTask) -> sa.Select[date, date]:
    columns = (ExportRun.period_start, ExportRun.period_end)
    return sa.select(*columns).where(ExportRun.task_id == task.id).distinct().order_by(*columns)


def _forget_unbuilt(session: Session, task: ExportTask) -> None:
    outside = [ExportRun.period_start < task.starts_on]
    if task.ends_on is not None:
        outside.append(ExportRun.period_end > task.ends_on + DAY)
    unbuilt = (ExportRun.built_at.is_(None), ExportRun.state.in_((RunState.DUE, RunState.WAITING, RunState.FAILED)))
    session.execute(sa.delete(ExportRun).where(ExportRun.task_id == task.id, *unbuilt, sa.or_(*outside)))


def _add_between(session: Session, task: ExportTask, first_day: date, last_day: date) -> None:
    zone, now = ZoneInfo(task.time_zone), clock.now()
    missing = list(periods(Interval(task.interval), first_day, last_day, zone, now))
    if missing:
        _add(session, task, missing, now)


def _add(session: Session, task: ExportTask, missing: list[Period], now: datetime) -> None:
    most = task.periods_per_file
    rows = [_row(task, missing[first : first + most], now) for first in range(0, len(missing), most)]
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    keys = ["task_id", "period_start", "revision"]
    session.execute(insert(ExportRun).on_conflict_do_nothing(index_elements=keys), rows)


def _periods_after(task: ExportTask, until: datetime) -> Iterator[Period]:
    return periods(Interval(task.interval), _first_day(task), task.ends_on, ZoneInfo(task.time_zone), until)


def next_due(task: ExportTask) -> datetime | None:
    """When the next period without a run ends; None when the task's last day is behind it."""
    zone, first_day = ZoneInfo(task.time_zone), _first_day(task)
    coming = next_period(Interval(task.interval), first_day, task.ends_on, zone, day_begins(first_day, zone))
    return coming.ends_at if coming else None


def _first_day(task: ExportTask) -> date:
    return max(task.planned_until or task.starts_on, task.starts_on)


def _row(task: ExportTask, together: Sequence[Period], now: datetime) -> dict[str, object]:
    first, last = together[0], together[-1]
    return {
        "task_id": task.id,
        "period_start": first.start,
        "period_end": last.end,
        "starts_at": first.starts_at,
        "ends_at": last.ends_at,
        "interval": task.interval,
        "revision": 0,
        "not_before": now,
    }
