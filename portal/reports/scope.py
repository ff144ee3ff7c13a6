"""What a report is about, as its reader may see it now: asked when it is ordered, when it is made, and when it is
opened."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import Driver
from portal.core.errors import NotAllowed, NotThere
from portal.reports.models import Report, ReportSchedule, Subject
from portal.stations import queries as stations
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.queries import shows_drivers, visible_stations

ACTION = "report:create"


class Scope(NamedTuple):
    """The charging points of a report and, where it is about one driver, his id with their owner."""

    name: str
    owner_id: int
    connector_ids: Sequence[int]
    driver_ids: Sequence[int] | None = None


def of(session: Session, account_id: int, about: Report | ReportSchedule) -> Scope:
    """NotThere or NotAllowed where the account may not have this report, or its subject is gone."""
    subject = about.subject
    if subject == Subject.STATION:
        station = stations.station(session, account_id, ACTION, about.station_id or 0)
        return Scope(station.name, station.owner_id, _connectors(session, Connector.station_id == station.id))
    if subject == Subject.STATION_GROUP:
        group = stations.station_group(session, account_id, ACTION, about.station_group_id or 0)
        member = StationGroupStation
        inside = sa.select(member.station_id).where(member.station_group_id == group.id)
        return Scope(group.name, group.owner_id, _connectors(session, Connector.station_id.in_(inside)))
    return _of_driver(session, account_id, about.driver_id or 0)


def _of_driver(session: Session, account_id: int, driver_id: int) -> Scope:
    """A driver at all stations of his owner's where the account may make reports and know drivers."""
    driver = session.get(Driver, driver_id)
    if driver is None:
        raise NotThere
    here = sa.and_(Station.owner_id == driver.owner_id, visible_stations(account_id, ACTION), shows_drivers(account_id))
    found = _connectors(session, Connector.station_id.in_(sa.select(Station.id).where(here)))
    if not found and driver.owner_id != account_id:
        raise NotThere
    return Scope(driver.label, driver.owner_id, found, [driver.id])


def _connectors(session: Session, where: sa.ColumnElement[bool]) -> Sequence[int]:
    return session.scalars(sa.select(Connector.id).where(where).order_by(Connector.id)).all()


def may_see(session: Session, account_id: int, about: Report | ReportSchedule) -> bool:
    """Whether the account may have this report now."""
    try:
        of(session, account_id, about)
    except (NotAllowed, NotThere):
        return False
    return True
