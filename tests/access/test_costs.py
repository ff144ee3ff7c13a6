"""What sessions cost: by hand, and to the Rappen against fractions."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import floor
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.access.costs import Charged, Cost, cost, within
from portal.access.deciding import NOBODY, Conditions, Segment, Terms, segments
from portal.access.prices import Price, vat_permille, vat_within
from portal.access.week import Week
from portal.charging.spreading import spread
from portal.stations.opening import Window

START = datetime(2026, 3, 25, 17, tzinfo=UTC)  # 18:00 in Zurich
ZURICH = ZoneInfo("Europe/Zurich")


def charged(energy_wh: int, minutes: int, parked: int = 0, start: datetime = START) -> Charged:
    until = start + timedelta(minutes=minutes)
    return Charged(start, until, until + timedelta(minutes=parked), list(spread(start, until, energy_wh)))


def priced(session: Charged, price: Price, *windows: Window, access: str = "public") -> list[Segment]:
    place = Conditions([Terms(access, price, Week(windows, ZURICH))])
    return segments(place, NOBODY, session.started_at, session.ended_at)


def test_energy_time_and_parking_are_parts_of_their_own() -> None:
    session = charged(20_000, 120, parked=60)
    found = cost(session, priced(session, Price(per_kwh=4500, per_hour=12_000, per_session=10_000)))
    assert found == Cost(energy=900, time=240, parking=120, start=100, total=1360)


def test_a_window_that_begins_on_the_way_changes_the_price_there() -> None:
    session = charged(12_000, 120)  # 18:00 to 20:00, 6 kWh an hour
    evening = Window(2, 19 * 60 + 10, 24 * 60, "public", 1000, 0)
    found = cost(session, priced(session, Price(per_kwh=5000), evening))
    assert found.energy == 7 * 50 + 5 * 10
    assert not found.gap


@pytest.mark.parametrize(
    ("wh", "price", "rappen"),
    [
        (1, 5000, 0),
        (10, 5000, 1),
        (9, 5000, 0),
        (1001, 4500, 45),
        (1011, 4500, 45),
        (1012, 4500, 46),
        (1_000_000, 1, 10),
    ],
)
def test_each_part_is_rounded_half_up_once(wh: int, price: int, rappen: int) -> None:
    session = charged(wh, 60)
    assert cost(session, priced(session, Price(per_kwh=price))).energy == rappen


@pytest.mark.parametrize(
    ("exact", "total"), [(100, 100), (101, 100), (102, 100), (103, 105), (104, 105), (107, 105), (108, 110)]
)
def test_five_rappen_stand_as_a_part(exact: int, total: int) -> None:
    session = charged(1000, 60)
    found = cost(session, priced(session, Price(per_kwh=exact * 100)), five_rappen=True)
    assert (found.energy, found.total, found.rounding) == (exact, total, total - exact)


def test_where_no_price_applies_it_is_told() -> None:
    session = charged(10_000, 60)
    found = cost(session, priced(session, Price(per_kwh=4500), access="limited"))
    assert (found.total, found.gap) == (0, True)


def test_a_session_of_no_time_and_one_without_energy() -> None:
    moment = Charged(START, START, START, [(START, 500)])
    assert cost(moment, priced(moment, Price(per_kwh=4000))).energy == 20
    empty = Charged(START, START, START, [])
    assert cost(empty, priced(empty, Price(4000, 4000, 100))) == Cost(start=1, total=1)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 200_000),
    st.integers(1, 20 * 3600),
    st.integers(0, 4 * 3600),
    st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440), st.integers(0, 9000)), max_size=1),
    st.integers(0, 9999),
    st.integers(0, 24 * 60),
)
def test_no_wh_is_lost_and_none_is_counted_twice(
    energy_wh: int, seconds: int, parked: int, edges: list[tuple[int, int, int]], per_hour: int, at: int
) -> None:
    start = START + timedelta(minutes=at, seconds=at % 60)
    until = start + timedelta(seconds=seconds)
    session = Charged(start, until, until + timedelta(seconds=parked), list(spread(start, until, energy_wh)))
    windows = [
        Window(day, opens, closes, "public", 100_000, per_hour)
        for day in range(7)
        for opens, closes, _price in edges
        if opens < closes
    ]
    found = priced(session, Price(per_kwh=100_000, per_hour=per_hour), *windows)
    paid = cost(session, found)
    assert paid.energy == energy_wh  # a Rappen per Wh, whatever the windows
    assert paid.time == floor(Fraction(seconds * per_hour, 360_000) + Fraction(1, 2))
    assert paid.parking == floor(Fraction(parked * per_hour, 360_000) + Fraction(1, 2))
    assert paid.total == paid.energy + paid.time + paid.parking + paid.start + paid.rounding


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 90_000),
    st.integers(0, 3 * 24 * 60),
    st.integers(0, 600),
    st.integers(0, 24 * 60),
    st.lists(st.integers(-50, 6 * 96), max_size=4),
    st.booleans(),
)
def test_periods_that_follow_one_another_share_a_cost_to_the_rappen(
    energy_wh: int, minutes: int, parked: int, at: int, cuts: list[int], five: bool
) -> None:
    session = charged(energy_wh, minutes, parked, START + timedelta(minutes=at))
    day = Window(3, 0, 24 * 60, "public", 1237, 333)
    decided = priced(session, Price(4567, 789, 250), day)
    whole = cost(session, decided, five_rappen=five)
    edges = [START - timedelta(days=2), *(START + timedelta(minutes=15 * cut) for cut in sorted(cuts))]
    edges.append(START + timedelta(days=9))
    shares = [within(session, decided, whole, first, last) for first, last in pairwise(edges)]
    assert tuple(map(sum, zip(*(share[:6] for share in shares), strict=True))) == whole[:6]
    assert all(share.start >= 0 and share.energy >= 0 and share.time >= 0 and share.parking >= 0 for share in shares)


def test_the_vat_rate_is_that_of_the_day() -> None:
    days = {"2017-12-31": 80, "2018-01-01": 77, "2023-12-31": 77, "2024-01-01": 81, "2026-11-29": 81, "2001-01-01": 80}
    assert {day: vat_permille(datetime.fromisoformat(day).date()) for day in days} == days


@given(st.integers(0, 10**9), st.sampled_from([77, 80, 81, 26]))
def test_the_vat_within_a_total_is_rounded_half_up(total: int, permille: int) -> None:
    assert vat_within(total, permille) == floor(Fraction(total * permille, 1000 + permille) + Fraction(1, 2))
