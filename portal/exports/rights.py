"""Whether who set up a task may still export: the one answer for readiness, status, pages and files."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.exports.models import ExportTask, Scope
from portal.licences import queries as licences
from portal.licences.models import Kind
from portal.stations.models import Grant, StationGroup

# Why a task has stopped: reasons that its owner alone cannot mend by working on the task.
STOPS = ("permission", "authorisation", "drivers_hidden")


class Shown(NamedTuple):
    """What a reader of a task may know of it: the name of its station group, and the e-mail of whose consumption it
    is. None where that is no longer his to know: both may have changed since he knew them. `files`: he may open its
    files, see `opens_files`."""

    group: str | None
    user: str | None
    files: bool


class _Held(NamedTuple):
    """A standing of a task's owner at its station group."""

    role: str
    licence: str
    hides_drivers: bool

    def allows(self, licence: str) -> bool:
        return (self.role, licence, "export:create") in authz.ALLOWED


def stops(session: Session, tasks: Sequence[ExportTask]) -> Mapping[int, dict[str, Any]]:
    """Of these tasks those whose owner may not export what they export, by id, each with the reason why: a code of
    STOPS and who must act. One statement for all of them, another for each owner whose grant is inert."""
    held = _held(session, tasks)
    found: dict[int, dict[str, Any]] = {}
    licensed = cache(lambda account_id: licences.active(session, account_id, Kind.AUTHORISATION))
    for task in tasks:
        mine = held.get((task.owner_id, task.station_group_id), [])
        allowing = [one for one in mine if one.allows(one.licence)]
        if not allowing:
            inert = any(one.allows("active") for one in mine)
            side = "other" if inert and licensed(task.owner_id) else "own"
            found[task.id] = {"code": "authorisation", "side": side} if inert else {"code": "permission"}
        elif task.scope == Scope.DRIVER and all(one.hides_drivers for one in allowing):
            found[task.id] = {"code": "drivers_hidden"}
    return found


def _held(session: Session, tasks: Iterable[ExportTask]) -> Mapping[tuple[int, int], list[_Held]]:
    groups: dict[int, set[int]] = {}
    for task in tasks:
        groups.setdefault(task.owner_id, set()).add(task.station_group_id)
    if not groups:
        return {}
    # One branch for each account: a view of unions is read by an index only where the account is given.
    asked = sa.union_all(*(_standings(account_id, ids) for account_id, ids in groups.items()))
    # Whoever looks, and with whose eyes: a task goes by what its owner is.
    rows = session.execute(asked, execution_options=authz.AS_IT_IS)
    found: dict[tuple[int, int], list[_Held]] = {}
    for account_id, group_id, role, licence, hides in rows:
        found.setdefault((account_id, group_id), []).append(_Held(role, licence, bool(hides)))
    return found


def _standings(account_id: int, group_ids: Collection[int]) -> sa.Select[Any]:
    standing = authz.standing
    columns = (standing.c.account_id, standing.c.station_group_id, standing.c.role, standing.c.licence)
    held = sa.select(*columns, Grant.hides_drivers).outerjoin(Grant, Grant.id == standing.c.grant_id)
    return held.where(standing.c.account_id == account_id, standing.c.station_group_id.in_(group_ids))


def shown(session: Session, reader_id: int, tasks: Sequence[ExportTask]) -> Mapping[int, Shown]:
    """What the reader may know of these tasks, by their ids; one statement."""
    here = authz.standing.c.station_group_id == StationGroup.id
    named = authz.visible(reader_id, "station_group:view")
    asked = (named, authz.visible(reader_id, "export:view"), open_groups(reader_id, "export:view"))
    conditions = (one.where(here).correlate(StationGroup).exists() for one in asked)
    groups = sa.select(StationGroup.id, StationGroup.name, *conditions)
    rows = session.execute(groups.where(StationGroup.id.in_({task.station_group_id for task in tasks})))
    held = {group_id: rest for group_id, *rest in rows}
    found = {}
    for task in tasks:
        name, is_named, exports, open_exports = held[task.station_group_id]
        on_driver = task.scope == Scope.DRIVER
        user = task.user.email if (open_exports if on_driver else is_named) else None
        found[task.id] = Shown(name if is_named else None, user, bool(open_exports if on_driver else exports))
    return found


def open_groups(account_id: int, action: str) -> sa.Select[int]:
    """The station groups on which the account may do the action and whose drivers it may know."""
    # Looked up grant by grant: to join them, PostgreSQL may walk along all grants there are.
    grant_id = authz.standing.c.grant_id
    hides = sa.select(Grant.hides_drivers).where(Grant.id == grant_id).correlate(authz.standing).scalar_subquery()
    return authz.visible(account_id, action).where(sa.or_(grant_id.is_(None), hides.is_(False)))


def seen(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that the account may see the exports of an ExportTask's station group, whoever set the task up; a
    task on one driver only where it may know the drivers."""
    points = sa.and_(
        ExportTask.scope == Scope.CHARGING_POINTS,
        ExportTask.station_group_id.in_(authz.visible(account_id, "export:view")),
    )
    drivers = sa.and_(
        ExportTask.scope == Scope.DRIVER, ExportTask.station_group_id.in_(open_groups(account_id, "export:view"))
    )
    return sa.or_(points, drivers)


def opens_files(session: Session, account_id: int, task: ExportTask) -> bool:
    """Whether the account may open the files of the task.

    Who set up the task keeps its record (periods, sizes, checksums, what was delivered when) for as long as the task
    stands; the files are somebody else's consumption, and are his to open only while he may see the group's exports.
    """
    return session.scalar(sa.select(ExportTask.id).where(ExportTask.id == task.id, seen(account_id))) is not None
