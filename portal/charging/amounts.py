"""Energies and durations as files write them, read exactly. Pure."""

import re
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from portal.charging.date_text import text_of
from portal.charging.mapping import DurationUnit, EnergyUnit
from portal.charging.table_shape import Cell

_UNIT = re.compile(r"\s*(kwh|wh|h|hours?|min|minutes?|s|sec|seconds?)", re.IGNORECASE)
_PLAIN = {
    ".": re.compile(r"(?=.*\d)([+-]?\d{0,15})(?:\.(\d{0,20}))?", re.ASCII),
    ",": re.compile(r"(?=.*\d)([+-]?\d{0,15})(?:,(\d{0,20}))?", re.ASCII),
}
# Grouped thousands that cannot be taken for decimals: by apostrophe or blank, or by the other mark with either a
# decimal part behind them or two groups. A lone "1,234" beside decimal points stays unread.
_GROUPED = {
    ".": re.compile(
        r"[+-]?\d{1,3}(?:(?:['’   ]\d{3})+(?:\.\d{1,20})?|(?:,\d{3})+\.\d{1,20}|(?:,\d{3}){2,4})", re.ASCII
    ),
    ",": re.compile(
        r"[+-]?\d{1,3}(?:(?:['’   ]\d{3})+(?:,\d{1,20})?|(?:\.\d{3})+,\d{1,20}|(?:\.\d{3}){2,4})", re.ASCII
    ),
}
_EXPONENT = re.compile(r"[+-]?\d{1,3}(?:[.,]\d{1,17})?[eE][+-]?\d{1,2}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,4}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?", re.ASCII)
_SECONDS = {DurationUnit.SECONDS: 1, DurationUnit.MINUTES: 60, DurationUnit.HOURS: 3600}
_LARGEST = Decimal(10) ** 12


def read_number(cell: Cell, decimal_mark: str) -> Decimal | None:
    """The exact figure in a cell, None when it is none or when its thousands could be decimals.

    A unit behind the figure is passed over. Typed numbers are taken at their shortest decimal form.
    """
    if isinstance(cell, int | float):
        number = Decimal(repr(cell))
        return number if number.is_finite() and abs(number) < _LARGEST else None
    if not isinstance(cell, str):
        return None
    text = _UNIT.sub("", cell.strip()) if cell.strip()[-1:].isalpha() else cell.strip()
    plain = _PLAIN[decimal_mark].fullmatch(text)
    if plain:
        return Decimal(f"{plain[1]}.{plain[2] or 0}")
    if _GROUPED[decimal_mark].fullmatch(text):
        sign_and_digits = re.sub(rf"[^\d{re.escape(decimal_mark)}+-]", "", text)
        return Decimal(sign_and_digits.replace(",", "."))
    if _EXPONENT.fullmatch(text) and ("," if decimal_mark == "." else ".") not in text:
        number = Decimal(text.replace(",", "."))
        return number if abs(number) < _LARGEST else None
    return None


def to_wh(number: Decimal, unit: EnergyUnit) -> int:
    """Whole Wh, half a Wh rounded up."""
    wh = number * 1000 if unit is EnergyUnit.KWH else number
    return int(wh.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def read_duration(cell: Cell, unit: DurationUnit, decimal_mark: str) -> timedelta | None:
    """A length of time to the second, None when it cannot be read or is negative or over ten years."""
    if isinstance(cell, timedelta):
        seconds = cell.total_seconds()
    elif isinstance(cell, time):
        seconds = cell.hour * 3600 + cell.minute * 60 + cell.second
    elif isinstance(cell, datetime):
        return None
    elif unit is DurationUnit.CLOCK:
        match = _CLOCK.fullmatch(text_of(cell))
        if match is None or int(match[2]) > 59 or int(match[3] or 0) > 59:
            return None
        seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
    else:
        number = read_number(cell, decimal_mark)
        if number is None:
            return None
        seconds = float(number * _SECONDS[unit])
    return timedelta(seconds=round(seconds)) if 0 <= seconds < 3650 * 86400 else None
