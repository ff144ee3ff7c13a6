"""Invented meters and rows for the format tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from portal.formats.rows import Meter, MeterPeriod, Quality, Series

ZURICH = ZoneInfo("Europe/Zurich")
GOLDEN = Path(__file__).parent / "golden"
CREATED = datetime(2026, 4, 1, 3, 15, 9, tzinfo=UTC)

SENDER, RECEIVER = "12X-PIQUET-----W", "12X-UTILITY----T"

GARAGE_1 = Meter("CH9900000000000000000000000000001", "40012345", "LP-01", "EH1", "Einstellhalle 1")
GARAGE_2 = Meter("CH9900000000000000000000000000002", "40012346", "LP-02 <B&B>", 'EH "2"', "Einstellhalle 2; Süd")
VISITORS = Meter("CH9900000000000000000000000000003", None, None, None, "=Besucher")


def local_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZURICH).astimezone(UTC)


def row(meter: Meter, start: date, end: date, energy_wh: int, register_wh: int | None = None) -> MeterPeriod:
    """A fully measured period of local days, without quarter hours."""
    starts_at, ends_at = local_midnight(start), local_midnight(end)
    count = (ends_at - starts_at) // timedelta(minutes=15)
    return MeterPeriod(meter, starts_at, ends_at, energy_wh, count, 0, 0, None, register_wh)


def with_quarters(empty: MeterPeriod, energy: Callable[[int], int], quality: Callable[[int], Quality]) -> MeterPeriod:
    """The row with quarter hours made by their number, its energy and counts taken from them."""
    energy_wh = [energy(number) for number in range(empty.measured)]
    letters = "".join(quality(number) for number in range(empty.measured))
    return replace(
        empty,
        energy_wh=sum(energy_wh),
        measured=letters.count("W"),
        substitute=letters.count("E"),
        missing=letters.count("F"),
        series=Series(empty.starts_at, energy_wh, letters),
    )


def quarter_day(meter: Meter, day: date) -> MeterPeriod:
    """A day with 11 kW in its second hour, one substitute and one missing quarter hour."""
    qualities: dict[int, Quality] = {8: "E", 9: "F"}
    return with_quarters(
        row(meter, day, day + timedelta(days=1), 0),
        lambda number: 2750 if 4 <= number < 8 else 1 if number == 8 else 0,
        lambda number: qualities.get(number, "W"),
    )


def many(count: int) -> Iterator[MeterPeriod]:
    """A month's row for each of `count` meters, made one at a time."""
    starts_at, ends_at = local_midnight(date(2026, 3, 1)), local_midnight(date(2026, 4, 1))
    for number in range(count):
        meter = Meter(f"CH99{number:029d}", None, None, None, f"Platz {number}")
        yield MeterPeriod(meter, starts_at, ends_at, number * 37 % 900_000, 2972, 0, 0)


def coded(number: int, factory_no: str | None = "4711") -> Meter:
    """A meter with the Swiss metering code of that number."""
    return Meter(None, factory_no, None, f"CH990000{number:025d}", f"Ladepunkt {number}")
