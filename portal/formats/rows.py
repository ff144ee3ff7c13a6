"""The rows every format writes: meters, their energy per period, and quarter hours.

Energy is integer Wh and instants are aware UTC. Writers take any iterable of MeterPeriod, read it once
and in order, and keep none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats.errors import FormatError, SettingsError

Quality = Literal["W", "E", "F"]
"""W measured, E substitute (spread over the session), F missing."""

Identifier = Literal["device_location_id", "factory_no", "internal_no", "metering_code"]

IDENTIFIERS: Final[tuple[Identifier, ...]] = (
    "device_location_id",
    "factory_no",
    "internal_no",
    "metering_code",
)

LABELS: Final[dict[str, str]] = {
    "device_location_id": "DeviceLocationID",
    "factory_no": "FactoryNo",
    "internal_no": "InternalNo",
    "metering_code": "Metering Code",
}

QUARTER_HOUR: Final = timedelta(minutes=15)

CHUNK_SIZE: Final = 64 * 1024

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Of no width, or turning the direction: two identifiers that look the same would be different ones.
INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

# Production [2] Char of XML 1.0, the other way round.
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
STATUS_TEXT = re.compile(r"[A-Za-z0-9]{1,10}")

# Periods repeat from meter to meter: 10,000 instants are more than a quarter of a year in quarter hours.
REMEMBERED_INSTANTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Meter:
    """A charging point, or the virtual meter of one driver. `name` is for people."""

    device_location_id: str | None
    factory_no: str | None
    internal_no: str | None
    metering_code: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Series:
    """Quarter hours from `starts_at` (UTC) on, without a gap: the energy of each in Wh, and of each the quality, one
    letter W, E or F."""

    starts_at: datetime
    energy_wh: Sequence[int]
    quality: str


@dataclass(frozen=True, slots=True)
class MeterPeriod:
    """The energy of one meter from `starts_at` (inclusive) to `ends_at` (exclusive).

    `measured`, `substitute` and `missing` count quarter hours; `series` holds all of them where a format needs
    them; `register_wh` is the running virtual register at `ends_at`: all energy since the meter's first session;
    `gaps` are the spans of the missing quarter hours.
    """

    meter: Meter
    starts_at: datetime
    ends_at: datetime
    energy_wh: int
    measured: int
    substitute: int
    missing: int
    series: Series | None = None
    register_wh: int | None = None
    gaps: Sequence[tuple[datetime, datetime]] = ()


def identifier_of(meter: Meter, identifier: Identifier) -> str:
    """The meter's identifier, unaltered. A missing or blank one, blanks around it, control characters and invisible
    ones raise FormatError: a utility assigns energy by it, so it is never repaired here."""
    value: str | None = getattr(meter, identifier)
    label = LABELS[identifier]
    if value is None or not value.strip():
        raise FormatError(meter.name, "%(meter)s has no %(identifier)s.", identifier=label)
    if value != value.strip():
        raise FormatError(meter.name, "%(meter)s has blanks around its %(identifier)s.", identifier=label)
    if CONTROL.search(value):
        raise FormatError(meter.name, "%(meter)s has a control character in its %(identifier)s.", identifier=label)
    if INVISIBLE.search(value):
        raise FormatError(meter.name, "%(meter)s has an invisible character in its %(identifier)s.", identifier=label)
    return value


def check_identifier(field: str, identifier: str) -> None:
    """SettingsError on `field` unless `identifier` is one of IDENTIFIERS."""
    if identifier not in IDENTIFIERS:
        raise SettingsError(field, "Choose one of %(choices)s.", choices=", ".join(IDENTIFIERS))


def check_decimals(field: str, decimals: int) -> None:
    """SettingsError on `field` unless kWh with that many decimals hold every Wh."""
    if not 3 <= decimals <= 6:
        raise SettingsError(field, "Choose 3 to 6 decimals: fewer would round the energy.")


def check_obis(field: str, obis: str) -> None:
    """SettingsError on `field` unless `obis` reads as A-B:C.D.E, with or without *F."""
    if not re.fullmatch(r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(\*\d{1,3})?", obis, re.ASCII):
        raise SettingsError(field, "An OBIS code looks like 1-1:1.9.0.")


def check_energy(row: MeterPeriod) -> None:
    """FormatError when the row could not be billed: negative energy, or an end not after the start."""
    if row.energy_wh < 0:
        raise FormatError(row.meter.name, "%(meter)s has negative energy.")
    if row.ends_at <= row.starts_at:
        raise FormatError(row.meter.name, "%(meter)s has a period that ends before it starts.")


def checked_series(row: MeterPeriod) -> Series:
    """The row's quarter hours; FormatError unless they fill the period, none is negative, each has a quality, and
    their sum is the period's energy."""
    name, series = row.meter.name, row.series
    if series is None:
        raise FormatError(name, "%(meter)s has no quarter hours.")
    held, until = series.energy_wh, series.starts_at + len(series.energy_wh) * QUARTER_HOUR
    if series.starts_at != row.starts_at:
        raise FormatError(name, "%(meter)s has quarter hours from %(instant)s on only.", instant=_utc(series.starts_at))
    if until != row.ends_at or not held:
        raise FormatError(name, "%(meter)s has quarter hours until %(instant)s only.", instant=_utc(until))
    if len(series.quality) != len(held) or series.quality.strip("WEF"):
        raise FormatError(name, "%(meter)s has quarter hours without a quality.")
    if min(held) < 0:
        raise FormatError(name, "%(meter)s has a quarter hour with negative energy.")
    if sum(held) != row.energy_wh:
        raise FormatError(name, "%(meter)s has quarter hours that do not sum to the period’s energy.")
    return series


def by_day(row: MeterPeriod, zone: ZoneInfo) -> Iterator[MeterPeriod]:
    """The row, which has quarter hours, as one row for each local day that it reaches into, in order; their energy and
    counts sum to the row's, their registers end with the row's."""
    series, register = checked_series(row), row.register_wh
    left = row.energy_wh
    for starts_at, first, after in _days(row.starts_at, len(series.energy_wh), zone):
        held, quality = series.energy_wh[first:after], series.quality[first:after]
        energy_wh = sum(held)
        left -= energy_wh
        yield MeterPeriod(
            meter=row.meter,
            starts_at=starts_at,
            ends_at=starts_at + len(held) * QUARTER_HOUR,
            energy_wh=energy_wh,
            measured=quality.count("W"),
            substitute=quality.count("E"),
            missing=quality.count("F"),
            series=Series(starts_at, held, quality),
            register_wh=None if register is None else register - left,
        )


@lru_cache(maxsize=64)
def _days(starts_at: datetime, count: int, zone: ZoneInfo) -> Sequence[tuple[datetime, int, int]]:
    """For each local day among so many quarter hours: its first instant, its first one's number, and the number after
    its last."""
    instants = [starts_at + number * QUARTER_HOUR for number in range(count)]
    days = groupby(range(count), lambda number: instants[number].astimezone(zone).date())
    spans = [(held[0], held[-1] + 1) for held in (list(numbers) for _, numbers in days)]
    return [(instants[first], first, after) for first, after in spans]


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def check_status_texts(texts: tuple[str, ...]) -> None:
    """SettingsError on `status_texts` unless W, E and F have a text each, and each another one."""
    if len(set(texts)) != len("WEF") or not all(map(STATUS_TEXT.fullmatch, texts)):
        raise SettingsError("status_texts", "Enter three different texts of letters and digits, for W, E and F.")


def register_of(row: MeterPeriod) -> int:
    """The running virtual register at the period's end; FormatError where there is none."""
    if row.register_wh is None or row.register_wh < 0:
        raise FormatError(row.meter.name, "%(meter)s has no meter reading at the end of the period.")
    return row.register_wh


def permille(row: MeterPeriod) -> int:
    """How many of a thousand quarter hours are not missing, rounded down."""
    present = row.measured + row.substitute
    total = present + row.missing
    return present * 1000 // total if total else 0


def worst(row: MeterPeriod) -> Quality:
    """The worst quality of the period's quarter hours."""
    if row.missing:
        return "F"
    return "E" if row.substitute else "W"


def kwh(energy_wh: int, decimals: int = 4, mark: str = ".") -> str:
    """Wh as kWh text by integer arithmetic; `decimals` is at least 3, so nothing is rounded."""
    sign = "-" if energy_wh < 0 else ""
    whole, rest = divmod(abs(energy_wh), 1000)
    return f"{sign}{whole}{mark}{rest:03d}{'0' * (decimals - 3)}"


def remembered(write: Callable[[datetime], str]) -> Callable[[datetime], str]:
    """`write` for UTC instants only (anything else raises ValueError), each instant written once."""

    @lru_cache(maxsize=REMEMBERED_INSTANTS)
    def text(instant: datetime) -> str:
        if instant.utcoffset() != timedelta(0):
            raise ValueError(f"{instant!r} is not in UTC")
        return write(instant.astimezone(UTC))

    return text


def chunks(lines: Iterable[str], encoding: str) -> Iterator[bytes]:
    """The lines as bytes, in pieces of about 64 KB."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= CHUNK_SIZE:
            yield "".join(held).encode(encoding)
            held.clear()
            size = 0
    if held:
        yield "".join(held).encode(encoding)
