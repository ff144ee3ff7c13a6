"""What people do with flagged rows: correct, try again, dismiss, reopen. No commit; rows come in through the gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import changes, costing, driver_cards, flagged
from portal.charging.coverage import cover
from portal.charging.models import ChargingSession, FlaggedRow, FlaggedState, QuarterHour, SessionImport
from portal.charging.moments import Instant, MomentProblem, to_utc
from portal.charging.quarter_rows import add_quarters, quarters_of
from portal.charging.reading import DEFAULT_MAX_POWER_W, SessionRow
from portal.charging.storing import Origin, drivers_of, session_values
from portal.core import audit, clock
from portal.core.errors import RuleBroken
from portal.stations.models import Connector, Station
from portal.stations.queries import visible_stations

MOST_AT_ONCE = 500
ROW_EXCERPT = 20
YEARS = range(1970, 2200)  # as in files; beyond them an instant may not exist in another time zone


@dataclass(frozen=True, slots=True)
class Corrected:
    """A flagged row as somebody corrects it. Local times are read in the zone of the import's file."""

    start: str
    end: str
    energy_wh: int
    station_id: int
    connector_no: int
    driver: str = ""
    card: str = ""


def correct(
    session: Session, actor: Account, row: FlaggedRow, of: SessionImport, values: Corrected, zone: ZoneInfo
) -> ChargingSession:
    """Make a charging session of a flagged row, under its own external id; a stored session of that id is replaced.

    Judged by the rules that the file's rows obey: RuleBroken at the field at fault. The correction is audited.
    """
    _locked(session, [row])
    _must_be_open(row)
    connector = _connector(session, actor, of.owner_id, values)
    started_at, ended_at = _instant(values.start, zone, "start"), _instant(values.end, zone, "end")
    _judge(values, connector, started_at, ended_at)
    read = SessionRow(
        station_ref=str(connector.id),
        connector_no=connector.number,
        started_at=started_at,
        ended_at=ended_at,
        energy_wh=values.energy_wh,
        register_start_wh=None,
        register_end_wh=None,
        driver=values.driver.strip(),
        card=values.card.strip(),
        external_id=row.external_id,
    )
    stored = _store(session, actor, row, of, read)
    _settle(row, actor, FlaggedState.CORRECTED, stored.id)
    audit.record(
        session,
        "session:correct",
        f"flagged_row/{row.id}",
        actor_id=actor.id,
        owner_id=of.owner_id,
        charging_session=stored.id,
        line=row.line,
        cells=list(row.cells)[:ROW_EXCERPT],
    )
    return stored


def _judge(values: Corrected, connector: Connector, started_at: datetime, ended_at: datetime) -> None:
    if ended_at < started_at:
        raise RuleBroken("end", "The end lies before the start.")
    if ended_at > clock.now():
        raise RuleBroken("end", "The session lies in the future.")
    if values.energy_wh < 0:
        raise RuleBroken("energy", "Energy cannot be negative.")
    power = connector.max_power_w or DEFAULT_MAX_POWER_W
    # A minute is granted for stamps to the minute, as for the rows of a file.
    if values.energy_wh * 3600 > power * (int((ended_at - started_at).total_seconds()) + 60):
        raise RuleBroken("energy", "This is more than the charging point can deliver in that time.")


def _connector(session: Session, actor: Account, owner_id: int, values: Corrected) -> Connector:
    wanted = sa.select(Connector).join(Station, Station.id == Connector.station_id)
    wanted = wanted.where(Station.id == values.station_id, Station.owner_id == owner_id)
    wanted = wanted.where(visible_stations(actor.id, "session:correct"))
    # Behind a lock the charging point stays the owner's until the session is stored.
    wanted = wanted.where(Connector.owner_id == owner_id).with_for_update(read=True, key_share=True, of=Connector)
    outlets = session.scalars(wanted).all()
    if not outlets:
        raise RuleBroken("station", "Choose a station.")
    for connector in outlets:
        if connector.number == values.connector_no:
            return connector
    raise RuleBroken("connector", "This station has no connector %(number)s.", number=values.connector_no)


def _instant(text: str, zone: ZoneInfo, field: str) -> datetime:
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise RuleBroken(field, "Enter date and time such as 2026-03-31 14:05.") from error
    if local.year not in YEARS:
        raise RuleBroken(field, "Enter date and time such as 2026-03-31 14:05.")
    found = to_utc(local, zone)
    if found is MomentProblem.AMBIGUOUS_HOUR:
        raise RuleBroken(field, "This hour occurs twice. Add its offset, such as +02:00 or +01:00.")
    if not isinstance(found, Instant):
        raise RuleBroken(field, "The clock skipped this hour.")
    return found.utc


def _store(session: Session, actor: Account, row: FlaggedRow, of: SessionImport, read: SessionRow) -> ChargingSession:
    """The session of a corrected row; quarter hours are made anew."""
    table = ChargingSession
    origin = Origin(row.owner_id, row.import_id, row.source)
    drivers = drivers_of(session, row.owner_id, {read.driver} if read.driver else set())
    by_card = driver_cards.of_rows(session, row.owner_id, [read])
    values = session_values(origin, read, drivers.get(read.driver), by_card)
    stored = session.scalar(
        sa.select(table).where(
            table.owner_id == row.owner_id, table.source == row.source, table.external_id == row.external_id
        )
    )
    if stored is None:
        _must_be_new(session, read)
        stored = table(**values)
        session.add(stored)
    else:
        _connector_of(session, actor, stored)
        before = {
            "energy_wh": stored.energy_wh,
            "connector_id": stored.connector_id,
            "started_at": stored.started_at.isoformat(),
            "ended_at": stored.ended_at.isoformat(),
        }
        subject = f"charging_session/{stored.id}"
        audit.record(session, "session:replace", subject, actor_id=actor.id, owner_id=of.owner_id, before=before)
        changes.note(session, [(stored.connector_id, stored.started_at, stored.ended_at)])
        for name, value in values.items():
            setattr(stored, name, value)
    session.flush()
    session.execute(sa.delete(QuarterHour).where(QuarterHour.session_id == stored.id))
    add_quarters(session, quarters_of(stored.id, read))
    costing.calculate(session, row.owner_id, [stored.id])
    changes.note(session, [(stored.connector_id, stored.started_at, stored.ended_at)])
    if of.covers_from is not None and of.covers_to is not None and of.covers == "file":
        cover(session, [stored.connector_id], of.covers_from, of.covers_to, of.id)
    return stored


def _connector_of(session: Session, actor: Account, stored: ChargingSession) -> None:
    """The stored session that would be replaced must stand at a charging point where the actor may correct as well."""
    at = sa.select(Connector.id).join(Station, Station.id == Connector.station_id)
    at = at.where(Connector.id == stored.connector_id, visible_stations(actor.id, "session:correct"))
    if session.scalar(at) is None:
        raise RuleBroken("", "A session of this number is stored at a station that is not yours to correct.")


def _must_be_new(session: Session, read: SessionRow) -> None:
    table = ChargingSession
    same = sa.select(table.id).where(
        table.connector_id == int(read.station_ref),
        table.started_at == read.started_at,
        table.ended_at == read.ended_at,
        table.energy_wh == read.energy_wh,
    )
    if session.scalar(same.limit(1)) is not None:
        raise RuleBroken("", "This very session is stored already. Dismiss the row instead.")


def try_again(session: Session, actor: Account, of: SessionImport, zone: ZoneInfo) -> int:
    """Judge the import's open rows anew, with the stations of today, and store those that are good now.

    Says how many were. At most MOST_AT_ONCE rows are looked at, so that a page can wait for it.
    """
    wanted = sa.select(FlaggedRow).where(FlaggedRow.import_id == of.id, FlaggedRow.state == FlaggedState.OPEN.value)
    settled = 0
    for row in session.scalars(wanted.order_by(FlaggedRow.line).limit(MOST_AT_ONCE)).all():
        reading = flagged.judged_again(session, row, of)
        found = reading.session
        if not reading.good or found is None or set(row.problems) & {"duplicate", "differs_from_stored"}:
            continue
        connector = session.get_one(Connector, int(found.station_ref))
        values = Corrected(
            found.started_at.isoformat(),
            found.ended_at.isoformat(),
            found.energy_wh,
            connector.station_id,
            connector.number,
            found.driver,
            found.card,
        )
        try:
            correct(session, actor, row, of, values, zone)
        except RuleBroken:
            continue
        settled += 1
    return settled


def dismiss(session: Session, actor: Account, rows: Sequence[FlaggedRow]) -> int:
    """Leave rows out for good, and say how many. They stay, and can be reopened; settled ones stay as they are."""
    return _move(session, actor, rows, FlaggedState.OPEN, FlaggedState.DISMISSED)


def reopen(session: Session, actor: Account, rows: Sequence[FlaggedRow]) -> int:
    """Take dismissed rows up again, and say how many."""
    return _move(session, actor, rows, FlaggedState.DISMISSED, FlaggedState.OPEN)


def _move(
    session: Session, actor: Account, rows: Sequence[FlaggedRow], before: FlaggedState, after: FlaggedState
) -> int:
    _locked(session, rows)
    moved = [row for row in rows if row.state == before.value]
    for row in moved:
        _settle(row, actor, after, None)
    if moved:
        verb = "flagged_row:dismiss" if after is FlaggedState.DISMISSED else "flagged_row:reopen"
        ids = [row.id for row in moved]
        subject = f"session_import/{moved[0].import_id}"
        audit.record(session, verb, subject, actor_id=actor.id, owner_id=moved[0].owner_id, rows=ids)
    return len(moved)


def _settle(row: FlaggedRow, actor: Account, state: FlaggedState, session_id: int | None) -> None:
    row.state, row.session_id = state.value, session_id
    open_again = state is FlaggedState.OPEN
    row.settled_by_id, row.settled_at = (None, None) if open_again else (actor.id, clock.now())


def _locked(session: Session, rows: Sequence[FlaggedRow]) -> None:
    """Read the rows again and keep others from settling them: of two people the second one comes too late."""
    ids = sorted(row.id for row in rows)
    wanted = sa.select(FlaggedRow).where(FlaggedRow.id.in_(ids)).order_by(FlaggedRow.id).with_for_update()
    session.scalars(wanted.execution_options(populate_existing=True)).all()


def _must_be_open(row: FlaggedRow) -> None:
    if row.state == FlaggedState.CORRECTED.value:
        raise RuleBroken("", "This row was corrected already.")
