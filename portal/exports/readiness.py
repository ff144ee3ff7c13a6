"""Whether a run may go out yet, and if not, what it waits for."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.charging.energy import EnergySource, uncovered
from portal.core import clock
from portal.core.errors import RuleBroken, Sentence
from portal.delivery.loans import DESTINATIONS
from portal.exports import rights
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.meter_checks import MetersUnnamed, check_named
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportTask, Scope, Trigger
from portal.licences import queries as licences


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a run waits: a code from the closed list of `exports.reasons`, and the names that fill its sentence."""

    code: str
    names: dict[str, Any]

    def as_reason(self) -> dict[str, Any]:
        return {"code": self.code, **self.names}


def obstacle(session: Session, run: ExportRun, now: datetime | None = None) -> Obstacle | None:
    """What keeps this run back now; None when it may be built and sent."""
    task = run.task
    return _of_the_task(session, task) or _of_the_meters(session, run, now or clock.now())


def stop(session: Session, task: ExportTask) -> Obstacle | None:
    """Why nothing of the task may leave the portal now, not even what is built or uploaded already."""
    if licences.lacking(session, task.owner_id, "export:create"):
        return Obstacle("licence", {})
    reason = rights.stops(session, [task]).get(task.id)
    if reason is None:
        return _taken_back(session, task)
    return Obstacle(reason["code"], {name: value for name, value in reason.items() if name != "code"})


def _taken_back(session: Session, task: ExportTask) -> Obstacle | None:
    if task.borrows_destination and not DESTINATIONS.may_use(session, task.owner_id, task.destination_id):
        return Obstacle("not_lent", {"part": "destination", "name": task.destination.name})
    return None


def _of_the_task(session: Session, task: ExportTask) -> Obstacle | None:
    stopped = stop(session, task)
    if stopped is not None:
        return stopped
    if task.borrows_formatter and not FORMATTERS.may_use(session, task.owner_id, task.formatter_id):
        return Obstacle("not_lent", {"part": "formatter", "name": task.formatter.name})
    if not task.destination.peer_is_known or task.destination.changed_at is not None:
        return Obstacle("host_key", {"destination": task.destination.name})
    return None


def _of_the_meters(session: Session, run: ExportRun, now: datetime) -> Obstacle | None:
    task = run.task
    found = meters(session, task)
    wrong = _wrong_meters(task, found)
    if wrong is not None:
        return wrong
    if task.trigger == Trigger.HOURS_AFTER_END and now >= run.ends_at + timedelta(hours=task.hours_after_end):
        return None
    return _missing_values(session, run, found)


def ahead(session: Session, task: ExportTask) -> Obstacle | None:
    """What would keep the next period of the task back, whatever its values: its meters as they are named now."""
    return _wrong_meters(task, meters(session, task))


def _wrong_meters(task: ExportTask, found: list[EnergySource]) -> Obstacle | None:
    """Meters that no file can hold: there are none, or their identifiers are missing, doubled or malformed."""
    if not found:
        code = "no_driver" if task.scope == Scope.DRIVER else "no_connectors"
        return Obstacle(code, {"station_group": task.station_group.name, "user": task.user.email})
    unnamed = [meter for meter in found if not (getattr(meter.row, task.formatter.identifier) or "").strip()]
    if unnamed:
        names = {"identifier": task.formatter.identifier, "meter": unnamed[0].row.name, "of": len(unnamed)}
        return Obstacle("identifier", names | _entered_at(unnamed[0]))
    try:
        check_named(found, task.formatter, ZoneInfo(task.time_zone))
    except MetersUnnamed as broken:
        name, connector_id = broken.meters[0]
        place = {"connector_id": connector_id} if connector_id else _entered_at(found[0])
        return Obstacle("meters", Sentence(broken.message, broken.params).kept() | {"meter": name} | place)
    except RuleBroken:
        return None  # of its settings: said at the step that builds the file
    return None


def _missing_values(session: Session, run: ExportRun, found: list[EnergySource]) -> Obstacle | None:
    """The first meter whose values do not reach over the whole period."""
    connector_ids = sorted({connector_id for meter in found for connector_id in meter.connector_ids})
    gaps = uncovered(session, connector_ids, run.starts_at, run.ends_at)
    lacking = [meter for meter in found if any(gaps[connector_id] for connector_id in meter.connector_ids)]
    if not lacking:
        return None
    since, connector_id = min(
        (gap[0], connector_id) for connector_id in lacking[0].connector_ids for gap in gaps[connector_id]
    )
    names = {"meter": lacking[0].row.name, "lacking": len(lacking), "of": len(found), "since": since.isoformat()}
    return Obstacle("values", names | {"connector_id": connector_id})


def _entered_at(meter: EnergySource) -> dict[str, int]:
    """Where the identifiers of a meter are entered."""
    return {"driver_id": meter.driver_id} if meter.driver_id else {"connector_id": meter.connector_ids[0]}
