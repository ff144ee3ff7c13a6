"""Special users of a place: who may charge where it is Limited, at what price, from when until when.

A place is a station group, a station or a connector; only its owner enters special users there, whom he knows by
their address or by one of his user groups. Nothing commits.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import offers
from portal.access.models import SpecialUser
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts import emails
from portal.accounts.models import Account, UserGroup
from portal.core import audit
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.stations.models import Connector, Station, StationGroup

Spot = StationGroup | Station | Connector
NOTHING = Offer()


def add(
    session: Session,
    actor: Account,
    place: Spot,
    *,
    email: str = "",
    user_group: UserGroup | None = None,
    offer: Offer = NOTHING,
) -> SpecialUser:
    """Enter one address, or one of the owner's user groups, at the place; `actor` owns it. RuleBroken: email,
    user_group, starts_on, ends_on."""
    if bool(email.strip()) == (user_group is not None):
        raise RuleBroken("email", "Choose a user group or enter an e-mail address, one of the two.")
    if user_group is None:
        return add_all(session, actor, place, [emails.normalise(email)], offer)[0]
    return _add_user_group(session, actor, place, user_group, offer)


def add_all(
    session: Session, actor: Account, place: Spot, addresses: Sequence[str], offer: Offer = NOTHING
) -> list[SpecialUser]:
    """Enter these normalised addresses at the place, all on the same terms. RuleBroken on `email`, and none is
    entered, where one of them is a special user there at that time already."""
    return add_each(session, actor, place, [(address, offer) for address in addresses])


def add_each(session: Session, actor: Account, place: Spot, wanted: Sequence[tuple[str, Offer]]) -> list[SpecialUser]:
    """As `add_all`, each address on its own terms."""
    hold(session, actor, place)
    checked = Wanted(session, actor, place, {email for email, _offer in wanted})
    rows, zone = [checked.add(email, offer) for email, offer in wanted], ZoneInfo(actor.time_zone)
    session.add_all(rows)
    session.flush()
    for row in rows:
        _record(session, "special_user:add", actor, row, changed=_changed(NOTHING, offers.offer_of(row, zone)))
    return rows


class Wanted:
    """Addresses that are to be entered at a place, each looked at beside those before it and what is there already."""

    def __init__(self, session: Session, actor: Account, place: Spot, addresses: set[str]) -> None:
        self.actor, self.place, self.zone = actor, place, ZoneInfo(actor.time_zone)
        self._there = _present(session, place, addresses)

    def add(self, email: str, offer: Offer) -> SpecialUser:
        """The row for the address, not yet in the session. RuleBroken: email, starts_on, ends_on."""
        if email == self.actor.email:
            raise RuleBroken("email", "This is your own address: the owner may charge at his stations anyway.")
        row, there = _row(self.actor, self.place, offer, email=email), self._there.setdefault(email, [])
        _must_be_new(row, there, email, self.zone)
        there.append(row)
        return row


def _add_user_group(session: Session, actor: Account, place: Spot, user_group: UserGroup, offer: Offer) -> SpecialUser:
    """The user group is held before the place, as in `portal.sharing.turns`."""
    there = sa.select(UserGroup.owner_id).where(UserGroup.id == user_group.id)
    if session.scalar(there.with_for_update(read=True, key_share=True)) != actor.id:
        raise RuleBroken("user_group", "Choose one of your user groups.")
    hold(session, actor, place)
    row, zone = _row(actor, place, offer, user_group_id=user_group.id), ZoneInfo(actor.time_zone)
    same = sa.select(SpecialUser).where(at(place), SpecialUser.user_group_id == user_group.id)
    _must_be_new(row, session.scalars(same), user_group.name, zone, "user_group")
    session.add(row)
    session.flush()
    _record(session, "special_user:add", actor, row, changed=_changed(NOTHING, offers.offer_of(row, zone)))
    return row


def change(session: Session, actor: Account, row: SpecialUser, offer: Offer) -> None:
    """Give a special user another price and other days. RuleBroken: starts_on, ends_on."""
    place = spot(session, row)
    hold(session, actor, place)
    zone = ZoneInfo(actor.time_zone)
    before, (starts_at, ends_at) = offers.offer_of(row, zone), offers.span(offer, zone)
    row.starts_at, row.ends_at = starts_at, ends_at
    _set_price(row, offer.price)
    whose = SpecialUser.email == row.email if row.email else SpecialUser.user_group_id == row.user_group_id
    with session.no_autoflush:
        others = session.scalars(sa.select(SpecialUser).where(at(place), whose, SpecialUser.id != row.id)).all()
    _must_be_new(row, others, row.email or str(row.user_group.name if row.user_group else ""), zone, "starts_on")
    changed = _changed(before, offer)
    if changed:
        _record(session, "special_user:change", actor, row, changed=changed)
    session.flush()


def remove(session: Session, actor: Account, row: SpecialUser) -> None:
    """End a special user at once; sessions that he has charged keep their costs."""
    hold(session, actor, spot(session, row))
    changed = _changed(offers.offer_of(row, ZoneInfo(actor.time_zone)), NOTHING)
    _record(session, "special_user:remove", actor, row, changed=changed)
    session.delete(row)
    session.flush()


def at(place: Spot) -> sa.ColumnElement[bool]:
    """That a SpecialUser is entered at this very place."""
    table = SpecialUser
    if isinstance(place, StationGroup):
        return table.station_group_id == place.id
    if isinstance(place, Station):
        return sa.and_(table.station_id == place.id, table.connector_id.is_(None))
    return table.connector_id == place.id


def spot(session: Session, row: SpecialUser) -> Spot:
    """The place of a special user who was loaded by the gate."""
    if row.station_group_id is not None:
        return session.get_one(StationGroup, row.station_group_id)
    if row.connector_id is not None:
        return session.get_one(Connector, row.connector_id)
    return session.get_one(Station, row.station_id)


def hold(session: Session, actor: Account, place: Spot) -> None:
    """Of two who enter somebody at one place the second sees what the first has entered. NotThere where the place has
    gone meanwhile, NotAllowed where it has become somebody else's."""
    table, row_id = (StationGroup, place.id) if isinstance(place, StationGroup) else (Station, _station_id(place))
    owner_id = session.scalar(sa.select(table.owner_id).where(table.id == row_id).with_for_update(key_share=True))
    if owner_id is None:
        raise NotThere
    if owner_id != actor.id:
        raise NotAllowed


def _station_id(place: Station | Connector) -> int:
    return place.station_id if isinstance(place, Connector) else place.id


def _present(session: Session, place: Spot, addresses: set[str]) -> dict[str, list[SpecialUser]]:
    found: dict[str, list[SpecialUser]] = {}
    ordered = sorted(addresses)
    for first in range(0, len(ordered), 500):
        some = SpecialUser.email.in_(ordered[first : first + 500])
        for row in session.scalars(sa.select(SpecialUser).where(at(place), some)):
            found.setdefault(row.email or "", []).append(row)
    return found


def _row(actor: Account, place: Spot, offer: Offer, **whom: object) -> SpecialUser:
    starts_at, ends_at = offers.span(offer, ZoneInfo(actor.time_zone))
    row = SpecialUser(owner_id=actor.id, added_by_id=actor.id, starts_at=starts_at, ends_at=ends_at, **whom)
    if isinstance(place, StationGroup):
        row.station_group_id = place.id
    else:
        row.station_id = _station_id(place)
        row.connector_id = place.id if isinstance(place, Connector) else None
    _set_price(row, offer.price)
    return row


def _set_price(row: SpecialUser, price: Price | None) -> None:
    row.price_per_kwh, row.price_per_hour, row.price_per_session = price or (None, None, None)


def _must_be_new(
    row: SpecialUser, others: Iterable[SpecialUser], name: str, zone: ZoneInfo, field: str = "email"
) -> None:
    mine = offers.Span(row.starts_at, row.ends_at)
    for other in others:
        if not mine.overlaps(offers.Span(other.starts_at, other.ends_at)):
            continue
        if other.starts_at is None and other.ends_at is None:
            raise RuleBroken(field, "%(who)s is a special user here already.", who=name)
        days = offers.days(offers.offer_of(other, zone))
        raise RuleBroken(field, "%(who)s is a special user here already, on these days: %(days)s.", who=name, days=days)


def _changed(before: Offer, after: Offer) -> dict[str, list[object]]:
    return audit.differences(offers.kept(before), offers.kept(after))


def _record(session: Session, action: str, actor: Account, row: SpecialUser, **detail: object) -> None:
    if row.station_group_id is not None:
        place = f"station_group/{row.station_group_id}"
    else:
        place = f"connector/{row.connector_id}" if row.connector_id else f"station/{row.station_id}"
    whom = {"email": row.email} if row.email else {"user_group": row.user_group_id}
    told = {**whom, "special_user": row.id, **detail}
    audit.record(session, action, place, actor_id=actor.id, owner_id=row.owner_id, **told)
