"""What is stored about charging at connectors, and about who charges there, as `deciding` wants it: a handful of
statements, however many connectors and drivers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.deciding import (
    Admission,
    Conditions,
    Decision,
    Entry,
    Person,
    Place,
    PricedBy,
    Rule,
    Segment,
    Terms,
)
from portal.access.models import Card, CardState, PriceRule, SpecialUser
from portal.access.prices import Price
from portal.access.week import Week
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.stations.models import Connector, ConnectorTerms, OpeningTime, Station, StationGroupStation
from portal.stations.opening import Window


class Placed(NamedTuple):
    """A connector with what is around it."""

    id: int
    station_id: int
    owner_id: int
    canton: str | None
    zone: ZoneInfo  # the owner's


def conditions_of(session: Session, connector_ids: Collection[int]) -> dict[int, Conditions]:
    """All that decides about charging at each of these connectors; six statements."""
    placed = _placed(session, connector_ids)
    station_ids = {one.station_id for one in placed}
    groups = _groups_of(session, station_ids)
    terms = _terms(session, placed)
    entries = _entries(session, station_ids, groups)
    rules = _rules(session, {one.owner_id for one in placed})
    found = {}
    for one in placed:
        inside = groups.get(one.station_id, frozenset())
        found[one.id] = Conditions(
            terms[one.id],
            [entry for row, entry in entries if _concerns(row, one, inside)],
            [rule for owner_id, rule in rules if owner_id == one.owner_id and _rule_concerns(rule, inside)],
        )
    return found


def _concerns(row: SpecialUser, at: Placed, group_ids: Collection[int]) -> bool:
    if row.station_group_id is not None:
        return row.station_group_id in group_ids
    return row.station_id == at.station_id and row.connector_id in (None, at.id)


def _rule_concerns(rule: Rule, group_ids: Collection[int]) -> bool:
    return rule.station_group_id is None or rule.station_group_id in group_ids


def _placed(session: Session, connector_ids: Collection[int]) -> list[Placed]:
    columns = (Connector.id, Connector.station_id, Connector.owner_id, Station.canton, Account.time_zone)
    wanted = sa.select(*columns).join(Station, Station.id == Connector.station_id)
    wanted = wanted.join(Account, Account.id == Connector.owner_id).where(Connector.id.in_(connector_ids))
    return [Placed(*row[:4], ZoneInfo(row[4])) for row in session.execute(wanted)]


def _groups_of(session: Session, station_ids: Collection[int]) -> dict[int, frozenset[int]]:
    member = StationGroupStation
    found: dict[int, set[int]] = {}
    wanted = sa.select(member.station_id, member.station_group_id).where(member.station_id.in_(station_ids))
    for station_id, group_id in session.execute(wanted):
        found.setdefault(station_id, set()).add(group_id)
    return {station_id: frozenset(ids) for station_id, ids in found.items()}


def _terms(session: Session, placed: Sequence[Placed]) -> dict[int, list[Terms]]:
    """What each connector said, from its beginning to now. The canton and the time zone are those of now."""
    ids = [one.id for one in placed]
    weeks = {one.id: (one.zone, one.canton) for one in placed}
    found: dict[int, list[Terms]] = {key: [] for key in ids}
    table = ConnectorTerms
    earlier = sa.select(table).where(table.connector_id.in_(ids)).order_by(table.connector_id, table.since)
    for row in session.scalars(earlier):
        week = Week([Window(*window) for window in row.windows], *weeks[row.connector_id])
        price = Price(row.price_per_kwh, row.price_per_hour)
        found[row.connector_id].append(Terms(row.access, price, week, row.since))
    present = [key for key in ids if not found[key]]
    windows = _windows(session, present)
    columns = (Connector.id, Connector.access, Connector.price_per_kwh, Connector.price_per_hour)
    for key, access, per_kwh, per_hour in session.execute(sa.select(*columns).where(Connector.id.in_(present))):
        found[key].append(Terms(access, Price(per_kwh, per_hour), Week(windows.get(key, ()), *weeks[key])))
    return found


def _windows(session: Session, connector_ids: Collection[int]) -> dict[int, list[Window]]:
    table = OpeningTime
    columns = (table.weekday, table.opens, table.closes, table.access, table.price_per_kwh, table.price_per_hour)
    wanted = sa.select(table.connector_id, *columns).where(table.connector_id.in_(connector_ids))
    found: dict[int, list[Window]] = {}
    for row in session.execute(wanted.order_by(table.weekday, table.opens)):
        found.setdefault(row[0], []).append(Window(*row[1:]))
    return found


def _entries(
    session: Session, station_ids: Collection[int], groups: Mapping[int, Collection[int]]
) -> list[tuple[SpecialUser, Entry]]:
    """The special users at these stations and their groups. One of a user group that belongs to another account than
    the place admits nobody."""
    table = SpecialUser
    group_ids = {group_id for ids in groups.values() for group_id in ids}
    here = sa.or_(table.station_id.in_(station_ids), table.station_group_id.in_(group_ids))
    wanted = sa.select(table).outerjoin(UserGroup, UserGroup.id == table.user_group_id)
    own = sa.or_(table.user_group_id.is_(None), UserGroup.owner_id == table.owner_id)
    return [(row, entry_of(row)) for row in session.scalars(wanted.where(here, own).order_by(table.id))]


def entry_of(row: SpecialUser) -> Entry:
    """A special user as the deciding function sees him."""
    place = Place.CONNECTOR if row.connector_id else Place.STATION if row.station_id else Place.STATION_GROUP
    price = None
    if row.price_per_kwh is not None:
        price = Price(row.price_per_kwh, row.price_per_hour or 0, row.price_per_session or 0)
    return Entry(row.id, place, row.email, row.user_group_id, price, row.starts_at, row.ends_at)


def _rules(session: Session, owner_ids: Collection[int]) -> list[tuple[int, Rule]]:
    table = PriceRule
    wanted = sa.select(table).join(UserGroup, UserGroup.id == table.user_group_id)
    own = sa.and_(table.owner_id.in_(owner_ids), UserGroup.owner_id == table.owner_id)
    found = []
    for row in session.scalars(wanted.where(own).order_by(table.id)):
        price = Price(row.price_per_kwh, row.price_per_hour, row.price_per_session)
        rule = Rule(row.id, row.user_group_id, row.station_group_id, price, row.starts_at, row.ends_at)
        found.append((row.owner_id, rule))
    return found


Shown = tuple[str | None, str | None]
"""How somebody showed himself at a station: the address of his account, and the number of his card; none: unknown."""


def people_of(session: Session, owner_id: int, shown: Iterable[Shown], *, ended: bool = False) -> dict[Shown, Person]:
    """Who charges at this owner's stations. A card counts while it is active: it stands for its account's address, or
    for a member of its user group. With `ended` a blocked or replaced one counts as well: for whoever has looked when
    that was. Three statements."""
    wanted = set(shown)
    cards = _cards(session, {number for _email, number in wanted if number}, ended=ended)
    emails = {key: key[0] or (cards[key[1]][0] if key[1] in cards else None) for key in wanted}
    member = UserGroupMember
    inside = sa.select(member.email, member.user_group_id).join(UserGroup, UserGroup.id == member.user_group_id)
    inside = inside.where(UserGroup.owner_id == owner_id, member.email.in_({one for one in emails.values() if one}))
    groups: dict[str, set[int]] = {}
    for address, group_id in session.execute(inside):
        groups.setdefault(address, set()).add(group_id)
    owner = session.get_one(Account, owner_id).email
    found = {}
    for key in wanted:
        email = emails[key]
        _holder, of_card, group_owner_id = cards.get(key[1], (None, None, None))
        by_card = {of_card} if of_card is not None and group_owner_id == owner_id else set()
        his = groups.get(email or "", set()) | by_card
        found[key] = Person(email, frozenset(his), is_owner=email is not None and email == owner)
    return found


_Behind = tuple[str | None, int | None, int | None]


def _cards(session: Session, numbers: Collection[str], *, ended: bool) -> dict[str | None, _Behind]:
    """The address, the user group and its owner behind each active card, and behind those that have ended."""
    if not numbers:
        return {}
    wanted = sa.select(Card.number, Account.email, Card.user_group_id, UserGroup.owner_id)
    wanted = wanted.outerjoin(Account, Account.id == Card.account_id)
    wanted = wanted.outerjoin(UserGroup, UserGroup.id == Card.user_group_id)
    wanted = wanted.where(Card.number.in_(numbers), *([] if ended else [Card.state == CardState.ACTIVE.value]))
    return {number: (email, group_id, owner) for number, email, group_id, owner in session.execute(wanted)}


def told(segments: Iterable[Segment]) -> list[Any]:
    """Decisions as they are kept with a cost: who was admitted how, and by what the price came, from when on."""
    return [
        {
            "from": segment.starts_at.isoformat(),
            "admission": segment.decision.admission.value,
            "access": segment.decision.access,
            "priced_by": segment.decision.priced_by.value,
            "price": list(segment.decision.price),
            "special_user": segment.decision.priced_entry.id if segment.decision.priced_entry else None,
            "rule": segment.decision.rule.id if segment.decision.rule else None,
        }
        for segment in segments
    ]


def kept(decisions: Sequence[Any], ended_at: datetime) -> list[Segment]:
    """Decisions that were kept with the cost of a session, as far as costs need them."""
    starts = [datetime.fromisoformat(one["from"]) for one in decisions]
    return [
        Segment(
            starts_at,
            ends_at,
            Decision(Admission(one["admission"]), one["access"], Price(*one["price"]), PricedBy(one["priced_by"])),
        )
        for one, starts_at, ends_at in zip(decisions, starts, [*starts[1:], ended_at], strict=True)
    ]


def whole_second(instant: datetime) -> datetime:
    """The instant without what is less than a second: costs count seconds."""
    return instant.replace(microsecond=0)
