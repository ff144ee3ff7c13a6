"""How CSV is written: columns, separators, stamps and encoding as a formatter chooses them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats.errors import SettingsError
from portal.formats.rows import Identifier, check_decimals, check_identifier, check_obis, check_status_texts

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
STAMPS: Final = ("iso_utc", "iso_local", "local", "plain", "digits")
"""2026-03-01T00:00:00Z, 2026-03-01T01:00:00+01:00, and, twice the same in autumn's hour, 01.03.2026 01:00,
2026-03-01 01:00:00, 202603010100."""
PER: Final = ("period", "quarter")

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# What spreadsheets take as the start of a formula, full-width forms included, after blanks or none.
FORMULA = re.compile("^[ \u00a0\u2000-\u200f\u3000\ufeff]*[=+\\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, slots=True)
class CsvSettings:
    """How a formatter writes CSV; SettingsError on construction names the setting at fault.

    `titles` replace the column names in the header, one for each column. With `for_people` a name that a
    spreadsheet would run as a formula gets an apostrophe in front; without, it is refused. Identifiers of
    that kind are always refused, never altered. `status_texts` stand for W, E and F.
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
    stamps: Literal["iso_utc", "iso_local", "local", "plain", "digits"] = "iso_utc"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))
    for_people: bool = True
    status_texts: tuple[str, ...] = ("W", "E", "F")

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
        check_columns(self.columns, COLUMNS)
        if self.per == "quarter" and "register_kwh" in self.columns:
            raise SettingsError("columns", "A meter reading stands at the end of a period, not of a quarter hour.")
        check_titles(self.titles, len(self.columns))
        for title in self.titles:
            try:
                title.encode(self.encoding)
            except UnicodeEncodeError:
                raise SettingsError(
                    "titles", "%(title)s cannot be written in %(encoding)s.", title=repr(title), encoding=self.encoding
                ) from None
        check_status_texts(self.status_texts)


def check_columns(columns: tuple[str, ...], known: tuple[str, ...]) -> None:
    """SettingsError unless there are columns, all of them known, none twice."""
    if unknown := [name for name in columns if name not in known]:
        raise SettingsError(
            "columns",
            "Unknown: %(unknown)s. Known: %(known)s.",
            unknown=", ".join(unknown)[:200],
            known=", ".join(known),
        )
    if not columns or len(set(columns)) < len(columns):
        raise SettingsError("columns", "Choose at least one column, and none twice.")


def check_titles(titles: tuple[str, ...], columns: int) -> None:
    """SettingsError unless there are no titles or one for each column, none of which a spreadsheet would run."""
    if titles and len(titles) != columns:
        raise SettingsError("titles", "Enter %(number)s titles, one for each column, or none.", number=columns)
    for title in titles:
        if FORMULA.search(title) or UNPRINTABLE.search(title):
            raise SettingsError("titles", "%(title)s could be run as a formula.", title=repr(title))
