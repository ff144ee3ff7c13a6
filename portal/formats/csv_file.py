"""The project's own CSV: columns, separators, stamps and encoding as a formatter chooses them.

A row is a period or a quarter hour. Records end with CR LF and cells are quoted as RFC 4180 has it. Of
quarter hours the stamp usually wanted is the interval's end (`period_end`): readings of 14:00 and 14:15
give the energy at 14:15.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import (
    QUARTER_HOUR,
    Identifier,
    Meter,
    MeterPeriod,
    Quality,
    Series,
    check_decimals,
    check_energy,
    check_identifier,
    check_obis,
    checked_series,
    chunks,
    identifier_of,
    kwh,
    remembered,
)

PER_METER: Final = ("identifier", "name", "obis")
COLUMNS: Final = (
    *PER_METER,
    "period_start",
    "period_end",
    "energy_kwh",
    "energy_wh",
    "register_kwh",
    "measured",
    "substitute",
    "missing",
    "completeness",
    "status",
)

ENERGY_COLUMNS: Final = {"energy_kwh", "energy_wh", "register_kwh"}
"""What a column may hold. `period_start` and `period_end` are those of the row, which may be a quarter hour;
`measured`, `substitute` and `missing` count quarter hours; `completeness` is the percentage that is not
missing, rounded down; `status` is W, E or F, for a period the worst of its quarter hours."""

SEPARATORS: Final = (";", ",", "\t", "|")
DECIMAL_MARKS: Final = (".", ",")
ENCODINGS: Final = ("utf-8", "utf-8-sig", "iso-8859-1")
STAMPS: Final = ("iso_utc", "iso_local", "local")
"""2026-03-01T00:00:00Z, 2026-03-01T01:00:00+01:00, 01.03.2026 01:00 (twice the same in autumn's hour)."""
PER: Final = ("period", "quarter")

NEEDS_QUOTES = re.compile(r'[";,\t|\r\n]|^\s|\s$|^$')
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What spreadsheets take as the start of a formula, full-width forms included, after blanks or none.
FORMULA = re.compile("^[ \u00a0\u2000-\u200f\u3000\ufeff]*[=+\\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")

FLAGS: Final = {counted: {quality: str(int(quality == counted)) for quality in "WEF"} for counted in "WEF"}

# Amounts repeat: most quarter hours are 0 or the full power of a connector.
REMEMBERED_AMOUNTS: Final = 32_768


@dataclass(frozen=True, slots=True)
class CsvSettings:
    """How a formatter writes CSV; SettingsError on construction names the setting at fault.

    `titles` replace the column names in the header, one for each column. With `for_people` a name that a
    spreadsheet would run as a formula gets an apostrophe in front; without, it is refused. Identifiers of
    that kind are always refused, never altered.
    """

    columns: tuple[str, ...] = ("identifier", "obis", "period_start", "period_end", "energy_kwh", "status")
    titles: tuple[str, ...] = ()
    per: Literal["period", "quarter"] = "period"
    identifier: Identifier = "device_location_id"
    obis: str = "1-1:1.9.0"
    separator: str = ";"
    decimal_mark: str = "."
    decimals: int = 3
    header: bool = True
    encoding: Literal["utf-8", "utf-8-sig", "iso-8859-1"] = "utf-8"
    stamps: Literal["iso_utc", "iso_local", "local"] = "iso_utc"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))
    for_people: bool = True

    def __post_init__(self) -> None:
        for name, choices in (
            ("separator", SEPARATORS),
            ("decimal_mark", DECIMAL_MARKS),
            ("encoding", ENCODINGS),
            ("stamps", STAMPS),
            ("per", PER),
        ):
            if getattr(self, name) not in choices:
                raise SettingsError(name, "Choose one of %(choices)s.", choices=" ".join(map(repr, choices)))
        if self.separator == self.decimal_mark:
            raise SettingsError("decimal_mark", "The decimal mark and the separator must differ.")
        check_identifier("identifier", self.identifier)
        check_decimals("decimals", self.decimals)
        check_obis("obis", self.obis)
        _check_columns(self)


def _check_columns(settings: CsvSettings) -> None:
    columns, titles = settings.columns, settings.titles
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise SettingsError(
            "columns", "Unknown: %(unknown)s. Known: %(known)s.", unknown=", ".join(unknown), known=", ".join(COLUMNS)
        )
    if not columns or len(set(columns)) < len(columns):
        raise SettingsError("columns", "Choose at least one column, and none twice.")
    if settings.per == "quarter" and "register_kwh" in columns:
        raise SettingsError("columns", "A meter reading stands at the end of a period, not of a quarter hour.")
    if titles and len(titles) != len(columns):
        raise SettingsError("titles", "Enter %(number)s titles, one for each column, or none.", number=len(columns))
    for title in titles:
        if FORMULA.search(title) or UNPRINTABLE.search(title):
            raise SettingsError("titles", "%(title)s could be run as a formula.", title=repr(title))
        try:
            title.encode(settings.encoding)
        except UnicodeEncodeError:
            raise SettingsError(
                "titles", "%(title)s cannot be written in %(encoding)s.", title=repr(title), encoding=settings.encoding
            ) from None


def write(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[bytes]:
    """The file in pieces of about 64 KB; rows are read as the pieces are taken. No rows give the header
    alone, or nothing.

    Raises FormatError for a missing or formula-like identifier, text that the encoding or a text file
    cannot hold, negative energy, a missing register where one is a column, and, per quarter hour, quarter
    hours that leave a gap or do not sum to the period's energy; ValueError for an instant that is not UTC.
    """
    if settings.encoding == "utf-8-sig":
        yield b"\xef\xbb\xbf"
    encoding = "utf-8" if settings.encoding == "utf-8-sig" else settings.encoding
    yield from chunks(_lines(rows, settings), encoding)


def _lines(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[str]:
    if settings.header:
        titles = settings.titles or settings.columns
        yield settings.separator.join(map(_quoted, titles)) + "\r\n"
    by_quarter = settings.per == "quarter"
    period_cells = _period_cells(settings)
    quarter_cells = _quarter_cells(settings)
    meter: Meter | None = None
    template = ""
    for row in rows:
        check_energy(row)
        if row.meter is not meter:
            meter = row.meter
            template = _template(meter, settings)
        if by_quarter:
            series = checked_series(row)
            columns = [cells(series) for cells in quarter_cells]
            yield template * len(series.quality) % tuple(chain.from_iterable(zip(*columns, strict=True)))
        else:
            yield template % tuple([cell(row) for cell in period_cells])


def _template(meter: Meter, settings: CsvSettings) -> str:
    """One record of this meter for `%`: its own cells written out, a place for each other column."""
    cells = []
    for column in settings.columns:
        if column in PER_METER:
            cells.append(_quoted(_meter_text(column, meter, settings)).replace("%", "%%"))
        else:
            cells.append("%s")
    return settings.separator.join(cells) + "\r\n"


def _meter_text(column: str, meter: Meter, settings: CsvSettings) -> str:
    if column == "obis":
        return settings.obis
    if column == "identifier":
        text, may_alter = identifier_of(meter, settings.identifier), False
    else:
        text, may_alter = meter.name, settings.for_people
    if UNPRINTABLE.search(text):
        raise FormatError(meter.name, "%(meter)s has a control character in its name.")
    try:
        text.encode(settings.encoding)
    except UnicodeEncodeError:
        raise FormatError(
            meter.name, "%(meter)s has a character that %(encoding)s cannot hold.", encoding=settings.encoding
        ) from None
    if FORMULA.search(text):
        if not may_alter:
            raise FormatError(meter.name, "%(meter)s: a spreadsheet would run %(text)s as a formula.", text=repr(text))
        text = "'" + text
    return text


def _quoted(text: str) -> str:
    """The cell, in quotes where any of the usual separators occurs: spreadsheets guess the separator."""
    if NEEDS_QUOTES.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _stamp(settings: CsvSettings) -> Callable[[datetime], str]:
    zone = settings.zone
    if settings.stamps == "iso_utc":
        return remembered(lambda instant: instant.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if settings.stamps == "iso_local":
        return remembered(lambda instant: instant.astimezone(zone).isoformat(timespec="seconds"))
    return remembered(lambda instant: instant.astimezone(zone).strftime("%d.%m.%Y %H:%M"))


def _period_cells(settings: CsvSettings) -> list[Callable[[MeterPeriod], str]]:
    stamp, decimals, mark = _stamp(settings), settings.decimals, settings.decimal_mark
    cells: dict[str, Callable[[MeterPeriod], str]] = {
        "period_start": lambda row: stamp(row.starts_at),
        "period_end": lambda row: stamp(row.ends_at),
        "energy_kwh": lambda row: kwh(row.energy_wh, decimals, mark),
        "energy_wh": lambda row: str(row.energy_wh),
        "register_kwh": lambda row: kwh(_register(row), decimals, mark),
        "measured": lambda row: str(row.measured),
        "substitute": lambda row: str(row.substitute),
        "missing": lambda row: str(row.missing),
        "completeness": lambda row: _completeness(row, mark),
        "status": _worst,
    }
    return [cells[column] for column in settings.columns if column in cells]


def _quarter_cells(settings: CsvSettings) -> list[Callable[[Series], Iterable[str]]]:
    """For each column that is not the meter's own its cells, one for each quarter hour."""
    stamp, decimals, mark = _stamp(settings), settings.decimals, settings.decimal_mark

    @lru_cache(maxsize=8)  # all meters of a period have the same stamps
    def stamps(first: datetime, count: int) -> Sequence[str]:
        return [stamp(first + number * QUARTER_HOUR) for number in range(count)]

    @lru_cache(maxsize=REMEMBERED_AMOUNTS)
    def energy_kwh(energy_wh: int) -> str:
        return kwh(energy_wh, decimals, mark)

    present = {"W": f"100{mark}0", "E": f"100{mark}0", "F": f"0{mark}0"}
    cells: dict[str, Callable[[Series], Iterable[str]]] = {
        "period_start": lambda series: stamps(series.starts_at, len(series.quality)),
        "period_end": lambda series: stamps(series.starts_at + QUARTER_HOUR, len(series.quality)),
        "energy_kwh": lambda series: map(energy_kwh, series.energy_wh),
        "energy_wh": lambda series: map(str, series.energy_wh),
        "measured": lambda series: map(FLAGS["W"].__getitem__, series.quality),
        "substitute": lambda series: map(FLAGS["E"].__getitem__, series.quality),
        "missing": lambda series: map(FLAGS["F"].__getitem__, series.quality),
        "completeness": lambda series: map(present.__getitem__, series.quality),
        "status": lambda series: series.quality,
    }
    return [cells[column] for column in settings.columns if column in cells]


def _register(row: MeterPeriod) -> int:
    if row.register_wh is None or row.register_wh < 0:
        raise FormatError(row.meter.name, "%(meter)s has no meter reading at the end of the period.")
    return row.register_wh


def _completeness(row: MeterPeriod, mark: str) -> str:
    present = row.measured + row.substitute
    total = present + row.missing
    whole, tenth = divmod(present * 1000 // total if total else 0, 10)
    return f"{whole}{mark}{tenth}"


def _worst(row: MeterPeriod) -> Quality:
    if row.missing:
        return "F"
    return "E" if row.substitute else "W"
