"""Which periods an export has: whole local days, weeks or months, as instants.

A local day begins at the first instant that carries its date. That is 00:00 nearly always; where the clock
jumps over midnight (Beirut, Sao Paulo until 2018) it is the instant of the jump, and where it shows 00:00
twice (Havana) the first of the two. So days tile time in every zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
QUARTER_HOUR: Final = timedelta(minutes=15)
SECOND: Final = timedelta(seconds=1)


class Interval(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Period:
    """Local days from `start` to `end` (exclusive), which are the instants `starts_at` to `ends_at`
    (exclusive, UTC)."""

    start: date
    end: date
    starts_at: datetime
    ends_at: datetime


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) of a local day."""
    midnight = datetime.combine(day, time(), zone)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    # PEP 495: for a local time that the clock skips, fold=1 lies before the jump and fold=0 at or after it.
    before, after = midnight.replace(fold=1).astimezone(UTC), instant
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if middle.astimezone(zone).date() < day:
            before = middle
        else:
            after = middle
    return after


def make_period(start: date, end: date, zone: ZoneInfo) -> Period:
    """The period of the local days from `start` to `end` (exclusive)."""
    return Period(start, end, day_begins(start, zone), day_begins(end, zone))


def quarter_hours(period: Period) -> int:
    """How many quarter hours the period has: 96 a day, 92 and 100 when the clock changes. ValueError where
    the zone's offset is not in whole quarter hours."""
    count, rest = divmod(period.ends_at - period.starts_at, QUARTER_HOUR)
    if rest:
        raise ValueError(f"{period} is not made of whole quarter hours")
    return count


def periods(
    interval: Interval, starts_on: date, ends_on: date | None, zone: ZoneInfo, until: datetime
) -> Iterator[Period]:
    """Every period that has ended by `until` (aware), oldest first, without gap or overlap.

    Weeks begin on Monday, months on the first; the first period begins on `starts_on`, the last ends with
    the day `ends_on`, both possibly in the middle of a week or month. To go on from a known period give
    its `end` as `starts_on`. A day the zone skipped entirely (Apia, 30 December 2011) has no period.
    """
    _require_zone(until)
    return _ended(interval, starts_on, ends_on, zone, until)


def split(interval: Interval, start: date, end: date, zone: ZoneInfo) -> Iterator[Period]:
    """The periods of this interval between two days (the second exclusive), oldest first: whole, but for the first and
    the last one where the days cut them."""
    return _all(interval, start, end - DAY, zone)


def next_period(
    interval: Interval, starts_on: date, ends_on: date | None, zone: ZoneInfo, now: datetime
) -> Period | None:
    """The period of `periods` that is under way at `now` (aware) or, before `starts_on`, the first one: the
    one whose end the next export waits for. None when the last has ended."""
    _require_zone(now)
    today = now.astimezone(zone).date()
    first = max(starts_on, _aligned(interval, today))
    for period in _all(interval, first, ends_on, zone):
        if period.ends_at > now:
            return period
    return None


def _ended(
    interval: Interval, starts_on: date, ends_on: date | None, zone: ZoneInfo, until: datetime
) -> Iterator[Period]:
    for period in _all(interval, starts_on, ends_on, zone):
        if period.ends_at > until:
            return
        yield period


def _all(interval: Interval, starts_on: date, ends_on: date | None, zone: ZoneInfo) -> Iterator[Period]:
    stop = None if ends_on is None else ends_on + DAY
    start = starts_on
    while stop is None or start < stop:
        end = _following(interval, start)
        if stop is not None:
            end = min(end, stop)
        period = make_period(start, end, zone)
        if period.starts_at < period.ends_at:
            yield period
        start = end


def _aligned(interval: Interval, day: date) -> date:
    """The first day of the week or month that holds `day`."""
    if interval == Interval.WEEKLY:
        return day - day.weekday() * DAY
    if interval == Interval.MONTHLY:
        return day.replace(day=1)
    return day


def _following(interval: Interval, day: date) -> date:
    """The first day after the day, week or month that holds `day`."""
    if interval == Interval.WEEKLY:
        return _aligned(interval, day) + 7 * DAY
    if interval == Interval.MONTHLY:
        return (day.replace(day=1) + 31 * DAY).replace(day=1)
    return day + DAY


def _require_zone(instant: datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
