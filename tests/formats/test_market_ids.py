from __future__ import annotations

from dataclasses import replace

import pytest

from portal.formats.errors import FormatError, SettingsError
from portal.formats.market_ids import Scheme, check_company, is_metering_code, metering_code_of
from tests.formats.examples import coded

CODE = "CH9900000000000000000000000000001"


@pytest.mark.parametrize("code", [CODE, "CH99000012345ABCDE-XY020000000000", "CH990000123450000000A000000000Z5-"])
def test_it_accepts_metering_codes(code: str) -> None:
    assert is_metering_code(code)
    assert metering_code_of(replace(coded(1), metering_code=code)) == code


@pytest.mark.parametrize(
    "code",
    [
        "",
        f" {CODE}",
        f"{CODE}\n",
        f"DE{CODE[2:]}",
        CODE.lower(),
        CODE[:-1],
        CODE + "0",
        CODE[:-1] + "a",
        CODE[:-1] + "١",
        CODE[:10] + " " + CODE[11:],
        CODE[:10] + "\u200f" + CODE[11:],
    ],
)
def test_anything_else_is_no_metering_code(code: str) -> None:
    assert not is_metering_code(code)


@pytest.mark.parametrize(
    "code", [None, "", f"{CODE} ", CODE[:-1], CODE[:-1] + "&", "X" * 10_000, "CH\u202e" + "0" * 30]
)
def test_a_malformed_metering_code_names_the_meter(code: str | None) -> None:
    with pytest.raises(FormatError, match="Metering Code") as refused:
        metering_code_of(replace(coded(1), metering_code=code))
    assert refused.value.meter == "Ladepunkt 1"
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("scheme", "code"),
    # Published codes of Swissgrid's list and GS1's example; 99... are numbers of BDEW, whose last digit is its own.
    [("eic", "12X-SAK-N------6"), ("eic", "12XBKW-HANDEL--X"), ("eic", "10YCH-SWISSGRIDZ"), ("gln", "4012345678901"),
     ("bdew", "9900000000002"), ("bdew", "9903100000006")],
)  # fmt: skip
def test_it_accepts_codes_of_companies(scheme: Scheme, code: str) -> None:
    check_company("sender", scheme, code)


@pytest.mark.parametrize(
    ("scheme", "code", "message"),
    [
        ("eic", "12X-SAK-N------7", "should be 6"),
        ("eic", "12X-SKA-N------6", "should be"),
        ("eic", "12X-SAK-N-----6", "16 characters"),
        ("eic", "12x-sak-n------6", "16 characters"),
        ("eic", "12X-SAK-N-----'6", "16 characters"),
        ("eic", "12X-SAK-N------6\n", "16 characters"),
        ("gln", "4012345678902", "should be 1"),
        ("gln", "401234567890", "13 digits"),
        ("bdew", "990000000000٢", "13 digits"),
        ("bdew", "", "must be filled in"),
        ("duns", "4012345678901", "Choose one of eic gln bdew"),
    ],
)
def test_it_refuses_codes_of_companies(scheme: Scheme, code: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        check_company("receiver", scheme, code)
    assert refused.value.field == "receiver"


def test_a_wrong_check_character_can_be_allowed_but_not_a_wrong_form() -> None:
    check_company("receiver", "eic", "12X-SAK-N------7", unchecked=True)
    check_company("receiver", "gln", "4012345678902", unchecked=True)
    with pytest.raises(SettingsError, match="16 characters"):
        check_company("receiver", "eic", "12X-SAK-N------", unchecked=True)
