"""Stations, connectors and station groups, as the actor may see them. No row is loaded past this gate."""

from collections.abc import Sequence
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from portal.core import authz
from portal.core.authz import Standing, standing
from portal.core.db import LARGEST_ID, NO_ROW
from portal.core.errors import NotAllowed, NotThere
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation

KEPT = "standings"  # in a session's info: what the gate found, until the transaction ends
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
    return authz.may(session, account_id, action, groups_of(session, station.id) or [NO_ROW])


def actions(session: Session, account_id: int, station: Station | None) -> frozenset[str]:
    """All that the account may do to the station: as its owner, or by its standings in the station's groups. To none:
    nothing, found out by the same statements as for a station of others."""
    if station is not None and station.owner_id == account_id:
        keep(session, account_id, "station_id", station.id, [])
        return authz.owner_actions()
    return authz.actions(_ask_by_groups(session, account_id, station.id if station else NO_ROW))


def held_at(session: Session, account_id: int, station_id: int) -> list[Standing]:
    """What the account is to the station's groups, strongest first, for the page about it: as the gate has found it in
    this very transaction, else asked now. Whoever writes asks anew."""
    kept = let_in_by(session, account_id, "station_id", station_id)
    return _ask_by_groups(session, account_id, station_id) if kept is None else kept


def held_on(session: Session, account_id: int, station_group_id: int) -> list[Standing]:
    """As `held_at`, to a station group."""
    kept = let_in_by(session, account_id, "station_group_id", station_group_id)
    return authz.standings(session, account_id, [station_group_id]) if kept is None else kept


def _ask_by_groups(session: Session, account_id: int, station_id: int) -> list[Standing]:
    found = authz.standings(session, account_id, groups_of(session, station_id) or [NO_ROW])
    keep(session, account_id, "station_id", station_id, found)
    return found


def let_in_by(session: Session, account_id: int, name: str, row_id: int) -> list[Standing] | None:
    """The standings, strongest first, by which the gate has let the account in to the row that this argument of an
    address names, in this very transaction; empty for what hangs on a station of its own, None where it was not
    asked."""
    kept: list[Standing] | None = session.info.get(KEPT, {}).get((account_id, name, row_id))
    return kept


def keep(session: Session, account_id: int, name: str, row_id: int, found: list[Standing]) -> None:
    """Hand on what the gate has found, see `let_in_by`."""
    session.info.setdefault(KEPT, {})[account_id, name, row_id] = found


def keep_as_of_station(session: Session, account_id: int, name: str, row_id: int, station_id: int) -> None:
    """Hand on, for a row that hangs on this station, what the gate has just found for the station."""
    keep(session, account_id, name, row_id, session.info[KEPT][account_id, "station_id", station_id])


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info.pop(KEPT, None)


def station(session: Session, account_id: int, action: str, row_id: int) -> Station:
    """The station, when the account may do the action; NotThere or NotAllowed else."""
    row = _row(session, Station, row_id)
    allowed = actions(session, account_id, row)
    if row is None or "station:view" not in allowed:
        raise NotThere
    if action not in allowed:
        raise NotAllowed
    return row


def connectors_of(session: Session, station: Station) -> Sequence[Connector]:
    """All connectors of a station that the gate has let through, with their opening times; one statement."""
    wanted = sa.select(Connector).where(Connector.station_id == station.id).order_by(Connector.number)
    found = session.scalars(wanted.options(joinedload(Connector.opening_times))).unique().all()
    set_committed_value(station, "connectors", list(found))
    return found


def connector(session: Session, account_id: int, action: str, row_id: int) -> Connector:
    """The connector, by what the account is to its station; NotThere or NotAllowed else."""
    row = _row(session, Connector, row_id)
    parent = station(session, account_id, action, row.station_id if row else NO_ROW)
    if row is None:
        raise NotThere
    set_committed_value(row, "station", parent)  # else it is read once more
    keep_as_of_station(session, account_id, "connector_id", row_id, parent.id)
    return row


def station_group(session: Session, account_id: int, action: str, row_id: int) -> StationGroup:
    """The station group, when the account may do the action; NotThere or NotAllowed else."""
    row = _row(session, StationGroup, row_id)
    held = authz.standings(session, account_id, [row_id])
    allowed = authz.actions(held)
    if "station_group:view" not in allowed or row is None:
        raise NotThere
    if action not in allowed:
        raise NotAllowed
    keep(session, account_id, "station_group_id", row_id, held)
    return row


def grant(session: Session, account_id: int, action: str, row_id: int) -> Grant:
    """The grant, by what the account is to its station group; NotThere or NotAllowed else."""
    row = _row(session, Grant, row_id)
    group = station_group(session, account_id, action, row.station_group_id if row else NO_ROW)
    if row is None:
        raise NotThere
    keep(session, account_id, "grant_id", row_id, held_on(session, account_id, group.id))
    return row


def visible_stations(account_id: int, action: str) -> sa.ColumnElement[bool]:
    """The condition that a Station row is one on which the account may do the action: the filter of every list,
    search, count and export of stations and of what hangs on them."""
    shared = _in_groups(authz.visible(account_id, action))
    if not authz.owner_may(action):
        return Station.id.in_(shared)
    # One set of ids, not an OR of two conditions: for that PostgreSQL reads the whole table.
    return Station.id.in_(sa.select(Station.id).where(Station.owner_id == account_id).correlate(None).union_all(shared))


def shared_stations(account_id: int, action: str) -> sa.Select[int]:
    """The ids of the stations on which the account may do the action by a grant, whoever owns them."""
    return _in_groups(authz.visible(account_id, action).where(standing.c.grant_id.is_not(None)))


def _in_groups(station_group_ids: sa.Select[int]) -> sa.Select[int]:
    member = StationGroupStation
    return sa.select(member.station_id).where(member.station_group_id.in_(station_group_ids))


def shows_drivers(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that the account may know the drivers at a Station: it owns it, or one of the grants by which it
    may see the station's sessions does not hide them."""
    return sa.or_(Station.owner_id == account_id, Station.id.in_(_in_groups(_open_groups(account_id))))


def shows_drivers_of_each(account_id: int) -> sa.ColumnElement[bool]:
    """As `shows_drivers`, to be told of the few Stations of a page: asked by the groups of each. A set of all stations
    with open drivers would be made of thousands of groups, or of all memberships there are."""
    member = StationGroupStation
    grant_id = _open_groups(account_id).with_only_columns(Grant.id)
    grant_id = grant_id.where(standing.c.station_group_id == member.station_group_id).correlate(member).limit(1)
    by_grant = sa.select(member.station_id).where(member.station_id == Station.id).correlate(Station)
    by_grant = by_grant.where(grant_id.scalar_subquery().is_not(None)).limit(1)
    return sa.or_(Station.owner_id == account_id, by_grant.scalar_subquery().is_not(None))


def _open_groups(account_id: int) -> sa.Select[int]:
    """The station groups whose sessions the account may see by a grant that does not hide their drivers."""
    held = authz.visible(account_id, "session:view").join(Grant, Grant.id == standing.c.grant_id)
    return held.where(Grant.hides_drivers.is_(False))
