from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.charging.spreading import spread

QUARTER = timedelta(minutes=15)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
lengths = st.timedeltas(timedelta(0), timedelta(days=20))


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return datetime(2026, 3, 1, hour, minute, second, tzinfo=UTC)


def test_an_hour_on_the_quarters_is_split_evenly() -> None:
    shares = list(spread(at(14, 0), at(15, 0), 11_000))
    assert shares == [(at(14, 0), 2750), (at(14, 15), 2750), (at(14, 30), 2750), (at(14, 45), 2750)]


def test_shares_follow_the_time_in_each_quarter() -> None:
    shares = list(spread(at(14, 10), at(14, 40), 300))
    assert shares == [(at(14, 0), 50), (at(14, 15), 150), (at(14, 30), 100)]


def test_no_wh_is_lost_to_rounding() -> None:
    assert [energy for _, energy in spread(at(0, 0), at(0, 45), 100)] == [33, 33, 34]


@pytest.mark.parametrize("moment", [at(14, 0), at(14, 7, 30), at(14, 14, 59)])
def test_a_session_without_length_lies_in_one_quarter(moment: datetime) -> None:
    assert list(spread(moment, moment, 7)) == [(at(14, 0), 7)]


def test_the_hour_that_the_clock_repeats_is_two_hours() -> None:
    zurich = ZoneInfo("Europe/Zurich")
    start = datetime(2026, 10, 25, 2, 0, tzinfo=zurich)
    shares = list(spread(start, datetime(2026, 10, 25, 3, 0, tzinfo=zurich), 8_000))
    assert len(shares) == 8
    assert shares[0] == (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), 1000)


@settings(deadline=None)  # the machine may be busy
@given(instants, lengths, st.integers(0, 10**9))
def test_the_sum_is_exact_and_no_share_negative(start: datetime, length: timedelta, energy_wh: int) -> None:
    energies = [energy for _, energy in spread(start, start + length, energy_wh)]
    assert sum(energies) == energy_wh
    assert min(energies) >= 0


@settings(deadline=None)  # the machine may be busy
@given(instants, lengths)
def test_quarters_follow_each_other_and_hold_the_session(start: datetime, length: timedelta) -> None:
    quarters = [quarter for quarter, _ in spread(start, start + length, 1)]
    assert all(later - earlier == QUARTER for earlier, later in pairwise(quarters))
    assert quarters[0].minute % 15 == quarters[0].second == quarters[0].microsecond == 0
    assert quarters[0] <= start < quarters[0] + QUARTER
    assert quarters[-1] <= start + length <= quarters[-1] + QUARTER
    assert length == timedelta(0) or quarters[-1] < start + length


@settings(deadline=None)  # the machine may be busy
@given(instants, lengths, st.integers(0, 10**6))
def test_each_share_is_linear_to_one_wh(start: datetime, length: timedelta, energy_wh: int) -> None:
    end = start + length
    for quarter, share in spread(start, end, energy_wh):
        inside = min(end, quarter + QUARTER) - max(start, quarter)
        assert abs(share * length - energy_wh * inside) < max(length, timedelta(microseconds=1)) or not length


@pytest.mark.parametrize(
    ("start", "end", "energy_wh", "message"),
    [
        (at(15, 0), at(14, 0), 1, "end before"),
        (at(14, 0), at(15, 0), -1, "negative"),
        (at(14, 0).replace(tzinfo=None), at(15, 0), 1, "time zone"),
    ],
)
def test_it_refuses_what_is_no_session(start: datetime, end: datetime, energy_wh: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spread(start, end, energy_wh)
