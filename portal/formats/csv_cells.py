"""The cells of CSV records, of periods one by one, of quarter hours a meter's whole series at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from portal.formats.amounts import Amounts
from portal.formats.csv_settings import FORMULA, PER_METER, UNPRINTABLE, CsvSettings
from portal.formats.errors import FormatError
from portal.formats.rows import (
    QUARTER_HOUR,
    Meter,
    MeterPeriod,
    Series,
    identifier_of,
    kwh,
    permille,
    register_of,
    remembered,
    worst,
)

NEEDS_QUOTES = re.compile(r'[";,\t|\r\n]|^\s|\s$|^$')

MeterTexts = Mapping[str, str]
"""The cells of a meter's own columns, quoted."""


def meter_texts(meter: Meter, settings: CsvSettings) -> MeterTexts:
    """FormatError for text that the file cannot hold or must not hold."""
    return {column: quoted(_meter_text(column, meter, settings)) for column in settings.columns if column in PER_METER}


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


def quoted(text: str) -> str:
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
    written = {"local": "%d.%m.%Y %H:%M", "plain": "%Y-%m-%d %H:%M:%S", "digits": "%Y%m%d%H%M"}[settings.stamps]
    return remembered(lambda instant: instant.astimezone(zone).strftime(written))


def period_cells(settings: CsvSettings) -> Mapping[str, Callable[[MeterPeriod], str]]:
    """For each column that is not the meter's own what writes it of a period."""
    stamp, decimals, mark = _stamp(settings), settings.decimals, settings.decimal_mark
    status = dict(zip("WEF", settings.status_texts, strict=True))
    return {
        "period_start": lambda row: stamp(row.starts_at),
        "period_end": lambda row: stamp(row.ends_at),
        "energy_kwh": lambda row: kwh(row.energy_wh, decimals, mark),
        "energy_wh": lambda row: str(row.energy_wh),
        "register_kwh": lambda row: kwh(register_of(row), decimals, mark),
        "measured": lambda row: str(row.measured),
        "substitute": lambda row: str(row.substitute),
        "missing": lambda row: str(row.missing),
        "completeness": lambda row: f"{permille(row) // 10}{mark}{permille(row) % 10}",
        "status": lambda row: status[worst(row)],
    }


def quarter_records(settings: CsvSettings) -> Callable[[MeterTexts, Series], str]:
    """What writes all records of a meter's quarter hours, one text.

    Columns are made one after the other for the whole series, each with the separator before it and the last with the
    end of the record, and shuffled together by slices: 30 million values are worth no Python code for a single one.
    """
    columns, last = settings.columns, len(settings.columns) - 1
    around = [(settings.separator if place else "", "\r\n" if place == last else "") for place in range(last + 1)]
    made = [
        None if column in PER_METER else _quarter_column(column, before, after, settings)
        for column, (before, after) in zip(columns, around, strict=True)
    ]

    def records(meter: MeterTexts, series: Series) -> str:
        count, step = len(series.quality), len(columns)
        pieces = [""] * (count * step)
        for place, cells in enumerate(made):
            if cells is None:
                before, after = around[place]
                pieces[place::step] = [f"{before}{meter[columns[place]]}{after}"] * count
            else:
                pieces[place::step] = cells(series)
        return "".join(pieces)

    return records


def _quarter_column(column: str, before: str, after: str, settings: CsvSettings) -> Callable[[Series], Iterable[str]]:
    if column in ("period_start", "period_end"):
        stamps = _stamps(_stamp(settings), before, after)
        late = QUARTER_HOUR * (column == "period_end")
        return lambda series: stamps(series.starts_at + late, len(series.quality))
    if column in ("energy_kwh", "energy_wh"):
        mark = settings.decimal_mark
        amounts = Amounts(settings.decimals, mark, before=before, after=after, in_kwh=column == "energy_kwh")
        return lambda series: map(amounts.__getitem__, series.energy_wh)
    texts = {quality: f"{before}{text}{after}" for quality, text in _of_quality(column, settings).items()}
    return lambda series: map(texts.__getitem__, series.quality)


def _stamps(stamp: Callable[[datetime], str], before: str, after: str) -> Callable[[datetime, int], Sequence[str]]:
    @lru_cache(maxsize=8)  # all meters of a period have the same
    def stamps(first: datetime, count: int) -> Sequence[str]:
        return [f"{before}{stamp(first + number * QUARTER_HOUR)}{after}" for number in range(count)]

    return stamps


def _of_quality(column: str, settings: CsvSettings) -> dict[str, str]:
    if column == "status":
        return dict(zip("WEF", settings.status_texts, strict=True))
    if column == "completeness":
        whole, none = f"100{settings.decimal_mark}0", f"0{settings.decimal_mark}0"
        return {"W": whole, "E": whole, "F": none}
    return {quality: str(int(quality == COUNTED[column])) for quality in "WEF"}


COUNTED: Final = {"measured": "W", "substitute": "E", "missing": "F"}
