"""What of others somebody works on: the station group or station behind what an address names, for the note of use."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.core.authz import Standing
from portal.sharing import queries
from portal.stations import queries as stations
from portal.stations.models import Connector, Grant, StationGroup, StationGroupStation

# Charging and exports stand above this domain and import it; here they are tables that lead to a station or a group.
charging_session = sa.table("charging_session", sa.column("id", sa.Integer), sa.column("connector_id", sa.Integer))
export_task = sa.table("export_task", sa.column("id", sa.Integer), sa.column("station_group_id", sa.Integer))
export_run = sa.table("export_run", sa.column("id", sa.Integer), sa.column("task_id", sa.Integer))

_ID = sa.bindparam("row_id", type_=sa.Integer)
_at_connector = sa.select(StationGroupStation.station_group_id).join(
    Connector, Connector.station_id == StationGroupStation.station_id
)
# By the argument of an address that names what can be shared, or hangs on it: its station groups. Of several in one
# address the first of these tells.
_GROUPS: Mapping[str, sa.Select[int]] = {
    "station_group_id": sa.select(StationGroup.id).where(StationGroup.id == _ID),
    "grant_id": sa.select(Grant.station_group_id).where(Grant.id == _ID),
    "task_id": sa.select(export_task.c.station_group_id).where(export_task.c.id == _ID),
    "run_id": sa.select(export_task.c.station_group_id)
    .join(export_run, export_run.c.task_id == export_task.c.id)
    .where(export_run.c.id == _ID),
    "connector_id": _at_connector.where(Connector.id == _ID),
    "charging_session_id": _at_connector.join(charging_session, charging_session.c.connector_id == Connector.id).where(
        charging_session.c.id == _ID
    ),
    "station_id": sa.select(StationGroupStation.station_group_id).where(StationGroupStation.station_id == _ID),
}
NAMES = frozenset(_GROUPS)


def unnoted(session: Session, account_id: int, named: Mapping[str, int], before: datetime) -> int | None:
    """The grant that lets the account in to what these arguments of an address lead to, when its last use, or the last
    one by the account's membership in its user group, lies before that instant or there was none; None for what is the
    account's own. One statement, or none for what is its own; what the gate has found is not asked again."""
    name = next(name for name in _GROUPS if name in named)
    found = stations.let_in_by(session, account_id, name, named[name])
    if found is None:
        return _ask(session, account_id, _GROUPS[name].params(row_id=named[name]), before)
    grant_id = _strongest(found)
    if grant_id is None:
        return None
    due = queries.use_is_due(account_id, before)
    return session.scalar(sa.select(Grant.id).where(Grant.id == grant_id, due))


def _ask(session: Session, account_id: int, groups: sa.Select[int], before: datetime) -> int | None:
    due = queries.use_is_due(account_id, before)
    rows = session.execute(
        authz.held(account_id)
        .add_columns(due)
        .outerjoin(Grant, Grant.id == authz.standing.c.grant_id)
        .where(authz.standing.c.station_group_id.in_(groups))
    )
    found = {Standing(*row[:-1]): row[-1] for row in rows}
    grant_id = _strongest(authz.by_strength(found))
    return next((one.grant_id for one, is_due in found.items() if is_due and one.grant_id == grant_id), None)


def _strongest(held: Sequence[Standing]) -> int | None:
    """The grant of the first that lets somebody look at all."""
    allowing = (one for one in held if (one.role, one.licence, "station_group:view") in authz.ALLOWED)
    return next((one.grant_id for one in allowing), None)
