"""Days and instants of grants: people speak of whole days of their own, grants of instants."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from portal.stations.models import Grant

DAY = timedelta(days=1)
LONGEST_EXTENSION = 365
LONG = timedelta(days=14)  # from this duration on the end of a grant is announced a week before, else a day before
BEFORE_LONG, BEFORE_SHORT = timedelta(days=7), timedelta(days=1)
MOST_DAYS = 3650  # that an account can set as its default or its maximum


class Span(StrEnum):
    """Usual durations."""

    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Terms(NamedTuple):
    """What a grant allows, and from when until when."""

    role: str
    starts_at: datetime
    ends_at: datetime | None
    hides_drivers: bool

    @classmethod
    def of(cls, grant: Grant) -> "Terms":
        return cls(grant.role, grant.starts_at, grant.ends_at, grant.hides_drivers)

    def kept(self) -> dict[str, object]:
        """As the audit log keeps it."""
        return {
            "role": self.role,
            "from": self.starts_at.isoformat(),
            "until": self.ends_at.isoformat() if self.ends_at else None,
            "hides_drivers": self.hides_drivers,
        }


def begin_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the local day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the local day is over."""
    return begin_of(day + DAY, zone)


def last_day(ends_at: datetime, zone: ZoneInfo) -> date:
    """The last local day on which what ends at this instant still acts."""
    return (ends_at - timedelta(microseconds=1)).astimezone(zone).date()


def first_day(starts_at: datetime, zone: ZoneInfo) -> date:
    return starts_at.astimezone(zone).date()


def last_day_of(span: Span, first: date, *, planned: bool) -> date:
    """The last day of a duration: what begins at a coming midnight lasts so many whole days, what begins in the midst
    of today ends on the same day of the next week, month or year."""
    same = first + 7 * DAY if span == Span.WEEK else _months_later(first, 1 if span == Span.MONTH else 12)
    return same - DAY if planned else same


def latest(most_days: int, starts_at: datetime, zone: ZoneInfo) -> date:
    """The last day that a maximum of so many days admits."""
    return first_day(starts_at, zone) + most_days * DAY


def ends_soon(grant: Grant, now: datetime) -> bool:
    """Whether the grant acts and the time before its end has come in which that is announced."""
    if grant.ends_at is None or not grant.starts_at <= now < grant.ends_at:
        return False
    return grant.ends_at - now <= (BEFORE_LONG if grant.ends_at - grant.starts_at >= LONG else BEFORE_SHORT)


def prolonged(grant: Grant, zone: ZoneInfo) -> datetime:
    """The end of a grant that is to last as long again as so far, at most a year longer. It must have an end."""
    if grant.ends_at is None:
        raise ValueError("a grant without end cannot last longer")
    days = (grant.ends_at - grant.starts_at + timedelta(hours=2)) // DAY  # a night of the change of time is short
    return end_of(last_day(grant.ends_at, zone) + max(1, min(days, LONGEST_EXTENSION)) * DAY, zone)


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
