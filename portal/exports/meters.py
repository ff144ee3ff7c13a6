"""Whose consumption a task exports: its meters, as formats name them."""

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
    connectors = _connectors(session, task.station_group_id)
    driver = session.scalar(
        sa.select(Driver).where(Driver.owner_id == task.station_group.owner_id, Driver.email == task.user.email)
    )
    if driver is None or not connectors:
        return []
    return [EnergySource(_meter(driver, driver.label), tuple(row.id for row, _ in connectors), driver.id)]


def meters_of_group(session: Session, station_group_id: int) -> list[EnergySource]:
    """One meter per connector of the group's stations, ordered by station and number."""
    connectors = _connectors(session, station_group_id)
    return [EnergySource(_meter(row, f"{name} · {row.number}"), (row.id,)) for row, name in connectors]


def _connectors(session: Session, station_group_id: int) -> list[tuple[Connector, str]]:
    rows = (
        sa.select(Connector, Station.name)
        .join(Station, Station.id == Connector.station_id)
        .join(StationGroupStation, StationGroupStation.station_id == Station.id)
        .where(StationGroupStation.station_group_id == station_group_id)
        .order_by(Station.name, Station.id, Connector.number)
    )
    return [(connector, name) for connector, name in session.execute(rows)]


def _meter(named: Connector | Driver, name: str) -> Meter:
    return Meter(**{identifier: getattr(named, identifier) for identifier in IDENTIFIERS}, name=name)
