"""The fields of stations and connectors that are changed at many at once, and their columns in a file.

Fields go by the names of `StationValues` and `ConnectorValues`. Opening times are left out: they are rows of their own.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask_babel import lazy_gettext as _l

from portal.stations import labels

Value = str | bool | Decimal | None

KEYS: Mapping[str, Any] = {"station_id": _l("Station ID"), "number": _l("Connector")}
STATION: Mapping[str, Any] = {
    "name": _l("Name"),
    "reference": _l("Reference"),
    "description": _l("Description"),
    "address": _l("Address"),
    "latitude": _l("Latitude"),
    "longitude": _l("Longitude"),
    "canton": _l("Canton"),
    "support_contact": _l("Support contact"),
    "vat_percent": _l("VAT rate in percent"),
}
CONNECTOR: Mapping[str, Any] = {
    "plug_type": _l("Plug type"),
    "max_power_kw": _l("Maximum power in kW"),
    "out_of_service": _l("Out of service"),
    "access": _l("Access"),
    "price_per_kwh": _l("Price per kWh in CHF"),
    "price_per_hour": _l("Price per hour in CHF"),
    **labels.IDENTIFIERS,
}
LABELS: Mapping[str, Any] = {**KEYS, **STATION, **CONNECTOR}
YES_NO: Mapping[str, Any] = {"yes": _l("yes"), "no": _l("no")}
# Fields whose values are codes, each with the words for them.
WORDS: Mapping[str, Mapping[str, Any]] = {
    "plug_type": {str(code): word for code, word in labels.PLUG_TYPES.items()},
    "access": {str(code): word for code, word in labels.ACCESSES.items()},
    "out_of_service": YES_NO,
}
FIGURES = frozenset({"latitude", "longitude", "vat_percent", "max_power_kw", "price_per_kwh", "price_per_hour"})


def plain(value: Value) -> str:
    """A value as it is typed: figures with a point and no more decimals than they need, yes and no, codes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def worded(field: str, text: str) -> str:
    """The same in the reader's words; what is no code of the field stays as it is."""
    words = WORDS.get(field, {})
    return str(words[text]) if text in words else text
