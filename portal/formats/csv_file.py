"""The project's own CSV: columns, separators, stamps and encoding as a formatter chooses them.

A row is a period or a quarter hour. Records end with CR LF and cells are quoted as RFC 4180 has it. Of
quarter hours the stamp usually wanted is the interval's end (`period_end`): readings of 14:00 and 14:15
give the energy at 14:15.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from portal.formats.csv_cells import MeterTexts, meter_texts, period_cells, quarter_records, quoted
from portal.formats.csv_settings import COLUMNS, ENERGY_COLUMNS, FORMULA, PER_METER, CsvSettings
from portal.formats.rows import Meter, MeterPeriod, check_energy, checked_series, chunks

__all__ = ["COLUMNS", "ENERGY_COLUMNS", "FORMULA", "CsvSettings", "write"]


def write(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[bytes]:
    """The file in pieces of about 64 KB, or of one meter's quarter hours; rows are read as the pieces are taken. No
    rows give the header alone, or nothing.

    Raises FormatError for a missing or formula-like identifier, text that the encoding or a text file
    cannot hold, negative energy, a missing register where one is a column, and, per quarter hour, quarter
    hours that leave a gap or do not sum to the period's energy; ValueError for an instant that is not UTC.
    """
    if settings.encoding == "utf-8-sig":
        yield b"\xef\xbb\xbf"
    encoding = "utf-8" if settings.encoding == "utf-8-sig" else settings.encoding
    yield from chunks(_texts(rows, settings), encoding)


def _texts(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[str]:
    if settings.header:
        titles = settings.titles or settings.columns
        yield settings.separator.join(map(quoted, titles)) + "\r\n"
    yield from _quarter_hours(rows, settings) if settings.per == "quarter" else _periods(rows, settings)


def _quarter_hours(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[str]:
    records = quarter_records(settings)
    meter: Meter | None = None
    texts: MeterTexts = {}
    for row in rows:
        check_energy(row)
        if row.meter is not meter:
            meter, texts = row.meter, meter_texts(row.meter, settings)
        yield records(texts, checked_series(row))


def _periods(rows: Iterable[MeterPeriod], settings: CsvSettings) -> Iterator[str]:
    by_column = period_cells(settings)
    cells = [by_column[column] for column in settings.columns if column not in PER_METER]
    meter: Meter | None = None
    template = ""
    for row in rows:
        check_energy(row)
        if row.meter is not meter:
            meter = row.meter
            template = _template(meter, settings)
        yield template % tuple([cell(row) for cell in cells])


def _template(meter: Meter, settings: CsvSettings) -> str:
    """One record of this meter for `%`: its own cells written out, a place for each other column."""
    texts = meter_texts(meter, settings)
    cells = [texts[column].replace("%", "%%") if column in texts else "%s" for column in settings.columns]
    return settings.separator.join(cells) + "\r\n"
