"""Moves the demo's real sessions close to today, by whole weeks: weekdays and times of day stay true. Pure."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

SESSIONS = Path(__file__).parent / "data" / "trondheim.csv.gz"
"""6,878 sessions of a housing cooperative in Trondheim, local time of Europe/Oslo; see data/ATTRIBUTION.md."""

MOVED_COLUMNS = ("Start_plugin", "End_plugout")
ROWS = 6878
FIRST_DAY = date(2018, 12, 21)
LAST_DAY = date(2020, 1, 31)

_STAMP = "%d.%m.%Y %H:%M"


class Shift(NamedTuple):
    """How many weeks the data are moved, and the first and the last local day that they then cover."""

    weeks: int
    first_day: date
    last_day: date


def shift_to(today: date) -> Shift:
    """The shift that puts the data's last day into the week (Monday to Sunday) before the one of `today`."""
    weeks = (_monday(today) - _monday(LAST_DAY)).days // 7 - 1
    moved = timedelta(weeks=weeks)
    return Shift(weeks, FIRST_DAY + moved, LAST_DAY + moved)


def move(lines: Iterable[str], weeks: int) -> Iterator[str]:
    """The same CSV text with the wall-clock dates of MOVED_COLUMNS moved, line by line; all else as it was.

    Lines keep their CRLF; cells that hold no date (NA) stay. A moved time can fall into an hour that its new
    date's clock change skips or repeats: such rows are for the import to flag.
    """
    reader = csv.reader(lines, delimiter=";")
    header = next(reader)
    places = [header.index(name) for name in MOVED_COLUMNS]
    yield _line(header)
    for cells in reader:
        for place in places:
            cells[place] = _moved(cells[place], timedelta(weeks=weeks))
        yield _line(cells)


@contextmanager
def open_sessions() -> Iterator[io.TextIOWrapper]:
    """The demo's CSV text as it was published, line by line."""
    with gzip.open(SESSIONS, "rt", encoding="utf-8", newline="") as text:
        yield text


def _moved(cell: str, by: timedelta) -> str:
    try:
        stamp = datetime.strptime(cell, _STAMP)  # noqa: DTZ007 - a wall-clock time is moved as such
    except ValueError:
        return cell
    return (stamp + by).strftime(_STAMP)


def _line(cells: list[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=";", lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
