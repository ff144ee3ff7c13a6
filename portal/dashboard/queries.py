"""Figures of the overview, each over what the account may see."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import queries as charging
from portal.charging.finishing import instants
from portal.charging.models import ChargingSession, FlaggedRow, FlaggedState, QuarterHour
from portal.core import authz
from portal.exports.models import ExportTask
from portal.stations import queries as stations
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation
from portal.stations.states import SILENT_AFTER, DisplayState, of_connector

DAYS = 30
LAST_SESSIONS = 10
MOST_GROUPS = 6


@dataclass(frozen=True, slots=True)
class Energy:
    """Wh of each local day of the period, and of the days of the same length before it."""

    days: dict[date, int]
    before_wh: int

    @property
    def total_wh(self) -> int:
        return sum(self.days.values())

    @property
    def change_percent(self) -> int | None:
        """Change against the period before in whole percent; None where there was nothing before."""
        return round((self.total_wh - self.before_wh) * 100 / self.before_wh) if self.before_wh else None


def energy(session: Session, account_id: int, last_day: date, zone: ZoneInfo) -> Energy:
    """The 30 local days up to `last_day`, and the 30 before them. One statement."""
    first_day = last_day - timedelta(days=DAYS - 1)
    both = charging.energy_per_day(session, account_id, first_day - timedelta(days=DAYS), last_day, zone)
    days = {day: energy_wh for day, energy_wh in both.items() if day >= first_day}
    return Energy(days, sum(both.values()) - sum(days.values()))


def last_day_with_energy(begin: datetime | None, today: date, zone: ZoneInfo) -> date:
    """Today, or where nothing was charged for 30 days the last day on which something was: an overview of an idle
    month says nothing. `begin`: of the latest session."""
    if begin is None or begin.astimezone(zone).date() > today - timedelta(days=DAYS):
        return today
    return begin.astimezone(zone).date()


def connector_states(session: Session, account_id: int, now: datetime) -> Counter[DisplayState]:
    """How many connectors show which state."""
    silent = Connector.state_at < now - SILENT_AFTER
    columns = (Connector.out_of_service, Connector.state, silent)
    counted = sa.select(*columns, sa.func.count()).join(Station, Station.id == Connector.station_id)
    counted = counted.where(stations.visible_stations(account_id, "connector:view")).group_by(*columns)
    found: Counter[DisplayState] = Counter()
    for out_of_service, state, is_silent, count in session.execute(counted):
        heard_at = now - SILENT_AFTER * 2 if is_silent else now
        found[of_connector(_Reported(state, heard_at if state else None, bool(out_of_service)), now)] += count
    return found


@dataclass(frozen=True, slots=True)
class _Reported:
    state: str | None
    state_at: datetime | None
    out_of_service: bool


def energy_by_group(
    session: Session, account_id: int, first_day: date, last_day: date, zone: ZoneInfo
) -> Sequence[tuple[StationGroup, int]]:
    """The station groups with the most energy in these local days, with their Wh."""
    starts_at, ends_at = instants(first_day, last_day, zone)
    energy_wh = sa.func.sum(QuarterHour.energy_wh)
    counted = (
        sa.select(StationGroupStation.station_group_id, energy_wh.label("energy_wh"))
        .join(Connector, Connector.station_id == StationGroupStation.station_id)
        .join(QuarterHour, QuarterHour.connector_id == Connector.id)
        .where(StationGroupStation.station_group_id.in_(authz.visible(account_id, "session:view")))
        .where(QuarterHour.starts_at >= starts_at, QuarterHour.starts_at < ends_at)
        .group_by(StationGroupStation.station_group_id)
        .order_by(energy_wh.desc(), StationGroupStation.station_group_id)
        .limit(MOST_GROUPS)
        .subquery()
    )
    rows = sa.select(StationGroup, counted.c.energy_wh).join(counted, counted.c.station_group_id == StationGroup.id)
    return [(group, int(wh)) for group, wh in session.execute(rows.order_by(counted.c.energy_wh.desc()))]


@dataclass(frozen=True, slots=True)
class Steps:
    """What an account has done already. `latest_session`: when the last session began that it may see; `flagged`: how
    many bad rows of imports for its own stations wait to be corrected or dismissed."""

    has_station: bool
    has_group: bool
    has_session: bool
    has_grant: bool
    has_task: bool
    sees_shared: bool
    latest_session: datetime | None
    flagged: int

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to show but what to do first: no session, no task, nothing shared."""
        return not (self.has_session or self.has_task or self.sees_shared)

    @property
    def is_half_way(self) -> bool:
        """Whether an owner who has sessions does nothing with them yet: shares none, exports none."""
        return self.has_session and not (self.has_grant or self.has_task)


def steps(session: Session, account_id: int) -> Steps:
    """Whether the account has a station, a group, a session, a grant given, an export task, or a group shared with
    it; and what else one statement can tell of it."""

    def mine(table: type[Station | StationGroup | ChargingSession | Grant | ExportTask]) -> sa.ColumnElement[bool]:
        return sa.exists().where(table.owner_id == account_id)

    shared = authz.visible(account_id, "station_group:view").where(authz.standing.c.role != "owner")
    owned = [mine(table) for table in (Station, StationGroup, ChargingSession, Grant, ExportTask)]
    latest = [
        sa.select(sa.func.max(ChargingSession.started_at)).where(seen).scalar_subquery()
        for seen in (ChargingSession.owner_id == account_id, charging.shared_sessions(account_id))
    ]
    open_rows = (FlaggedRow.owner_id == account_id, FlaggedRow.state == FlaggedState.OPEN)
    flagged = sa.select(sa.func.count()).select_from(FlaggedRow).where(*open_rows).scalar_subquery()
    found = tuple(session.execute(sa.select(*owned, shared.exists(), *latest, flagged)).one())
    begins = [begin for begin in found[6:8] if begin is not None]
    station, group, charged, grant, task, is_shared_with = map(bool, found[:6])
    return Steps(station, group, charged, grant, task, is_shared_with, max(begins, default=None), found[8])
