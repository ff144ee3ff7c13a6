"""The Limited rule: an authorisation gives rights to manage stations, not to charge at them.

Where a connector is Limited, always or by a window of its opening times, the owner and special users alone may charge.
Whoever holds the station by an authorisation has to be a special user there besides, on whichever side the utility and
the property stand. Here it is found out who is not. Nothing is stored about it: what is found ends with its cause.

Whether an address has an account makes no difference, and none to what is told.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.access.models import SpecialUser, SpecialUserRequest
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.core.db import UtcDateTime
from portal.sharing.queries import not_over
from portal.stations.models import Access, Connector, Grant, OpeningTime, StationGroupStation

POINT, HOLDER, ASKED, DECLINED = range(4)  # what a row tells


class Point(NamedTuple):
    """A connector that is Limited, always or at times, in a station group that is shared."""

    connector_id: int
    station_id: int
    station_group_id: int


class Ask(NamedTuple):
    """A request to be entered that waits for the owner's answer."""

    request_id: int
    email: str
    asked_at: datetime


class Asked(NamedTuple):
    """What a holder has asked for himself, and when the owner said no."""

    asked_at: datetime
    declined_at: datetime | None


class Holder(NamedTuple):
    """Who holds a station group by an authorisation: an address, or a user group with the addresses in it but the
    owner's. `asks`: who of them has asked to be entered and waits for the answer."""

    station_group_id: int
    email: str | None = None
    user_group_id: int | None = None
    members: frozenset[str] = frozenset()
    name: str = ""  # of the user group
    asks: tuple[Ask, ...] = ()

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


Where = tuple[Collection[Point], Mapping[int, Collection[int]]]  # and the station groups around each station


def among_holders(session: Session, area: Area, owner_email: str) -> list[Missing]:
    """Which holders of the area are not special users where it is Limited. Two statements."""
    now = clock.now()
    rows = session.execute(sa.union_all(_points(area), _holders(area, now))).all()
    where = _where(row for row in rows if row.kind == POINT)
    holders = _as_holders((row for row in rows if row.kind == HOLDER), owner_email)
    if not where[0] or not holders:
        return []
    grants, member = _live(area, now).subquery(), UserGroupMember
    given = sa.select(grants.c.email).where(grants.c.email.is_not(None))
    inside = sa.select(member.email).where(member.user_group_id.in_(sa.select(grants.c.user_group_id)))
    return _found(session, area, where, holders, given.union(inside))


def of_holder(session: Session, area: Area, account: Account) -> tuple[list[Missing], Asked | None]:
    """The same for one account that holds every station group of the area; and what it has asked for there last. Two
    statements."""
    table = SpecialUserRequest
    ids = (table.id, table.station_group_id, _nothing(sa.Integer))
    texts = [_nothing(sa.String) for _ in range(3)]
    mine = sa.and_(table.account_id == account.id, table.station_group_id.in_(area.station_group_ids))
    asked = sa.select(sa.literal(ASKED), *ids, *texts, table.asked_at).where(mine)
    declined = sa.select(sa.literal(DECLINED), *ids, *texts, table.declined_at).where(mine)
    rows = session.execute(sa.union_all(_points(area), asked, declined)).all()
    where = _where(row for row in rows if row.kind == POINT)
    holders = [Holder(group_id, account.email) for group_id in sorted({one.station_group_id for one in where[0]})]
    found = _found(session, area, where, holders, [account.email]) if where[0] else []
    answers = {row.connector_id: row.asked_at for row in rows if row.kind == DECLINED}
    requests = [Asked(row.asked_at, answers[row.connector_id]) for row in rows if row.kind == ASKED]
    return found, max(requests, key=lambda one: one.asked_at, default=None)


def _found(
    session: Session, area: Area, where: Where, holders: Collection[Holder], addresses: Addresses
) -> list[Missing]:
    points, inside = where
    entered = _entered(session, area.owner_id, addresses, [one.user_group_id for one in holders])
    return missing(points, entered, inside, holders)


def _live(area: Area, now: datetime) -> sa.Select[int, str | None, int | None]:
    wanted = sa.select(Grant.station_group_id, Grant.email, Grant.user_group_id)
    here = Grant.station_group_id.in_(area.station_group_ids)
    return wanted.where(here, Grant.revoked_at.is_(None), Grant.starts_at <= now, not_over(now))


def _holders(area: Area, now: datetime) -> sa.Select[*tuple[Any, ...]]:
    grants, asked = _live(area, now).subquery(), SpecialUserRequest
    member = UserGroupMember
    address = sa.func.coalesce(member.email, grants.c.email)
    his_request = sa.and_(asked.station_group_id == grants.c.station_group_id, asked.declined_at.is_(None))
    ids = (grants.c.station_group_id, grants.c.user_group_id, asked.id)
    return (
        sa.select(sa.literal(HOLDER), *ids, grants.c.email, UserGroup.name, address, asked.asked_at)
        .select_from(grants)
        .outerjoin(UserGroup, UserGroup.id == grants.c.user_group_id)
        .outerjoin(member, member.user_group_id == grants.c.user_group_id)
        .outerjoin(Account, Account.email == address)
        .outerjoin(asked, sa.and_(asked.account_id == Account.id, his_request))
        .distinct()
    )


def _as_holders(rows: Iterable[sa.Row[*tuple[Any, ...]]], owner_email: str) -> list[Holder]:
    known: dict[tuple[int, str | None, int | None, str], dict[str, Ask | None]] = {}
    for _kind, group_id, user_group_id, request_id, email, name, at, asked_at in rows:
        his = known.setdefault((group_id, email, user_group_id, name or ""), {})
        if at and at != owner_email:
            his[at] = Ask(request_id, at, asked_at) if request_id else None
    found = []
    for key, his in known.items():
        asks = tuple(sorted(ask for ask in his.values() if ask is not None))
        found.append(Holder(*key[:3], frozenset(his) if key[2] else frozenset(), key[3], asks))
    return sorted(found, key=_by_name)


def _by_name(one: Holder) -> tuple[bool, str, str, int]:
    """User groups first."""
    return one.email is not None, one.name.lower(), one.email or "", one.station_group_id


def _points(area: Area) -> sa.Select[*tuple[Any, ...]]:
    """The Limited connectors of the area, with all station groups that their stations are in, as text. Joined, those
    would tempt PostgreSQL to read all stations of all groups for a large one."""
    member, around, window = StationGroupStation, aliased(StationGroupStation), OpeningTime
    inside = sa.func.aggregate_strings(sa.cast(around.station_group_id, sa.String), " ")
    others = sa.select(inside).where(around.station_id == Connector.station_id).correlate(Connector).scalar_subquery()
    at_times = sa.exists().where(window.connector_id == Connector.id, window.access == Access.LIMITED.value)
    ids = (
        Connector.id.label("connector_id"),
        Connector.station_id.label("station_id"),
        member.station_group_id.label("group_id"),
    )
    texts = [*(_nothing(sa.String).label(name) for name in ("email", "name")), others.label("inside")]
    wanted = (
        sa.select(sa.literal(POINT).label("kind"), *ids, *texts, _nothing(UtcDateTime).label("asked_at"))
        .join(member, member.station_id == Connector.station_id)
        .where(member.station_group_id.in_(area.station_group_ids))
        .where(sa.or_(Connector.access == Access.LIMITED.value, at_times))
    )
    if area.station_id is not None:
        wanted = wanted.where(Connector.station_id == area.station_id)
    return wanted if area.connector_id is None else wanted.where(Connector.id == area.connector_id)


def _nothing(kind: type[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.null(), kind)


def _where(rows: Iterable[sa.Row[*tuple[Any, ...]]]) -> Where:
    points: set[Point] = set()
    inside: dict[int, set[int]] = {}
    for row in rows:
        points.add(Point(row.connector_id, row.station_id, row.group_id))
        inside[row.station_id] = {int(number) for number in row.inside.split()}
    return sorted(points), inside


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
