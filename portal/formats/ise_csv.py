"""The CSV of the IS-E pair: the energy of every quarter hour of every meter, each with a status.

W is a true value, also the 0 of a meter that was online and charged nobody; F is missing, with 0; E is a substitute.
The stamp is the end of the quarter hour: readings of 14:00 and 14:15 give the energy at 14:15. The columns of the
receiver are not public, so that they, their order, separator and header are settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats import csv_cells, csv_file
from portal.formats.csv_settings import check_columns
from portal.formats.rows import Identifier, Meter, MeterPeriod

AS_CSV: Final = {
    "identifier": "identifier",
    "obis": "obis",
    "stamp": "period_end",
    "start": "period_start",
    "energy_kwh": "energy_kwh",
    "energy_wh": "energy_wh",
    "status": "status",
}
COLUMNS: Final = tuple(AS_CSV)
"""`stamp` is the end of the quarter hour, `start` its beginning."""


@dataclass(frozen=True, slots=True)
class IseCsvSettings:
    """How a formatter writes it; SettingsError on construction names the setting at fault. `titles` replace the column
    names in the header, one for each column; `status_texts` stand for W, E and F."""

    columns: tuple[str, ...] = ("identifier", "stamp", "energy_kwh", "status")
    titles: tuple[str, ...] = ()
    identifier: Identifier = "device_location_id"
    obis: str = "1-1:1.29.0"
    separator: str = ";"
    decimal_mark: str = "."
    decimals: int = 3
    header: bool = True
    encoding: Literal["utf-8", "utf-8-sig", "iso-8859-1"] = "utf-8"
    stamps: Literal["iso_utc", "iso_local", "local", "plain", "digits"] = "iso_local"
    status_texts: tuple[str, ...] = ("W", "E", "F")
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))

    def __post_init__(self) -> None:
        check_columns(self.columns, COLUMNS)
        self.as_csv()

    def as_csv(self) -> csv_file.CsvSettings:
        """The same for CSV, a row for each quarter hour; a cell that a spreadsheet would run is refused."""
        return csv_file.CsvSettings(
            columns=tuple(AS_CSV[column] for column in self.columns),
            titles=self.titles or self.columns,
            per="quarter",
            identifier=self.identifier,
            obis=self.obis,
            separator=self.separator,
            decimal_mark=self.decimal_mark,
            decimals=self.decimals,
            header=self.header,
            encoding=self.encoding,
            stamps=self.stamps,
            status_texts=self.status_texts,
            zone=self.zone,
            for_people=False,
        )


def write(rows: Iterable[MeterPeriod], settings: IseCsvSettings) -> Iterator[bytes]:
    """The file in pieces, from rows with quarter hours; what it refuses is what `csv_file.write` refuses."""
    return csv_file.write(rows, settings.as_csv())


def check_meter(meter: Meter, settings: IseCsvSettings) -> None:
    """FormatError for an identifier that is missing, or that the file cannot or must not hold."""
    csv_cells.meter_texts(meter, settings.as_csv())
