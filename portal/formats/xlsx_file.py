"""Workbooks (XLSX) with one sheet, for people: the columns of CSV, amounts as numbers, stamps as local dates.

Rows are written as they come, to a temporary file; memory stays flat. Texts are stored as texts: nothing is a formula.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.exceptions import XlsxWriterException
from xlsxwriter.worksheet import Worksheet

from portal.formats.csv_settings import COLUMNS, UNPRINTABLE, check_columns, check_titles
from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import (
    NOT_XML,
    QUARTER_HOUR,
    Identifier,
    Meter,
    MeterPeriod,
    Quality,
    check_energy,
    check_identifier,
    check_obis,
    checked_series,
    identifier_of,
    permille,
    register_of,
    worst,
)

MOST_ROWS: Final = 1_048_576
MOST_CHARACTERS: Final = 32_767  # UTF-16 units in a cell
PIECE: Final = 1 << 18
# A workbook says when it was made; the same rows give the same bytes.
MADE: Final = datetime(1980, 1, 1, tzinfo=UTC)

Cell = str | int | float | datetime


@dataclass(frozen=True, slots=True)
class XlsxSettings:
    """How a formatter writes XLSX; SettingsError on construction names the setting at fault. Columns, titles and `per`
    are those of CSV."""

    columns: tuple[str, ...] = ("identifier", "name", "period_start", "period_end", "energy_kwh", "status")
    titles: tuple[str, ...] = ()
    per: Literal["period", "quarter"] = "period"
    identifier: Identifier = "device_location_id"
    obis: str = "1-1:1.9.0"
    header: bool = True
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))

    def __post_init__(self) -> None:
        if self.per not in ("period", "quarter"):
            raise SettingsError("per", "Choose one of %(choices)s.", choices="period, quarter")
        check_columns(self.columns, COLUMNS)
        if self.per == "quarter" and "register_kwh" in self.columns:
            raise SettingsError("columns", "A meter reading stands at the end of a period, not of a quarter hour.")
        check_titles(self.titles, len(self.columns))
        check_identifier("identifier", self.identifier)
        check_obis("obis", self.obis)


def check_rows(rows: int, settings: XlsxSettings) -> None:
    """FormatError for more rows of meters and periods or quarter hours than a sheet has. Ask before building."""
    if rows + settings.header > MOST_ROWS:
        raise FormatError(
            None,
            "A workbook holds %(most)s rows, and this would be %(rows)s. Choose CSV, a file for each meter or day, or "
            "a shorter interval.",
            most=f"{MOST_ROWS:,}",
            rows=f"{rows + settings.header:,}",
        )


def write(rows: Iterable[MeterPeriod], settings: XlsxSettings) -> Iterator[bytes]:
    """The workbook in pieces; all rows are read before the first one. No rows give the header alone.

    Raises FormatError for what CSV refuses, for a text longer than a cell, and for more rows than a sheet has.
    """
    with tempfile.TemporaryFile() as file:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        book = Workbook(file, {**options, "strings_to_numbers": False, "nan_inf_to_errors": False})
        book.set_properties({"created": MADE.replace(tzinfo=None)})
        try:
            _fill(book, rows, settings)
        finally:
            _close(book)
        file.seek(0)
        yield from iter(lambda: file.read(PIECE), b"")


def _close(book: Workbook) -> None:
    """Closed also after an error, so that its temporary files go."""
    try:
        book.close()
    except XlsxWriterException as error:
        raise FormatError(None, "The workbook cannot be written: %(reason)s.", reason=str(error)) from None


def _fill(book: Workbook, rows: Iterable[MeterPeriod], settings: XlsxSettings) -> None:
    sheet = book.add_worksheet()
    formats = [
        book.add_format({"num_format": form}) if form else None for form in map(_number_format, settings.columns)
    ]
    for place, form in enumerate(formats):
        sheet.set_column(place, place, 18 if form else 24)
    number = 0
    if settings.header:
        for place, title in enumerate(settings.titles or settings.columns):
            sheet.write_string(0, place, title)
        number = 1
    for record in _records(rows, settings):
        if number >= MOST_ROWS:
            check_rows(number, settings)
            raise AssertionError("more rows than a sheet has")
        for place, cell in enumerate(record):
            _write(sheet, number, place, cell, formats[place])
        number += 1


def _write(sheet: Worksheet, number: int, place: int, cell: Cell, form: Any) -> None:
    if isinstance(cell, str):
        sheet.write_string(number, place, cell)
    elif isinstance(cell, datetime):
        sheet.write_datetime(number, place, cell, form)
    else:
        sheet.write_number(number, place, cell, form)


def _number_format(column: str) -> str | None:
    if column.endswith("_kwh"):
        return "0.000"
    return "yyyy-mm-dd hh:mm" if column.startswith("period_") else "0.0" if column == "completeness" else None


def _records(rows: Iterable[MeterPeriod], settings: XlsxSettings) -> Iterator[Sequence[Cell]]:
    local = _local(settings.zone)
    periods = _period_cells(local)
    for row in rows:
        check_energy(row)
        own = meter_texts(row.meter, settings)
        if settings.per == "quarter":
            yield from _quarters(row, own, settings, local)
        else:
            yield [own[column] if column in own else periods[column](row) for column in settings.columns]


def _quarters(
    row: MeterPeriod, own: dict[str, str], settings: XlsxSettings, local: Callable[[datetime], datetime]
) -> Iterator[Sequence[Cell]]:
    """Each quarter hour is a period of its own, of one quarter hour."""
    series, periods = checked_series(row), _period_cells(local)
    for number, (energy_wh, quality) in enumerate(zip(series.energy_wh, series.quality, strict=True)):
        starts_at = series.starts_at + number * QUARTER_HOUR
        measured, substitute, missing = (int(quality == letter) for letter in "WEF")
        ends_at = starts_at + QUARTER_HOUR
        one = MeterPeriod(row.meter, starts_at, ends_at, energy_wh, measured, substitute, missing)
        yield [own[column] if column in own else periods[column](one) for column in settings.columns]


def _period_cells(local: Callable[[datetime], datetime]) -> dict[str, Callable[[MeterPeriod], Cell]]:
    status: dict[Quality, str] = {"W": "W", "E": "E", "F": "F"}
    return {
        "period_start": lambda row: local(row.starts_at),
        "period_end": lambda row: local(row.ends_at),
        "energy_kwh": lambda row: row.energy_wh / 1000,
        "energy_wh": lambda row: row.energy_wh,
        "register_kwh": lambda row: register_of(row) / 1000,
        "measured": lambda row: row.measured,
        "substitute": lambda row: row.substitute,
        "missing": lambda row: row.missing,
        "completeness": lambda row: permille(row) / 10,
        "status": lambda row: status[worst(row)],
    }


def _local(zone: ZoneInfo) -> Callable[[datetime], datetime]:
    @lru_cache(maxsize=10_000)
    def local(instant: datetime) -> datetime:
        return instant.astimezone(zone).replace(tzinfo=None)

    return local


def meter_texts(meter: Meter, settings: XlsxSettings) -> dict[str, str]:
    """The cells of a meter's own columns. FormatError for text that a cell cannot hold."""
    return {column: _meter_text(column, meter, settings) for column in ("identifier", "name", "obis")}


def _meter_text(column: str, meter: Meter, settings: XlsxSettings) -> str:
    if column not in settings.columns:
        return ""
    if column == "obis":
        return settings.obis
    text = identifier_of(meter, settings.identifier) if column == "identifier" else meter.name
    if NOT_XML.search(text) or UNPRINTABLE.search(text):
        raise FormatError(meter.name, "%(meter)s has a control character in its name.")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MOST_CHARACTERS:
        raise FormatError(meter.name[:80], "%(meter)s … is longer than a cell of a workbook.")
    return text
