"""The settings of MSCONS, and what the kinds of message differ in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from portal.formats.errors import SettingsError
from portal.formats.market_ids import Scheme, check_company
from portal.formats.rows import Identifier, check_decimals, check_identifier, check_obis


@dataclass(frozen=True, slots=True)
class Kind:
    """What the field calls a Prüfidentifikator: `check` its number, `document` the code in BGM, `application` that in
    UNB, `obis` what is usual there, `times` how instants are usually written."""

    version: str
    check: str
    document: str
    application: str
    obis: str
    times: str


KINDS: Final = {
    "profile_22e": Kind("2.2e", "13008", "7", "TL", "1-1:1.29.0*255", "local"),
    "profile": Kind("2.4c", "13025", "Z48", "TL", "1-1:1.29.0", "utc"),
    "energy": Kind("2.4c", "13019", "7", "EM", "1-1:1.9.0", "utc"),
    "reading": Kind("2.4c", "13017", "7", "VL", "1-1:1.8.0", "utc"),
}
PROFILES: Final = ("profile_22e", "profile")

QUALIFIERS: Final[dict[str, tuple[str, str]]] = {"eic": ("500", "293"), "gln": ("14", "9"), "bdew": ("500", "293")}
"""Of each scheme the code in UNB and the one in NAD; 500 and 293 are what Swiss files have with an EIC."""

TIMES: Final = ("", "utc", "local", "winter")
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "kind": tuple(KINDS),
    "decimal_mark": (".", ","),
    "times": TIMES,
    "missing": ("Z18", "Z30", "20"),
}
CODES: Final = {
    "sender_qualifier": (re.compile(r"[A-Z0-9]{0,4}"), "500"),
    "receiver_qualifier": (re.compile(r"[A-Z0-9]{0,4}"), "500"),
    "sender_agency": (re.compile(r"[A-Z0-9]{0,3}"), "293"),
    "receiver_agency": (re.compile(r"[A-Z0-9]{0,3}"), "293"),
    "document_prefix": (re.compile(r"[A-Z0-9]{1,4}"), "PIQ"),
    "substitute_method": (re.compile(r"[A-Z0-9]{1,3}"), "Z92"),
    "substitute_reason": (re.compile(r"[A-Z0-9]{1,3}"), "Z75"),
    "correction_reason": (re.compile(r"[A-Z0-9]{1,3}"), "ZA4"),
}
"""How each code is spelled, and one for an example."""


@dataclass(frozen=True, slots=True)
class MsconsSettings:
    """How a formatter writes MSCONS; SettingsError on construction names the field at fault.

    `sender` and `receiver` are of the schemes beside them; with `unchecked_ids` a check character may be wrong. An
    empty qualifier, agency, `obis` or `times` is what is usual. `times` are UTC, local with the offset of the instant,
    or winter time all year. With `swiss_codes` the identifier, where it is the metering code, must be a Swiss one.
    `missing` is the status of a missing quarter hour: Z18 provisional, which is what a load profile allows; Z30
    missing; 20 not usable. `device_number`: a reading names the meter's FactoryNo, as the manual demands.
    """

    sender: str
    receiver: str
    kind: Literal["profile_22e", "profile", "energy", "reading"] = "profile_22e"
    sender_scheme: Scheme = "eic"
    receiver_scheme: Scheme = "eic"
    unchecked_ids: bool = False
    sender_qualifier: str = ""
    receiver_qualifier: str = ""
    sender_agency: str = ""
    receiver_agency: str = ""
    identifier: Identifier = "metering_code"
    swiss_codes: bool = True
    obis: str = ""
    decimal_mark: Literal[".", ","] = "."
    decimals: int = 3
    times: Literal["", "utc", "local", "winter"] = ""
    missing: Literal["Z18", "Z30", "20"] = "Z18"
    substitute_method: str = "Z92"
    substitute_reason: str = "Z75"
    correction_reason: str = "ZA4"
    device_number: bool = True
    document_prefix: str = "PIQ"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Zurich"))

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise SettingsError(name, "Choose one of %(choices)s.", choices=" ".join(map(repr, choices)))
        for name, (pattern, example) in CODES.items():
            if not pattern.fullmatch(getattr(self, name)):
                raise SettingsError(name, "Enter a code such as %(example)s.", example=example)
        for name in ("sender", "receiver"):
            scheme: Scheme = getattr(self, f"{name}_scheme")
            check_company(name, scheme, getattr(self, name), unchecked=self.unchecked_ids)
        check_identifier("identifier", self.identifier)
        check_decimals("decimals", self.decimals)
        if self.decimals > 3 and KINDS[self.kind].version != "2.2e":
            raise SettingsError("decimals", "Version 2.4c allows 3 decimals.")
        if self.obis:
            check_obis("obis", self.obis)
        _check_zone(self.zone)


def _check_zone(zone: ZoneInfo) -> None:
    """An offset has a sign and two digits in the file: whole hours."""
    for month in (1, 7):
        offset = datetime(2026, month, 1, tzinfo=zone).utcoffset()
        if offset is None or offset % timedelta(hours=1):
            raise SettingsError("zone", "The time zone must be whole hours from UTC.")
