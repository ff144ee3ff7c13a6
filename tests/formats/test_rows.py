from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.formats.errors import FormatError
from portal.formats.rows import IDENTIFIERS, Meter, identifier_of, kwh
from tests.formats.examples import GARAGE_1


@pytest.mark.parametrize(
    ("energy_wh", "text"),
    [
        (0, "0.0000"),
        (1, "0.0010"),
        (999, "0.9990"),
        (1000, "1.0000"),
        (-250, "-0.2500"),
        (2**63, "9223372036854775.8080"),
    ],
)
def test_kwh_has_four_decimals(energy_wh: int, text: str) -> None:
    assert kwh(energy_wh) == text


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(10**24), 10**24), st.integers(3, 6))
def test_kwh_keeps_every_wh(energy_wh: int, decimals: int) -> None:
    whole, part = kwh(energy_wh, decimals, ",").split(",")
    assert int(whole + part) == energy_wh * 10 ** (decimals - 3)


def test_identifiers_are_the_fields_of_a_meter() -> None:
    assert [identifier_of(GARAGE_1, name) for name in IDENTIFIERS] == [
        "CH9900000000000000000000000000001",
        "40012345",
        "LP-01",
        "EH1",
    ]


@pytest.mark.parametrize("bad", [None, "", "  ", " 40012345", "40012345\t", "400\n12345", "4\x00", "4\x85"])
def test_it_refuses_a_bad_identifier_and_names_the_meter(bad: str | None) -> None:
    meter: Meter = replace(GARAGE_1, factory_no=bad)
    with pytest.raises(FormatError, match="FactoryNo") as refused:
        identifier_of(meter, "factory_no")
    assert refused.value.meter == "Einstellhalle 1"
