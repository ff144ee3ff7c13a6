"""What reading a row of a session file gives: the session, and a closed list of what can be wrong. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Problem(StrEnum):
    """Why a row is not billed: a closed list."""

    UNKNOWN_STATION = "unknown_station"
    MISSING_START = "missing_start"
    UNREADABLE_START = "unreadable_start"
    MISSING_END = "missing_end"
    UNREADABLE_END = "unreadable_end"
    NONEXISTENT_HOUR = "nonexistent_hour"
    AMBIGUOUS_HOUR = "ambiguous_hour"
    END_BEFORE_START = "end_before_start"
    FUTURE = "future"
    MISSING_ENERGY = "missing_energy"
    UNREADABLE_ENERGY = "unreadable_energy"
    NEGATIVE_ENERGY = "negative_energy"
    IMPOSSIBLE_POWER = "impossible_power"
    UNREADABLE_REGISTER = "unreadable_register"
    REGISTER_MISMATCH = "register_mismatch"
    TOO_MANY_CELLS = "too_many_cells"
    DUPLICATE = "duplicate"


class Warning(StrEnum):  # noqa: A001 - the counterpart of Problem
    """What a user should know about a row that counts all the same: a closed list."""

    HOUR_DECIDED_BY_ORDER = "hour_decided_by_order"
    HOUR_DECIDED_BY_DURATION = "hour_decided_by_duration"
    HOUR_DECIDED_BY_SETTING = "hour_decided_by_setting"
    DURATION_DIFFERS = "duration_differs"
    TOO_LONG = "too_long"
    TOO_FEW_CELLS = "too_few_cells"


class FoundConnector(NamedTuple):
    """The caller's connector for a row: its own reference, its number, and its power in W where known."""

    station_ref: str
    connector_no: int | None = None
    max_power_w: int | None = None


Lookup = Callable[[str, str], FoundConnector | None]
"""Station text and connector text (empty when not mapped) of a row to the connector meant, or None."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A charging session: aware UTC instants, whole Wh. `driver` and `card` are empty when the file has none."""

    station_ref: str
    connector_no: int | None
    started_at: datetime
    ended_at: datetime
    energy_wh: int
    register_start_wh: int | None
    register_end_wh: int | None
    driver: str
    card: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A row as read. `session` is there whenever station, times and energy are, even beside a problem: a row
    counts when `good`. `external_id` is there for every row; `raw` are its cells as text."""

    line: int
    session: SessionRow | None
    problems: tuple[Problem, ...]
    warnings: tuple[Warning, ...]
    external_id: str
    raw: tuple[str, ...]

    @property
    def good(self) -> bool:
        """No problem: the session may be stored and billed."""
        return not self.problems


class Seen:
    """The sessions of one file so far, to find its duplicates: about 130 bytes of memory for each row.

    A row repeats another by its external id, or by its content under another id: the same outlet cannot have
    delivered the same energy between the same instants twice. Keys are kept as 64-bit hashes: among a million
    rows the chance of one false duplicate is about one in ten million.
    """

    def __init__(self) -> None:
        self._keys: set[int] = set()

    def repeats(self, *keys: str) -> bool:
        """Whether one of these keys was there before; all of them are afterwards."""
        numbers = {hash(key) for key in keys}
        known = not numbers.isdisjoint(self._keys)
        self._keys |= numbers
        return known
