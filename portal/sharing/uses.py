"""What of others somebody works on: the station group or station behind what an address names, for the note of use."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.core.authz import Standing
from portal.stations import queries as stations
from portal.stations.models import Connector, Grant

# Charging and exports stand above this domain and import it; here they are tables that lead to a station or a group.
charging_session = sa.table("charging_session", sa.column("id", sa.Integer), sa.column("connector_id", sa.Integer))
export_task = sa.table("export_task", sa.column("id", sa.Integer), sa.column("station_group_id", sa.Integer))
export_run = sa.table("export_run", sa.column("id", sa.Integer), sa.column("task_id", sa.Integer))

# By the argument of an address that names it: the station, or the station group, of a row.
_STATION: Mapping[str, sa.Select[int]] = {
    "connector_id": sa.select(Connector.station_id).where(Connector.id == sa.bindparam("row_id")),
    "charging_session_id": sa.select(Connector.station_id)
    .join(charging_session, charging_session.c.connector_id == Connector.id)
    .where(charging_session.c.id == sa.bindparam("row_id")),
}
_STATION_GROUP: Mapping[str, sa.Select[int]] = {
    "grant_id": sa.select(Grant.station_group_id).where(Grant.id == sa.bindparam("row_id")),
    "task_id": sa.select(export_task.c.station_group_id).where(export_task.c.id == sa.bindparam("row_id")),
    "run_id": sa.select(export_task.c.station_group_id)
    .join(export_run, export_run.c.task_id == export_task.c.id)
    .where(export_run.c.id == sa.bindparam("row_id")),
}
NAMES = frozenset({"station_group_id", "station_id", *_STATION, *_STATION_GROUP})  # what can be shared, or hangs on it


def held(session: Session, account_id: int, named: Mapping[str, int]) -> list[Standing]:
    """What the account is to the station group, else to the groups of the station, that these arguments of an address
    lead to, strongest first; empty for what is gone. One statement where the gate has found the standings already."""
    if "station_group_id" in named:
        return stations.held_on(session, account_id, named["station_group_id"])
    for name in _STATION_GROUP.keys() & named.keys():
        return authz.standings(session, account_id, _STATION_GROUP[name].params(row_id=named[name]))
    station_id = named.get("station_id")
    for name in _STATION.keys() & named.keys():
        station_id = session.scalar(_STATION[name], {"row_id": named[name]})
    return [] if station_id is None else stations.held_at(session, account_id, station_id)
