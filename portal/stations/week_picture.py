"""The week of a connector as a picture: which access and which prices hold at which hour of which day. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from portal.stations.opening import DAY, HOLIDAY, Window


class Block(NamedTuple):
    """Minutes of a day in which one access and its prices, in hundredths of a Rappen, hold. `own`: those of the
    connector itself, because no window holds."""

    opens: int
    closes: int
    access: str
    price_per_kwh: int
    price_per_hour: int
    own: bool


class Column(NamedTuple):
    """A day, from Monday 0 or HOLIDAY, with its blocks: in order, without gaps, from midnight to midnight."""

    day: int
    blocks: Sequence[Block]


class Picture(NamedTuple):
    """The seven days; and public holidays, where they have windows. `problems`: what is left out, and why."""

    columns: Sequence[Column]
    problems: Sequence[str] = ()


def columns(access: str, prices: tuple[int, int], windows: Sequence[Window]) -> list[Column]:
    """The week of a connector with this access and these prices per kWh and hour, and with these windows, which do not
    overlap."""
    days = [*range(7), *([HOLIDAY] if any(window.weekday == HOLIDAY for window in windows) else [])]
    return [Column(day, _blocks(access, prices, sorted(w for w in windows if w.weekday == day))) for day in days]


def _blocks(access: str, prices: tuple[int, int], windows: Sequence[Window]) -> list[Block]:
    found, until = [], 0
    for window in windows:
        if until < window.opens:
            found.append(Block(until, window.opens, access, *prices, own=True))
        found.append(Block(*window[1:], own=False))
        until = window.closes
    if until < DAY:
        found.append(Block(until, DAY, access, *prices, own=True))
    return found
