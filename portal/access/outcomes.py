"""What removing a special user brings about: where he can no longer charge, and what he then pays elsewhere."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import conditions, deciding, special_user_list
from portal.access.deciding import Conditions, Decision, Person
from portal.access.models import SpecialUser
from portal.access.prices import Price
from portal.core import clock
from portal.stations.models import Connector, Station, StationGroupStation

LOOKED_AT = 200  # connectors of a large station group
NAMED = 5
WEEK = timedelta(days=7)


class Outcome(NamedTuple):
    """What becomes so at these connectors, the first of them by name: none for the price: he can no longer charge
    there. `at_times`: within the opening times only."""

    price: Price | None
    at_times: bool
    names: Sequence[str]
    connectors: int


class Outcomes(NamedTuple):
    """Of the first LOOKED_AT connectors of the place."""

    connectors: int
    changes: Sequence[Outcome]  # where nothing changes is left out


def of_removing(session: Session, row: SpecialUser) -> Outcomes:
    """What becomes so within a week from now, or from the entry's first day, without this special user."""
    names = dict(_connectors(session, row))
    around = conditions.conditions_of(session, list(names))
    person = _person(session, row)
    start = max(clock.now(), row.starts_at or clock.now())
    found: dict[tuple[Price | None, bool], list[str]] = {}
    for key, name in names.items():
        for change in _changes(around[key], person, row.id, start):
            found.setdefault(change, []).append(name)
    ordered = sorted(found.items(), key=lambda one: (one[0][0] is not None, one[0][1], one[0][0] or Price()))
    changes = [Outcome(price, times, some[:NAMED], len(some)) for (price, times), some in ordered]
    return Outcomes(len(names), changes)


def _connectors(session: Session, row: SpecialUser) -> Iterator[tuple[int, str]]:
    wanted = sa.select(Connector.id, Station.name, Connector.number).join(Station, Station.id == Connector.station_id)
    if row.station_group_id is not None:
        member = StationGroupStation
        inside = sa.select(member.station_id).where(member.station_group_id == row.station_group_id)
        wanted = wanted.where(Station.id.in_(inside))
    else:
        wanted = wanted.where(Station.id == row.station_id)
    if row.connector_id is not None:
        wanted = wanted.where(Connector.id == row.connector_id)
    ordered = wanted.order_by(Station.name, Connector.number, Connector.id).limit(LOOKED_AT)
    return ((key, f"{name} / {number}") for key, name, number in session.execute(ordered))


def _person(session: Session, row: SpecialUser) -> Person:
    """Of a user group somebody who is in that one alone."""
    if row.user_group_id is not None:
        return Person(None, frozenset({row.user_group_id}))
    return Person(row.email, special_user_list.memberships(session, row.owner_id, row.email or ""))


def _changes(around: Conditions, person: Person, entry_id: int, start: datetime) -> set[tuple[Price | None, bool]]:
    """The prices that he pays then and not before, none where he can no longer charge, each with whether that is so
    at times only."""
    without = around._replace(entries=[entry for entry in around.entries if entry.id != entry_id])
    end = start + WEEK
    edges = {one.starts_at for some in (around, without) for one in deciding.segments(some, person, start, end)}
    pairs = [
        (deciding.decide(around, person, first), deciding.decide(without, person, first))
        for first, _last in pairwise([*sorted(edges), end])
    ]
    changes = [_change(before, after) for before, after in pairs]
    return {(price, len(set(changes)) > 1) for change in changes if change is not None for price in change}


def _change(before: Decision, after: Decision) -> tuple[Price | None] | None:
    """None where all stays; else a tuple with the price after, or with None where he may no longer charge."""
    if before.may and not after.may:
        return (None,)
    return (after.price,) if after.may and before.price != after.price else None
