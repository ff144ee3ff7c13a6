"""The XML of the IS-E pair: one cumulated value for each meter and local day, as ESLBillingData.

The pair's other file, `ise_csv`, holds the quarter hours of the same meters: their sum over a day is the value here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from portal.formats import esl_xml
from portal.formats.errors import SettingsError
from portal.formats.rows import Identifier, Meter, MeterPeriod


@dataclass(frozen=True, slots=True)
class IseXmlSettings:
    """How a formatter writes it; SettingsError on construction names the field at fault.

    `value` is the day's energy, or the running virtual register at its end; it stands under `obis`. Its status is the
    worst of the day's quarter hours by the texts for W, E and F, or with `status` always that one. The other settings
    are those of ESLBillingData.
    """

    identifier: Identifier = "device_location_id"
    further_identifiers: tuple[Identifier, ...] = ()
    attributes: dict[Identifier, str] = field(default_factory=lambda: dict(esl_xml.ATTRIBUTES))
    value: Literal["energy", "register"] = "energy"
    obis: str = "1-1:1.9.0"
    system_from: str = "Piquet"
    system_to: str = "IS-E"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))
    decimals: int = 3
    status: str = ""
    status_texts: tuple[str, ...] = ("W", "E", "F")

    def __post_init__(self) -> None:
        if self.value not in ("energy", "register"):
            raise SettingsError("value", "Choose one of %(choices)s.", choices="energy, register")
        self.as_esl()

    @property
    def writes_register(self) -> bool:
        return self.value == "register"

    def as_esl(self) -> esl_xml.EslSettings:
        """The same for ESLBillingData, a period for each day."""
        return esl_xml.EslSettings(
            identifier=self.identifier,
            further_identifiers=self.further_identifiers,
            attributes=self.attributes,
            values="register" if self.writes_register else "advance",
            obis=self.obis,
            register_obis=self.obis,
            per="day",
            system_from=self.system_from,
            system_to=self.system_to,
            zone=self.zone,
            decimals=self.decimals,
            status=self.status,
            status_texts=self.status_texts,
        )


def write(rows: Iterable[MeterPeriod], settings: IseXmlSettings, created: datetime) -> Iterator[bytes]:
    """The file, UTF-8, in pieces of about 64 KB, from rows with quarter hours; what it refuses is what `esl_xml.write`
    refuses."""
    return esl_xml.write(rows, settings.as_esl(), created)


def check_meter(meter: Meter, settings: IseXmlSettings) -> None:
    """FormatError for identifiers that cannot stand in the file."""
    esl_xml.meter_element(meter, settings.as_esl())
