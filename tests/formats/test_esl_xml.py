from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from portal.formats.errors import FormatError, SettingsError
from portal.formats.esl_xml import ATTRIBUTES, EslSettings, write
from portal.formats.rows import INVISIBLE, Meter, MeterPeriod, checked_series
from tests.formats.examples import (
    CREATED,
    GARAGE_1,
    GARAGE_2,
    GOLDEN,
    VISITORS,
    many,
    quarter_day,
    row,
    with_quarters,
)

MARCH = (date(2026, 3, 1), date(2026, 4, 1))
DAY = timedelta(days=1)


def written(rows: list[MeterPeriod], **chosen: Any) -> bytes:
    return b"".join(write(rows, EslSettings(**chosen), CREATED))


def test_a_month_of_two_meters() -> None:
    file = written(
        [row(GARAGE_1, *MARCH, 412_337), row(GARAGE_2, *MARCH, 0)],
        identifier="factory_no",
        further_identifiers=("internal_no",),
    )
    assert file == (GOLDEN / "esl_month.xml").read_bytes()


def test_days_of_one_meter_across_month_end_and_both_clock_changes() -> None:
    days = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 31), date(2026, 10, 25), date(2026, 12, 31)]
    rows = [row(GARAGE_1, day, day + DAY, 1000 * number + 1) for number, day in enumerate(days)]
    assert [period.measured for period in rows] == [96, 92, 96, 100, 96]
    assert written(rows) == (GOLDEN / "esl_days.xml").read_bytes()


def test_the_running_register_stands_above_the_energy() -> None:
    file = written(
        [row(GARAGE_2, *MARCH, 12_500, 98_765_432)],
        identifier="metering_code",
        values="both",
        system_from='Portal "A" & B',
        decimals=3,
    )
    assert file == (GOLDEN / "esl_register.xml").read_bytes()


def test_the_register_alone() -> None:
    file = written([row(GARAGE_1, *MARCH, 12_500, 98_765_432)], values="register", register_obis="1-1:1.8.1")
    assert [dict(value.attrib) for value in etree.fromstring(file).iter("ValueRow")] == [
        {"obis": "1-1:1.8.1", "value": "98765.4320", "status": "V"}
    ]


def test_energy_and_register_have_a_code_of_their_own() -> None:
    with pytest.raises(SettingsError, match="of their own"):
        EslSettings(values="both", obis="1-1:1.8.0")


def test_each_local_day_is_a_period_of_the_meter() -> None:
    days = [quarter_day(GARAGE_1, date(2026, 3, 28) + n * DAY) for n in range(3)]
    held = [checked_series(day) for day in days]
    whole = with_quarters(
        row(GARAGE_1, date(2026, 3, 28), date(2026, 3, 31), 0),
        [wh for series in held for wh in series.energy_wh].__getitem__,
        "".join(series.quality for series in held).__getitem__,  # type: ignore[arg-type]  # letters of it
    )
    whole = replace(whole, register_wh=100_000)
    file = written([whole, replace(whole, meter=GARAGE_2)], per="day", values="both", status="")
    meters = [
        [(period.get("end"), [value.get("value") for value in period]) for period in meter.iter("TimePeriod")]
        for meter in etree.fromstring(file).iter("Meter")
    ]
    assert meters[0] == [
        ("2026-03-29T00:00:00", ["77.9980", "11.0010"]),
        ("2026-03-30T00:00:00", ["88.9990", "11.0010"]),
        ("2026-03-31T00:00:00", ["100.0000", "11.0010"]),
    ]
    assert meters[1] == meters[0]
    assert {value.get("status") for value in etree.fromstring(file).iter("ValueRow")} == {"F"}


Structure = tuple[str, list[str], list[Any]]


def structure(element: etree._Element) -> Structure:
    return str(element.tag), [str(name) for name in element.attrib], [structure(child) for child in element]


def test_it_has_the_structure_of_files_from_the_field() -> None:
    file = written([row(GARAGE_1, *MARCH, 1)], identifier="factory_no", further_identifiers=("internal_no",))
    value_row: Structure = ("ValueRow", ["obis", "value", "status"], [])
    assert structure(etree.fromstring(file)) == (
        "ESLBillingData",
        [],
        [
            ("Header", ["version", "created", "swSystemNameFrom", "swSystemNameTo"], []),
            ("Meter", ["factoryNo", "internalNo"], [("TimePeriod", ["end"], [value_row])]),
        ],
    )


xml_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), min_size=1
).filter(lambda text: text == text.strip() and not INVISIBLE.search(text))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(xml_text, st.lists(st.integers(0, 10**15), min_size=1, max_size=4)), min_size=1))
def test_lxml_reads_back_the_same_identifiers_and_wh(meters: list[tuple[str, list[int]]]) -> None:
    named = [(Meter(code, None, None, None, str(n)), energies) for n, (code, energies) in enumerate(meters)]
    rows = [
        row(meter, MARCH[0] + n * DAY, MARCH[0] + (n + 1) * DAY, energy)
        for meter, energies in named
        for n, energy in enumerate(energies)
    ]
    root = etree.fromstring(written(rows))
    assert [
        (
            meter.get("deviceLocationID"),
            [int((value.get("value") or "").replace(".", "")) // 10 for value in meter.iter("ValueRow")],
        )
        for meter in root.iter("Meter")
    ] == meters


@pytest.mark.parametrize("code", ["\x00", "\x0b", "\ufffe", "\ud800", "CH\x1b[1m", "CH\u2028", "CH\r\n"])
def test_it_refuses_what_xml_cannot_hold(code: str) -> None:
    with pytest.raises(FormatError, match=r"^Einstellhalle 1 has "):
        written([row(replace(GARAGE_1, device_location_id=code), *MARCH, 1)])


@pytest.mark.parametrize("code", ['"/><Meter x="', "<!-- -->", "]]>", "&lt;", "'", "%s%(a)s", "ZÄHLER-1"])
def test_an_identifier_cannot_leave_its_attribute(code: str) -> None:
    file = written([row(replace(GARAGE_1, device_location_id=code), *MARCH, 1)])
    (meter,) = etree.fromstring(file).iter("Meter")
    assert meter.attrib == {"deviceLocationID": code}


def test_a_missing_identifier_names_the_meter() -> None:
    with pytest.raises(FormatError, match="FactoryNo") as refused:
        written([row(VISITORS, *MARCH, 1)], identifier="factory_no")
    assert refused.value.meter == "=Besucher"


def test_a_missing_further_identifier_is_left_out() -> None:
    file = written([row(VISITORS, *MARCH, 1)], further_identifiers=("factory_no",))
    assert b'<Meter deviceLocationID="CH9900000000000000000000000000003">' in file


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no meter to write"),
        ([row(GARAGE_1, *MARCH, -1)], "negative"),
        ([row(GARAGE_1, MARCH[1], MARCH[0], 1)], "ends before it starts"),
        ([row(GARAGE_1, *MARCH, 1), row(GARAGE_1, *MARCH, 1)], "overlap"),
    ],
)
def test_it_refuses_rows_that_cannot_be_billed(rows: list[MeterPeriod], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        written(rows)


def test_it_refuses_a_period_without_register_where_one_is_written() -> None:
    with pytest.raises(FormatError, match="no meter reading"):
        written([row(GARAGE_1, *MARCH, 1)], values="register")


def test_it_refuses_instants_that_are_not_utc() -> None:
    naive = datetime(2026, 3, 1), datetime(2026, 4, 1)  # noqa: DTZ001 - that is the mistake
    with pytest.raises(ValueError, match="not in UTC"):
        written([MeterPeriod(GARAGE_1, *naive, 1, 1, 0, 0)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("identifier", "name"),
        ("further_identifiers", ("name",)),
        ("decimals", 2),
        ("obis", '1.9.0"'),
        ("register_obis", ""),
        ("values", "none"),
        ("per", "hour"),
        ("status_texts", ("W", "E", "W")),
        ("status_texts", ("W", "E", '"/>')),
        ("system_to", " "),
        ("system_from", "a\x00"),
        ("status", " "),
        ("attributes", {}),
        ("attributes", {**ATTRIBUTES, "factory_no": "a b"}),
        ("attributes", {**ATTRIBUTES, "factory_no": "internalNo"}),
        ("attributes", {**ATTRIBUTES, "factory_no": "xmlns"}),
    ],
)
def test_it_refuses_settings_that_break_the_file(field: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        EslSettings(**{field: value})  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


def test_a_status_with_a_percent_sign_is_kept() -> None:
    assert b'status="%s"' in written([row(GARAGE_1, *MARCH, 1)], status="%s")


def test_attribute_names_are_settings() -> None:
    file = written([row(GARAGE_1, *MARCH, 1)], attributes={**ATTRIBUTES, "device_location_id": "DeviceId"})
    assert b'<Meter DeviceId="CH99' in file


def test_it_reads_no_more_rows_than_the_pieces_taken_need() -> None:
    taken = 0

    def counted() -> Iterator[MeterPeriod]:
        nonlocal taken
        for period in many(100_000):
            taken += 1
            yield period

    pieces = list(islice(write(counted(), EslSettings(), CREATED), 2))
    assert all(60_000 < len(piece) < 80_000 for piece in pieces)
    assert taken < 1_500


def test_memory_stays_flat_over_200_000_meters() -> None:
    pieces = write(many(200_000), EslSettings(), CREATED)
    next(pieces)
    tracemalloc.start()
    size = sum(map(len, pieces))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 25_000_000
    assert peak < 1_000_000


def test_the_header_is_local_time() -> None:
    created = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    file = b"".join(write([row(GARAGE_1, *MARCH, 1)], EslSettings(), created))
    assert b'created="2027-01-01T00:30:00"' in file
