"""Which runs there are to be: one row for every period of a task that has ended. The rows are the outbox."""

from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.core import clock
from portal.exports.models import ExportRun, ExportTask
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


def plan_earlier(session: Session, task: ExportTask, first_planned: date) -> None:
    """Make the runs of the periods from the task's first day to before `first_planned`, the day its oldest run begins:
    for a task whose first day was moved back."""
    zone, last, now = ZoneInfo(task.time_zone), first_planned - DAY, clock.now()
    if task.starts_on <= last:
        _add(session, task, list(periods(Interval(task.interval), task.starts_on, last, zone, now)), now)


def _add(session: Session, task: ExportTask, missing: list[Period], now: datetime) -> None:
    rows = [_row(task, period, now) for period in missing]
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


def _row(task: ExportTask, period: Period, now: datetime) -> dict[str, object]:
    return {
        "task_id": task.id,
        "period_start": period.start,
        "period_end": period.end,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "revision": 0,
        "not_before": now,
    }
