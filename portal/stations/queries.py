"""Stations, connectors and station groups, as the actor may see them. No row is loaded past this gate."""

from collections.abc import Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.core.authz import standing
from portal.core.db import LARGEST_ID
from portal.core.errors import NotAllowed, NotThere
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation

# No row has this id. What is not there is looked for all the same, so that the answer takes as long as for what is
# there and not the asker's.
NO_ROW = 0
Row = TypeVar("Row", Station, Connector, StationGroup, Grant)


def _row(session: Session, kind: type[Row], row_id: int) -> Row | None:
    return session.get(kind, row_id) if row_id <= LARGEST_ID else None


def groups_of(session: Session, station_id: int) -> Sequence[int]:
    """The ids of the station groups the station is in."""
    column = StationGroupStation.station_group_id
    return session.scalars(sa.select(column).where(StationGroupStation.station_id == station_id)).all()


def in_group(session: Session, group: StationGroup, station: Station) -> bool:
    """Whether the station is in the group."""
    return session.get(StationGroupStation, (group.id, station.id)) is not None


def may(session: Session, account_id: int, action: str, station: Station) -> bool:
    """Whether the account may do the action to the station: as its owner, or by its strongest standing in one of the
    station's groups."""
    if station.owner_id == account_id:
        return authz.owner_may(action)
    return _by_group(session, account_id, action, station.id)


def _by_group(session: Session, account_id: int, action: str, station_id: int) -> bool:
    return authz.may(session, account_id, action, groups_of(session, station_id) or [NO_ROW])


def station(session: Session, account_id: int, action: str, row_id: int) -> Station:
    """The station, when the account may do the action; NotThere or NotAllowed else."""
    row = _row(session, Station, row_id)
    if row is None:
        _by_group(session, account_id, "station:view", row_id)
        raise NotThere
    if not may(session, account_id, "station:view", row):
        raise NotThere
    if action != "station:view" and not may(session, account_id, action, row):
        raise NotAllowed
    return row


def connector(session: Session, account_id: int, action: str, row_id: int) -> Connector:
    """The connector, by what the account is to its station; NotThere or NotAllowed else."""
    row = _row(session, Connector, row_id)
    station(session, account_id, action, row.station_id if row else NO_ROW)
    if row is None:
        raise NotThere
    return row


def station_group(session: Session, account_id: int, action: str, row_id: int) -> StationGroup:
    """The station group, when the account may do the action; NotThere or NotAllowed else."""
    row = _row(session, StationGroup, row_id)
    if not authz.may(session, account_id, "station_group:view", [row_id]) or row is None:
        raise NotThere
    if action != "station_group:view" and not authz.may(session, account_id, action, [row_id]):
        raise NotAllowed
    return row


def grant(session: Session, account_id: int, action: str, row_id: int) -> Grant:
    """The grant, by what the account is to its station group; NotThere or NotAllowed else."""
    row = _row(session, Grant, row_id)
    station_group(session, account_id, action, row.station_group_id if row else NO_ROW)
    if row is None:
        raise NotThere
    return row


def visible_stations(account_id: int, action: str) -> sa.ColumnElement[bool]:
    """The condition that a Station row is one on which the account may do the action: the filter of every list,
    search, count and export of stations and of what hangs on them."""
    member = StationGroupStation
    shared = sa.select(member.station_id).where(member.station_group_id.in_(authz.visible(account_id, action)))
    if not authz.owner_may(action):
        return Station.id.in_(shared)
    # One set of ids, not an OR of two conditions: for that PostgreSQL reads the whole table.
    return Station.id.in_(sa.select(Station.id).where(Station.owner_id == account_id).correlate(None).union_all(shared))


def shows_drivers(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that the account may know the drivers at a Station: it owns it, or one of the grants by which it
    may see the station's sessions does not hide them."""
    member = StationGroupStation
    open_groups = authz.visible(account_id, "session:view").join(Grant, Grant.id == standing.c.grant_id)
    open_groups = open_groups.where(Grant.hides_drivers.is_(False))
    shown = sa.select(member.station_id).where(member.station_group_id.in_(open_groups))
    return sa.or_(Station.owner_id == account_id, Station.id.in_(shown))
