"""The pictures of a report as figures to draw: bars with their places, in units of a view box. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

WIDTH, HEIGHT = 680, 150  # of the bars of the days
MOST_DAYS = 62  # more are drawn month by month
TOP = 10


class Bar(NamedTuple):
    """One bar standing on the ground line; `label` is empty where there is no room for it."""

    x: float
    y: float
    width: float
    height: float
    label: str


class Line(NamedTuple):
    """A line across, with the amount that it marks."""

    y: float
    energy_wh: int


class Days(NamedTuple):
    bars: list[Bar]
    lines: list[Line]
    by_month: bool
    rows: list[tuple[date, int]]  # of each day, or the first of each month: Wh


class Share(NamedTuple):
    """A driver's part of the energy; `width` of 1 is the longest."""

    name: str
    energy_wh: int
    width: float


def days(first: date, last: date, energy: Mapping[date, int]) -> Days:
    """The energy of every day from first to last, or of every month where the days are many."""
    by_month = (last - first).days >= MOST_DAYS
    found: dict[date, int] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        key = day.replace(day=1) if by_month else day
        found[key] = found.get(key, 0) + energy.get(day, 0)
    top = nice(max(found.values()))
    step = WIDTH / len(found)
    every = max(1, len(found) // 16)
    bars = []
    for place, (key, energy_wh) in enumerate(found.items()):
        height = HEIGHT * energy_wh / top
        label = "" if place % every else f"{key:%m.%y}" if by_month else f"{key.day}."
        x, y = place * step + step * 0.12, HEIGHT - height
        bars.append(Bar(round(x, 2), round(y, 2), round(step * 0.76, 2), round(height, 2), label))
    lines = [Line(HEIGHT - HEIGHT * part / 4, top * part // 4) for part in range(1, 5)]
    return Days(bars, lines, by_month, list(found.items()))


def drivers(energy: Mapping[str, int], unknown: str, rest: str) -> list[Share]:
    """The TOP drivers by energy and what the rest charged together; sessions without a driver are `unknown`."""
    ordered = sorted(energy.items(), key=lambda one: (-one[1], one[0]))
    shown = [(name or unknown, energy_wh) for name, energy_wh in ordered[:TOP]]
    if ordered[TOP:]:
        shown.append((rest, sum(energy_wh for _name, energy_wh in ordered[TOP:])))
    longest = max((energy_wh for _name, energy_wh in shown), default=0) or 1
    return [Share(name, energy_wh, energy_wh / longest) for name, energy_wh in shown]


def nice(most: int) -> int:
    """The end of the scale: 1, 2, 4 or 8 times a power of ten, at least the largest amount; in steps of four."""
    scale = 4
    while scale < most:
        scale *= 2 if str(scale)[0] in "124" else 5
        if str(scale)[0] == "4" and scale * 10 < most:
            scale *= 10
    return scale
