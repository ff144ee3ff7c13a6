from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.formats.errors import FormatError
from portal.formats.rows import IDENTIFIERS, QUARTER_HOUR, Meter, by_day, checked_series, identifier_of, kwh
from tests.formats.examples import GARAGE_1, ZURICH, local_midnight, quarter_day, row, with_quarters


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


@pytest.mark.parametrize(
    ("first", "after"), [(date(2026, 3, 28), date(2026, 3, 31)), (date(2026, 10, 24), date(2026, 10, 27))]
)
def test_a_period_falls_into_its_local_days(first: date, after: date) -> None:
    whole = with_quarters(row(GARAGE_1, first, after, 0), lambda number: number, lambda number: "WEF"[number % 3])
    whole = replace(whole, register_wh=10**6)
    days = list(by_day(whole, ZURICH))
    assert [day.starts_at for day in days] == [local_midnight(first + timedelta(days=number)) for number in range(3)]
    assert [day.ends_at for day in days] == [*(day.starts_at for day in days[1:]), whole.ends_at]
    counts = [(day.measured, day.substitute, day.missing) for day in days]
    assert [sum(count) for count in zip(*counts, strict=True)] == [whole.measured, whole.substitute, whole.missing]
    assert [checked_series(day).energy_wh[0] for day in days] == [0, 96, 96 + sum(counts[1])]
    registers = [10**6 - whole.energy_wh, *(day.register_wh or 0 for day in days)]
    assert [after - before for before, after in pairwise(registers)] == [day.energy_wh for day in days]
    assert registers[-1] == 10**6


def test_an_odd_period_falls_into_parts_of_days() -> None:
    day = quarter_day(GARAGE_1, date(2026, 5, 1))
    odd = replace(day, starts_at=day.starts_at - 8 * QUARTER_HOUR, ends_at=day.ends_at - 8 * QUARTER_HOUR)
    odd = replace(odd, series=replace(checked_series(day), starts_at=odd.starts_at))
    assert [part.measured + part.substitute + part.missing for part in by_day(odd, ZURICH)] == [8, 88]
