"""Notes and planned work at a station: write, plan, move, finish, cancel. Nothing here commits.

Who may see a station sees what is planned and noted there (`maintenance:view`). Who may run maintenance there - the
owner, or by a share with Manage or Administrate - and holds the licence Maintenance himself writes it
(`maintenance:run`). Receiving maintenance lets nobody write, and opens nothing.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import RuleBroken
from portal.licences import queries as licences
from portal.maintenance.models import MaintenanceEntry
from portal.stations.models import Station

LONGEST_TEXT = 2000
LONGEST_NAME = 120
LONGEST_WORK = timedelta(days=366)


class Plan(NamedTuple):
    """What is to be done, and from when until when."""

    text: str
    starts_at: datetime
    ends_at: datetime


def note(session: Session, actor: Account, station: Station, text: str) -> MaintenanceEntry:
    """Keep a note on the station. RuleBroken: text, or none without the licence."""
    _must_run(session, actor)
    session.refresh(station, with_for_update={"read": True, "key_share": True})  # its owner stays who he is
    row = MaintenanceEntry(station_id=station.id, owner_id=station.owner_id, text=_text(text), written_by_id=actor.id)
    session.add(row)
    session.flush()
    _record(session, actor, "maintenance:note", row)
    return row


def plan(session: Session, actor: Account, station: Station, planned: Plan) -> MaintenanceEntry:
    """Plan work at the station. RuleBroken: text, ends_at (before the start, past, or after more than a year), or none
    of these without the licence."""
    _must_run(session, actor)
    _check_dates(planned)
    session.refresh(station, with_for_update={"read": True, "key_share": True})
    row = MaintenanceEntry(
        station_id=station.id,
        owner_id=station.owner_id,
        text=_text(planned.text),
        starts_at=planned.starts_at,
        ends_at=planned.ends_at,
        written_by_id=actor.id,
    )
    session.add(row)
    session.flush()
    _record(session, actor, "maintenance:plan", row, changed=audit.differences({}, _told(row)))
    return row


def move(session: Session, actor: Account, entry: MaintenanceEntry, planned: Plan) -> bool:
    """Give planned work other dates or another text; False where nothing changes. RuleBroken as for `plan`, and where
    it is done or called off already."""
    _must_run(session, actor)
    text = _text(planned.text)
    _check_dates(planned)
    _lock_open(session, entry)
    before = _told(entry)
    entry.text, entry.starts_at, entry.ends_at = text, planned.starts_at, planned.ends_at
    changed = audit.differences(before, _told(entry))
    session.flush()
    if changed:
        _record(session, actor, "maintenance:move", entry, changed=changed)
    return bool(changed)


def finish(session: Session, actor: Account, entry: MaintenanceEntry, done_by: str, remark: str = "") -> None:
    """Say that planned work is done, and by whom. RuleBroken: done_by, remark, or none of these without the licence or
    where it is done or called off already."""
    _must_run(session, actor)
    name = " ".join(done_by.split())
    if not name:
        raise RuleBroken("done_by", "Say who has done it.")
    _must_fit("done_by", name, LONGEST_NAME)
    _must_fit("remark", remark.strip(), LONGEST_TEXT)
    _lock_open(session, entry)
    entry.done_at, entry.done_by, entry.done_by_id = clock.now(), name, actor.id
    entry.remark = remark.strip()
    session.flush()
    _record(session, actor, "maintenance:finish", entry, who=name)


def cancel(session: Session, actor: Account, entry: MaintenanceEntry) -> None:
    """Say that planned work will not take place; it stays in the history. RuleBroken without the licence, or where it
    is done or called off already."""
    _must_run(session, actor)
    _lock_open(session, entry)
    entry.cancelled_at, entry.cancelled_by_id = clock.now(), actor.id
    session.flush()
    _record(session, actor, "maintenance:cancel", entry)


def _must_run(session: Session, actor: Account) -> None:
    if licences.lacking(session, actor.id, "maintenance:run"):
        raise RuleBroken("", "The licence Maintenance is missing: request it first.")


def _text(text: str) -> str:
    text = text.strip()
    if not text:
        raise RuleBroken("text", "Say in a few words what it is about.")
    _must_fit("text", text, LONGEST_TEXT)
    return text


def _must_fit(field: str, text: str, most: int) -> None:
    if len(text) > most:
        raise RuleBroken(field, "Use at most %(most)s characters.", most=most)


def _check_dates(planned: Plan) -> None:
    if planned.ends_at <= planned.starts_at:
        raise RuleBroken("ends_at", "The end lies before the beginning. Choose a later end.")
    if planned.ends_at <= clock.now():
        raise RuleBroken("ends_at", "This has passed. Write a note on what was done instead.")
    if planned.ends_at - planned.starts_at > LONGEST_WORK:
        raise RuleBroken("ends_at", "Plan a year at most at once.")


def _lock_open(session: Session, entry: MaintenanceEntry) -> None:
    """Of two who end or move the same work at once the second sees what the first did."""
    session.refresh(entry, with_for_update=True)
    if not entry.is_open:
        raise RuleBroken("", "This work was done or called off meanwhile.")


def _told(entry: MaintenanceEntry) -> dict[str, str | None]:
    """Dates and text as the audit log keeps them."""
    return {
        "work": entry.text[:200],
        "begins_at": entry.starts_at.isoformat() if entry.starts_at else None,
        "ends_at": entry.ends_at.isoformat() if entry.ends_at else None,
    }


def _record(session: Session, actor: Account, action: str, entry: MaintenanceEntry, **detail: object) -> None:
    subject = f"station/{entry.station_id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=entry.owner_id, **detail)
