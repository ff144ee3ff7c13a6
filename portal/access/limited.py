"""The Limited rule: an authorisation gives rights to manage stations, not to charge at them.

Where a connector is Limited, always or by a window of its opening times, the owner and special users alone may charge.
Whoever holds the station by an authorisation has to be a special user there besides, on whichever side the utility and
the property stand. Here it is found out who is not. Nothing is stored about it: what is found ends with its cause.

Whether an address has an account makes no difference, and none to what is told.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.models import SpecialUser
from portal.accounts.models import UserGroup, UserGroupMember
from portal.core import clock
from portal.sharing.queries import not_over
from portal.stations.models import Access, Connector, Grant, OpeningTime, StationGroupStation


class Point(NamedTuple):
    """A connector that is Limited, always or at times, in a station group that is shared."""

    connector_id: int
    station_id: int
    station_group_id: int


class Holder(NamedTuple):
    """Who holds a station group by an authorisation: an address, or a user group with the addresses in it but the
    owner's."""

    station_group_id: int
    email: str | None = None
    user_group_id: int | None = None
    members: frozenset[str] = frozenset()
    name: str = ""  # of the user group

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset({self.email}) if self.email else self.members


class Entered(NamedTuple):
    """A special user at one place, with the addresses that it admits of those that are asked about."""

    station_group_id: int | None
    station_id: int | None
    connector_id: int | None
    user_group_id: int | None
    addresses: frozenset[str]


class Missing(NamedTuple):
    """A holder who is not a special user at so many connectors; of a user group, the members who are not."""

    holder: Holder
    connectors: int
    addresses: frozenset[str]


Addresses = sa.SelectBase | list[str]  # asked for, or known


class Area(NamedTuple):
    """Where to look: these station groups of one owner, given or yet to be found; of them one station alone, or one
    connector."""

    owner_id: int
    station_group_ids: Collection[int] | sa.Select[int]
    station_id: int | None = None
    connector_id: int | None = None


def missing(
    points: Iterable[Point],
    entered: Collection[Entered],
    inside: Mapping[int, Collection[int]],
    holders: Iterable[Holder],
) -> list[Missing]:
    """Which holders are not special users at which points. Pure. `inside`: station -> the station groups it is in.

    A user group is one where it is entered as a whole, or where each of its members is. One without members lacks
    nothing.
    """
    points = list(points)
    admitted = _admitted(points, entered, inside)
    found = []
    for holder in holders:
        lacking = [
            left
            for point in points
            if point.station_group_id == holder.station_group_id
            and (left := _left(holder, *admitted[point.connector_id]))
        ]
        if lacking:
            found.append(Missing(holder, len(lacking), frozenset().union(*lacking)))
    return found


def _left(holder: Holder, addresses: Collection[str], user_group_ids: Collection[int]) -> frozenset[str]:
    if holder.user_group_id is not None and holder.user_group_id in user_group_ids:
        return frozenset()
    return holder.addresses.difference(addresses)


Admitted = tuple[frozenset[str], frozenset[int]]  # addresses, and user groups as a whole


def _admitted(
    points: Collection[Point], entered: Iterable[Entered], inside: Mapping[int, Collection[int]]
) -> dict[int, Admitted]:
    """Per connector who is admitted there. Most connectors of a group are alike: those share one answer."""
    by_place: dict[tuple[str, int | None], list[Entered]] = {}
    for one in entered:
        place = ("group", one.station_group_id) if one.station_group_id else ("connector", one.connector_id)
        place = ("station", one.station_id) if place[1] is None else place
        by_place.setdefault(place, []).append(one)
    known: dict[tuple[tuple[str, int | None], ...], Admitted] = {}
    found = {}
    for point in points:
        around = [("group", group_id) for group_id in sorted(inside.get(point.station_id, ()))]
        around += [("station", point.station_id), ("connector", point.connector_id)]
        here = tuple(place for place in around if place in by_place)
        if here not in known:
            rows = [one for place in here for one in by_place[place]]
            addresses: frozenset[str] = frozenset().union(*(one.addresses for one in rows))
            known[here] = addresses, frozenset(one.user_group_id for one in rows if one.user_group_id)
        found[point.connector_id] = known[here]
    return found


def among_holders(session: Session, area: Area, owner_email: str) -> list[Missing]:
    """Which holders of the area are not special users where it is Limited. At most four statements."""
    now = clock.now()
    points = _points(session, area)
    holders = _holders(session, area, owner_email, now) if points else []
    if not holders:
        return []
    grants, member = _live(area, now).subquery(), UserGroupMember
    given = sa.select(grants.c.email).where(grants.c.email.is_not(None))
    inside = sa.select(member.email).where(member.user_group_id.in_(sa.select(grants.c.user_group_id)))
    return _found(session, area, points, holders, given.union(inside))


def of_holder(session: Session, area: Area, email: str) -> list[Missing]:
    """The same for one address that holds every station group of the area. At most three statements."""
    points = _points(session, area)
    holders = [Holder(group_id, email) for group_id in sorted({point.station_group_id for point in points})]
    return _found(session, area, points, holders, [email]) if points else []


def _found(
    session: Session, area: Area, points: Collection[Point], holders: Collection[Holder], addresses: Addresses
) -> list[Missing]:
    entered = _entered(session, area.owner_id, addresses, [one.user_group_id for one in holders])
    inside: dict[int, set[int]] = {}
    for point in points:
        inside.setdefault(point.station_id, set()).add(point.station_group_id)
    known = {point.station_group_id for point in points}
    elsewhere = {one.station_group_id for one in entered if one.station_group_id} - known
    if elsewhere:
        _add_memberships(session, area, elsewhere, inside)
    return missing(points, entered, inside, holders)


def _live(area: Area, now: datetime) -> sa.Select[int, str | None, int | None]:
    wanted = sa.select(Grant.station_group_id, Grant.email, Grant.user_group_id)
    here = Grant.station_group_id.in_(area.station_group_ids)
    return wanted.where(here, Grant.revoked_at.is_(None), Grant.starts_at <= now, not_over(now))


def _holders(session: Session, area: Area, owner_email: str, now: datetime) -> list[Holder]:
    grants = _live(area, now).subquery()
    member = UserGroupMember
    rows = session.execute(
        sa.select(grants.c.station_group_id, grants.c.email, grants.c.user_group_id, UserGroup.name, member.email)
        .outerjoin(UserGroup, UserGroup.id == grants.c.user_group_id)
        .outerjoin(member, member.user_group_id == grants.c.user_group_id)
        .distinct()
    )
    members: dict[tuple[int, str | None, int | None, str], set[str]] = {}
    for group_id, email, user_group_id, name, address in rows:
        his = members.setdefault((group_id, email, user_group_id, name or ""), set())
        if address and address != owner_email:
            his.add(address)
    found = [Holder(*key[:3], frozenset(his), key[3]) for key, his in members.items()]
    return sorted(found, key=_by_name)


def _by_name(one: Holder) -> tuple[bool, str, str, int]:
    """User groups first."""
    return one.email is not None, one.name.lower(), one.email or "", one.station_group_id


def _points(session: Session, area: Area) -> list[Point]:
    member, window = StationGroupStation, OpeningTime
    at_times = sa.exists().where(window.connector_id == Connector.id, window.access == Access.LIMITED.value)
    wanted = (
        sa.select(Connector.id, Connector.station_id, member.station_group_id)
        .join(member, member.station_id == Connector.station_id)
        .where(member.station_group_id.in_(area.station_group_ids))
        .where(sa.or_(Connector.access == Access.LIMITED.value, at_times))
    )
    if area.station_id is not None:
        wanted = wanted.where(Connector.station_id == area.station_id)
    if area.connector_id is not None:
        wanted = wanted.where(Connector.id == area.connector_id)
    return [Point(*row) for row in session.execute(wanted)]


def _entered(
    session: Session, owner_id: int, addresses: Addresses, user_group_ids: Iterable[int | None]
) -> list[Entered]:
    """The special users in force by which these addresses, or these user groups as a whole, may charge."""
    row, member, now = SpecialUser, UserGroupMember, clock.now()
    theirs = sa.select(member.user_group_id).where(member.email.in_(addresses))
    whole = [one for one in user_group_ids if one is not None]
    rows = session.execute(
        sa.select(row, member.email)
        .outerjoin(UserGroup, UserGroup.id == row.user_group_id)
        .outerjoin(member, sa.and_(member.user_group_id == row.user_group_id, member.email.in_(addresses)))
        .where(row.owner_id == owner_id, sa.or_(row.user_group_id.is_(None), UserGroup.owner_id == owner_id))
        .where(sa.or_(row.email.in_(addresses), row.user_group_id.in_(theirs), row.user_group_id.in_(whole)))
        .where(sa.or_(row.starts_at.is_(None), row.starts_at <= now), sa.or_(row.ends_at.is_(None), row.ends_at > now))
    )
    found: dict[int, tuple[SpecialUser, set[str]]] = {}
    for one, address in rows:
        his = found.setdefault(one.id, (one, set()))[1]
        his.update(known for known in (one.email, address) if known)
    return [
        Entered(one.station_group_id, one.station_id, one.connector_id, one.user_group_id, frozenset(his))
        for one, his in found.values()
    ]


def _add_memberships(session: Session, area: Area, group_ids: Collection[int], inside: Mapping[int, set[int]]) -> None:
    """Which of the area's stations are in these other station groups as well."""
    table = StationGroupStation
    here = sa.select(table.station_id).where(table.station_group_id.in_(area.station_group_ids))
    wanted = sa.select(table.station_id, table.station_group_id).where(table.station_group_id.in_(group_ids))
    for station_id, group_id in session.execute(wanted.where(table.station_id.in_(here))):
        if station_id in inside:
            inside[station_id].add(group_id)
