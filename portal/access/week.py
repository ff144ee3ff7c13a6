"""Weekly opening times on the calendar: which window holds at an instant, and when that can change."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from portal.stations.opening import HOLIDAY, Window

_QUARTER = timedelta(minutes=15)


@lru_cache
def _holidays_of(canton: str) -> holidays.HolidayBase:
    return holidays.country_holidays("CH", subdiv=canton)


def is_holiday(canton: str | None, day: date) -> bool:
    """Whether the local day is a public holiday of the canton; never without a canton."""
    return canton is not None and day in _holidays_of(canton)


class Week:
    """The opening times of a connector on the local calendar of its owner's time zone.

    Windows of the day HOLIDAY, where there are any, replace those of the weekday on the canton's public holidays. In
    the hour that a clock shows twice a window holds both times; in the one it leaves out, never.
    """

    def __init__(self, windows: Sequence[Window], zone: ZoneInfo, canton: str | None = None) -> None:
        self.zone, self.canton = zone, canton
        self.windows = tuple(windows)
        self._by_day: dict[int, list[Window]] = {}
        for window in self.windows:
            self._by_day.setdefault(window.weekday, []).append(window)

    def day(self, local: date) -> int:
        """The weekday from Monday 0 whose windows hold on this local day; HOLIDAY on a holiday that has its own."""
        return HOLIDAY if HOLIDAY in self._by_day and is_holiday(self.canton, local) else local.weekday()

    def at(self, instant: datetime) -> Window | None:
        """The window that holds at the instant; none: what the connector itself says."""
        local = instant.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        for window in self._by_day.get(self.day(local.date()), ()):
            if window.opens <= minute < window.closes:
                return window
        return None

    def edges(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Instants between start and end, in no order, among which are all those at which `at` changes."""
        if not self.windows:
            return
        day = start.astimezone(self.zone).date()
        last = end.astimezone(self.zone).date()
        while day <= last:
            yield from (edge for edge in self._edges_of(day) if start < edge < end)
            day += timedelta(days=1)

    def _edges_of(self, day: date) -> Iterator[datetime]:
        midnight, next_midnight = self._instant(day, 0), self._instant(day + timedelta(days=1), 0)
        yield midnight
        for window in self._by_day.get(self.day(day), ()):
            for minute in (window.opens, window.closes % (24 * 60)):
                yield self._instant(day, minute)
                yield self._instant(day, minute, fold=1)
        if next_midnight - midnight != timedelta(days=1):  # the clock is put on or back, at some quarter hour
            steps = (next_midnight - midnight) // _QUARTER
            yield from (midnight + step * _QUARTER for step in range(1, steps))

    def _instant(self, day: date, minute: int, fold: int = 0) -> datetime:
        local = datetime.combine(day, time(minute // 60, minute % 60, fold=fold), self.zone)
        return local.astimezone(UTC)
