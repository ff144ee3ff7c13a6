"""Weekly opening times: rows as people fill them in become windows of one day each."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from portal.core.errors import RuleBroken
from portal.stations import entries
from portal.stations.models import Access

FIELD = "opening_times"
DAY = 24 * 60
MOST_WINDOWS = 100
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])(?::00)?")
HOLIDAY = 7  # beside the weekdays from Monday 0: a public holiday of the station's canton
# What the form offers beside single days.
DAYS = {"weekdays": range(5), "weekend": range(5, 7), "daily": range(7), **{str(day): (day,) for day in range(8)}}


class Row(NamedTuple):
    """A row as filled in: days (a key of DAYS), times HH:MM, access, prices in CHF as typed."""

    days: str
    opens: str
    closes: str
    access: str
    price_per_kwh: str = ""
    price_per_hour: str = ""


class Window(NamedTuple):
    """Minutes of the local day, `closes` exclusive, up to 1440; prices in hundredths of a Rappen. `weekday` from
    Monday 0, or HOLIDAY."""

    weekday: int
    opens: int
    closes: int
    access: str
    price_per_kwh: int
    price_per_hour: int


def windows(rows: Iterable[Row]) -> list[Window]:
    """The windows of these rows, in the order of the week.

    A row that closes no later than it opens goes on after midnight and becomes two windows; 00:00 to 00:00 is the
    whole day. Windows of public holidays do not go on after midnight. RuleBroken on "opening_times", naming the row,
    for what cannot be read and for overlaps.
    """
    return _in_order((window, number) for number, row in enumerate(rows, start=1) for window in _of_row(number, row))


def readable(rows: Iterable[Row]) -> tuple[list[Window], list[RuleBroken]]:
    """The windows of those of these rows that are right and overlap none before them; and what is wrong with the
    others. For rows that are still being filled in."""
    kept: list[tuple[Window, int]] = []
    made: list[Window] = []
    wrong = []
    for number, row in enumerate(rows, start=1):
        try:
            added = [(window, number) for window in _of_row(number, row)]
            made = _in_order([*kept, *added])
        except RuleBroken as broken:
            wrong.append(broken)
        else:
            kept += added
    return made, wrong


def _in_order(numbered: Iterable[tuple[Window, int]]) -> list[Window]:
    made = sorted(numbered)
    if len(made) > MOST_WINDOWS:
        raise RuleBroken(FIELD, "Use at most %(most)s windows.", most=MOST_WINDOWS)
    for (before, first), (after, second) in pairwise(made):
        if before.weekday == after.weekday and after.opens < before.closes:
            overlap = span(after.opens, min(before.closes, after.closes))
            message = "Rows %(first)s and %(second)s overlap: %(overlap)s."
            raise RuleBroken(FIELD, message, first=min(first, second), second=max(first, second), overlap=overlap)
    return [window for window, _number in made]


def _of_row(number: int, row: Row) -> list[Window]:
    days = DAYS.get(row.days)
    if days is None:
        raise RuleBroken(FIELD, "Row %(row)s: choose a day.", row=number)
    if row.access not in list(Access):
        raise RuleBroken(FIELD, "Row %(row)s: choose who may charge.", row=number)
    opens, closes = _minute(number, row.opens), _minute(number, row.closes)
    closes = DAY if closes == 0 else closes
    if opens == closes:
        raise RuleBroken(FIELD, "Row %(row)s: it must close at another time than it opens.", row=number)
    if closes < opens and HOLIDAY in days:
        raise RuleBroken(FIELD, "Row %(row)s: windows of public holidays end at midnight at the latest.", row=number)
    terms = (row.access, _price(number, row.price_per_kwh), _price(number, row.price_per_hour))
    made = []
    for day in days:
        if opens < closes:
            made.append(Window(day, opens, closes, *terms))
        else:
            parts = [Window(day, opens, DAY, *terms), Window((day + 1) % 7, 0, closes, *terms)]
            made.extend(part for part in parts if part.opens < part.closes)
    return made


def _minute(number: int, text: str) -> int:
    found = _TIME.fullmatch((text or "").strip())
    minute = int(found[1]) * 60 + int(found[2]) if found else DAY + 1
    if minute > DAY:
        raise RuleBroken(FIELD, "Row %(row)s: enter times such as 07:30.", row=number)
    return minute


def _price(number: int, text: str) -> int:
    try:
        return entries.price(FIELD, entries.amount(FIELD, text))
    except RuleBroken:
        message = "Row %(row)s: enter prices in CHF from 0 to 1000 with at most four decimals."
        raise RuleBroken(FIELD, message, row=number) from None


def clock(minute: int) -> str:
    """A minute of the day as HH:MM; midnight at the end of the day is 24:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def span(opens: int, closes: int) -> str:
    return f"{clock(opens)}–{clock(closes)}"


def rows(made: Sequence[Window]) -> list[Row]:
    """Windows as rows for the form; reading them back gives the same windows."""
    return [
        Row(
            str(w.weekday),
            clock(w.opens),
            clock(w.closes % DAY),
            w.access,
            francs(w.price_per_kwh),
            francs(w.price_per_hour),
        )
        for w in made
    ]


def francs(hundredths: int) -> str:
    """A price for an entry field: CHF with two to four decimals and a point."""
    text = f"{Decimal(hundredths) / 10_000:.4f}"
    return text[:-2] + text[-2:].rstrip("0")
