"""Tasks that a change of their formatter would leave without a file: found before it is saved."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal.accounts.models import Account
from portal.charging.energy import EnergySource
from portal.charging.models import Driver
from portal.core.errors import N_, RuleBroken
from portal.exports import rights
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.meter_checks import MetersUnnamed, Place, check_named
from portal.exports.meters import meters
from portal.exports.models import ExportTask, Formatter, Scope
from portal.exports.queries import visible_tasks
from portal.stations.models import Connector, StationGroupStation

MOST_NAMES = 5
MOST_TASKS = 20  # looked at while somebody waits


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


def broken_by(
    session: Session, reader_id: int, connector_ids: Collection[int], driver_ids: Collection[int]
) -> list[Lost]:
    """Of the tasks that the reader may see, those that cannot be written for what these charging points or drivers are
    called now; without those that are paused or have no period before them."""
    tasks, found = _with_meters(session, reader_id, connector_ids, driver_ids), list[Lost]()
    stopped = rights.stops(session, tasks)
    for task in tasks:
        reason = None if task.id in stopped else _refusal(meters(session, task), task.formatter, task)
        places = reason.meters if isinstance(reason, MetersUnnamed) else []
        mine = task.scope == Scope.DRIVER or any(place[1] in connector_ids for place in places)
        if reason is not None and places and mine:
            found.append(Lost(task.id, task.name, reason, places))
    return found


def _with_meters(
    session: Session, reader_id: int, connector_ids: Collection[int], driver_ids: Collection[int]
) -> Sequence[ExportTask]:
    groups = (
        sa.select(StationGroupStation.station_group_id)
        .join(Connector, Connector.station_id == StationGroupStation.station_id)
        .where(Connector.id.in_(connector_ids))
    )
    known = sa.select(Account.id).join(Driver, Driver.email == Account.email).where(Driver.id.in_(driver_ids))
    concerned = sa.or_(
        sa.and_(ExportTask.scope == Scope.CHARGING_POINTS, ExportTask.station_group_id.in_(groups)),
        sa.and_(ExportTask.scope == Scope.DRIVER, ExportTask.user_id.in_(known)),
    )
    at_work = (ExportTask.paused_at.is_(None), ExportTask.next_due_at.is_not(None))
    parts = (joinedload(ExportTask.user), joinedload(ExportTask.station_group), joinedload(ExportTask.formatter))
    found = sa.select(ExportTask).where(concerned, visible_tasks(reader_id), *at_work).options(*parts)
    return session.scalars(found.order_by(ExportTask.name, ExportTask.id).limit(MOST_TASKS)).all()


def _refusal(found: Sequence[EnergySource], formatter: Formatter, task: ExportTask) -> RuleBroken | None:
    try:
        check_named(found, formatter, ZoneInfo(task.time_zone))
    except RuleBroken as broken:
        return broken
    return None
