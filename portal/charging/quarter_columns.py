"""Quarter hours out of the database, a connector's whole period at a time.

A month of 10,000 connectors is 30 million of them: no Python code runs for a single one where every quarter hour has
one row. PostgreSQL then sends three strings of bytes for each connector, which need only be compared and cast.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

QUARTER = timedelta(minutes=15)
MICROSECOND = timedelta(microseconds=1)
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Span = tuple[datetime, datetime]
Row = tuple[int, bytes, bytes, str]  # connector, instants, amounts, qualities

# Rows in the order of the primary key; each group keeps it. A length of 8 bytes for an instant and an amount.
POSTGRESQL = """
SELECT connector_id, string_agg(timestamptz_send(starts_at), ''::bytea), string_agg(int8send(energy_wh), ''::bytea),
       string_agg(quality, '')
FROM (SELECT connector_id, starts_at, energy_wh, quality FROM quarter_hour
      WHERE connector_id = ANY(%s) AND starts_at >= %s AND starts_at < %s
      ORDER BY connector_id, starts_at, session_id) AS held
GROUP BY connector_id
"""
SQLITE = """
SELECT connector_id, starts_at, energy_wh, quality FROM quarter_hour
WHERE connector_id IN ({marks}) AND starts_at >= ? AND starts_at < ?
ORDER BY connector_id, starts_at, session_id
"""


class Held(NamedTuple):
    """Rows of one connector: which quarter hours of the period they are of, by number, their Wh and qualities. Numbers
    of None: every quarter hour has one row, in order."""

    numbers: Sequence[int] | None
    energy_wh: Sequence[int]
    quality: str


class Reader:
    """The rows of a period, for some connectors after others. While those of some are written, PostgreSQL may read the
    next ones already: two processors work instead of one after the other. It is done on the session's own connection,
    in its transaction; whatever else the session asks meanwhile waits for it. Closing waits as well."""

    def __init__(self, session: Session, period: Span) -> None:
        self._session, self._period = session, period
        self._is_sqlite = session.get_bind().dialect.name == "sqlite"
        self._thread = ThreadPoolExecutor(1)  # begins with the first question
        self._asked: Future[list[Row]] | None = None

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def ask(self, connector_ids: Sequence[int]) -> None:
        """Begin to read the rows that `take` is called for next."""
        if not self._is_sqlite:
            driver = self._session.connection().connection.driver_connection
            self._asked = self._thread.submit(_postgresql, driver, connector_ids, self._period)

    def take(self, connector_ids: Sequence[int]) -> dict[int, Held]:
        """The rows of each connector that has any in the period; one SQL statement, unless `ask` has sent it."""
        if self._is_sqlite:
            return _sqlite(self._session, connector_ids, self._period)
        if self._asked is None:
            self.ask(connector_ids)
        assert self._asked is not None
        rows, self._asked = self._asked.result(), None
        return {row[0]: _held(row[1], row[2], row[3], self._period) for row in rows}


def _postgresql(driver: Any, connector_ids: Sequence[int], period: Span) -> list[Row]:
    with driver.cursor(binary=True) as cursor:
        return cursor.execute(POSTGRESQL, (list(connector_ids), *period)).fetchall()  # type: ignore[no-any-return]


def _held(instants: bytes, amounts: bytes, quality: str, period: Span) -> Held:
    energy_wh = _integers(amounts)
    if instants == _every_instant(*period):
        return Held(None, energy_wh, quality)
    first, length = (period[0] - POSTGRES_EPOCH) // MICROSECOND, QUARTER // MICROSECOND
    return Held([(instant - first) // length for instant in _integers(instants)], energy_wh, quality)


def _integers(sent: bytes) -> "array[int]":
    """What PostgreSQL sends is big-endian."""
    integers = array("q", sent)
    if sys.byteorder == "little":
        integers.byteswap()
    return integers


@lru_cache(maxsize=8)
def _every_instant(starts_at: datetime, ends_at: datetime) -> bytes:
    first, length = (starts_at - POSTGRES_EPOCH) // MICROSECOND, QUARTER // MICROSECOND
    instants = array("q", range(first, first + (ends_at - starts_at) // MICROSECOND, length))
    if sys.byteorder == "little":
        instants.byteswap()
    return instants.tobytes()


def _sqlite(session: Session, connector_ids: Sequence[int], period: Span) -> dict[int, Held]:
    statement = SQLITE.format(marks=", ".join("?" * len(connector_ids)))
    values = (*connector_ids, *(_text(instant) for instant in period))
    numbers = _numbers(*period)
    columns: dict[int, tuple[list[int], list[int], list[str]]] = defaultdict(lambda: ([], [], []))
    for connector_id, instant, energy_wh, quality in session.connection().exec_driver_sql(statement, values):
        held_of = columns[connector_id]
        held_of[0].append(numbers[instant])
        held_of[1].append(energy_wh)
        held_of[2].append(quality)
    count = len(numbers)
    return {key: _plain(at, energy_wh, "".join(quality), count) for key, (at, energy_wh, quality) in columns.items()}


def _plain(numbers: list[int], energy_wh: list[int], quality: str, count: int) -> Held:
    return Held(None if numbers == list(range(count)) else numbers, energy_wh, quality)


@lru_cache(maxsize=8)
def _numbers(starts_at: datetime, ends_at: datetime) -> dict[str, int]:
    """For each instant as SQLite holds it the number of its quarter hour."""
    return {_text(starts_at + number * QUARTER): number for number in range((ends_at - starts_at) // QUARTER)}


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def filled(rows: Held | None, missing: Iterable[tuple[int, int]], count: int) -> tuple[Sequence[int], str]:
    """Wh and quality of `count` quarter hours. Those without a row are F where `missing` says so, from one number to
    before another, else W with 0; of several rows Wh are added up and the worse quality counts."""
    if rows is not None and rows.numbers is None:
        return rows.energy_wh, rows.quality
    amounts, letters = [0] * count, ["W"] * count
    for first, after in missing:
        letters[first:after] = "F" * (after - first)
    if rows is not None and rows.numbers is not None:
        known = set[int]()
        for number, energy_wh, quality in zip(rows.numbers, rows.energy_wh, rows.quality, strict=True):
            amounts[number] += energy_wh
            letters[number] = min(letters[number], quality) if number in known else quality  # "E" before "W"
            known.add(number)
    return amounts, "".join(letters)
