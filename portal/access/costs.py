"""What a charging session costs by the decisions that held while it went on. Pure, integers alone.

The rounding rule: each part (energy, time, parking, start) is summed exactly over the session and rounded once, half
up, to whole Rappen; the total is the sum of the parts. With five Rappen the total is rounded to the nearest multiple
of five, and the difference stands as a part of its own.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from portal.access.deciding import PricedBy, Segment

Quarter = tuple[datetime, int]  # begins at, Wh
_QUARTER = timedelta(minutes=15)
_SECOND = timedelta(seconds=1)


class Charged(NamedTuple):
    """A session as costs see it: when it was plugged in, until when energy flowed, when it was unplugged; instants in
    UTC, whole seconds. The quarter hours, in order of time, add up to its energy."""

    started_at: datetime
    charged_until: datetime
    ended_at: datetime
    quarters: Sequence[Quarter]


class Cost(NamedTuple):
    """In Rappen, VAT included; the first five add up to the total. `gap`: for some of it no price applied."""

    energy: int = 0
    time: int = 0  # the hours' price while energy flowed
    parking: int = 0  # and after that
    start: int = 0
    rounding: int = 0
    total: int = 0
    gap: bool = False


def cost(charged: Charged, segments: Sequence[Segment], *, five_rappen: bool = False) -> Cost:
    """The cost of a session whose decisions are `segments`: those of `deciding.segments` from start to end."""
    energy = time = parking = 0
    for segment, energy_wh in zip(segments, _energy(charged, segments), strict=True):
        price = segment.decision.price
        energy += energy_wh * price.per_kwh
        time += _seconds(segment, charged.started_at, charged.charged_until) * price.per_hour
        parking += _seconds(segment, charged.charged_until, charged.ended_at) * price.per_hour
    start = segments[0].decision.price.per_session
    parts = (_rappen(energy, 1000), _rappen(time, 3600), _rappen(parking, 3600), _rappen(start, 1))
    exact = sum(parts)
    total = (exact + 2) // 5 * 5 if five_rappen else exact
    gap = any(segment.decision.priced_by is PricedBy.NOTHING for segment in segments)
    return Cost(*parts, rounding=total - exact, total=total, gap=gap)


def within(charged: Charged, segments: Sequence[Segment], whole: Cost, start: datetime, end: datetime) -> Cost:
    """The share of the kept cost of a session that falls into a period; `segments` are those it was calculated by.

    Periods that follow one another share it without a Rappen left over: what has come up until an instant is rounded
    once, the start belongs to where the session begins, and the rounding to where it ends.
    """
    first, last = _until(charged, segments, whole, start), _until(charged, segments, whole, end)
    shares = (after - before for before, after in zip(first[:6], last[:6], strict=True))
    return Cost._make((*shares, whole.gap))


def _until(charged: Charged, segments: Sequence[Segment], whole: Cost, at: datetime) -> Cost:
    if at <= charged.started_at:
        return Cost()
    if at >= charged.ended_at:
        return whole
    begun = [one._replace(ends_at=min(one.ends_at, at)) for one in segments if one.starts_at < at]
    quarters = [quarter for quarter in charged.quarters if quarter[0] < at]
    return cost(Charged(charged.started_at, min(charged.charged_until, at), at, quarters), begun)


def _rappen(amount: int, per: int) -> int:
    """Hundredths of a Rappen times `per` as Rappen, half up."""
    return (amount + 50 * per) // (100 * per)


def _seconds(segment: Segment, start: datetime, end: datetime) -> int:
    return max(0, (min(segment.ends_at, end) - max(segment.starts_at, start)) // _SECOND)


def _energy(charged: Charged, segments: Sequence[Segment]) -> list[int]:
    """Wh of each segment. A quarter hour that lies in several is split by time, its sum kept: what has flowed until
    an instant is rounded down."""
    if len(segments) == 1:
        return [sum(energy_wh for _starts_at, energy_wh in charged.quarters)]
    found = [0] * len(segments)
    number = 0
    for starts_at, energy_wh in charged.quarters:
        first = max(starts_at, charged.started_at)
        last = min(starts_at + _QUARTER, charged.charged_until)
        while number < len(segments) - 1 and segments[number].ends_at <= first:
            number += 1
        told, at = 0, number
        while at < len(segments) - 1 and segments[at].ends_at < last:
            until = energy_wh * ((segments[at].ends_at - first) // _SECOND) // ((last - first) // _SECOND)
            found[at] += until - told
            told, at = until, at + 1
        found[at] += energy_wh - told
    return found
