"""From local start and end to instants, where the autumn clock change makes them ambiguous. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from portal.charging.mapping import AmbiguousHour
from portal.charging.moments import Instant, MomentProblem, to_utc


class Resolution(StrEnum):
    """How it was decided which of two equal hours is meant."""

    PLAIN = "plain"  # there was nothing to decide
    ORDER = "order"  # only one reading has the end after the start
    DURATION = "duration"  # only one reading fits the session's stated duration
    SETTING = "setting"  # as set for the whole file
    OPEN = "open"  # undecided: the first of the two hours stands in


@dataclass(frozen=True, slots=True)
class Span:
    """Start and end, aware and in UTC; the end may lie before the start."""

    start: datetime
    end: datetime
    resolution: Resolution


def resolve(
    start: datetime,
    end: datetime | None,
    duration: timedelta | None,
    zone: ZoneInfo,
    setting: AmbiguousHour,
) -> Span | None:
    """The instants of a session with a local start and a local end, or a duration where there is no end.

    None when one of them lies in an hour that the clock skipped. What the file itself proves (order, then
    duration, to two minutes) goes before the setting.
    """
    starts = _candidates(start, zone)
    ends = _candidates(end, zone) if end is not None else ()
    if not starts or (end is not None and not ends):
        return None
    pairs = [(first, last) for first in starts for last in ends or (first + (duration or timedelta(0)),)]
    if len(pairs) == 1:
        return Span(*pairs[0], Resolution.PLAIN)
    forward = [(first, last) for first, last in pairs if first <= last]
    if len(forward) == 1:
        return Span(*forward[0], Resolution.ORDER)
    if end is not None and duration is not None:
        fitting = [pair for pair in forward if abs(pair[1] - pair[0] - duration) <= timedelta(minutes=2)]
        if len(fitting) == 1:
            return Span(*fitting[0], Resolution.DURATION)
    if setting is AmbiguousHour.FLAG:
        return Span(*pairs[0], Resolution.OPEN)
    return Span(*pairs[0 if setting is AmbiguousHour.FIRST else -1], Resolution.SETTING)


def _candidates(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    found = to_utc(local, zone)
    if isinstance(found, Instant):
        return (found.utc,)
    if found is MomentProblem.NONEXISTENT_HOUR:
        return ()
    twice = (to_utc(local, zone, fold=0), to_utc(local, zone, fold=1))
    return tuple(instant.utc for instant in twice if isinstance(instant, Instant))
