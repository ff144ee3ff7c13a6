"""Whose consumption a task exports: its meters, as formats name them."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.energy import EnergySource
from portal.charging.models import Driver
from portal.exports.models import ExportTask, Scope
from portal.formats.rows import Meter
from portal.stations.models import IDENTIFIERS, Connector, Station, StationGroupStation


def meters(session: Session, task: ExportTask) -> list[EnergySource]:
    """Scope charging points: one meter per connector of the group's stations, ordered by station and number. Scope
    driver: one virtual meter, the driver's consumption across the group; none when the group's owner knows no driver
    with the account's address."""
    if task.scope == Scope.CHARGING_POINTS:
        return meters_of_group(session, task.station_group_id)
    connector_ids = tuple(row[0] for row in _connectors(session, task.station_group_id))
    driver = session.scalar(
        sa.select(Driver).where(Driver.owner_id == task.station_group.owner_id, Driver.email == task.user.email)
    )
    if driver is None or not connector_ids:
        return []
    named = {identifier: getattr(driver, identifier) for identifier in IDENTIFIERS}
    return [EnergySource(Meter(**named, name=driver.label), connector_ids, driver.id)]


def meters_of_group(session: Session, station_group_id: int) -> list[EnergySource]:
    """One meter per connector of the group's stations, ordered by station and number."""
    return [
        EnergySource(Meter(**dict(zip(IDENTIFIERS, row[3:], strict=True)), name=f"{row[2]} · {row[1]}"), (row[0],))
        for row in _connectors(session, station_group_id)
    ]


def _connectors(session: Session, station_group_id: int) -> Iterable[Sequence[Any]]:
    """Columns, not objects: a group may have 10,000 of them."""
    identifiers = [getattr(Connector, identifier) for identifier in IDENTIFIERS]
    rows = (
        sa.select(Connector.id, Connector.number, Station.name, *identifiers)
        .join(Station, Station.id == Connector.station_id)
        .join(StationGroupStation, StationGroupStation.station_id == Station.id)
        .where(StationGroupStation.station_group_id == station_group_id)
        .order_by(Station.name, Station.id, Connector.number)
    )
    return [tuple(row) for row in session.execute(rows)]
