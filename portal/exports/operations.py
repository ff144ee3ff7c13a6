"""Rules of tasks: who may export what to whom, what a change means for periods already sent, starting again."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.accounts.time_zones import TIME_ZONES
from portal.charging.models import ChargingSession, Driver
from portal.core import audit, authz, background, clock
from portal.core.errors import RuleBroken
from portal.core.files import StoredFile
from portal.delivery.loans import DESTINATIONS
from portal.delivery.models import Destination
from portal.exports import planning, revisions
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.meter_checks import check_meters
from portal.exports.models import Corrections, ExportFile, ExportRun, ExportTask, Formatter, RunState, Scope, Trigger
from portal.exports.periods import Interval
from portal.exports.queries import shows_drivers
from portal.licences import queries as licences
from portal.stations.models import Connector, StationGroup, StationGroupStation

MOST_YEARS = 20  # a backfill may reach back
MOST_HOURS = 720
MOST_FAILURES, MOST_PERIODS = 100, 100
LAST_YEAR = 2999
COPIED = (
    "scope", "user_id", "station_group_id", "formatter_id", "destination_id", "interval", "trigger", "hours_after_end",
    "starts_on", "ends_on", "time_zone",
)  # fmt: skip
PARTS = ("formatter", "station_group", "user")  # rows that a task's meters hang on
MORE = ("corrections", "pause_after", "periods_per_file")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form says of a task."""

    name: str
    scope: Scope
    user: str  # the e-mail of an account
    station_group_id: int
    formatter_id: int
    destination_id: int
    interval: Interval
    trigger: Trigger
    hours_after_end: int
    starts_on: date
    ends_on: date | None
    time_zone: str
    corrections: Corrections = Corrections.CONFIRM
    pause_after: int = 20
    periods_per_file: int = 1


def create(session: Session, actor: Account, wanted: Wanted) -> ExportTask:
    """A new task of the actor, planned from its first day on. RuleBroken.

    Refused without the licence that the policy demands; one that ends later only makes the runs wait.
    """
    _check_licence(session, actor)
    task = ExportTask(owner_id=actor.id, scope=wanted.scope.value)
    _fill(session, actor, task, wanted)
    session.add(task)
    session.flush()
    session.expire(task, PARTS)
    check_meters(session, task)
    task.next_due_at = planning.next_due(task)
    planning.plan_task(session, task)
    background.ring_after_commit(session, "exports")
    _record(session, actor, "task.created", task, changed=audit.differences({}, _told(session, task)))
    return task


def copy(session: Session, actor: Account, task: ExportTask) -> ExportTask:
    """The same task under a free name, paused, so that nothing is sent twice before its owner has looked at it.
    RuleBroken without the licence."""
    _check_licence(session, actor)
    names = set(session.scalars(sa.select(ExportTask.name).where(ExportTask.owner_id == task.owner_id)))
    name = next(name for number in count(2) if (name := f"{task.name[:110]} {number}") not in names)
    same = {column: getattr(task, column) for column in (*COPIED, *MORE)}
    twin = ExportTask(owner_id=task.owner_id, name=name, paused_at=clock.now(), paused_reason={}, **same)
    session.add(twin)
    session.flush()
    twin.next_due_at = planning.next_due(twin)
    _record(session, actor, "task.created", twin, changed=audit.differences({}, _told(session, twin)))
    return twin


def edit(session: Session, actor: Account, task: ExportTask, wanted: Wanted) -> None:
    """Change a task. Periods that have a file stay as they are; another interval holds from the end of the last
    planned period on; days that were not covered before are added, unbuilt ones outside the new days are dropped.
    RuleBroken."""
    _check_zone(session, task, wanted)
    before = _told(session, task)
    _fill(session, actor, task, wanted)
    session.flush()
    session.expire(task, PARTS)
    check_meters(session, task)
    planning.plan_anew(session, task)
    planning.plan_task(session, task)
    _wake(session, task, (RunState.DUE, RunState.WAITING))
    background.ring_after_commit(session, "exports")
    changed = audit.differences(before, _told(session, task))
    if changed:
        _record(session, actor, "task.changed", task, changed=changed)


def draft(session: Session, actor: Account, wanted: Wanted, task: ExportTask | None = None) -> ExportTask:
    """The task as `create`, or `edit` of the given one, would make it, for a look at what it would send: no session
    holds it, and so no transaction stores it. RuleBroken as there."""
    made = ExportTask(owner_id=actor.id)
    if task is None:
        _check_licence(session, actor)
    else:
        _check_zone(session, task, wanted)
        made.id, made.planned_until = task.id, task.planned_until
    _fill(session, actor, made, wanted)
    made.formatter = session.get_one(Formatter, made.formatter_id)
    made.station_group = session.get_one(StationGroup, made.station_group_id)
    made.user = session.get_one(Account, made.user_id)
    check_meters(session, made)
    return made


def _check_licence(session: Session, actor: Account) -> None:
    if licences.lacking(session, actor.id, "export:create"):
        raise RuleBroken("", "The licence Auto-export is missing: request it first.")


def _check_zone(session: Session, task: ExportTask, wanted: Wanted) -> None:
    if wanted.time_zone != task.time_zone and _has_runs(session, task):
        message = "The days of periods are planned in %(zone)s already. Make a new task for another time zone."
        raise RuleBroken("time_zone", message, zone=task.time_zone)


def _told(session: Session, task: ExportTask) -> dict[str, Any]:
    """What the audit log holds of a task: all that its form says, what it names by its name of today."""
    wanted = {
        "user": sa.select(Account.email).where(Account.id == task.user_id),
        "station_group": sa.select(StationGroup.name).where(StationGroup.id == task.station_group_id),
        "formatter": sa.select(Formatter.name).where(Formatter.id == task.formatter_id),
        "destination": sa.select(Destination.name).where(Destination.id == task.destination_id),
    }
    named = (query.scalar_subquery().label(name) for name, query in wanted.items())
    parts = session.execute(sa.select(*named)).one()._asdict()
    own = ("name", "scope", "interval", "trigger", "hours_after_end", "time_zone", *MORE)
    days = {"starts_on": task.starts_on.isoformat(), "ends_on": task.ends_on.isoformat() if task.ends_on else None}
    return parts | {name: getattr(task, name) for name in own} | days


def _fill(session: Session, actor: Account, task: ExportTask, wanted: Wanted) -> None:
    with session.no_autoflush:
        _check_name(session, task, wanted.name.strip())
        group = _group(session, actor, wanted.station_group_id)
        user = _user(session, actor, group, wanted)
        if not FORMATTERS.may_use(session, actor.id, wanted.formatter_id):
            raise RuleBroken("formatter", "Choose one of your formatters, or one that is lent to you.")
        if not DESTINATIONS.may_use(session, actor.id, wanted.destination_id):
            raise RuleBroken("destination", "Choose one of your destinations, or one that is lent to you.")
        _check_days(wanted)
    task.name, task.scope, task.interval = wanted.name.strip(), wanted.scope.value, wanted.interval.value
    task.trigger, task.hours_after_end = wanted.trigger.value, wanted.hours_after_end
    task.user_id, task.station_group_id = user.id, group.id
    task.formatter_id, task.destination_id = wanted.formatter_id, wanted.destination_id
    task.starts_on, task.ends_on, task.time_zone = wanted.starts_on, wanted.ends_on, wanted.time_zone
    task.corrections, task.pause_after = wanted.corrections.value, wanted.pause_after
    task.periods_per_file = wanted.periods_per_file


def _check_name(session: Session, task: ExportTask, name: str) -> None:
    if not name or not name.isprintable():
        raise RuleBroken("name", "This must be filled in.")
    same = (ExportTask.owner_id == task.owner_id, ExportTask.name == name, ExportTask.id != (task.id or 0))
    if session.scalar(sa.select(ExportTask.id).where(*same)) is not None:
        raise RuleBroken("name", "You already have a task with this name.")


def _group(session: Session, actor: Account, station_group_id: int) -> StationGroup:
    if not authz.may(session, actor.id, "export:create", [station_group_id]):
        raise RuleBroken("station_group", "You may not export the consumption of this station group.")
    return session.get_one(StationGroup, station_group_id)


def _user(session: Session, actor: Account, group: StationGroup, wanted: Wanted) -> Account:
    """The account whose consumption it is. One message for every driver that cannot be chosen: it tells nobody which
    addresses have accounts."""
    user = accounts.by_email(session, emails.normalise(wanted.user, "user"))
    if wanted.scope == Scope.CHARGING_POINTS:
        if user is None or user.id != group.owner_id:
            raise RuleBroken(
                "user", "Charging points are exported for the owner of the station group. Enter their address."
            )
        return user
    if not shows_drivers(session, actor.id, group.id):
        raise RuleBroken("scope", "The owner of this station group does not show you its drivers.")
    if user is None or not _has_charged(session, group, user.email):
        raise RuleBroken("user", "No driver with this address has charged in the station group.")
    return user


def _has_charged(session: Session, group: StationGroup, email: str) -> bool:
    """Whether a driver whom the group's owner knows by this address has a session in the group."""
    here = (
        sa.select(Connector.id)
        .join(StationGroupStation, StationGroupStation.station_id == Connector.station_id)
        .where(StationGroupStation.station_group_id == group.id)
    )
    charged = (
        sa.select(ChargingSession.id)
        .join(Driver, Driver.id == ChargingSession.driver_id)
        .where(Driver.owner_id == group.owner_id, Driver.email == email, ChargingSession.connector_id.in_(here))
    )
    return session.scalar(charged.limit(1)) is not None


def _check_days(wanted: Wanted) -> None:
    if wanted.time_zone not in TIME_ZONES:
        raise RuleBroken("time_zone", "Choose a time zone of the list.")
    today = clock.now().astimezone(ZoneInfo(wanted.time_zone)).date()
    if wanted.starts_on < today - timedelta(days=366 * MOST_YEARS) or wanted.starts_on > today + timedelta(days=3660):
        raise RuleBroken("starts_on", "Choose a first day at most %(years)s years back.", years=MOST_YEARS)
    if wanted.ends_on is not None and wanted.ends_on < wanted.starts_on:
        raise RuleBroken("ends_on", "The last day lies before the first.")
    if wanted.ends_on is not None and wanted.ends_on.year > LAST_YEAR:
        raise RuleBroken("ends_on", "Choose an earlier day, or leave it empty.")
    if not 0 <= wanted.hours_after_end <= MOST_HOURS:
        raise RuleBroken("hours_after_end", "Enter 0 to %(most)s hours.", most=MOST_HOURS)
    if not 1 <= wanted.pause_after <= MOST_FAILURES:
        raise RuleBroken("pause_after", "Enter 1 to %(most)s failures.", most=MOST_FAILURES)
    if not 1 <= wanted.periods_per_file <= MOST_PERIODS:
        raise RuleBroken("periods_per_file", "Enter 1 to %(most)s periods.", most=MOST_PERIODS)


def _has_runs(session: Session, task: ExportTask) -> bool:
    return session.scalar(sa.select(ExportRun.id).where(ExportRun.task_id == task.id).limit(1)) is not None


def pause(session: Session, actor: Account, task: ExportTask) -> None:
    """Send nothing more until it is resumed; a file that only lacks its rename still gets it."""
    if task.paused_at is None:
        task.paused_at, task.paused_reason = clock.now(), {}
        _record(session, actor, "task.paused", task)


def resume(session: Session, actor: Account, task: ExportTask) -> None:
    """Go on, with everything that fell due meanwhile; after a pause by failures with what has failed as well."""
    if task.paused_at is not None:
        if task.paused_reason:
            revisions.retry_where(session, ExportRun.task_id == task.id, actor)
            _wake(session, task, (RunState.DUE, RunState.UPLOADED), actor)
        task.paused_at, task.paused_reason, task.failures = None, {}, 0
        planning.plan_task(session, task)
        background.ring_after_commit(session, "exports")
        _record(session, actor, "task.resumed", task)


def run_now(session: Session, actor: Account, task: ExportTask) -> int:
    """Plan, and wake all runs that wait, failed or are to be tried again later; how many may be worked on now.
    RuleBroken while the task is paused."""
    if task.paused_at is not None:
        raise RuleBroken("", "The task is paused. Resume it first.")
    planning.plan_task(session, task)
    revisions.retry_where(session, ExportRun.task_id == task.id, actor)
    woken = _wake(session, task, (RunState.DUE, RunState.WAITING, RunState.UPLOADED), actor)
    background.ring_after_commit(session, "exports")
    _record(session, actor, "task.run", task)
    return woken


def _wake(session: Session, task: ExportTask, states: tuple[RunState, ...], actor: Account | None = None) -> int:
    values = {"not_before": clock.now()} | ({"started_by_id": actor.id} if actor else {})
    wake = sa.update(ExportRun).where(ExportRun.task_id == task.id, ExportRun.state.in_(states)).values(**values)
    return revisions.changed(session, wake)


def delete(session: Session, actor: Account, task: ExportTask) -> None:
    """Delete the task with its history and the files kept here; what was delivered stays at the receiver."""
    _record(session, actor, "task.deleted", task)
    kept = sa.select(ExportFile.file_id).join(ExportRun).where(ExportRun.task_id == task.id)
    kept = kept.where(ExportFile.file_id.is_not(None))
    file_ids = list(session.scalars(kept))
    session.execute(sa.delete(ExportTask).where(ExportTask.id == task.id, ExportTask.owner_id == task.owner_id))
    for first in range(0, len(file_ids), 500):
        session.execute(sa.delete(StoredFile).where(StoredFile.id.in_(file_ids[first : first + 500])))


def _record(session: Session, actor: Account, action: str, task: ExportTask, **detail: Any) -> None:
    subject = f"export_task/{task.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=task.owner_id, name=task.name, **detail)
