"""Identifiers of the energy market: metering codes of meters, EIC, GLN and BDEW numbers of companies.

Forms and settings ask here, so that a wrong one is found where it is typed, not by the utility.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import Meter, identifier_of

Scheme = Literal["eic", "gln", "bdew"]
"""What a company is known by: an Energy Identification Code, a Global Location Number of GS1, a code number of BDEW."""

SCHEMES: Final[tuple[Scheme, ...]] = ("eic", "gln", "bdew")

# Hyphens occur: CH, eleven digits of the grid operator, twenty characters of his choice.
METERING_CODE = re.compile(r"CH[0-9A-Z-]{31}")

EIC = re.compile(r"[0-9]{2}[A-Z][0-9A-Z-]{12}[0-9A-Z]")
GLN = re.compile(r"[0-9]{13}")

EIC_CHARACTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"


def is_metering_code(code: str) -> bool:
    """Whether `code` is a Swiss metering code: CH and 31 of 0-9 A-Z -, with nothing around it."""
    return METERING_CODE.fullmatch(code) is not None


def metering_code_of(meter: Meter) -> str:
    """The meter's Swiss metering code; FormatError names the meter that has none or a malformed one."""
    code = identifier_of(meter, "metering_code")
    if not is_metering_code(code):
        raise FormatError(
            meter.name,
            "%(meter)s has a Metering Code that is not CH and 31 characters: %(code)s.",
            code=repr(code[:40]),
        )
    return code


def check_company(field: str, scheme: Scheme, code: str, *, unchecked: bool = False) -> None:
    """SettingsError on `field` unless `code` has the form of its scheme. The check character of an EIC or GLN must be
    right too, unless `unchecked`: some in the field are wrong and used all the same."""
    if scheme not in SCHEMES:
        raise SettingsError(field, "Choose one of %(choices)s.", choices=" ".join(SCHEMES))
    if not code:
        raise SettingsError(field, "This must be filled in.")
    if scheme == "eic":
        if not EIC.fullmatch(code):
            raise SettingsError(field, "An EIC has 16 characters, such as 12X-EXAMPLE----Z.")
        expected = eic_check_character(code)
    else:
        if not GLN.fullmatch(code):
            raise SettingsError(field, "This number has 13 digits.")
        expected = gln_check_digit(code) if scheme == "gln" else code[-1]
    if code[-1] != expected and not unchecked:
        raise SettingsError(
            field, "The last character should be %(expected)s: there is a mistake in it.", expected=expected
        )


def eic_check_character(code: str) -> str:
    """The sixteenth character that belongs to the first fifteen of an EIC."""
    weighted = sum(EIC_CHARACTERS.index(char) * (16 - place) for place, char in enumerate(code[:15]))
    return EIC_CHARACTERS[36 - (weighted - 1) % 37]


def gln_check_digit(code: str) -> str:
    """The thirteenth digit that belongs to the first twelve of a GLN."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code[:12]))
    return str(-weighted % 10)
