from __future__ import annotations

import io
import tracemalloc
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from portal.formats.csv_settings import COLUMNS
from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import Meter, MeterPeriod
from portal.formats.xlsx_file import MOST_ROWS, XlsxSettings, check_rows, write
from tests.formats.examples import GARAGE_1, GARAGE_2, GOLDEN, VISITORS, many, quarter_day, row

MARCH = (date(2026, 3, 1), date(2026, 4, 1))


def written(rows: list[MeterPeriod], **chosen: Any) -> bytes:
    return b"".join(write(rows, XlsxSettings(**chosen)))


def cells(file: bytes) -> list[list[Any]]:
    (sheet,) = load_workbook(io.BytesIO(file)).worksheets
    return [list(line) for line in sheet.iter_rows(values_only=True)]


def test_a_month_with_every_column() -> None:
    month = replace(row(GARAGE_2, *MARCH, 412_337, 98_765_432), measured=2900, substitute=71, missing=1)
    header, line = cells(written([month], columns=COLUMNS, titles=[*COLUMNS[:-1], "Zustand"]))
    assert header == [*COLUMNS[:-1], "Zustand"]
    assert dict(zip(COLUMNS, line, strict=True)) == {
        "identifier": GARAGE_2.device_location_id,
        "name": "Einstellhalle 2; Süd",
        "obis": "1-1:1.9.0",
        "period_start": datetime(2026, 3, 1),  # noqa: DTZ001 - a workbook knows no zones
        "period_end": datetime(2026, 4, 1),  # noqa: DTZ001
        "energy_kwh": 412.337,
        "energy_wh": 412_337,
        "register_kwh": 98765.432,
        "measured": 2900,
        "substitute": 71,
        "missing": 1,
        "completeness": 99.9,
        "status": "F",
    }


def test_quarter_hours_of_the_longest_day() -> None:
    columns = ("identifier", "period_end", "energy_wh", "status")
    read = cells(written([quarter_day(GARAGE_1, date(2026, 10, 25))], columns=columns, per="quarter"))
    assert len(read) == 101
    assert read[5] == [GARAGE_1.device_location_id, datetime(2026, 10, 25, 1, 15), 2750, "W"]  # noqa: DTZ001
    assert [line[3] for line in read[8:11]] == ["W", "E", "F"]


def told(file: bytes) -> str:
    """Every cell of the workbook, a line each: place, type, number format and value."""
    book = load_workbook(io.BytesIO(file))
    lines = [
        f"{sheet.title}!{cell.coordinate} {cell.data_type} {cell.number_format} {cell.value!r}"
        for sheet in book
        for line in sheet.iter_rows()
        for cell in line
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("name", "day"), [("92", date(2026, 3, 29)), ("100", date(2026, 10, 25))])
def test_quarter_hours_of_a_clock_change_as_the_golden_workbook_has_them(name: str, day: date) -> None:
    columns = ("identifier", "name", "obis", "period_start", "period_end", "energy_kwh", "energy_wh", "status")
    rows = [quarter_day(GARAGE_1, day), quarter_day(GARAGE_2, day)]
    assert told(written(rows, columns=columns, per="quarter")) == (GOLDEN / f"xlsx_{name}.txt").read_text()


def test_periods_with_every_column_as_the_golden_workbook_has_them() -> None:
    months = [
        replace(row(GARAGE_1, *MARCH, 412_337, 98_765_432), measured=2900, substitute=71, missing=1),
        row(GARAGE_2, *MARCH, 0, 0),
        replace(row(VISITORS, *MARCH, 1, 10**12), measured=2972 - 4, substitute=4),
    ]
    assert told(written(months, columns=COLUMNS)) == (GOLDEN / "xlsx_months.txt").read_text()


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+41", "-2", "@A1", "\t=1", "{=1}", "https://example.ch", "_x0041_", "12", "\u202eabc", " a ", "a\r\nb"],
)
def test_a_text_stays_a_text(name: str) -> None:
    file = written([row(replace(GARAGE_1, name=name), *MARCH, 1)], columns=("name",), header=False)
    (sheet,) = load_workbook(io.BytesIO(file)).worksheets
    assert sheet["A1"].data_type == "s"
    assert sheet["A1"].hyperlink is None
    assert unescape(sheet["A1"].value) == name


names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


@settings(deadline=None, max_examples=30)  # the machine may be busy
@given(st.lists(st.tuples(names, st.integers(0, 10**12)), min_size=1, max_size=5))
def test_openpyxl_reads_back_the_same_names_and_wh(meters: list[tuple[str, int]]) -> None:
    rows = [row(Meter(None, None, None, None, name), *MARCH, energy) for name, energy in meters]
    read = cells(written(rows, columns=("name", "energy_kwh", "energy_wh"), header=False))
    found = [(unescape(name), round(kwh * 1000), wh) for name, kwh, wh in read]
    assert found == [(name, wh, wh) for name, wh in meters]


def test_more_rows_than_a_sheet_has_are_refused_before_building() -> None:
    check_rows(MOST_ROWS - 1, XlsxSettings())
    check_rows(MOST_ROWS, XlsxSettings(header=False))
    with pytest.raises(FormatError, match="holds 1,048,576 rows, and this would be 1,048,577"):
        check_rows(MOST_ROWS, XlsxSettings())


@pytest.mark.parametrize(
    ("meter", "chosen", "message"),
    [
        (replace(GARAGE_1, name="a\x00b"), {}, "control character"),
        (replace(GARAGE_1, name="a\ufffe"), {}, "control character"),
        (replace(GARAGE_1, name="\ud800"), {}, "control character"),
        (replace(GARAGE_1, name="x" * 32_768), {}, "longer than a cell"),
        (replace(GARAGE_1, name="\U0001f50c" * 16_384), {}, "longer than a cell"),
        (VISITORS, {"identifier": "internal_no"}, "no InternalNo"),
        (GARAGE_1, {"columns": ("register_kwh",)}, "no meter reading"),
        (GARAGE_1, {"per": "quarter"}, "no quarter hours"),
    ],
)
def test_it_refuses_and_names_the_meter(meter: Meter, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message) as refused:
        written([row(meter, *MARCH, 1)], **chosen)
    assert (refused.value.meter or "")[:80] == meter.name[:80]


def test_a_name_of_10_000_characters_fits() -> None:
    name = "Ladeplatz " * 1000
    assert cells(written([row(replace(GARAGE_1, name=name), *MARCH, 1)], columns=("name",)))[1] == [name]


@pytest.mark.parametrize(
    ("field", "value"),
    [("columns", ("power",)), ("titles", ("x",)), ("per", "hour"), ("identifier", "name"), ("obis", "1.9")],
)
def test_it_refuses_settings_that_break_the_file(field: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        XlsxSettings(**{field: value})  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


def test_no_register_per_quarter_hour() -> None:
    with pytest.raises(SettingsError, match="meter reading"):
        XlsxSettings(columns=("register_kwh",), per="quarter")


def test_the_same_rows_give_the_same_bytes() -> None:
    assert written([row(GARAGE_1, *MARCH, 1)]) == written([row(GARAGE_1, *MARCH, 1)])


def test_memory_stays_flat_over_20_000_rows() -> None:
    pieces = write(many(20_000), XlsxSettings())
    tracemalloc.start()
    size = sum(map(len, pieces))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 500_000
    assert peak < 5_000_000
