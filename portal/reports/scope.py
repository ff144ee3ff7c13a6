"""What a report is about, as its reader may see it now: asked when it is ordered, when it is made, and when it is
opened."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ChargingSession, Driver
from portal.core.errors import NotAllowed, NotThere
from portal.reports.models import Report, ReportSchedule, Subject
from portal.reports.rows import AT_ONCE
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


def named(session: Session, account_id: int, about: tuple[str, int]) -> str:
    """The name of a subject that the account may order a report about; NotThere or NotAllowed else."""
    subject, subject_id = about
    return of(session, account_id, Report(subject=subject, **{f"{Subject(subject).value}_id": subject_id})).name


def _of_driver(session: Session, account_id: int, driver_id: int) -> Scope:
    """A driver at all stations of his owner's where the account may make reports and know drivers."""
    driver = session.get(Driver, driver_id)
    if driver is None:
        raise NotThere
    here = sa.and_(Station.owner_id == driver.owner_id, visible_stations(account_id, ACTION), shows_drivers(account_id))
    found = _connectors(session, Connector.station_id.in_(sa.select(Station.id).where(here)))
    if driver.owner_id != account_id and not _met(session, driver, found):
        raise NotThere
    return Scope(driver.label, driver.owner_id, found, [driver.id])


def _met(session: Session, driver: Driver, connector_ids: Sequence[int]) -> bool:
    """Whether the driver has charged at one of these: of nobody else does a reader who is not the owner know."""
    table = ChargingSession
    for first in range(0, len(connector_ids), AT_ONCE):
        here = table.connector_id.in_(connector_ids[first : first + AT_ONCE])
        if session.scalar(sa.select(table.id).where(table.driver_id == driver.id, here).limit(1)) is not None:
            return True
    return False


def _connectors(session: Session, where: sa.ColumnElement[bool]) -> Sequence[int]:
    return session.scalars(sa.select(Connector.id).where(where).order_by(Connector.id)).all()


def may_see(session: Session, account_id: int, about: Report | ReportSchedule) -> bool:
    """Whether the account may have this report now."""
    try:
        of(session, account_id, about)
    except (NotAllowed, NotThere):
        return False
    return True


def may_open(session: Session, report: Report) -> bool:
    """Whether the account of the report may open it now: it may see what the report is about, or owned it when the
    report was made. An owner keeps his documents when his property goes to another account or is deleted."""
    return report.owner_id == report.account_id or may_see(session, report.account_id, report)
