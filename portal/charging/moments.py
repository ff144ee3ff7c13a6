"""Which order the dates of a file have, and which instant a local time means. Pure.

The order of day and month is never guessed from one row: `propose` looks at all of them, `examples` shows a
human what an order makes of them, and the human decides.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from portal.charging.date_text import (
    DateOrder,
    is_missing,
    read_cell,
    read_date,
    read_moment,
    swapped,
    text_of,
)
from portal.charging.table_shape import Cell

__all__ = [
    "DateOrder",
    "Example",
    "Instant",
    "MomentProblem",
    "Proposal",
    "SwapEvidence",
    "examples",
    "is_missing",
    "propose",
    "read_date",
    "read_moment",
    "text_of",
    "to_utc",
]

_ORDERS = (
    DateOrder.ISO,
    DateOrder.YEAR_MONTH_DAY,
    DateOrder.YEAR_DAY_MONTH,
    DateOrder.DAY_MONTH_YEAR,
    DateOrder.MONTH_DAY_YEAR,
    DateOrder.EXCEL,
    DateOrder.EPOCH_SECONDS,
    DateOrder.EPOCH_MILLISECONDS,
)


@dataclass(frozen=True, slots=True)
class SwapEvidence:
    """What speaks for ISO dates whose day and month were swapped wherever the day is at most 12.

    `outside_*`: rows with such a day outside the span of the dates that cannot be swapped, give or take the
    twelve days that these cannot show. `jumps_*`: neighbouring rows more than ten days apart. Each as the
    text reads, and with day and month exchanged.
    """

    rows: int
    swappable: int
    outside_as_read: int
    outside_swapped: int
    jumps_as_read: int
    jumps_swapped: int

    @property
    def suspicious(self) -> bool:
        """Whether the exchanged reading is so much smoother that a human must choose."""
        smoother = self.jumps_as_read >= 3 and self.jumps_swapped * 5 <= self.jumps_as_read
        inside = self.outside_as_read >= 3 and self.outside_swapped == 0
        return smoother or (inside and self.jumps_swapped <= self.jumps_as_read)


@dataclass(frozen=True)
class Proposal:
    """The orders that fit every sample, and for each other one the first sample that excludes it.

    `swap` counts the evidence for SWAPPED_WHEN_AMBIGUOUS when the dates are ISO or typed; that order is among
    `orders` only when the evidence is strong, and never alone. Cells that no order reads exclude none: they are
    not counted in `samples`, and `unreadable` shows the first five.
    """

    orders: tuple[DateOrder, ...]
    excluded: dict[DateOrder, str] = field(default_factory=dict)
    samples: int = 0
    swap: SwapEvidence | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def ambiguous(self) -> bool:
        """More than one order fits: a human has to choose."""
        return len(self.orders) > 1


def propose(samples: Iterable[Cell]) -> Proposal:
    """Judge a whole date column, in the order of the file; missing cells are passed over.

    A stream: the memory depends on the number of different days only. `proposal.orders` is the list of fits.
    """
    alive, excluded = list(_ORDERS), dict[DateOrder, str]()
    smoothness, unreadable, count, typed = _Smoothness(), list[str](), 0, 0
    for cell in samples:
        if is_missing(cell):
            continue
        refused = [order for order in alive if read_date(cell, order) is None]
        if len(refused) == len(alive) and not any(read_date(cell, order) for order in excluded):
            unreadable += [text_of(cell)] if len(unreadable) < 5 else []
            continue
        count += 1
        typed += isinstance(cell, datetime)
        for order in refused:
            alive.remove(order)
            excluded[order] = text_of(cell)
        if typed or DateOrder.ISO in alive:
            smoothness.add(cell)
    if typed and typed == count:
        alive = [DateOrder.EXCEL]
    if DateOrder.ISO in alive and DateOrder.YEAR_MONTH_DAY in alive:
        alive.remove(DateOrder.YEAR_MONTH_DAY)  # the same reading under a wider name
    swap = smoothness.evidence() if alive and (typed or DateOrder.ISO in alive) else None
    if swap is not None and swap.suspicious:
        alive.insert(1, DateOrder.SWAPPED_WHEN_AMBIGUOUS)
    return Proposal(tuple(alive) if count else (), excluded, count, swap, tuple(unreadable))


class _Smoothness:
    """Counts how dates jump from row to row, as they read and with day and month exchanged."""

    def __init__(self) -> None:
        self.rows = self.jumps_as_read = self.jumps_swapped = 0
        self._last: tuple[date, date] | None = None
        self._swappable: Counter[date] = Counter()
        self._fixed: list[date] = []

    def add(self, cell: Cell) -> None:
        found = read_cell(cell, DateOrder.ISO)
        fixed = None if found else read_date(cell, DateOrder.DAY_MONTH_YEAR)
        as_read = found[0].date() if found else fixed
        if as_read is None:
            return
        exchanged = fixed or swapped(as_read)
        self.rows += 1
        if self._last is not None:
            self.jumps_as_read += abs((as_read - self._last[0]).days) > 10
            self.jumps_swapped += abs((exchanged - self._last[1]).days) > 10
        self._last = as_read, exchanged
        if as_read != exchanged:
            self._swappable[as_read] += 1
        elif as_read.day > 12:
            self._fixed = [min([*self._fixed, as_read]), max([*self._fixed, as_read])]

    def evidence(self) -> SwapEvidence:
        outside_as_read = outside_swapped = 0
        if self._fixed:
            first, last = self._fixed[0] - timedelta(days=12), self._fixed[1] + timedelta(days=12)
            for day, count in self._swappable.items():
                outside_as_read += count * (not first <= day <= last)
                outside_swapped += count * (not first <= swapped(day) <= last)
        return SwapEvidence(
            self.rows,
            self._swappable.total(),
            outside_as_read,
            outside_swapped,
            self.jumps_as_read,
            self.jumps_swapped,
        )


class Example(NamedTuple):
    """One cell, what it was read as, and why it was picked: one of EXAMPLE_KINDS."""

    raw: str
    read: datetime
    why: str


EXAMPLE_KINDS = ("swapped", "day_up_to_12", "day_above_12", "first", "earliest", "latest")
"""The most telling kind first; day_up_to_12 leaves out days whose number is that of their month."""


def examples(samples: Iterable[Cell], order: DateOrder) -> list[Example]:
    """At most six cells that show a human what this order makes of them; unreadable cells are passed over.

    A stream. For a date column beside a time column the times read are midnight.
    """
    found: dict[str, Example] = {}
    for cell in samples:
        parsed = read_cell(cell, order)
        if parsed is None:
            continue
        moment, raw = parsed[0].replace(tzinfo=None), text_of(cell)
        for why in _kinds(cell, order, moment):
            found.setdefault(why, Example(raw, moment, why))
        if "earliest" not in found or moment < found["earliest"].read:
            found["earliest"] = Example(raw, moment, "earliest")
        if "latest" not in found or moment > found["latest"].read:
            found["latest"] = Example(raw, moment, "latest")
    telling: dict[str, Example] = {}
    for why in EXAMPLE_KINDS:
        if why in found:
            telling.setdefault(found[why].raw, found[why])
    return list(telling.values())


def _kinds(cell: Cell, order: DateOrder, moment: datetime) -> list[str]:
    kinds = ["first"]
    if order is DateOrder.SWAPPED_WHEN_AMBIGUOUS:
        as_written = read_cell(cell, DateOrder.ISO)
        if as_written is not None and as_written[0].date() != moment.date():
            kinds.append("swapped")
    if moment.day > 12:
        kinds.append("day_above_12")
    elif moment.day != moment.month:
        kinds.append("day_up_to_12")
    return kinds


class MomentProblem(StrEnum):
    """Why a local time names no single instant."""

    NONEXISTENT_HOUR = "nonexistent_hour"
    AMBIGUOUS_HOUR = "ambiguous_hour"


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time, aware and in UTC."""

    utc: datetime


def to_utc(local: datetime, zone: ZoneInfo, fold: int | None = None) -> Instant | MomentProblem:
    """The instant of a wall-clock time in a zone; an aware time is taken as it is.

    An hour that occurs twice is AMBIGUOUS_HOUR unless `fold` says 0 for the first or 1 for the second time;
    an hour that the clock skips is NONEXISTENT_HOUR whatever `fold` says.
    """
    if local.tzinfo is not None:
        return Instant(local.astimezone(UTC))
    first = local.replace(tzinfo=zone, fold=0)
    second = local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return Instant(first.astimezone(UTC))
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != local.replace(fold=0):
        return MomentProblem.NONEXISTENT_HOUR
    if fold is None:
        return MomentProblem.AMBIGUOUS_HOUR
    return Instant((second if fold else first).astimezone(UTC))
