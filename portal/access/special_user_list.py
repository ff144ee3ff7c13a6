"""The special users of a place, as somebody may see them: those entered there and those of the more general places
around it, with what counts. No row is loaded past this gate."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload

from portal.access import deciding, special_users
from portal.access.conditions import entry_of
from portal.access.deciding import Conditions, Decision, Entry, Person, PricedBy, Rule, Terms
from portal.access.models import PriceRule, SpecialUser
from portal.access.prices import FREE, Price
from portal.access.special_users import Spot
from portal.access.week import Week
from portal.accounts.models import UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.authz import Standing
from portal.core.db import LARGEST_ID, NO_ROW
from portal.core.errors import NotAllowed, NotThere
from portal.core.paging import SIZE, Page, offset
from portal.stations import queries as stations
from portal.stations.models import Access, Connector, Grant, Station, StationGroup

# What is asked of each entry is what it does where the place is Limited; there it matters.
LIMITED = (Terms(Access.LIMITED, FREE, Week((), ZoneInfo("UTC"))),)
# Of what `with_place` joins: the name of the station group or the station; a connector adds its number to it.
PLACE = sa.func.coalesce(StationGroup.name, Station.name)


class Line(NamedTuple):
    """A special user in the list of a place. `decision`: what holds by all that is entered around the place for the
    same person or user group, where it is Limited, now or when the entry begins."""

    row: SpecialUser
    name: str  # of the user group; "" for an address
    group_name: str  # of the station group it is entered at; "" at a station or a connector
    entry: Entry
    decision: Decision

    @property
    def admits(self) -> bool:
        """Whether it is this one by which he is admitted."""
        return self.decision.entry is not None and self.decision.entry.id == self.row.id

    @property
    def prices(self) -> bool:
        """Whether its own price is the one that is paid."""
        return self.decision.priced_entry is not None and self.decision.priced_entry.id == self.row.id

    @property
    def lacks_a_price(self) -> bool:
        return self.decision.priced_by is PricedBy.NOTHING


def special_user(session: Session, account_id: int, action: str, row_id: int) -> SpecialUser:
    """The special user, by what the account is to the place; NotThere or NotAllowed else."""
    with_group = [joinedload(SpecialUser.user_group)]
    row = session.get(SpecialUser, row_id, options=with_group) if row_id <= LARGEST_ID else None
    if row is not None and row.owner_id == account_id:
        allowed = authz.owner_actions()
    else:
        around = stations.groups_of(session, (row.station_id if row else None) or NO_ROW)
        held = authz.standings(session, account_id, [(row.station_group_id if row else None) or NO_ROW, *around])
        allowed = authz.actions(held)
    if row is None or "station_group:view" not in allowed:
        raise NotThere
    if action not in allowed:
        raise NotAllowed
    return row


def knows_drivers(session: Session, account_id: int, place: Spot) -> sa.ColumnElement[bool]:
    """The condition that an account which may see the special users of the place may know who they are: it owns the
    place, or one of the grants by which it sees them does not hide the drivers."""
    if place.owner_id == account_id:
        return sa.true()
    ids = [held.grant_id for held in _held(session, account_id, place) if _sees(held)]
    return sa.exists(sa.select(Grant.id).where(Grant.id.in_(ids), Grant.hides_drivers.is_(False)))


def _held(session: Session, account_id: int, place: Spot) -> Sequence[Standing]:
    if isinstance(place, StationGroup):
        return stations.held_on(session, account_id, place.id)
    return stations.held_at(session, account_id, place.station_id if isinstance(place, Connector) else place.id)


def _sees(held: Standing) -> bool:
    return (held.role, held.licence, "special_user:view") in authz.ALLOWED


class Listed(NamedTuple):
    """A page of lines; `knows`: whether the reader may know who the drivers are."""

    page: Page[Line]
    knows: bool


def listed(session: Session, account_id: int, place: Spot, number: int = 1, text: str = "") -> Listed:
    """Everybody entered at the place and at the more general places around it that the account may see, the special
    ones first; those alone whose address or user group holds the text, where the account may know the drivers. Four
    statements."""
    groups = _groups_around(session, account_id, place)
    table, group_name = SpecialUser, StationGroup.name
    who, knows = sa.func.coalesce(table.email, UserGroup.name), knows_drivers(session, account_id, place)
    all_of_them, shown = sa.func.count().over(), sa.cast(sa.case((knows, 1), else_=0), sa.Integer)
    found = sa.select(table, UserGroup.name, group_name, all_of_them, shown).where(_around(place, groups))
    found = found.outerjoin(UserGroup, UserGroup.id == table.user_group_id)
    found = found.outerjoin(StationGroup, StationGroup.id == table.station_group_id)
    if text.strip():
        fits = sa.func.lower(who).contains(text.strip().lower(), autoescape=True)
        found = found.where(sa.or_(fits, ~knows))
    special_first = sa.case((table.connector_id.is_not(None), 0), (table.station_id.is_not(None), 1), else_=2)
    found = found.order_by(special_first, group_name, who, table.id).limit(SIZE).offset(offset(number))
    rows = session.execute(found).all()
    decided = _decided(session, place, groups, [row[0] for row in rows])
    lines = [Line(row, name or "", group or "", entry_of(row), decided[row.id]) for row, name, group, *_ in rows]
    return Listed(Page(lines, number, rows[0][3] if rows else 0), bool(rows[0][4]) if rows else True)


def with_place(found: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
    """Special users with the StationGroup, the Station or the Connector where they are entered."""
    for kind, column in (
        (StationGroup, SpecialUser.station_group_id),
        (Station, SpecialUser.station_id),
        (Connector, SpecialUser.connector_id),
    ):
        found = found.outerjoin(kind, kind.id == column)
    return found


def _groups_around(session: Session, account_id: int, place: Spot) -> Sequence[int]:
    """The station groups whose special users concern the place, as far as the account may see them."""
    if isinstance(place, StationGroup):
        return [place.id]
    if place.owner_id != account_id:
        return [held.station_group_id for held in _held(session, account_id, place) if _sees(held)]
    return stations.groups_of(session, place.station_id if isinstance(place, Connector) else place.id)


def _around(place: Spot, groups: Sequence[int]) -> sa.ColumnElement[bool]:
    table = SpecialUser
    if isinstance(place, StationGroup):
        return special_users.at(place)
    at_groups = table.station_group_id.in_(groups)
    if isinstance(place, Station):
        return sa.or_(at_groups, special_users.at(place))
    here = sa.or_(table.connector_id.is_(None), table.connector_id == place.id)
    return sa.or_(at_groups, sa.and_(table.station_id == place.station_id, here))


def _decided(session: Session, place: Spot, groups: Sequence[int], rows: Sequence[SpecialUser]) -> dict[int, Decision]:
    """By the id of each of these special users what holds for the same person or user group."""
    emails = {row.email for row in rows if row.email}
    user_groups = {row.user_group_id for row in rows if row.user_group_id}
    inside, rules = _memberships_and_rules(session, place.owner_id, emails, user_groups, groups)
    user_groups = user_groups.union(*inside.values())
    same = sa.or_(SpecialUser.email.in_(emails), SpecialUser.user_group_id.in_(user_groups))
    entries = [entry_of(row) for row in session.scalars(sa.select(SpecialUser).where(_around(place, groups), same))]
    conditions = Conditions(LIMITED, entries, rules)
    found = {}
    for row in rows:
        his = inside.get(row.email or "", frozenset()) if row.email else frozenset({row.user_group_id or NO_ROW})
        at = max(clock.now(), row.starts_at or datetime.min.replace(tzinfo=UTC))
        found[row.id] = deciding.decide(conditions, Person(row.email, his), at)
    return found


def _memberships_and_rules(
    session: Session, owner_id: int, emails: Collection[str], user_groups: Collection[int], groups: Sequence[int]
) -> tuple[dict[str, frozenset[int]], list[Rule]]:
    """The owner's user groups that each address is in; and the price rules for these and for further user groups, at
    these station groups or at all stations. One statement."""
    table, member = PriceRule, UserGroupMember
    here = sa.or_(table.station_group_id.is_(None), table.station_group_id.in_(groups))
    found = sa.select(member.email, UserGroup.id, table).select_from(UserGroup)
    found = found.outerjoin(member, sa.and_(member.user_group_id == UserGroup.id, member.email.in_(emails)))
    found = found.outerjoin(table, sa.and_(table.user_group_id == UserGroup.id, table.owner_id == owner_id, here))
    wanted = sa.or_(UserGroup.id.in_(user_groups), member.email.is_not(None))
    inside: dict[str, frozenset[int]] = {}
    rules: dict[int, Rule] = {}
    for email, group_id, row in session.execute(found.where(UserGroup.owner_id == owner_id, wanted)):
        if email is not None:
            inside[email] = inside.get(email, frozenset()) | {group_id}
        if row is not None:
            rules[row.id] = rule_of(row)
    return inside, list(rules.values())


def memberships(session: Session, owner_id: int, email: str) -> frozenset[int]:
    """The owner's user groups that the address is in."""
    return _memberships_and_rules(session, owner_id, {email}, (), ())[0].get(email, frozenset())


def rule_of(row: PriceRule) -> Rule:
    """A price rule as the deciding function sees it."""
    price = Price(row.price_per_kwh, row.price_per_hour, row.price_per_session)
    return Rule(row.id, row.user_group_id, row.station_group_id, price, row.starts_at, row.ends_at)
