"""Who may charge at a charging point at an instant, at what price, and why: one pure function decides.

The rules (the original's documentation, see the guide; where it is silent, ours):

- Public: everyone may charge; Limited: the owner and special users; Private: the owner alone. A window of the opening
  times that holds at the instant replaces the connector's own access and prices.
- Special users are entered at a connector, a station or a station group, as one address or as a user group. An
  individual entry beats a group's; among those the more special place beats the more general.
- A special user pays by his entry if it has a price; else by a price rule for one of his user groups, where a rule
  for this station group beats one for all stations. Of equals the one that is cheaper for him counts (kWh, hour,
  session, then the older one).
- Without either, at Public he pays the public price; at Limited the public price does not apply: charging is then
  free, and shown as a gap.
- The owner pays nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import NamedTuple

from portal.access.prices import FREE, Price
from portal.access.week import Week
from portal.stations.models import Access
from portal.stations.opening import Window


class Place(IntEnum):
    """Where a special user is entered, the most special first."""

    CONNECTOR = 0
    STATION = 1
    STATION_GROUP = 2


class Entry(NamedTuple):
    """A special user at a place that contains the charging point; from `since` on, until before `until`."""

    id: int
    place: Place
    email: str | None = None
    user_group_id: int | None = None
    price: Price | None = None
    since: datetime | None = None
    until: datetime | None = None


class Rule(NamedTuple):
    """A price for a user group: at a station group that contains the charging point, or at all stations."""

    id: int
    user_group_id: int
    station_group_id: int | None
    price: Price
    since: datetime | None = None
    until: datetime | None = None


class Terms(NamedTuple):
    """What a connector says itself, from an instant on; none: at any time."""

    access: str
    price: Price
    week: Week
    since: datetime | None = None


class Conditions(NamedTuple):
    """All that is stored about charging at one connector. `terms` in the order of time, at least one."""

    terms: Sequence[Terms]
    entries: Sequence[Entry] = ()
    rules: Sequence[Rule] = ()


class Person(NamedTuple):
    """Who wants to charge: his address, if known, and the owner's user groups that he or his card is in."""

    email: str | None = None
    user_group_ids: frozenset[int] = frozenset()
    is_owner: bool = False


NOBODY = Person()


class Admission(StrEnum):
    OWNER = "owner"
    SPECIAL_USER = "special_user"
    PUBLIC = "public"
    NOT_SPECIAL_USER = "not_special_user"  # refused: Limited
    PRIVATE = "private"  # refused


class PricedBy(StrEnum):
    OWNER = "owner"
    ENTRY = "entry"
    RULE = "rule"
    PUBLIC = "public"
    NOTHING = "nothing"  # no price applies


ADMITTED = frozenset({Admission.OWNER, Admission.SPECIAL_USER, Admission.PUBLIC})


class Decision(NamedTuple):
    """What holds for a person at a connector from an instant on, and by what."""

    admission: Admission
    access: str
    price: Price
    priced_by: PricedBy
    entry: Entry | None = None  # by which he is a special user
    priced_entry: Entry | None = None
    rule: Rule | None = None
    window: Window | None = None

    @property
    def may(self) -> bool:
        return self.admission in ADMITTED


class Segment(NamedTuple):
    starts_at: datetime
    ends_at: datetime
    decision: Decision


def decide(conditions: Conditions, person: Person, at: datetime) -> Decision:
    """Whether the person may charge at the instant, at what price, and why."""
    terms = _terms_at(conditions.terms, at)
    window = terms.week.at(at)
    access = window.access if window else terms.access
    public = Price(window.price_per_kwh, window.price_per_hour) if window else terms.price
    if person.is_owner:
        return Decision(Admission.OWNER, access, FREE, PricedBy.OWNER, window=window)
    entries = sorted((entry for entry in conditions.entries if _holds(entry, person, at)), key=_entry_order)
    admission = _admission(access, special=bool(entries))
    entry = entries[0] if entries else None
    decided = Decision(admission, access, FREE, PricedBy.NOTHING, entry, window=window)
    if not decided.may:
        return decided
    priced = next((one for one in entries if one.price is not None), None)
    if priced is not None and priced.price is not None:
        return decided._replace(price=priced.price, priced_by=PricedBy.ENTRY, priced_entry=priced)
    rules = (rule for rule in conditions.rules if rule.user_group_id in person.user_group_ids and _in_force(rule, at))
    rule = min(rules, key=_rule_order, default=None)
    if rule is not None:
        return decided._replace(price=rule.price, priced_by=PricedBy.RULE, rule=rule)
    if access == Access.PUBLIC:
        return decided._replace(price=public, priced_by=PricedBy.PUBLIC)
    return decided


def segments(conditions: Conditions, person: Person, start: datetime, end: datetime) -> list[Segment]:
    """What holds from start to end, in order and without gaps: one decision each, neighbours differ. At least one,
    also where start is end."""
    instants = sorted({start, end, *(edge for edge in _edges(conditions, start, end) if start < edge < end)})
    if len(instants) == 1:
        return [Segment(start, end, decide(conditions, person, start))]
    found: list[Segment] = []
    for first, last in pairwise(instants):
        decision = decide(conditions, person, first)
        if found and found[-1].decision == decision:
            found[-1] = found[-1]._replace(ends_at=last)
        else:
            found.append(Segment(first, last, decision))
    return found


def _edges(conditions: Conditions, start: datetime, end: datetime) -> Iterator[datetime]:
    for terms in conditions.terms:
        if terms.since is not None:
            yield terms.since
        yield from terms.week.edges(start, end)
    dated: Iterable[Entry | Rule] = (*conditions.entries, *conditions.rules)
    for one in dated:
        yield from (edge for edge in (one.since, one.until) if edge is not None)


def _terms_at(terms: Sequence[Terms], at: datetime) -> Terms:
    """The latest that had begun. Of the time before the first of them nothing is known: it goes by what is said now."""
    begun = [one for one in terms if one.since is None or one.since <= at]
    return (begun or terms)[-1]


def _in_force(dated: Entry | Rule, at: datetime) -> bool:
    return (dated.since is None or dated.since <= at) and (dated.until is None or at < dated.until)


def _holds(entry: Entry, person: Person, at: datetime) -> bool:
    his = entry.email is not None and entry.email == person.email
    return (his or entry.user_group_id in person.user_group_ids) and _in_force(entry, at)


def _entry_order(entry: Entry) -> tuple[bool, int, bool, Price, int]:
    return entry.email is None, entry.place, entry.price is None, entry.price or FREE, entry.id


def _rule_order(rule: Rule) -> tuple[bool, Price, int]:
    return rule.station_group_id is None, rule.price, rule.id


def _admission(access: str, *, special: bool) -> Admission:
    if access == Access.PRIVATE:
        return Admission.PRIVATE
    if special:
        return Admission.SPECIAL_USER
    return Admission.PUBLIC if access == Access.PUBLIC else Admission.NOT_SPECIAL_USER
