"""Both files of the IS-E pair from one reading of the values: what the XML says of a day is the sum of the CSV's
quarter hours, whatever is imported or corrected while they are written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Final, Literal
from zoneinfo import ZoneInfo

from portal.formats import esl_xml, ise_csv, ise_xml
from portal.formats.errors import SettingsError
from portal.formats.ise_csv import IseCsvSettings
from portal.formats.ise_xml import IseXmlSettings
from portal.formats.rows import CHUNK_SIZE, Identifier, Meter, MeterPeriod

IN_MEMORY: Final = 1 << 20  # bytes of the XML; a longer one waits in a file


@dataclass(frozen=True, slots=True)
class IsePairSettings:
    """How a formatter writes both; SettingsError on construction names the field at fault.

    `identifier`, `decimals` and `status_texts` are those of both files. `obis` stands at the XML's value,
    `quarter_obis` in the CSV where that is a column. The others are settings of the one or the other file.
    """

    identifier: Identifier = "device_location_id"
    further_identifiers: tuple[Identifier, ...] = ()
    attributes: dict[Identifier, str] = field(default_factory=lambda: dict(esl_xml.ATTRIBUTES))
    value: Literal["energy", "register"] = "energy"
    obis: str = "1-1:1.9.0"
    system_from: str = "Piquet"
    system_to: str = "IS-E"
    columns: tuple[str, ...] = ("identifier", "stamp", "energy_kwh", "status")
    titles: tuple[str, ...] = ()
    quarter_obis: str = "1-1:1.29.0"
    separator: str = ";"
    decimal_mark: str = "."
    header: bool = True
    encoding: Literal["utf-8", "utf-8-sig", "iso-8859-1"] = "utf-8"
    stamps: Literal["iso_utc", "iso_local", "local", "plain", "digits"] = "iso_local"
    decimals: int = 3
    status_texts: tuple[str, ...] = ("W", "E", "F")
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))

    def __post_init__(self) -> None:
        self.as_xml()
        try:
            self.as_csv()
        except SettingsError as error:
            name = "quarter_obis" if error.field == "obis" else error.field
            raise SettingsError(name, error.template, **error.params) from None

    @property
    def writes_register(self) -> bool:
        return self.value == "register"

    def as_xml(self) -> IseXmlSettings:
        return IseXmlSettings(
            identifier=self.identifier,
            further_identifiers=self.further_identifiers,
            attributes=self.attributes,
            value=self.value,
            obis=self.obis,
            system_from=self.system_from,
            system_to=self.system_to,
            zone=self.zone,
            decimals=self.decimals,
            status_texts=self.status_texts,
        )

    def as_csv(self) -> IseCsvSettings:
        return IseCsvSettings(
            columns=self.columns,
            titles=self.titles,
            identifier=self.identifier,
            obis=self.quarter_obis,
            separator=self.separator,
            decimal_mark=self.decimal_mark,
            decimals=self.decimals,
            header=self.header,
            encoding=self.encoding,
            stamps=self.stamps,
            status_texts=self.status_texts,
            zone=self.zone,
        )


def write(
    rows: Iterable[MeterPeriod], settings: IsePairSettings, created: datetime
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The extension and the pieces of the CSV, then of the XML, each file to be read before the next one is asked for:
    the rows are read once, with the CSV. What it refuses is what `ise_csv` and `ise_xml` refuse."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as xml:
        text = esl_xml.EslText(settings.as_xml().as_esl(), created)
        yield "csv", ise_csv.write(_noted(rows, text, xml), settings.as_csv())
        xml.seek(0)
        yield "xml", iter(lambda: xml.read(CHUNK_SIZE), b"")


def _noted(rows: Iterable[MeterPeriod], text: esl_xml.EslText, xml: IO[bytes]) -> Iterator[MeterPeriod]:
    """The rows, each written to the XML as it passes."""
    for row in rows:
        xml.write(text.of(row).encode())
        yield row
    xml.write(text.end().encode())


def check_meter(meter: Meter, settings: IsePairSettings) -> None:
    """FormatError for identifiers that one of the files cannot or must not hold."""
    ise_csv.check_meter(meter, settings.as_csv())
    ise_xml.check_meter(meter, settings.as_xml())
