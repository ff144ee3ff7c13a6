"""What sessions cost by the rules, against a plain loop that multiplies by one fixed price.

Pure on both sides: the conditions of 200 connectors (a third Public, a third with a night window, a third with special
users and price rules), a million sessions of a few quarter hours each. Where both must agree - Public at one price
without a window - the amounts are compared.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from benchmarks.result import Result
from portal.access import costs, deciding
from portal.access.costs import Charged
from portal.access.deciding import Conditions, Entry, Person, Place, Rule, Terms
from portal.access.prices import Price
from portal.access.week import Week
from portal.stations.opening import Row, windows

SESSIONS = 1_000_000
AT_ONCE = 20_000  # made, timed, thrown away: a million sessions with their quarters would fill the memory
PRICE = Price(4500, 6000)
QUARTER = timedelta(minutes=15)
ZURICH = ZoneInfo("Europe/Zurich")


class Asked(NamedTuple):
    conditions: Conditions
    person: Person
    charged: Charged
    is_plain: bool  # one fixed price holds


def run() -> Iterator[Result]:
    chance = random.Random(7)
    places = [_conditions(number) for number in range(200)]
    by_rules = by_loop = 0.0
    for _ in range(SESSIONS // AT_ONCE):
        asked = [_session(chance, places) for _ in range(AT_ONCE)]
        started = time.perf_counter()
        ruled = [_by_rules(one) for one in asked]
        between = time.perf_counter()
        plain = [_by_loop(one.charged) for one in asked]
        by_loop += time.perf_counter() - between
        by_rules += between - started
        if any(one != other for one, other, told in zip(ruled, plain, asked, strict=True) if told.is_plain):
            raise AssertionError("the rules and the loop disagree where one fixed price holds")
    peer = "a plain loop over one fixed price"
    yield Result("cost_rules_1000000", "sessions/s", SESSIONS / by_rules, peer, SESSIONS / by_loop, "")


def _by_rules(one: Asked) -> int:
    segments = deciding.segments(one.conditions, one.person, one.charged.started_at, one.charged.ended_at)
    return costs.cost(one.charged, segments).total


def _by_loop(charged: Charged) -> int:
    energy = 0
    for _starts_at, energy_wh in charged.quarters:
        energy += energy_wh * PRICE.per_kwh
    charging = int((charged.charged_until - charged.started_at).total_seconds()) * PRICE.per_hour
    parking = int((charged.ended_at - charged.charged_until).total_seconds()) * PRICE.per_hour
    return (energy + 50_000) // 100_000 + (charging + 180_000) // 360_000 + (parking + 180_000) // 360_000


def _conditions(number: int) -> tuple[Conditions, bool]:
    if number % 3 == 0:
        return Conditions([Terms("public", PRICE, Week((), ZURICH))]), True
    night = windows([Row("daily", "22:00", "06:00", "limited", "0.25", "0.10")]) if number % 3 == 1 else ()
    entries = [Entry(key, Place(key % 3), email=f"driver{key}@x.example", price=Price(3000)) for key in range(20)]
    rules = [Rule(key, key, None, Price(2800 + key)) for key in range(5)]
    return Conditions([Terms("limited", PRICE, Week(night, ZURICH))], entries, rules), False


def _session(chance: random.Random, places: list[tuple[Conditions, bool]]) -> Asked:
    conditions, is_plain = chance.choice(places)
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(365 * 86400))
    charged_until = start + timedelta(minutes=chance.randrange(15, 240))
    first = start - timedelta(minutes=start.minute % 15, seconds=start.second)
    quarters = []
    while first < charged_until:
        quarters.append((first, chance.randrange(500, 2750)))
        first += QUARTER
    end = charged_until + timedelta(minutes=chance.randrange(300))
    person = Person(f"driver{chance.randrange(40)}@x.example", frozenset({chance.randrange(10)}))
    return Asked(conditions, person, Charged(start, charged_until, end, quarters), is_plain)
