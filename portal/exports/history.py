"""All runs of all tasks that an account may see, the latest period first.

A page reads a window of time at first, and a larger one only where that holds too few runs: however long the history
is, the database reads about as much of an index as the page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager

from portal.core import clock
from portal.core.paging import SIZE
from portal.delivery.models import Destination
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.queries import visible_tasks

UNCONFIRMED = "unconfirmed"
WINDOWS = (31, 366, None)  # days before the latest period that can be meant; none: all time
MOST_CHOICES = 500  # tasks that a filter offers

Condition = sa.ColumnElement[bool]


class Place(NamedTuple):
    """A place in the history, which runs from the latest period to the first."""

    period_start: date
    run_id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for: runs whose period has a day between the two, of a state, a task, a destination."""

    first_day: date | None = None
    last_day: date | None = None
    state: str = ""
    task_id: int | None = None
    destination_id: int | None = None
    before: Place | None = None


class Found(NamedTuple):
    """Runs, and where the next page begins."""

    runs: Sequence[ExportRun]
    following: Place | None


class Choice(NamedTuple):
    """A task that the reader may see, with its destination."""

    task_id: int
    task: str
    destination_id: int
    destination: str


def page(session: Session, account_id: int, wanted: Wanted, size: int = SIZE) -> Found:
    """The runs that fit, at most `size`; three statements at most."""
    seen, rows = _seen(account_id, wanted), list[ExportRun]()
    for days in WINDOWS:
        since = [ExportRun.period_start > _latest(wanted) - timedelta(days=days)] if days else []
        rows = list(session.scalars(_listed(size).where(*seen, *since)))
        if len(rows) > size:
            last = rows[size - 1]
            return Found(rows[:size], Place(last.period_start, last.id))
    return Found(rows, None)


def _latest(wanted: Wanted) -> date:
    """The latest day on which a period can begin that is looked for: a run appears once its period is over."""
    today = clock.now().date() + timedelta(days=1)
    return min(today, wanted.last_day or today, wanted.before.period_start if wanted.before else today)


def _listed(size: int) -> sa.Select[ExportRun]:
    task = contains_eager(ExportRun.task)
    parts = (task, task.joinedload(ExportTask.destination), task.joinedload(ExportTask.owner))
    listed = sa.select(ExportRun).join(ExportRun.task).options(*parts)
    return listed.order_by(ExportRun.period_start.desc(), ExportRun.id.desc()).limit(size + 1)


def _seen(account_id: int, wanted: Wanted) -> list[Condition]:
    found = [visible_tasks(account_id)]
    if wanted.task_id is not None:
        found.append(ExportRun.task_id == wanted.task_id)
    if wanted.destination_id is not None:
        found.append(ExportTask.destination_id == wanted.destination_id)
    if wanted.state == UNCONFIRMED:
        found += [ExportRun.state == RunState.DELIVERED, ExportRun.unconfirmed.is_(True)]
    elif wanted.state in set(RunState):
        found.append(ExportRun.state == wanted.state)
    if wanted.first_day is not None:
        found.append(ExportRun.period_end > wanted.first_day)
    if wanted.last_day is not None:
        found.append(ExportRun.period_start <= wanted.last_day)
    if wanted.before is not None:
        found.append(_behind(wanted.before))
    return found


def _behind(place: Place) -> Condition:
    same = sa.and_(ExportRun.period_start == place.period_start, ExportRun.id < place.run_id)
    # The first condition says nothing new: an index is read by it.
    return sa.and_(
        ExportRun.period_start <= place.period_start, sa.or_(ExportRun.period_start < place.period_start, same)
    )


def choices(session: Session, account_id: int) -> Sequence[Choice]:
    """The tasks by which the account may filter, its own first, then by name."""
    rows = (
        sa.select(ExportTask.id, ExportTask.name, Destination.id, Destination.name)
        .join(Destination, Destination.id == ExportTask.destination_id)
        .where(visible_tasks(account_id))
        .order_by(ExportTask.owner_id != account_id, ExportTask.name, ExportTask.id)
        .limit(MOST_CHOICES)
    )
    return [Choice(*row) for row in session.execute(rows)]
