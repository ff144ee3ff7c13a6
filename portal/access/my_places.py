"""Where an account may charge as a special user of others: what is told to the driver himself. Four statements."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import deciding, special_user_list
from portal.access.conditions import entry_of
from portal.access.deciding import Conditions, Decision, Person
from portal.access.models import PriceRule, SpecialUser
from portal.access.special_user_list import LIMITED
from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.core.paging import SIZE, Page, offset
from portal.stations.models import Access, Connector, OpeningTime, Station, StationGroupStation

NAMED = 10  # stations of a station group


class Line(NamedTuple):
    """A place where the account is a special user now or from a day to come. `decision`: admission and price by this
    entry where the place is Limited."""

    row: SpecialUser
    owner: str
    name: str
    address: str
    stations: Sequence[str]  # of a station group, the first NAMED by name that are not Private
    user_group: str  # by which he is one; "" for his address
    decision: Decision


def listed(session: Session, account: Account, number: int = 1) -> Page[Line]:
    """The places by owner and name; none for an address that is not confirmed."""
    if account.verified_at is None:
        return Page([], number, 0)
    table, now = SpecialUser, clock.now()
    inside = sa.select(UserGroupMember.user_group_id).where(UserGroupMember.email == account.email)
    by_group = sa.select(table.id).join(UserGroup, UserGroup.id == table.user_group_id)
    by_group = by_group.where(table.user_group_id.in_(inside), UserGroup.owner_id == table.owner_id)
    mine = table.id.in_(sa.select(table.id).where(table.email == account.email).union_all(by_group))
    name = special_user_list.PLACE
    owner = accounts.shown_name()
    found = sa.select(table, owner, name, Station.address, Connector.number, UserGroup.name, sa.func.count().over())
    found = found.join(Account, Account.id == table.owner_id).where(mine, table.owner_id != account.id)
    found = found.where(sa.or_(table.ends_at.is_(None), table.ends_at > now))
    found = special_user_list.with_place(found).outerjoin(UserGroup, UserGroup.id == table.user_group_id)
    rows = session.execute(found.order_by(owner, name, table.id).limit(SIZE).offset(offset(number))).all()
    stations = _stations(session, {row[0].station_group_id for row in rows if row[0].station_group_id})
    decided = _decided(session, account, [row[0] for row in rows])
    lines = [
        Line(
            row,
            owner,
            f"{name} / {outlet}" if outlet else name,
            address or "",
            stations.get(row.station_group_id or 0, ()),
            user_group or "",
            decided[row.id],
        )
        for row, owner, name, address, outlet, user_group, _total in rows
    ]
    return Page(lines, number, rows[0][-1] if rows else 0)


def _stations(session: Session, group_ids: set[int]) -> dict[int, list[str]]:
    member = StationGroupStation
    place = sa.func.row_number().over(partition_by=member.station_group_id, order_by=(Station.name, Station.id))
    inside = sa.select(member.station_group_id, Station.name, Station.address, place.label("place"))
    some = (
        inside.join(Station, Station.id == member.station_id)
        .where(member.station_group_id.in_(group_ids), _admits())
        .subquery()
    )
    found: dict[int, list[str]] = {}
    for group_id, name, address, _place in session.execute(
        sa.select(some).where(some.c.place <= NAMED).order_by(some.c.place)
    ):
        found.setdefault(group_id, []).append(f"{name}, {address}" if address else name)
    return found


def _admits() -> sa.ColumnElement[bool]:
    """That a Station has a connector that is not Private, always or at times."""
    at_times = sa.exists().where(OpeningTime.connector_id == Connector.id, OpeningTime.access != Access.PRIVATE.value)
    opened = sa.or_(Connector.access != Access.PRIVATE.value, at_times)
    return sa.exists().where(Connector.station_id == Station.id, opened)


def _decided(session: Session, account: Account, rows: Sequence[SpecialUser]) -> dict[int, Decision]:
    """What each of these entries brings him by itself: its own price, or that of a price rule for one of his user
    groups at that place or at all of the owner's stations."""
    owners = {row.owner_id for row in rows}
    member, table = UserGroupMember, PriceRule
    mine = sa.select(UserGroup.owner_id, UserGroup.id, table).join(member, member.user_group_id == UserGroup.id)
    mine = mine.outerjoin(table, sa.and_(table.user_group_id == UserGroup.id, table.owner_id == UserGroup.owner_id))
    groups: dict[int, set[int]] = {}
    rules: dict[int, list[PriceRule]] = {}
    for owner_id, group_id, rule in session.execute(
        mine.where(member.email == account.email, UserGroup.owner_id.in_(owners))
    ):
        groups.setdefault(owner_id, set()).add(group_id)
        if rule is not None:
            rules.setdefault(owner_id, []).append(rule)
    around = _groups_around(session, {row.station_id for row in rows if row.station_id})
    found = {}
    for row in rows:
        here = {row.station_group_id} if row.station_group_id else around.get(row.station_id or 0, set())
        fitting = [
            special_user_list.rule_of(rule)
            for rule in rules.get(row.owner_id, ())
            if rule.station_group_id is None or rule.station_group_id in here
        ]
        person = Person(account.email, frozenset(groups.get(row.owner_id, ())))
        at = max(clock.now(), row.starts_at or clock.now())
        found[row.id] = deciding.decide(Conditions(LIMITED, [entry_of(row)], fitting), person, at)
    return found


def _groups_around(session: Session, station_ids: set[int]) -> dict[int, set[int | None]]:
    member = StationGroupStation
    found: dict[int, set[int | None]] = {}
    around = sa.select(member.station_id, member.station_group_id).where(member.station_id.in_(station_ids))
    for station_id, group_id in session.execute(around):
        found.setdefault(station_id, set()).add(group_id)
    return found
