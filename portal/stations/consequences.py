"""What deleting would take along: figures for the pages that ask before something is ended."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import UserGroup
from portal.core import authz
from portal.stations.group_list import stands
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation

COUNTED = 10_000
NAMED = 20

# Access, charging, maintenance and exports stand above this domain and import it; here they are tables that refer to
# it.
charging_session = sa.table("charging_session", sa.column("connector_id", sa.Integer))
maintenance_entry = sa.table(
    "maintenance_entry",
    *(sa.column(name, sa.Integer) for name in ("station_id", "starts_at", "done_at", "cancelled_at")),
)
maintenance_recipient = sa.table(
    "maintenance_recipient", sa.column("station_id", sa.Integer), sa.column("station_group_id", sa.Integer)
)
export_task = sa.table(
    "export_task",
    sa.column("id", sa.Integer),
    sa.column("name", sa.String),
    sa.column("owner_id", sa.Integer),
    sa.column("scope", sa.String),
    sa.column("station_group_id", sa.Integer),
)
special_user, price_rule = (
    sa.table(name, sa.column("station_group_id", sa.Integer), sa.column("user_group_id", sa.Integer))
    for name in ("special_user", "price_rule")
)


@dataclass(frozen=True, slots=True)
class Admitting:
    """Special users and price rules that end with a station group or a user group."""

    special_users: int
    price_rules: int


@dataclass(frozen=True, slots=True)
class OfStation:
    connectors: int
    sessions: int  # up to COUNTED
    groups: Sequence[str]
    entries: int  # of the maintenance: notes, and work that is over or called off
    works: int  # planned and neither done nor called off
    receiving: int  # who receives the maintenance of it


@dataclass(frozen=True, slots=True)
class OfGroup:
    stations: int  # up to COUNTED
    recipients: Sequence[str]  # addresses and user groups with a grant that stands, up to NAMED of them
    grants: int
    tasks: Sequence[str]
    receiving: int  # who receives the maintenance of its stations


def of_station(session: Session, station: Station) -> OfStation:
    names = (
        sa.select(StationGroup.name)
        .join(StationGroupStation, StationGroupStation.station_group_id == StationGroup.id)
        .where(StationGroupStation.station_id == station.id)
        .order_by(StationGroup.name)
    )
    ids = sa.select(Connector.id).where(Connector.station_id == station.id)
    sessions, groups = _sessions(session, ids), session.scalars(names).all()
    return OfStation(len(station.connectors), sessions, groups, *_maintained(session, station))


def _maintained(session: Session, station: Station) -> tuple[int, int, int]:
    """Entries that are over, planned work, and who receives the maintenance; one statement."""
    entry, receiving = maintenance_entry.c, maintenance_recipient.c
    is_open = sa.and_(entry.starts_at.is_not(None), entry.done_at.is_(None), entry.cancelled_at.is_(None))
    here = sa.select(sa.func.count()).where(entry.station_id == station.id)
    told = sa.select(sa.func.count()).where(receiving.station_id == station.id)
    counts = (here.where(~is_open), here.where(is_open), told)
    row = session.execute(sa.select(*(count.scalar_subquery() for count in counts))).one()
    return row[0], row[1], row[2]


def sessions_of_connector(session: Session, connector: Connector) -> int:
    """The charging sessions of the connector, counted up to COUNTED."""
    return _sessions(session, sa.select(Connector.id).where(Connector.id == connector.id))


def _sessions(session: Session, connector_ids: sa.Select[int]) -> int:
    column = charging_session.c.connector_id
    rows = sa.select(column).where(column.in_(connector_ids)).limit(COUNTED).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0


def of_group(session: Session, group: StationGroup) -> OfGroup:
    member = StationGroupStation
    rows = sa.select(member.station_id).where(member.station_group_id == group.id).limit(COUNTED).subquery()
    stations = session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0
    standing = sa.select(sa.func.count()).where(Grant.station_group_id == group.id, *stands())
    receiving = sa.select(sa.func.count()).where(maintenance_recipient.c.station_group_id == group.id)
    counts = session.execute(sa.select(standing.scalar_subquery(), receiving.scalar_subquery())).one()
    found = tasks(session, group, group.owner_id)
    return OfGroup(stations, recipients(session, group), counts[0], found, counts[1])


def tasks(session: Session, group: StationGroup, reader_id: int) -> Sequence[str]:
    """The names of the export tasks on the group that the reader may see, up to NAMED of them: those on one driver, who
    may stand in the name, only where he may know the drivers."""
    standing = authz.standing
    may_see = authz.visible(reader_id, "export:view").where(standing.c.station_group_id == group.id)
    knows = may_see.outerjoin(Grant, Grant.id == standing.c.grant_id)
    knows = knows.where(sa.or_(standing.c.grant_id.is_(None), Grant.hides_drivers.is_(False)))
    scope = export_task.c.scope
    seen = sa.or_(
        export_task.c.owner_id == reader_id,
        sa.and_(scope != "driver", may_see.exists()),
        sa.and_(scope == "driver", knows.exists()),
    )
    named = sa.select(export_task.c.name).where(export_task.c.station_group_id == group.id, seen)
    return session.scalars(named.order_by(export_task.c.name).limit(NAMED)).all()


def admitting(session: Session, *, station_group_id: int | None = None, user_group_id: int | None = None) -> Admitting:
    """What of these ends with a station group or with a user group; one statement."""
    counts = []
    for table in (special_user, price_rule):
        of_group = table.c.user_group_id == user_group_id
        at_group = table.c.station_group_id == station_group_id
        ending = at_group if station_group_id is not None else of_group
        counts.append(sa.select(sa.func.count()).select_from(table).where(ending).scalar_subquery())
    return Admitting(*session.execute(sa.select(*counts)).one())


def recipients(session: Session, group: StationGroup, *, losing: Station | None = None) -> Sequence[str]:
    """Whom the group is open to by a grant that stands, by address or name of the user group, up to NAMED; with
    `losing` only those who see that station through no other group."""
    whom = sa.func.coalesce(Grant.email, UserGroup.name)
    statement = (
        sa.select(whom)
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
        .where(Grant.station_group_id == group.id, *stands())
    )
    if losing is not None:
        statement = statement.where(~_elsewhere(group, losing))
    return session.scalars(statement.distinct().order_by(whom).limit(NAMED)).all()


def _elsewhere(group: StationGroup, station: Station) -> sa.ColumnElement[bool]:
    """That the grant's recipient holds another standing grant, on another group with the station."""
    other, member = aliased(Grant), StationGroupStation
    same = sa.or_(other.email == Grant.email, other.user_group_id == Grant.user_group_id)
    return (
        sa.select(other.id)
        .join(member, member.station_group_id == other.station_group_id)
        .where(member.station_id == station.id, other.station_group_id != group.id, same, *stands(other))
        .correlate(Grant)
        .exists()
    )
