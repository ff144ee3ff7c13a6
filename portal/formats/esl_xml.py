"""ESLBillingData XML: register readings per meter and period, as IS-E and its relatives read them.

Structure after files from the field: no namespace; Header, then Meter > TimePeriod > ValueRow. Times are
local without offset, a period's end is exclusive (a month ends at 00:00 of the next month's first day).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import (
    CONTROL,
    IDENTIFIERS,
    NOT_XML,
    Identifier,
    Meter,
    MeterPeriod,
    by_day,
    check_decimals,
    check_energy,
    check_identifier,
    check_obis,
    check_status_texts,
    chunks,
    identifier_of,
    kwh,
    register_of,
    remembered,
    worst,
)

ATTRIBUTES: Final[dict[Identifier, str]] = {
    "device_location_id": "deviceLocationID",
    "factory_no": "factoryNo",
    "internal_no": "internalNo",
    "metering_code": "meteringCode",
}

ATTRIBUTE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

VALUES: Final = ("advance", "register", "both")
PER: Final = ("period", "day")

QUOTED: Final = {'"': "&quot;"}


@dataclass(frozen=True, slots=True)
class EslSettings:
    """How a formatter writes ESLBillingData; SettingsError on construction names the field at fault.

    `identifier` must stand on every meter, `further_identifiers` are written where a meter has them;
    attributes come in the order of IDENTIFIERS. `attributes` maps identifiers to attribute names. `values`
    says what stands in a period: its energy under `obis`, the running virtual register at its end under
    `register_obis`, or the register and below it the energy. With `per` day each local day is a period.
    `status` stands beside each value; an empty one makes it the worst of the period's quarter hours, by the
    texts for W, E and F.
    """

    identifier: Identifier = "device_location_id"
    further_identifiers: tuple[Identifier, ...] = ()
    attributes: dict[Identifier, str] = field(default_factory=lambda: dict(ATTRIBUTES))
    values: Literal["advance", "register", "both"] = "advance"
    obis: str = "1-1:1.9.0"
    register_obis: str = "1-1:1.8.0"
    per: Literal["period", "day"] = "period"
    system_from: str = "Piquet"
    system_to: str = "IS-E"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))
    decimals: int = 4
    status: str = "V"
    status_texts: tuple[str, ...] = ("W", "E", "F")

    def __post_init__(self) -> None:
        check_identifier("identifier", self.identifier)
        for identifier in self.further_identifiers:
            check_identifier("further_identifiers", identifier)
        check_decimals("decimals", self.decimals)
        for name, choices in (("values", VALUES), ("per", PER)):
            if getattr(self, name) not in choices:
                raise SettingsError(name, "Choose one of %(choices)s.", choices=", ".join(choices))
        check_obis("obis", self.obis)
        check_obis("register_obis", self.register_obis)
        if self.values == "both" and self.obis == self.register_obis:
            raise SettingsError("register_obis", "Energy and register need a code of their own each.")
        for name in ("system_from", "system_to"):
            _check_text(name, getattr(self, name))
        if self.status:
            _check_text("status", self.status)
        check_status_texts(self.status_texts)
        _check_attributes(self.attributes)

    @property
    def writes_register(self) -> bool:
        return self.values != "advance"


def _check_text(name: str, value: str) -> None:
    if not value.strip():
        raise SettingsError(name, "Enter a value.")
    if NOT_XML.search(value) or CONTROL.search(value):
        raise SettingsError(name, "Control characters cannot stand in the file.")


def _check_attributes(attributes: dict[Identifier, str]) -> None:
    if missing := [name for name in IDENTIFIERS if name not in attributes]:
        raise SettingsError("attributes", "Name an attribute for %(missing)s.", missing=", ".join(missing))
    for name in attributes.values():
        if not ATTRIBUTE_NAME.fullmatch(name) or name.lower().startswith("xml"):
            raise SettingsError("attributes", "%(name)s cannot be the name of an attribute.", name=repr(name))
    if len(set(attributes.values())) < len(attributes):
        raise SettingsError("attributes", "Each identifier needs an attribute name of its own.")


def write(rows: Iterable[MeterPeriod], settings: EslSettings, created: datetime) -> Iterator[bytes]:
    """The file, UTF-8, in pieces of about 64 KB; rows are read as the pieces are taken.

    Consecutive rows of one meter become the TimePeriods of one Meter element and must follow each other
    in time. Raises FormatError for no rows at all, a missing identifier, characters XML cannot hold,
    negative energy, a missing register where one is written, missing quarter hours where days are written,
    and overlapping periods; ValueError for an instant that is not UTC. `created` (UTC) goes to the header.
    """
    return chunks(_lines(rows, settings, created), "utf-8")


def _lines(rows: Iterable[MeterPeriod], settings: EslSettings, created: datetime) -> Iterator[str]:
    text = EslText(settings, created)
    for row in rows:
        yield text.of(row)
    yield text.end()


class EslText:
    """The text of one file, row by row, for a caller that writes the same rows elsewhere as well; what it refuses is
    what `write` refuses."""

    def __init__(self, settings: EslSettings, created: datetime) -> None:
        self._settings, self._local = settings, _local_times(settings.zone)
        self._template, self._values = _period_template(settings), _values(settings)
        self._head = _head(settings, self._local(created))
        self._meter: Meter | None = None
        self._ended_at: datetime | None = None

    def of(self, row: MeterPeriod) -> str:
        """What the next row adds."""
        rows = by_day(row, self._settings.zone) if self._settings.per == "day" else (row,)
        return "".join([self._period(one) for one in rows])

    def end(self) -> str:
        """What stands behind the last row."""
        if self._meter is None:
            raise FormatError(None, "There is no meter to write: the file needs at least one.")
        return "</Meter>\n</ESLBillingData>\n"

    def _period(self, row: MeterPeriod) -> str:
        check_energy(row)
        before = ""
        if row.meter is self._meter or row.meter == self._meter:
            if self._ended_at is not None and row.starts_at < self._ended_at:
                raise FormatError(row.meter.name, "%(meter)s has periods that overlap or are not in order.")
        else:
            before = (self._head if self._meter is None else "</Meter>\n") + meter_element(row.meter, self._settings)
            self._meter = row.meter
        self._ended_at = row.ends_at
        return before + self._template % (self._local(row.ends_at), *self._values(row))


def _values(settings: EslSettings) -> Callable[[MeterPeriod], list[str]]:
    """What fills the template of a period after its end: each value with its status."""
    texts = dict(zip("WEF", settings.status_texts, strict=True))

    def values(row: MeterPeriod) -> list[str]:
        status = escape(settings.status, QUOTED) or texts[worst(row)]
        energy = [kwh(row.energy_wh, settings.decimals), status]
        if settings.values == "advance":
            return energy
        register = [kwh(register_of(row), settings.decimals), status]
        return register if settings.values == "register" else register + energy

    return values


def _local_times(zone: ZoneInfo) -> Callable[[datetime], str]:
    return remembered(lambda instant: instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S"))


def _head(settings: EslSettings, created: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<ESLBillingData>\n"
        f'<Header version="1.0" created="{created}"'
        f' swSystemNameFrom="{escape(settings.system_from, QUOTED)}"'
        f' swSystemNameTo="{escape(settings.system_to, QUOTED)}"/>\n'
    )


def meter_element(meter: Meter, settings: EslSettings) -> str:
    """What opens the element of a meter. FormatError for identifiers that cannot stand in it."""
    chosen = {settings.identifier}
    chosen.update(name for name in settings.further_identifiers if (getattr(meter, name) or "").strip())
    attributes = "".join(
        f' {settings.attributes[name]}="{_attribute(meter, name)}"' for name in IDENTIFIERS if name in chosen
    )
    return f"<Meter{attributes}>\n"


def _attribute(meter: Meter, identifier: Identifier) -> str:
    value = identifier_of(meter, identifier)
    if NOT_XML.search(value):
        raise FormatError(meter.name, "%(meter)s has a character in its identifier that XML cannot hold.")
    return escape(value, QUOTED)


def _period_template(settings: EslSettings) -> str:
    """A TimePeriod with places for its end, and for each OBIS code a value and its status, for `%`."""
    codes = [settings.register_obis, settings.obis]
    chosen = {"advance": codes[1:], "register": codes[:1], "both": codes}[settings.values]
    values = "".join(f'<ValueRow obis="{code}" value="%s" status="%s"/>\n' for code in chosen)
    return f'<TimePeriod end="%s">\n{values}</TimePeriod>\n'
