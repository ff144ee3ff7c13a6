"""What the overview tells besides what was charged, each over what the account may see."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import queries as charging
from portal.charging.models import ChargingSession, FlaggedRow, FlaggedState
from portal.core import authz, clock
from portal.exports.models import ExportTask
from portal.stations import queries as stations
from portal.stations.models import Connector, Grant, Station, StationGroup
from portal.stations.states import SILENT_AFTER, DisplayState, of_connector

RECENT = timedelta(days=31)


def connector_states(
    session: Session, account_id: int, now: datetime, *, is_shared_with: bool
) -> Counter[DisplayState]:
    """How many connectors show which state."""
    columns = (Connector.out_of_service, Connector.state, Connector.state_at < now - SILENT_AFTER)
    own = sa.select(*columns, sa.func.count()).where(Connector.owner_id == account_id).group_by(*columns)
    seen = stations.shared_stations(account_id, "connector:view")
    shared = sa.select(*columns, sa.func.count()).where(
        Connector.owner_id != account_id, Connector.station_id.in_(seen)
    )
    counted = sa.union_all(own, shared.group_by(*columns)) if is_shared_with else own
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

    shared = authz.visible(account_id, "station_group:view").where(authz.standing.c.role != "owner")
    # By name, which has an index: of thousands PostgreSQL would look for the first among all there are.
    named = [
        sa.select(table.id).where(table.owner_id == account_id).order_by(table.name).limit(1).scalar_subquery()
        for table in (Station, StationGroup)
    ]
    owned: list[sa.ColumnElement[bool]] = [first.is_not(None) for first in named]
    owned += [sa.exists().where(table.owner_id == account_id) for table in (ChargingSession, Grant, ExportTask)]
    latest = sa.select(sa.func.max(ChargingSession.started_at))
    own = latest.where(ChargingSession.owner_id == account_id).scalar_subquery()
    by_grant = latest.where(charging.shared_sessions(account_id)).scalar_subquery()
    # Thousands of shared groups are gone through only where the account's own sessions do not say enough.
    others = sa.case((own >= clock.now() - RECENT, sa.null()), else_=by_grant)
    open_rows = (FlaggedRow.owner_id == account_id, FlaggedRow.state == FlaggedState.OPEN)
    flagged = sa.select(sa.func.count()).select_from(FlaggedRow).where(*open_rows).scalar_subquery()
    found = tuple(session.execute(sa.select(*owned, shared.exists(), own, others, flagged)).one())
    begins = [begin for begin in found[6:8] if begin is not None]
    station, group, charged, grant, task, is_shared_with = map(bool, found[:6])
    return Steps(station, group, charged, grant, task, is_shared_with, max(begins, default=None), found[8])
