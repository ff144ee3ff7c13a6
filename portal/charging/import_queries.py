"""Imports and saved mappings, as the actor may see them. No row is loaded past this gate."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account
from portal.charging.models import ImportMapping, SessionImport
from portal.core import authz, paging
from portal.core.db import LARGEST_ID, NO_ROW
from portal.core.errors import NotAllowed, NotThere
from portal.stations import queries as stations
from portal.stations.models import Station, StationGroup


def owners(session: Session, account_id: int) -> Sequence[Account]:
    """The accounts for whose stations this one may import: itself first, then by name."""
    shared = _owners_of(authz.visible(account_id, "session:import"))
    wanted = sa.select(Account).where(sa.or_(Account.id == account_id, Account.id.in_(shared)))
    return session.scalars(wanted.order_by(Account.id != account_id, Account.name, Account.id)).all()


def _owners_of(station_groups: sa.Select[int]) -> sa.Select[int]:
    """The owners of the station groups of these ids. A join: for an IN (...) PostgreSQL walks along all groups."""
    found = station_groups.subquery()
    return sa.select(StationGroup.owner_id).join(found, found.c.station_group_id == StationGroup.id)


def owner(session: Session, account_id: int, action: str, row_id: int) -> Account:
    """An account for whose stations this one may do the action; NotAllowed where it may only see them, NotThere for
    everybody else."""
    row = session.get(Account, row_id) if 0 < row_id <= LARGEST_ID else None
    owner_id = row.id if row else NO_ROW
    if owner_id != account_id and not _may_for(session, account_id, action, owner_id):
        raise NotAllowed if _may_for(session, account_id, "station_group:view", owner_id) else NotThere
    if row is None:
        raise NotThere
    return row


def _may_for(session: Session, account_id: int, action: str, owner_id: int) -> bool:
    groups = sa.select(StationGroup.id).where(
        StationGroup.owner_id == owner_id, StationGroup.id.in_(authz.visible(account_id, action))
    )
    return session.scalar(groups.limit(1)) is not None


def groups_to_import(session: Session, account_id: int, owner_id: int) -> Sequence[StationGroup]:
    """The owner's station groups to which the account may import, by name."""
    wanted = sa.select(StationGroup).where(
        StationGroup.owner_id == owner_id, StationGroup.id.in_(authz.visible(account_id, "session:import"))
    )
    return session.scalars(wanted.order_by(StationGroup.name)).all()


def stations_to_import(session: Session, account_id: int, owner_id: int, most: int = 1000) -> Sequence[Station]:
    """The owner's stations to which the account may import, by name."""
    seen = stations.visible_stations(account_id, "session:import")
    wanted = sa.select(Station).where(Station.owner_id == owner_id, seen)
    return session.scalars(wanted.order_by(Station.name, Station.id).limit(most)).all()


def concerns(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that a SessionImport row concerns the account: the stations are its own, or it imports itself and
    still may."""
    may_for = _owners_of(authz.visible(account_id, "session:import"))
    table = SessionImport
    own_doing = sa.and_(table.account_id == account_id, table.owner_id.in_(may_for))
    return sa.or_(table.owner_id == account_id, own_doing)


def imports(session: Session, account_id: int, number: int) -> paging.Page[tuple[SessionImport, Account, Account]]:
    """A page of imports with owner and importer, the latest first."""
    importer, whose = aliased(Account), aliased(Account)
    concerned = concerns(account_id)
    total = session.scalar(sa.select(sa.func.count()).select_from(SessionImport).where(concerned)) or 0
    query = sa.select(SessionImport, whose, importer).where(concerned)
    query = query.join(whose, whose.id == SessionImport.owner_id).join(
        importer, importer.id == SessionImport.account_id
    )
    query = query.order_by(SessionImport.created_at.desc(), SessionImport.id.desc())
    found = session.execute(query.limit(paging.SIZE).offset(paging.offset(number))).all()
    return paging.Page([(row[0], row[1], row[2]) for row in found], max(1, number), total)


def session_import(session: Session, account_id: int, _action: str, row_id: int) -> SessionImport:
    """The import, when it concerns the account; NotThere else."""
    row = session.scalar(sa.select(SessionImport).where(SessionImport.id == row_id, concerns(account_id)))
    if row is None:
        raise NotThere
    return row


def mappings(session: Session, account_id: int) -> Sequence[ImportMapping]:
    """The account's saved mappings, by name."""
    wanted = sa.select(ImportMapping).where(ImportMapping.account_id == account_id)
    return session.scalars(wanted.order_by(ImportMapping.name)).all()


def mapping(session: Session, account_id: int, _action: str, row_id: int) -> ImportMapping:
    """The saved mapping, for the account that saved it; NotThere else."""
    row = session.get(ImportMapping, row_id)
    if row is None or row.account_id != account_id:
        raise NotThere
    return row
