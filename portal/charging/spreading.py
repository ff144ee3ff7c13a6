"""Spread the energy of a charging session over the quarter hours it touches."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
QUARTER_HOUR: Final = timedelta(minutes=15)


def spread(started_at: datetime, ended_at: datetime, energy_wh: int) -> Iterator[tuple[datetime, int]]:
    """Each quarter hour the session touches, with its share of the energy: (start in UTC, Wh).

    The session is [started_at, ended_at), its power taken as constant. Shares are differences of the
    rounded-down cumulated energy, so none is negative and their sum is exactly `energy_wh`; a share may be
    0. A session without length lies in the one quarter hour that holds it. Quarter hours are those of UTC,
    which are local ones too wherever the offset is a whole number of them. Raises ValueError for a time
    without zone, an end before the start, and negative energy.
    """
    if started_at.utcoffset() is None or ended_at.utcoffset() is None:
        raise ValueError("a session's times need a time zone")
    start = started_at.astimezone(UTC)
    length = ended_at.astimezone(UTC) - start
    if length < timedelta(0):
        raise ValueError("a session cannot end before it starts")
    if energy_wh < 0:
        raise ValueError("a session's energy cannot be negative")
    return _shares(start, length // MICROSECOND, energy_wh)


def quarter_of(started_at: datetime) -> datetime:
    """The start, in UTC, of the quarter hour that holds an instant: of a session nothing lies before it."""
    start = started_at.astimezone(UTC)
    return start - (start - EPOCH) % QUARTER_HOUR


def _shares(start: datetime, length: int, energy_wh: int) -> Iterator[tuple[datetime, int]]:
    """Shares of a session of `length` microseconds."""
    quarter = quarter_of(start)
    into_quarter = start - quarter
    step = QUARTER_HOUR // MICROSECOND
    elapsed = step - into_quarter // MICROSECOND
    given = 0
    while elapsed < length:
        cumulated = energy_wh * elapsed // length
        yield quarter, cumulated - given
        given = cumulated
        quarter += QUARTER_HOUR
        elapsed += step
    yield quarter, energy_wh - given
