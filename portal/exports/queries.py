"""Formatters, tasks and runs, as their owners and those who may see the station group see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.core import authz
from portal.core.db import NO_ROW
from portal.core.errors import NotAllowed, NotThere
from portal.core.paging import SIZE, Page, offset
from portal.delivery.loans import DESTINATIONS
from portal.delivery.models import Destination
from portal.exports import rights
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.models import ExportRun, ExportTask, Formatter, RunState, Scope
from portal.exports.status import Facts
from portal.licences.models import Kind, Licence
from portal.stations.models import Connector, StationGroup, StationGroupStation


class Counted(NamedTuple):
    """How much of each part of an export an account has, or may use."""

    destinations: int
    formatters: int
    tasks: int


class Containing(NamedTuple):
    """An export in which the consumption of a driver stands."""

    owner: str
    station_group: str
    format: str
    interval: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a delivered file says of its period, and what the charging sessions say today."""

    delivered_wh: int
    present_wh: int

    @property
    def difference_wh(self) -> int:
        return self.present_wh - self.delivered_wh


def shows_drivers(session: Session, account_id: int, station_group_id: int) -> bool:
    """Whether the account may export what single drivers charged in the station group: as its owner, or by a grant
    that allows exports and does not hide the drivers."""
    held = rights.open_groups(account_id, "export:create").where(authz.standing.c.station_group_id == station_group_id)
    return session.scalar(held.limit(1)) is not None


def visible_tasks(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that an ExportTask is the account's, or exports a station group whose exports it may see; a task
    on one driver only where the account may know the drivers."""
    return sa.or_(ExportTask.owner_id == account_id, rights.seen(account_id))


def task(session: Session, account_id: int, action: str, row_id: int) -> ExportTask:
    """The task, for its owner and, to look at, for whoever may see the exports of its station group. NotThere,
    NotAllowed."""
    found = sa.select(ExportTask).where(ExportTask.id == row_id, visible_tasks(account_id))
    row = session.scalar(found.options(*_parts()))
    if row is None:
        raise NotThere
    if row.owner_id != account_id and action != "export:view":
        raise NotAllowed
    return row


def _parts() -> tuple[Any, ...]:
    parts = (
        ExportTask.owner,
        ExportTask.user,
        ExportTask.station_group,
        ExportTask.formatter,
        ExportTask.destination,
    )
    return tuple(joinedload(part) for part in parts)


def run(session: Session, account_id: int, action: str, row_id: int) -> ExportRun:
    """A run, by its task: as `task`."""
    row = session.get(ExportRun, row_id)
    parent = task(session, account_id, action, row.task_id if row else NO_ROW)
    if row is None:
        raise NotThere
    set_committed_value(row, "task", parent)  # else it is read once more, with what hangs on it
    return row


def run_with_file(session: Session, account_id: int, action: str, row_id: int) -> ExportRun:
    """A run whose file the account may open, see `rights.opens_files`; NotThere, NotAllowed."""
    row = run(session, account_id, action, row_id)
    if not rights.opens_files(session, account_id, row.task):
        raise NotAllowed
    return row


def formatter(session: Session, account_id: int, _action: str, row_id: int) -> Formatter:
    """The account's formatter; NotThere for everybody else's."""
    row = session.scalar(sa.select(Formatter).where(Formatter.id == row_id, Formatter.owner_id == account_id))
    if row is None:
        raise NotThere
    return row


def usable_formatter(session: Session, account_id: int, _action: str, row_id: int) -> Formatter:
    """A formatter that the account may use, its own or one that is lent to it; NotThere for every other."""
    row = session.scalar(sa.select(Formatter).where(Formatter.id == row_id, FORMATTERS.is_usable(account_id)))
    if row is None:
        raise NotThere
    return row


def formatters(session: Session, account_id: int) -> Sequence[tuple[Formatter, int]]:
    """The account's formatters by name, each with the number of tasks that use it."""
    used = sa.select(sa.func.count()).where(ExportTask.formatter_id == Formatter.id).scalar_subquery()
    rows = sa.select(Formatter, used).where(Formatter.owner_id == account_id).order_by(Formatter.name)
    return [(row, tasks) for row, tasks in session.execute(rows)]


def tasks_with(session: Session, row: Formatter) -> Sequence[str]:
    """The names of the tasks that use the formatter."""
    used = sa.select(ExportTask.name).where(ExportTask.formatter_id == row.id).order_by(ExportTask.name)
    return session.scalars(used).all()


def counted(session: Session, account_id: int) -> Counted:
    """How far the account has come in setting up an export; what is lent to it counts."""
    usable = (
        (Destination, DESTINATIONS.is_usable(account_id)),
        (Formatter, FORMATTERS.is_usable(account_id)),
        (ExportTask, ExportTask.owner_id == account_id),
    )
    counts = [sa.select(sa.func.count(kind.id)).where(which).scalar_subquery() for kind, which in usable]
    return Counted(*session.execute(sa.select(*counts)).one())


def tasks(session: Session, account_id: int, page: int = 1, station_group_id: int | None = None) -> Page[ExportTask]:
    """The tasks that the account may see, or those of one station group; its own first, then by name."""
    seen = visible_tasks(account_id)
    if station_group_id is not None:
        seen = sa.and_(seen, ExportTask.station_group_id == station_group_id)
    total = session.scalar(sa.select(sa.func.count(ExportTask.id)).where(seen)) or 0
    return Page(session.scalars(_listed(account_id, seen).offset(offset(page))).all(), page, total)


def first_tasks(session: Session, account_id: int) -> Sequence[ExportTask]:
    """A page of `tasks`, uncounted: first of all those that are paused, in trouble, or have a period that failed, waits
    or asks for a decision, that none of them is behind fifty others."""
    held = (RunState.FAILED, RunState.WAITING, RunState.PROPOSED)
    some = sa.exists().where(ExportRun.task_id == ExportTask.id, ExportRun.state.in_(held))
    task = ExportTask
    quiet = sa.and_(task.trouble_since.is_(None), task.paused_at.is_(None), ~some)
    return session.scalars(_listed(account_id, visible_tasks(account_id), quiet)).all()


def _listed(account_id: int, seen: sa.ColumnElement[bool], *before: sa.ColumnElement[bool]) -> sa.Select[ExportTask]:
    listed = sa.select(ExportTask).where(seen).options(*_parts())
    return listed.order_by(*before, ExportTask.owner_id != account_id, ExportTask.name, ExportTask.id).limit(SIZE)


def facts(session: Session, listed: Sequence[ExportTask]) -> Mapping[int, Facts]:
    """What the status of each of these tasks rests on, by a few statements for all of them."""
    ids = [row.id for row in listed]
    held = (
        sa.select(
            ExportRun.task_id,
            ExportRun.state,
            sa.func.count().label("runs"),
            sa.func.min(ExportRun.period_start).label("first"),
            sa.func.min(ExportRun.failures).label("failures"),
            sa.func.sum(sa.cast(ExportRun.unconfirmed, sa.Integer)).label("unconfirmed"),
        )
        .where(ExportRun.task_id.in_(ids))
        .group_by(ExportRun.task_id, ExportRun.state)
        .subquery()
    )
    oldest = aliased(ExportRun)
    same = sa.and_(oldest.task_id == held.c.task_id, oldest.state == held.c.state, oldest.period_start == held.c.first)
    now = sa.func.current_timestamp()
    licence = sa.exists().where(
        Licence.account_id == ExportTask.owner_id,
        Licence.kind == Kind.AUTO_EXPORT,
        Licence.starts_at <= now,
        sa.or_(Licence.ends_at.is_(None), Licence.ends_at > now),
    )
    why = (oldest.reason, oldest.id, oldest.created_at)
    query = (
        sa.select(ExportTask.id, licence, held.c.state, held.c.runs, held.c.failures, held.c.unconfirmed, *why)
        .outerjoin(held, held.c.task_id == ExportTask.id)
        .outerjoin(oldest, same)
        .where(ExportTask.id.in_(ids))
    )
    return _gathered(listed, session.execute(query), rights.stops(session, listed))


def _gathered(listed: Sequence[ExportTask], rows: Any, stopped: Mapping[int, dict[str, Any]]) -> Mapping[int, Facts]:
    found: dict[int, dict[str, Any]] = {row.id: {"counts": {}, "reasons": {}} for row in listed}
    for task_id, licensed, state, runs, failures, unconfirmed, reason, first_id, since in rows:
        one = found[task_id]
        one["licensed"] = bool(licensed)
        if state is None or state in one["counts"]:
            continue  # nothing yet, or another revision of the oldest period
        one["counts"][RunState(state)] = runs
        one["reasons"].setdefault(RunState(state), reason or {})
        one["unconfirmed"] = one.get("unconfirmed", 0) + (unconfirmed or 0)
        if state == RunState.WAITING:
            one["waiting_since"] = since
        if state == RunState.PROPOSED:
            one["first_proposed"] = first_id
        if state == RunState.DUE:
            one["all_due_failed"] = failures > 0
    return {
        row.id: Facts(
            paused=row.paused_at is not None,
            paused_reason=row.paused_reason,
            more_to_come=row.next_due_at is not None,
            stopped=stopped.get(row.id, {}),
            **found[row.id],
        )
        for row in listed
    }


Days = tuple[date | None, date | None]


def runs(
    session: Session, row: ExportTask, state: str = "", page: int = 1, days: Days = (None, None)
) -> Page[ExportRun]:
    """The task's runs, the latest period first; of one state, or `changed` for delivered ones whose energy is another
    today; of periods with a day between the two."""
    chosen, (first_day, last_day) = [ExportRun.task_id == row.id], days
    if first_day is not None:
        chosen.append(ExportRun.period_end > first_day)
    if last_day is not None:
        chosen.append(ExportRun.period_start <= last_day)
    if state == "changed":
        chosen.append(ExportRun.id.in_(_changed_ids(row)) if _may_export(session, row) else sa.false())
    elif state in set(RunState):
        chosen.append(ExportRun.state == state)
    total = session.scalar(sa.select(sa.func.count(ExportRun.id)).where(*chosen)) or 0
    listed = sa.select(ExportRun).where(*chosen).order_by(ExportRun.period_start.desc(), ExportRun.revision.desc())
    return Page(session.scalars(listed.limit(SIZE).offset(offset(page))).all(), page, total)


def revisions(session: Session, row: ExportRun) -> Sequence[ExportRun]:
    """Every revision of the run's period, itself too, the first one first."""
    same = (ExportRun.task_id == row.task_id, ExportRun.period_start == row.period_start)
    return session.scalars(sa.select(ExportRun).where(*same).order_by(ExportRun.revision)).all()


def changes(session: Session, row: ExportTask, listed: Sequence[ExportRun]) -> Mapping[int, Change]:
    """Of these runs of the task, those whose delivered energy is not what the sessions sum up to today. None once the
    task's owner may export the station group no more: he keeps what was delivered, and learns nothing new."""
    ids = [one.id for one in listed if one.state == RunState.DELIVERED]
    if not ids or not _may_export(session, row):
        return {}
    found = session.execute(_sums(row).where(ExportRun.id.in_(ids)))
    return {
        run_id: Change(delivered, int(present)) for run_id, delivered, present in found if delivered != int(present)
    }


def _may_export(session: Session, row: ExportTask) -> bool:
    return row.id not in rights.stops(session, [row])


def _changed_ids(row: ExportTask) -> sa.Select[int]:
    sums = _sums(row).where(ExportRun.task_id == row.id, ExportRun.state == RunState.DELIVERED).subquery()
    return sa.select(sums.c.id).where(sums.c.energy_wh != sums.c.present)


def _sums(row: ExportTask) -> sa.Select[int, int, int]:
    """Each delivered run with the energy of its file and what its meters' quarter hours sum up to now."""
    connectors = (
        sa.select(Connector.id)
        .join(StationGroupStation, StationGroupStation.station_id == Connector.station_id)
        .where(StationGroupStation.station_group_id == row.station_group_id)
    )
    present = sa.select(sa.func.coalesce(sa.func.sum(QuarterHour.energy_wh), 0))
    present = present.where(QuarterHour.connector_id.in_(connectors))
    present = present.where(QuarterHour.starts_at >= ExportRun.starts_at, QuarterHour.starts_at < ExportRun.ends_at)
    if row.scope == Scope.DRIVER:
        driver = sa.select(Driver.id).where(
            Driver.owner_id == row.station_group.owner_id, Driver.email == row.user.email
        )
        present = present.join(ChargingSession, ChargingSession.id == QuarterHour.session_id)
        present = present.where(ChargingSession.driver_id.in_(driver))
    wh = present.correlate(ExportRun).scalar_subquery().label("present")
    return sa.select(ExportRun.id, sa.func.coalesce(ExportRun.energy_wh, 0).label("energy_wh"), wh)


def groups_to_export(session: Session, account_id: int) -> Sequence[tuple[StationGroup, Account]]:
    """The station groups that the account may export, by name, each with its owner."""
    rows = (
        sa.select(StationGroup, Account)
        .join(Account, Account.id == StationGroup.owner_id)
        .where(StationGroup.id.in_(authz.visible(account_id, "export:create")))
        .order_by(StationGroup.name, StationGroup.id)
    )
    return [(group, owner) for group, owner in session.execute(rows)]


def containing(session: Session, account: Account) -> Sequence[Containing]:
    """The exports in which the account's own consumption stands as a driver's."""
    rows = (
        sa.select(Account.name, Account.email, StationGroup.name, Formatter.format, ExportTask.interval)
        .select_from(ExportTask)
        .join(Account, Account.id == ExportTask.owner_id)
        .join(StationGroup, StationGroup.id == ExportTask.station_group_id)
        .join(Formatter, Formatter.id == ExportTask.formatter_id)
        .where(ExportTask.user_id == account.id, ExportTask.scope == Scope.DRIVER)
        .order_by(StationGroup.name, ExportTask.id)
    )
    return [Containing(name or email, group, kind, every) for name, email, group, kind, every in session.execute(rows)]
