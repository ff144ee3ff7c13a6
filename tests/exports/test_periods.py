from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.exports.periods import (
    Interval,
    Period,
    day_begins,
    make_period,
    next_period,
    periods,
    quarter_hours,
)

ZURICH = ZoneInfo("Europe/Zurich")
DAY = timedelta(days=1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)
zones = st.sampled_from(
    [
        "Europe/Zurich", "UTC", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Pacific/Apia",
        "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo", "Asia/Pyongyang",
        "America/Santiago", "America/Nuuk",
    ]
).map(ZoneInfo)  # fmt: skip
days = st.dates(date(1996, 1, 1), date(2036, 1, 1))
intervals = st.sampled_from(list(Interval))


def starts(interval: Interval, starts_on: date, ends_on: date | None, until: datetime) -> list[str]:
    return [f"{period.start} {period.end}" for period in periods(interval, starts_on, ends_on, ZURICH, until)]


def one_day(day: date, zone: str = "Europe/Zurich") -> Period:
    return make_period(day, day + DAY, ZoneInfo(zone))


def test_days_are_local() -> None:
    (period,) = islice(periods(Interval.DAILY, date(2026, 7, 1), None, ZURICH, FAR), 1)
    assert period == Period(
        date(2026, 7, 1),
        date(2026, 7, 2),
        datetime(2026, 6, 30, 22, tzinfo=UTC),
        datetime(2026, 7, 1, 22, tzinfo=UTC),
    )


def test_weeks_begin_on_monday_and_are_clipped_at_both_ends() -> None:
    assert starts(Interval.WEEKLY, date(2026, 3, 5), date(2026, 3, 18), FAR) == [
        "2026-03-05 2026-03-09",
        "2026-03-09 2026-03-16",
        "2026-03-16 2026-03-19",
    ]


def test_months_begin_on_the_first_and_are_clipped_at_both_ends() -> None:
    assert starts(Interval.MONTHLY, date(2027, 12, 31), date(2028, 3, 1), FAR) == [
        "2027-12-31 2028-01-01",
        "2028-01-01 2028-02-01",
        "2028-02-01 2028-03-01",
        "2028-03-01 2028-03-02",
    ]


def test_a_period_is_there_from_the_instant_it_has_ended() -> None:
    ended_at = datetime(2026, 3, 31, 22, tzinfo=UTC)
    before = ended_at - timedelta(microseconds=1)
    assert starts(Interval.MONTHLY, date(2026, 3, 1), None, before) == []
    assert starts(Interval.MONTHLY, date(2026, 3, 1), None, ended_at) == ["2026-03-01 2026-04-01"]


def test_an_interval_read_back_as_plain_text_is_the_same_interval() -> None:
    text = list(periods("monthly", date(2026, 3, 1), date(2026, 5, 31), ZURICH, FAR))  # type: ignore[arg-type]
    assert text == list(periods(Interval.MONTHLY, date(2026, 3, 1), date(2026, 5, 31), ZURICH, FAR))


def test_an_end_before_the_start_gives_nothing() -> None:
    assert starts(Interval.DAILY, date(2026, 3, 2), date(2026, 3, 1), FAR) == []


@pytest.mark.parametrize(
    ("day", "zone", "count"),
    [
        (date(2026, 3, 28), "Europe/Zurich", 96),
        (date(2026, 3, 29), "Europe/Zurich", 92),
        (date(2026, 10, 25), "Europe/Zurich", 100),
        (date(2018, 11, 4), "America/Sao_Paulo", 92),
        (date(2018, 2, 17), "America/Sao_Paulo", 100),
        (date(2022, 3, 27), "Asia/Beirut", 92),
        (date(2022, 10, 29), "Asia/Beirut", 100),
        (date(2022, 11, 6), "America/Havana", 100),
        (date(2022, 4, 3), "Australia/Lord_Howe", 98),
        (date(2018, 5, 4), "Asia/Pyongyang", 94),
    ],
)
def test_quarter_hours_of_days_on_which_the_clock_changes(day: date, zone: str, count: int) -> None:
    assert quarter_hours(one_day(day, zone)) == count


def test_a_month_with_a_clock_change_has_four_quarter_hours_less() -> None:
    assert quarter_hours(make_period(date(2026, 3, 1), date(2026, 4, 1), ZURICH)) == 31 * 96 - 4


def test_a_day_without_midnight_begins_at_the_jump() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    begins = day_begins(date(2018, 11, 4), sao_paulo)
    assert begins.astimezone(sao_paulo).isoformat() == "2018-11-04T01:00:00-02:00"
    assert (begins - timedelta(seconds=1)).astimezone(sao_paulo).isoformat() == "2018-11-03T23:59:59-03:00"


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    havana = ZoneInfo("America/Havana")
    assert day_begins(date(2022, 11, 6), havana) == datetime(2022, 11, 6, 4, tzinfo=UTC)


def test_a_jump_that_begins_before_midnight_begins_the_day() -> None:
    toronto = ZoneInfo("America/Toronto")
    begins = day_begins(date(1919, 3, 31), toronto)  # 30 March 1919, 23:30 became 00:30
    assert begins.astimezone(toronto).isoformat() == "1919-03-31T00:30:00-04:00"


def test_a_day_that_the_zone_skipped_has_no_period() -> None:
    apia = ZoneInfo("Pacific/Apia")
    found = list(periods(Interval.DAILY, date(2011, 12, 29), date(2011, 12, 31), apia, FAR))
    assert [period.start.day for period in found] == [29, 31]


def test_an_offset_without_whole_quarter_hours_is_refused() -> None:
    with pytest.raises(ValueError, match="whole quarter hours"):
        quarter_hours(one_day(date(1894, 6, 1), "Europe/Zurich"))


@settings(deadline=None)  # the machine may be busy
@given(intervals, zones, days, st.integers(0, 400))
def test_periods_tile_time_from_the_first_day_to_the_last(
    interval: Interval, zone: ZoneInfo, starts_on: date, length: int
) -> None:
    ends_on = starts_on + length * DAY
    found = list(periods(interval, starts_on, ends_on, zone, FAR))
    assert all(earlier.ends_at == later.starts_at for earlier, later in pairwise(found))
    assert all(period.starts_at < period.ends_at for period in found)
    if found:
        assert found[0].starts_at == day_begins(starts_on, zone)
        assert found[-1].ends_at == day_begins(ends_on + DAY, zone)


@settings(deadline=None)  # the machine may be busy
@given(zones, days)
def test_a_day_begins_at_the_first_instant_with_its_date(zone: ZoneInfo, day: date) -> None:
    begins = day_begins(day, zone)
    assert begins.astimezone(zone).date() >= day
    assert (begins - timedelta(seconds=1)).astimezone(zone).date() < day


@settings(deadline=None)  # the machine may be busy
@given(intervals, zones, days, st.integers(0, 400))
def test_going_on_from_a_known_period_gives_the_same_rest(
    interval: Interval, zone: ZoneInfo, starts_on: date, length: int
) -> None:
    found = list(periods(interval, starts_on, starts_on + length * DAY, zone, FAR))
    for period in found[:1]:
        assert list(periods(interval, period.end, starts_on + length * DAY, zone, FAR)) == found[1:]


@settings(deadline=None)  # the machine may be busy
@given(intervals, zones, days, st.integers(-50, 400), st.integers(0, 86_399))
def test_the_next_period_is_the_first_that_has_not_ended(
    interval: Interval, zone: ZoneInfo, starts_on: date, offset: int, second: int
) -> None:
    now = datetime.combine(starts_on + offset * DAY, datetime.min.time(), UTC) + timedelta(seconds=second)
    ends_on = starts_on + 200 * DAY
    ended = list(periods(interval, starts_on, ends_on, zone, now))
    everything = list(periods(interval, starts_on, ends_on, zone, FAR))
    following = everything[len(ended)] if len(ended) < len(everything) else None
    assert next_period(interval, starts_on, ends_on, zone, now) == following


def test_a_period_is_no_longer_next_at_the_instant_it_ends() -> None:
    now = datetime(2026, 3, 31, 22, tzinfo=UTC)
    found = next_period(Interval.MONTHLY, date(2026, 3, 1), None, ZURICH, now)
    assert found == make_period(date(2026, 4, 1), date(2026, 5, 1), ZURICH)


def test_there_is_no_next_period_after_the_last() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert next_period(Interval.DAILY, date(2026, 1, 1), date(2026, 3, 1), ZURICH, now) is None


def test_a_time_without_zone_is_refused() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - that is the mistake
    with pytest.raises(ValueError, match="time zone"):
        periods(Interval.DAILY, date(2026, 1, 1), None, ZURICH, naive)
