"""Dates and times as files write them: texts in any order of day, month and year, typed cells, figures. Pure."""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from typing import TypeVar

from portal.charging.table_shape import Cell


class DateOrder(StrEnum):
    """How a file writes its dates. Two-digit years are read as 20xx, where the year stands last only."""

    ISO = "iso"  # 2019-08-31, optionally T10:20 and an offset
    YEAR_MONTH_DAY = "year_month_day"  # 2019/8/31, 20190831
    YEAR_DAY_MONTH = "year_day_month"  # 2019-31-08
    DAY_MONTH_YEAR = "day_month_year"  # 31.08.2019, 31/8/19
    MONTH_DAY_YEAR = "month_day_year"  # 08/31/2019
    SWAPPED_WHEN_AMBIGUOUS = "swapped_when_ambiguous"  # ISO or typed, day and month swapped when the day is <= 12
    EXCEL = "excel"  # typed date cells, or day numbers such as 43466.5
    EPOCH_SECONDS = "epoch_seconds"
    EPOCH_MILLISECONDS = "epoch_milliseconds"


DayOrMoment = TypeVar("DayOrMoment", date, datetime)

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "–", "—"})
"""Texts, folded to lower case, that stand for no value."""

_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:(?:[Tt]|,?\s+)(\S.*))?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[Tt ]?(\d{2})(\d{2})(\d{2})?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_TIME = re.compile(
    r"(\d{1,2})[:.h](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*([AaPp]\.?[Mm]\.?)?\s*(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{1,13}(?:[.,]\d{1,12})?", re.ASCII)
_YEARS = range(1970, 2200)
_EXCEL_DAYS = (25569, 109000)  # 1970 to 2198 in the 1900 date system
_EXCEL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - day numbers carry no zone


def is_missing(cell: Cell) -> bool:
    """Whether the cell stands for no value, such as an empty one or NA."""
    return isinstance(cell, str) and cell.strip().casefold() in MISSING


def read_moment(cell: Cell, order: DateOrder, time_cell: Cell | None = None) -> datetime | None:
    """The moment in one cell, or in a date cell and a time cell; None when it cannot be read.

    Local wall-clock time without a zone, unless the text names an offset or is an epoch: then aware. A text
    with a date alone is no moment. With a time cell, the date cell's own time must be absent or midnight.
    """
    found = read_cell(cell, order)
    if found is None:
        return None
    moment, has_time = found
    if time_cell is None:
        return moment if has_time else None
    if has_time and moment.time() != time(0):
        return None
    return _at(moment, time_cell)


def read_date(cell: Cell, order: DateOrder) -> date | None:
    """The day that a cell names in this order, or None."""
    found = read_cell(cell, order)
    return found[0].date() if found else None


def text_of(cell: Cell) -> str:
    """The cell as text, the same for a whole number typed as 51516.0 as for one written 51516."""
    if isinstance(cell, str):
        return cell.strip(" \t\r\n\u00a0\ufeff")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return str(cell)


def read_cell(cell: Cell, order: DateOrder) -> tuple[datetime, bool] | None:
    """The moment that one cell names, and whether it named a time of day; None when it cannot be read."""
    if isinstance(cell, datetime):
        return _read_typed(cell, order)
    if isinstance(cell, time | timedelta):
        return None
    text = text_of(cell)
    if order in (DateOrder.EXCEL, DateOrder.EPOCH_SECONDS, DateOrder.EPOCH_MILLISECONDS):
        return _read_number(text, order)
    if order is DateOrder.SWAPPED_WHEN_AMBIGUOUS:
        return _read_swapped(text)
    return _read_text(text, order)


def _read_typed(cell: datetime, order: DateOrder) -> tuple[datetime, bool] | None:
    if order in (DateOrder.EPOCH_SECONDS, DateOrder.EPOCH_MILLISECONDS) or cell.year not in _YEARS:
        return None
    # A workbook stores a time as a fraction of a day: it is a whole second give or take a rounding error.
    moment = (cell + timedelta(microseconds=500_000)).replace(microsecond=0)
    return (swapped(moment) if order is DateOrder.SWAPPED_WHEN_AMBIGUOUS else moment), True


def _read_swapped(text: str) -> tuple[datetime, bool] | None:
    """ISO text is exchanged; other text is what the program that did the exchanging could not convert."""
    found = _read_text(text, DateOrder.ISO)
    if found is None:
        return _read_text(text, DateOrder.DAY_MONTH_YEAR)
    return swapped(found[0]), found[1]


def _read_number(text: str, order: DateOrder) -> tuple[datetime, bool] | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text.replace(",", "."))
    if order is DateOrder.EXCEL:
        if not _EXCEL_DAYS[0] <= number < _EXCEL_DAYS[1]:
            return None
        return _EXCEL_ZERO + timedelta(seconds=round(number * 86400)), True
    seconds = number / 1000 if order is DateOrder.EPOCH_MILLISECONDS else number
    # From 2000 on: smaller figures are counts or day numbers, not stamps of charging sessions.
    if not 946_684_800 <= seconds < 7_258_118_400:
        return None
    return datetime.fromtimestamp(seconds, UTC), True


def _read_text(text: str, order: DateOrder) -> tuple[datetime, bool] | None:
    compact = _COMPACT.fullmatch(text)
    if compact:
        return _read_compact(compact) if order is DateOrder.YEAR_MONTH_DAY else None
    match = _DATE.fullmatch(text)
    if match is None or (order is DateOrder.ISO and not _ISO.match(text)):
        return None
    day = _ordered(match[1], match[3], match[4], order)
    if day is None:
        return None
    if match[5] is None:
        return day, False
    moment = _at(day, match[5])
    return (moment, True) if moment else None


def _read_compact(match: re.Match[str]) -> tuple[datetime, bool] | None:
    day = _day(match[1], match[2], match[3])
    if day is None or match[4] is None:
        return (day, False) if day else None
    moment = _at(day, f"{match[4]}:{match[5]}:{match[6] or '00'}{match[7] or ''}")
    return (moment, True) if moment else None


def _ordered(first: str, second: str, third: str, order: DateOrder) -> datetime | None:
    if order in (DateOrder.ISO, DateOrder.YEAR_MONTH_DAY):
        return _day(first, second, third)
    if order is DateOrder.YEAR_DAY_MONTH:
        return _day(first, third, second)
    year = f"20{third}" if len(third) == 2 else third
    if order is DateOrder.DAY_MONTH_YEAR:
        return _day(year, second, first)
    return _day(year, first, second)


def _day(year: str, month: str, day: str) -> datetime | None:
    if len(year) != 4 or len(month) > 2 or len(day) > 2 or int(year) not in _YEARS:
        return None
    try:
        return datetime(int(year), int(month), int(day))  # noqa: DTZ001 - the zone is applied by to_utc
    except ValueError:
        return None


def _at(day: datetime, cell: Cell) -> datetime | None:
    """This day at the time that a cell names: hh:mm, seconds, am or pm and an offset are optional."""
    if isinstance(cell, datetime):
        return datetime.combine(day.date(), cell.time())
    if isinstance(cell, time):
        return datetime.combine(day.date(), cell)
    if isinstance(cell, timedelta):
        return day + cell if timedelta(0) <= cell <= timedelta(days=1) else None
    if isinstance(cell, int | float):
        return day + timedelta(seconds=round(cell * 86400)) if 0 <= cell < 1 else None
    match = _TIME.fullmatch(cell.strip())
    return _clock(day, match) if match else None


def _clock(day: datetime, match: re.Match[str]) -> datetime | None:
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[5]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[5][0] in "Pp" else 0)
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second)):
        return None
    micro = int((match[4] or "0")[:6].ljust(6, "0"))
    moment = day + timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
    return moment.replace(tzinfo=_offset(match[6])) if match[6] else moment


def _offset(text: str) -> timezone:
    if text in ("Z", "z", "UTC"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = min(int(digits[:2]) * 60 + int(digits[2:]), 23 * 60)
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def swapped(moment: DayOrMoment) -> DayOrMoment:
    """Day and month exchanged where that is possible: where the day is at most 12."""
    return moment.replace(month=moment.day, day=moment.month) if moment.day <= 12 else moment
