"""Tasks that a change of their formatter would leave without a file: found before it is saved."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal.charging.energy import EnergySource
from portal.core.errors import N_, RuleBroken
from portal.exports import rights
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.meter_checks import MetersUnnamed, Place, check_named
from portal.exports.meters import meters
from portal.exports.models import ExportTask, Formatter

MOST_NAMES = 5


class Lost(NamedTuple):
    """A task that could no longer be written: why, and which of its meters are at fault."""

    task_id: int
    name: str
    reason: RuleBroken
    meters: Sequence[Place]


class TasksLost(RuleBroken):
    """Tasks that use the formatter could no longer be written: `lost` are those of its owner. Of the tasks of those who
    borrow it nothing is told but that there are some."""

    def __init__(self, field: str, lost: Sequence[Lost]) -> None:
        names = ", ".join(one.name for one in lost[:MOST_NAMES]) + (", …" if len(lost) > MOST_NAMES else "")
        if names:
            super().__init__(
                field, N_("Tasks that use this formatter could not be written any more: %(tasks)s."), tasks=names
            )
        else:
            super().__init__(
                field, N_("Who borrows this formatter could not use it any more. Make the change in a copy of it.")
            )
        self.lost = lost


def check_tasks(session: Session, row: Formatter, before: Formatter, field: str) -> None:
    """TasksLost at `field` when the meters of a task could be written with the formatter as it was `before`, and cannot
    be as it is now. Tasks that nothing may be delivered of now are left alone, as are those that were broken before."""
    tasks = session.scalars(
        sa.select(ExportTask)
        .where(ExportTask.formatter_id == row.id)
        .options(joinedload(ExportTask.user), joinedload(ExportTask.station_group))
        .order_by(ExportTask.name)
    ).all()
    stopped, found = rights.stops(session, tasks), dict[tuple[str, int, int], list[EnergySource]]()
    may_use = cache(lambda account_id: FORMATTERS.may_use(session, account_id, row.id))
    lost, borrowed = list[Lost](), False
    for task in tasks:
        if task.id in stopped or not may_use(task.owner_id):
            continue
        key = (task.scope, task.station_group_id, task.user_id)
        if key not in found:  # many tasks of one group have the same meters
            found[key] = meters(session, task)
        reason = _refusal(found[key], row, task)
        if reason is None or _refusal(found[key], before, task) is not None:
            continue
        if task.owner_id == row.owner_id:
            lost.append(Lost(task.id, task.name, reason, reason.meters if isinstance(reason, MetersUnnamed) else []))
        borrowed = borrowed or task.owner_id != row.owner_id
    if lost or borrowed:
        raise TasksLost(field, lost)


def _refusal(found: Sequence[EnergySource], formatter: Formatter, task: ExportTask) -> RuleBroken | None:
    try:
        check_named(found, formatter, ZoneInfo(task.time_zone))
    except RuleBroken as broken:
        return broken
    return None
