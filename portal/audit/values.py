"""Fields in audit entries, as the reader calls them and writes their values."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from portal.core import display
from portal.core.languages import LANGUAGES
from portal.delivery.labels import CHECKS, PROTOCOLS, WRITINGS
from portal.exports.labels import CORRECTIONS, DIGESTS, FORMATS, INTERVALS, SCOPES, TRIGGERS
from portal.stations.labels import ACCESSES, IDENTIFIERS, PERMISSIONS, PLUG_TYPES, WEEKDAYS

LONGEST = 200

LABELS: Mapping[str, Any] = {
    **IDENTIFIERS,
    "access": _l("Access"),
    "address": _l("Address"),
    "begins_at": _l("Beginning"),
    "certificate_check": _l("Certificate of the server"),
    "corrections": _l("Values that arrive or change afterwards"),
    "costs": _l("Costs"),
    "currency": _l("Currency"),
    "description": _l("Description"),
    "destination": _l("Destination"),
    "digest": _l("Daily digest"),
    "directory": _l("Directory"),
    "done_suffix": _l("Done-file"),
    "email": _l("E-mail address"),
    "ends_at": _l("End"),
    "ends_on": _l("Last day"),
    "format": _l("Format"),
    "five_rappen": _l("Round to five Rappen"),
    "formatter": _l("Formatter"),
    "from": _l("From"),
    "grant_default_days": _l("Usual duration in days"),
    "grant_most_days": _l("Longest duration in days"),
    "hides_drivers": _l("Hides drivers"),
    "host": _l("Server"),
    "hours_after_end": _l("Hours after the end"),
    "identifier": _l("Identifier of the meter"),
    "image": _l("Picture"),
    "interval": _l("Upload interval"),
    "label": _l("Name"),
    "language": _l("Language"),
    "latitude": _l("Latitude"),
    "legacy_ssh": _l("The server is old and knows SHA-1 alone"),
    "login": _l("Log in with"),
    "longitude": _l("Longitude"),
    "make_directory": _l("Make the directory where it is missing"),
    "max_power_w": _l("Maximum power"),
    "name": _l("Name"),
    "obis": _l("OBIS code"),
    "opening_times": _l("Opening times"),
    "out_of_service": _l("Out of service"),
    "own_ca": _l("Certificates of the own authority"),
    "pause_after": _l("Pause after so many failures in a row"),
    "periods_per_file": _l("Periods of a backlog in one file"),
    "plug_type": _l("Plug type"),
    "port": _l("Port"),
    "price_per_hour": _l("Price per hour"),
    "price_per_kwh": _l("Price per kWh"),
    "price_per_session": _l("Price per session"),
    "protocol": _l("Protocol"),
    "reference": _l("Reference"),
    "role": _l("Permission"),
    "scope": _l("Whose consumption"),
    "starts_on": _l("First day"),
    "station_group": _l("Station group"),
    "canton": _l("Canton"),
    "support_contact": _l("Support contact"),
    "temporary_directory": _l("Directory for unfinished files"),
    "time_zone": _l("Time zone"),
    "trigger": _l("Send a period"),
    "until": _l("Until"),
    "user": _l("User"),
    "username": _l("User name"),
    "vat_permille": _l("VAT rate in percent"),
    "webhook": _l("Webhook"),
    "work": _l("What will be done"),
    "writing": _l("While a file is written"),
}
WORDS: Mapping[str, Mapping[Any, Any]] = {
    "access": ACCESSES,
    "certificate_check": CHECKS,
    "digest": DIGESTS,
    "format": FORMATS,
    "identifier": IDENTIFIERS,
    "interval": INTERVALS,
    "language": LANGUAGES,
    "plug_type": PLUG_TYPES,
    "protocol": PROTOCOLS,
    "role": PERMISSIONS,
    "scope": SCOPES,
    "corrections": CORRECTIONS,
    "trigger": TRIGGERS,
    "writing": WRITINGS,
}


def label(name: str) -> str:
    """The field's name on the screens; a setting of a formatter by its own name."""
    return str(LABELS.get(name, name.removeprefix("settings.")))


def shown(name: str, value: Any) -> str:
    """The value of a field; "–" for none."""
    if value is None or value in ("", []):
        return "–"
    if isinstance(value, str) and name in WORDS:
        return str(WORDS[name].get(value, value))
    if name in SHOWN:
        try:
            return SHOWN[name](value)
        except (TypeError, ValueError, KeyError, IndexError):
            return plain(value)
    return plain(value)


def plain(value: Any) -> str:
    """A value that nothing more is known about."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(gettext("yes") if value else gettext("no"))
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))[:LONGEST] or "–"
    return str(value)[:LONGEST]


def day(text: str) -> str:
    """A day kept in the form 2026-03-31."""
    try:
        return display.local_date(date.fromisoformat(text))
    except ValueError:
        return text


def _instant(text: str) -> str:
    return display.local_datetime(datetime.fromisoformat(text))


def _file(told: dict[str, Any]) -> str:
    return f"{told['name']}, {display.number(told['size'])} B, SHA-256 {told['sha256'][:16]}…"


def _windows(rows: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{WEEKDAYS[row['weekday']]} {_clock(row['opens'])}–{_clock(row['closes'])}: {ACCESSES[row['access']]}, "
        f"{display.price(row['price_per_kwh'])}/kWh, {display.price(row['price_per_hour'])}/h"
        for row in rows
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _costs(totals: dict[str, int]) -> str:
    return " + ".join(display.rappen(total, currency) for currency, total in totals.items()) or "–"


SHOWN: Mapping[str, Callable[[Any], str]] = {
    "begins_at": _instant,
    "costs": _costs,
    "ends_at": _instant,
    "ends_on": day,
    "from": _instant,
    "image": _file,
    "max_power_w": display.kilowatts,
    "opening_times": _windows,
    "price_per_hour": display.price,
    "price_per_kwh": display.price,
    "price_per_session": display.price,
    "starts_on": day,
    "until": _instant,
    "vat_permille": lambda value: display.number(value / 10),
}
