"""Price rules: what the special users of a user group pay at a station group, or at all stations of its owner, from
when until when. Of one pair at most one rule holds at a time. Nothing commits."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import offers
from portal.access.models import PriceRule
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account, UserGroup
from portal.core import audit, authz
from portal.core.db import LARGEST_ID
from portal.core.errors import N_, NotAllowed, NotThere, RuleBroken
from portal.core.paging import SIZE, Page, offset
from portal.sharing.terms import first_day, last_day
from portal.stations.models import StationGroup


class Line(NamedTuple):
    """A rule in the list; `gap`: the days between the rule before it of the same pair and this one, without a price."""

    row: PriceRule
    user_group: str
    station_group: str | None  # none: all stations
    price: Price
    gap: tuple[date, date] | None


def rule(session: Session, account_id: int, action: str, row_id: int) -> PriceRule:
    """The price rule, for its owner alone; NotThere for everybody else."""
    row = session.get(PriceRule, row_id) if row_id <= LARGEST_ID else None
    if row is None or row.owner_id != account_id:
        raise NotThere
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    return row


def listed(session: Session, owner: Account, number: int = 1, user_group_id: int | None = None) -> Page[Line]:
    """The owner's rules by user group, station group and time, or those of one user group; one statement."""
    table = PriceRule
    pair = (table.user_group_id, table.station_group_id)
    in_time = sa.nulls_first(table.starts_at.asc())
    before = sa.func.lag(table.ends_at, type_=table.ends_at.type).over(partition_by=pair, order_by=in_time)
    found = sa.select(table, UserGroup.name, StationGroup.name, before, sa.func.count().over())
    found = found.join(UserGroup, UserGroup.id == table.user_group_id)
    found = found.outerjoin(StationGroup, StationGroup.id == table.station_group_id).where(table.owner_id == owner.id)
    if user_group_id is not None:
        found = found.where(table.user_group_id == user_group_id)
    all_last = sa.case((table.station_group_id.is_(None), 1), else_=0)
    ordered = found.order_by(UserGroup.name, table.user_group_id, all_last, StationGroup.name, in_time)
    rows = session.execute(ordered.limit(SIZE).offset(offset(number))).all()
    zone = ZoneInfo(owner.time_zone)
    lines = [Line(row, users, at, _price(row), _gap(end, row.starts_at, zone)) for row, users, at, end, _total in rows]
    return Page(lines, number, rows[0][-1] if rows else 0)


def _gap(end: datetime | None, start: datetime | None, zone: ZoneInfo) -> tuple[date, date] | None:
    if end is None or start is None or end >= start:
        return None
    return first_day(end, zone), last_day(start, zone)


def _price(row: PriceRule) -> Price:
    return Price(row.price_per_kwh, row.price_per_hour, row.price_per_session)


def station_groups(session: Session, owner_id: int) -> Sequence[tuple[int, str]]:
    """(id, name) of the owner's station groups by name, to choose one."""
    mine = sa.select(StationGroup.id, StationGroup.name).where(StationGroup.owner_id == owner_id)
    return [(row_id, name) for row_id, name in session.execute(mine.order_by(StationGroup.name))]


def add(session: Session, actor: Account, user_group_id: int, station_group_id: int | None, offer: Offer) -> PriceRule:
    """A new rule for one of the actor's user groups, at one of his station groups or at all his stations. RuleBroken:
    user_group, station_group, price_per_kwh, starts_on, ends_on."""
    price, span = _checked(actor, offer)
    _hold(session, actor, user_group_id)
    if station_group_id is not None:
        there = sa.select(StationGroup.owner_id).where(StationGroup.id == station_group_id)
        if session.scalar(there.with_for_update(read=True, key_share=True)) != actor.id:
            raise RuleBroken("station_group", "Choose one of your station groups.")
    row = PriceRule(owner_id=actor.id, user_group_id=user_group_id, station_group_id=station_group_id)
    _set(row, price, span)
    _must_be_alone(session, actor, row)
    session.add(row)
    session.flush()
    _record(session, "price_rule:add", actor, row, audit.differences(offers.kept(Offer()), offers.kept(offer)))
    return row


def change(session: Session, actor: Account, row: PriceRule, offer: Offer) -> None:
    """Give a rule another price and other days. RuleBroken: price_per_kwh, starts_on, ends_on."""
    price, span = _checked(actor, offer)
    _hold(session, actor, row.user_group_id)
    before = offers.offer_of(row, ZoneInfo(actor.time_zone))
    with session.no_autoflush:
        _set(row, price, span)
        _must_be_alone(session, actor, row)
    changed = audit.differences(offers.kept(before), offers.kept(offer))
    if changed:
        _record(session, "price_rule:change", actor, row, changed)
    session.flush()


def remove(session: Session, actor: Account, row: PriceRule) -> None:
    """End a rule at once; sessions that were charged under it keep their costs."""
    before = offers.offer_of(row, ZoneInfo(actor.time_zone))
    changed = audit.differences(offers.kept(before), offers.kept(Offer()))
    _record(session, "price_rule:remove", actor, row, changed)
    session.delete(row)
    session.flush()


def _checked(actor: Account, offer: Offer) -> tuple[Price, offers.Span]:
    if offer.price is None:
        raise RuleBroken("price_per_kwh", "Enter a price; 0 is free.")
    return offer.price, offers.span(offer, ZoneInfo(actor.time_zone))


def _hold(session: Session, actor: Account, user_group_id: int) -> None:
    """Of two rules for one user group at the same moment the second sees the first."""
    there = sa.select(UserGroup.owner_id).where(UserGroup.id == user_group_id)
    if session.scalar(there.with_for_update(key_share=True)) != actor.id:
        raise RuleBroken("user_group", "Choose one of your user groups.")


def _set(row: PriceRule, price: Price, span: offers.Span) -> None:
    row.price_per_kwh, row.price_per_hour, row.price_per_session = price
    row.starts_at, row.ends_at = span.starts_at, span.ends_at


def _must_be_alone(session: Session, actor: Account, row: PriceRule) -> None:
    table, mine = PriceRule, offers.Span(row.starts_at, row.ends_at)
    same = sa.select(table).where(table.user_group_id == row.user_group_id, table.owner_id == actor.id)
    same = same.where(table.station_group_id.is_not_distinct_from(row.station_group_id))
    for other in session.scalars(same).all():
        if other is not row and mine.overlaps(offers.Span(other.starts_at, other.ends_at)):
            days = offers.days(offers.offer_of(other, ZoneInfo(actor.time_zone)))
            message = N_("The rule for the same user group and stations with the days %(days)s overlaps this one.")
            raise RuleBroken("starts_on", message, days=days)


def _record(session: Session, action: str, actor: Account, row: PriceRule, changed: dict[str, list[object]]) -> None:
    told = {"station_group": row.station_group_id, "price_rule": row.id, "changed": changed}
    audit.record(session, action, f"user_group/{row.user_group_id}", actor_id=actor.id, owner_id=row.owner_id, **told)
