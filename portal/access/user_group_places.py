"""Where a user group is a special user, and what its drivers pay: what its page tells its owner."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import price_rules, special_user_list
from portal.access.conditions import entry_of
from portal.access.models import SpecialUser
from portal.access.prices import Price
from portal.accounts.models import Account, UserGroup
from portal.core.paging import SIZE
from portal.stations.models import Connector


class Place(NamedTuple):
    """Where the user group is entered: `kind` is station_group, station or connector; `price` its own one, or none."""

    row: SpecialUser
    kind: str
    place_id: int
    name: str
    price: Price | None


class Places(NamedTuple):
    """The first SIZE entries and price rules, and how many more there are of each."""

    entries: Sequence[Place]
    more_entries: int
    rules: Sequence[price_rules.Line]
    more_rules: int


def of(session: Session, owner: Account, user_group: UserGroup) -> Places:
    """The entries of the owner's user group by the name of their place, and its price rules; two statements."""
    table = SpecialUser
    name = special_user_list.PLACE
    found = sa.select(table, name, Connector.number, sa.func.count().over())
    mine = special_user_list.with_place(found).where(table.user_group_id == user_group.id, table.owner_id == owner.id)
    rows = session.execute(mine.order_by(name, Connector.number, table.id).limit(SIZE)).all()
    entries = [_place(row, at, outlet) for row, at, outlet, _total in rows]
    rules = price_rules.listed(session, owner, user_group_id=user_group.id)
    more = rows[0][-1] - len(rows) if rows else 0
    return Places(entries, more, rules.items, rules.total - len(rules.items))


def _place(row: SpecialUser, name: str, outlet: int | None) -> Place:
    price = entry_of(row).price
    if row.station_group_id is not None:
        return Place(row, "station_group", row.station_group_id, name, price)
    if row.connector_id is not None:
        return Place(row, "connector", row.connector_id, f"{name} / {outlet}", price)
    return Place(row, "station", row.station_id or 0, name, price)
