"""What people type, friendly and hostile."""

from decimal import Decimal

import pytest

from portal.core.errors import RuleBroken
from portal.stations import entries


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0.375", "0.375"), ("0,375", "0.375"), (" 22 ", "22"), ("1'000.50", "1000.50"), ("-3", "-3")],
)
def test_an_amount_is_read(typed: str, value: str) -> None:
    assert entries.amount("f", typed) == Decimal(value)


def test_blanks_are_no_amount() -> None:
    assert entries.amount("f", "  ") is None


@pytest.mark.parametrize(
    "typed", ["NaN", "inf", "1e9", "abc", "--1", "1.2.3", "٣", "0x10", "9" * 400, "1/2", "<b>1</b>", "1_000"]
)
def test_what_is_no_amount_is_refused(typed: str) -> None:
    with pytest.raises(RuleBroken):
        entries.amount("f", typed)


def test_a_price_is_kept_in_hundredths_of_a_rappen() -> None:
    assert entries.price("f", Decimal("0.375")) == 3750
    assert entries.price("f", Decimal("0.3751")) == 3751
    assert entries.price("f", None) == 0


@pytest.mark.parametrize("value", ["-0.01", "0.00001", "1000.0001", "1e9", "NaN", "Infinity", "sNaN"])
def test_an_impossible_price_is_refused(value: str) -> None:
    with pytest.raises(RuleBroken):
        entries.price("f", Decimal(value))


def test_a_power_is_kept_in_watts() -> None:
    assert entries.power("f", Decimal("3.7")) == 3700
    assert entries.power("f", None) is None


@pytest.mark.parametrize("value", ["0", "-1", "10001", "0.0001"])
def test_an_impossible_power_is_refused(value: str) -> None:
    with pytest.raises(RuleBroken):
        entries.power("f", Decimal(value))


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x1bb", "a\ud800b", "x" * 121])
def test_a_line_takes_no_control_characters_and_has_an_end(text: str) -> None:
    with pytest.raises(RuleBroken):
        entries.line("name", text, 120)


def test_a_line_is_trimmed_and_may_hold_anything_readable() -> None:
    assert entries.line("name", '  O\'Brien <b> "Zürich" 充電 ', 120) == 'O\'Brien <b> "Zürich" 充電'


def test_blanks_do_not_fill_a_required_field() -> None:
    with pytest.raises(RuleBroken):
        entries.line("name", " \t ", 120, required=True)


def test_only_a_code_that_begins_like_a_swiss_one_is_judged() -> None:
    assert not entries.looks_wrong("CH1018601234500000000000000123456")
    assert not entries.looks_wrong("CH10186012345-0000000000000123-56")
    assert entries.looks_wrong("CH101860123450000000000000012345")
    assert entries.looks_wrong("ch1018601234500000000000000123456")
    assert not entries.looks_wrong("Garage 7")
    assert not entries.looks_wrong(None)
