"""Recipients and entries of maintenance, as their owners and readers may see them."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.db import NO_ROW
from portal.core.errors import NotAllowed, NotThere
from portal.core.paging import SIZE, Page, offset
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.stations import queries as stations
from portal.stations.models import Station, StationGroup, StationGroupStation

OPEN = sa.and_(
    MaintenanceEntry.starts_at.is_not(None), MaintenanceEntry.done_at.is_(None), MaintenanceEntry.cancelled_at.is_(None)
)
CHOICES = 500
SHOWN = 20  # planned works of a station group on its page


class Receiving(NamedTuple):
    """A recipient in a list: of which station or group, and whom by name."""

    row: MaintenanceRecipient
    place: str
    user_group: str | None  # its name; none: an address
    members: int  # addresses in the user group

    @property
    def who(self) -> str:
        return self.user_group or self.row.email or ""


class Work(NamedTuple):
    """Planned work in a list, with the name of its station."""

    entry: MaintenanceEntry
    station: str


class Written(NamedTuple):
    """An entry with the names or addresses of who wrote it and who ended it."""

    entry: MaintenanceEntry
    by: str
    ended_by: str
    total: int  # how many there are of the kind, on all pages


def recipient(session: Session, account_id: int, action: str, row_id: int) -> MaintenanceRecipient:
    """The recipient, for the owner of the station or group alone; NotThere for everybody else."""
    row = session.get(MaintenanceRecipient, row_id)
    if row is None or row.owner_id != account_id:
        raise NotThere
    if not authz.owner_may(action):
        raise NotAllowed
    return row


def entry(session: Session, account_id: int, action: str, row_id: int) -> MaintenanceEntry:
    """The entry, by what the account is to its station; NotThere or NotAllowed else."""
    row = session.get(MaintenanceEntry, row_id)
    stations.station(session, account_id, action, row.station_id if row else NO_ROW)
    if row is None:
        raise NotThere
    return row


def own_groups(session: Session, owner_id: int) -> Sequence[tuple[int, str]]:
    """(id, name) of the owner's station groups by name, to choose one of the first CHOICES."""
    mine = sa.select(StationGroup.id, StationGroup.name).where(StationGroup.owner_id == owner_id)
    return [(row_id, name) for row_id, name in session.execute(mine.order_by(StationGroup.name).limit(CHOICES))]


def recipients_of(session: Session, place: Station | StationGroup) -> Sequence[Receiving]:
    """Who is entered for exactly this station or station group, user groups first, by name; one statement."""
    return _receiving(session, _of(place))


def recipients_by_group(session: Session, station: Station) -> Sequence[Receiving]:
    """Who receives the station's maintenance because of the station groups it is in."""
    inside = sa.select(StationGroupStation.station_group_id).where(StationGroupStation.station_id == station.id)
    return _receiving(session, MaintenanceRecipient.station_group_id.in_(inside))


def owned_recipients(session: Session, owner_id: int, text: str, page: int) -> Page[Receiving]:
    """All that the owner has entered, by station group and station, or those in whose place or recipient the text
    stands; two statements."""
    found = _receiving_query().where(MaintenanceRecipient.owner_id == owner_id)
    if text:
        named = (Station.name, StationGroup.name, UserGroup.name, MaintenanceRecipient.email)
        found = found.where(sa.or_(*(column.icontains(text, autoescape=True) for column in named)))
    total = session.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0
    order = (StationGroup.name, Station.name, UserGroup.name, MaintenanceRecipient.email, MaintenanceRecipient.id)
    ordered = found.order_by(*(column.nulls_last() for column in order[:3]), *order[3:])
    rows = session.execute(ordered.limit(SIZE).offset(offset(page)))
    return Page([Receiving(*row) for row in rows], page, total)


def addresses(station: Station) -> sa.Subquery:
    """Every address that receives the station's maintenance, once: entered for it or for one of its groups, by itself
    or in a user group."""
    inside = sa.select(StationGroupStation.station_group_id).where(StationGroupStation.station_id == station.id)
    row = MaintenanceRecipient
    here = sa.or_(row.station_id == station.id, row.station_group_id.in_(inside))
    alone = sa.select(row.email.label("email")).where(here, row.email.is_not(None))
    grouped = sa.select(UserGroupMember.email).join(row, row.user_group_id == UserGroupMember.user_group_id).where(here)
    return alone.union(grouped).subquery("receiving")


def planned(session: Session, station_ids: Collection[int]) -> dict[int, list[MaintenanceEntry]]:
    """Open work whose end has not come at these stations, by station, the next one first; one statement. The caller has
    loaded the stations through the gate: whoever sees a station sees what is planned there."""
    if not station_ids:
        return {}
    ahead = sa.select(MaintenanceEntry).where(
        MaintenanceEntry.station_id.in_(station_ids), OPEN, MaintenanceEntry.ends_at > clock.now()
    )
    found: dict[int, list[MaintenanceEntry]] = {}
    for row in session.scalars(ahead.order_by(MaintenanceEntry.starts_at, MaintenanceEntry.id)):
        found.setdefault(row.station_id, []).append(row)
    return found


def open_work(session: Session, account_id: int, text: str, page: int) -> Page[Work]:
    """Open work, overdue one included, at every station whose maintenance the account may see, the earliest first, or
    that in whose station or text the search stands; two statements."""
    seen = sa.select(MaintenanceEntry, Station.name).join(Station, Station.id == MaintenanceEntry.station_id)
    seen = seen.where(OPEN, stations.visible_stations(account_id, "maintenance:view"))
    if text:
        named = (Station.name, MaintenanceEntry.text)
        seen = seen.where(sa.or_(*(column.icontains(text, autoescape=True) for column in named)))
    total = session.scalar(sa.select(sa.func.count()).select_from(seen.subquery())) or 0
    ordered = seen.order_by(MaintenanceEntry.starts_at, MaintenanceEntry.id)
    rows = session.execute(ordered.limit(SIZE).offset(offset(page)))
    return Page([Work(*row) for row in rows], page, total)


def open_work_in(session: Session, group: StationGroup) -> Sequence[Work]:
    """The first open works at the stations of a group that the gate has let through."""
    member = StationGroupStation
    inside = sa.select(member.station_id).where(member.station_group_id == group.id)
    query = sa.select(MaintenanceEntry, Station.name).join(Station, Station.id == MaintenanceEntry.station_id)
    here = query.where(MaintenanceEntry.station_id.in_(inside), OPEN)
    rows = session.execute(here.order_by(MaintenanceEntry.starts_at, MaintenanceEntry.id).limit(SHOWN))
    return [Work(*row) for row in rows]


def open_at(session: Session, station: Station) -> Sequence[Written]:
    """Open work at a station that the gate has let through, the earliest first."""
    here = _written_query().where(MaintenanceEntry.station_id == station.id, OPEN)
    return _written(session, here.order_by(MaintenanceEntry.starts_at, MaintenanceEntry.id))


def history(session: Session, station: Station, page: int) -> Page[Written]:
    """Notes, and work that is done or called off, the newest first; one statement, two beyond the last page."""
    past = sa.and_(MaintenanceEntry.station_id == station.id, sa.not_(OPEN))
    newest = sa.func.coalesce(MaintenanceEntry.done_at, MaintenanceEntry.cancelled_at, MaintenanceEntry.written_at)
    query = _written_query().where(past).order_by(newest.desc(), MaintenanceEntry.id.desc())
    rows = _written(session, query.limit(SIZE).offset(offset(page)))
    if rows or page == 1:
        return Page(rows, page, rows[0].total if rows else 0)
    total = session.scalar(sa.select(sa.func.count()).select_from(MaintenanceEntry).where(past)) or 0
    return Page(rows, page, total)


def _of(place: Station | StationGroup) -> sa.ColumnElement[bool]:
    if isinstance(place, Station):
        return MaintenanceRecipient.station_id == place.id
    return MaintenanceRecipient.station_group_id == place.id


def _receiving_query() -> sa.Select[MaintenanceRecipient, str, str | None, int]:
    members = (
        sa.select(sa.func.count())
        .where(UserGroupMember.user_group_id == MaintenanceRecipient.user_group_id)
        .correlate(MaintenanceRecipient)
        .scalar_subquery()
    )
    place = sa.func.coalesce(StationGroup.name, Station.name)
    return (
        sa.select(MaintenanceRecipient, place, UserGroup.name, members)
        .outerjoin(Station, Station.id == MaintenanceRecipient.station_id)
        .outerjoin(StationGroup, StationGroup.id == MaintenanceRecipient.station_group_id)
        .outerjoin(UserGroup, UserGroup.id == MaintenanceRecipient.user_group_id)
    )


def _receiving(session: Session, condition: sa.ColumnElement[bool]) -> Sequence[Receiving]:
    order = (StationGroup.name, UserGroup.name.nulls_last(), MaintenanceRecipient.email)
    return [Receiving(*row) for row in session.execute(_receiving_query().where(condition).order_by(*order))]


def _written_query() -> sa.Select[MaintenanceEntry, str, str | None, int]:
    writer, ender = aliased(Account), aliased(Account)
    ended_by = sa.func.coalesce(MaintenanceEntry.done_by_id, MaintenanceEntry.cancelled_by_id)
    return (
        sa.select(MaintenanceEntry, accounts.shown_name(writer), accounts.shown_name(ender), sa.func.count().over())
        .join(writer, writer.id == MaintenanceEntry.written_by_id)
        .outerjoin(ender, ender.id == ended_by)
    )


def _written(session: Session, query: sa.Select[MaintenanceEntry, str, str | None, int]) -> Sequence[Written]:
    return [Written(row, by, ended_by or "", total) for row, by, ended_by, total in session.execute(query)]
