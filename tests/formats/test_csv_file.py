from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.formats.csv_file import COLUMNS, CsvSettings, write
from portal.formats.errors import FormatError, SettingsError
from portal.formats.rows import QUARTER_HOUR, Meter, MeterPeriod, Series
from tests.formats.examples import (
    GARAGE_1,
    GARAGE_2,
    GOLDEN,
    VISITORS,
    local_midnight,
    many,
    quarter_day,
    row,
    with_quarters,
)

MARCH = (date(2026, 3, 1), date(2026, 4, 1))
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
START = local_midnight(SPRING)
STAMPED = ("identifier", "period_end", "energy_kwh", "status")


def written(rows: list[MeterPeriod], **chosen: Any) -> bytes:
    return b"".join(write(rows, CsvSettings(**chosen)))


def cells(file: bytes, separator: str = ";", encoding: str = "utf-8") -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.decode(encoding), newline=""), delimiter=separator, strict=True))


def test_a_month_of_three_meters_with_every_column() -> None:
    rows = [
        row(GARAGE_1, *MARCH, 412_337, 98_765_432),
        replace(row(GARAGE_2, *MARCH, 0, 0), measured=2900, substitute=71, missing=1),
        row(VISITORS, *MARCH, 5, 5),
    ]
    assert written(rows, columns=COLUMNS) == (GOLDEN / "csv_month.csv").read_bytes()


def test_a_month_for_a_spreadsheet_in_german() -> None:
    file = written(
        [row(GARAGE_2, *MARCH, 1_234_567)],
        columns=("name", "period_start", "period_end", "energy_kwh", "completeness"),
        titles=("Zähler", "Von", "Bis", "kWh", "Vollständig, %"),
        decimal_mark=",",
        encoding="iso-8859-1",
        stamps="local",
    )
    assert file == (GOLDEN / "csv_german.csv").read_bytes()


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100)])
def test_the_quarter_hours_of_a_clock_change(day: date, count: int) -> None:
    file = written([quarter_day(GARAGE_1, day)], columns=STAMPED, per="quarter", stamps="iso_local")
    assert file == (GOLDEN / f"csv_quarters_{count}.csv").read_bytes()
    assert file.count(b"\r\n") == 1 + count


def test_a_quarter_hour_is_stamped_with_its_end() -> None:
    file = written([quarter_day(GARAGE_1, date(2026, 1, 31))], columns=STAMPED, per="quarter", stamps="local")
    lines = cells(file)
    assert lines[1][1] == "31.01.2026 00:15"
    assert lines[-1][1] == "01.02.2026 00:00"


@pytest.mark.parametrize(
    ("stamps", "text"),
    [
        ("iso_utc", "2026-03-31T22:00:00Z"),
        ("iso_local", "2026-04-01T00:00:00+02:00"),
        ("local", "01.04.2026 00:00"),
    ],
)
def test_time_stamps(stamps: str, text: str) -> None:
    file = written([row(GARAGE_1, *MARCH, 1)], columns=("period_end",), stamps=stamps, header=False)
    assert file == text.encode() + b"\r\n"


def test_utf_8_with_a_mark_has_one_mark() -> None:
    file = written([row(GARAGE_2, *MARCH, 1)] * 3000, columns=("name",), encoding="utf-8-sig")
    assert file.startswith(b"\xef\xbb\xbfname\r\n")
    assert file.count(b"\xef\xbb\xbf") == 1


def test_every_column_of_quarter_hours() -> None:
    columns = tuple(column for column in COLUMNS if column != "register_kwh")
    lines = cells(written([quarter_day(GARAGE_1, MARCH[0])], columns=columns, per="quarter"))
    assert lines[9][3:] == [
        "2026-03-01T01:00:00Z",
        "2026-03-01T01:15:00Z",
        "0.001",
        "1",
        "0",
        "1",
        "0",
        "100.0",
        "E",
    ]
    assert lines[10][5:] == ["0.000", "0", "0", "0", "1", "0.0", "F"]


names = st.text(st.characters(exclude_categories=["Cs"]).filter(lambda char: char in "\t\r\n" or char.isprintable()))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(names, st.integers(0, 10**15)), min_size=1), st.sampled_from(";,\t|"), st.booleans())
def test_the_csv_module_reads_back_the_same_names_and_wh(
    meters: list[tuple[str, int]], separator: str, sig: bool
) -> None:
    rows = [row(Meter(None, None, None, None, name), *MARCH, energy) for name, energy in meters]
    encoding = "utf-8-sig" if sig else "utf-8"
    file = written(
        rows,
        columns=("name", "energy_kwh", "energy_wh"),
        separator=separator,
        encoding=encoding,
        header=False,
    )
    read = cells(file, separator, encoding)
    assert [(int(kwh.replace(".", "")), int(wh)) for _, kwh, wh in read] == [(wh, wh) for _, wh in meters]
    for (name, _, _), (given_name, _) in zip(read, meters, strict=True):
        assert name in {given_name, "'" + given_name}


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.integers(0, 10_000), min_size=96, max_size=96))
def test_quarter_hours_read_back_sum_to_the_period(energies: list[int]) -> None:
    period = with_quarters(row(GARAGE_1, date(2026, 5, 1), date(2026, 5, 2), 0), energies.__getitem__, lambda _: "W")
    read = cells(written([period], columns=("energy_kwh",), per="quarter", header=False))
    assert [int(cell.replace(".", "")) for (cell,) in read] == energies


FORMULAS = [
    "=1+1",
    "+41",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "|cmd",
    "%0A",
    "＝1",
    "  =1",
    "\u00a0=1",
    "\ufeff=1",
]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_name_is_never_run_as_a_formula(name: str) -> None:
    rows = [row(replace(GARAGE_1, name=name), *MARCH, 1)]
    assert cells(written(rows, columns=("name",), header=False)) == [["'" + name]]


@pytest.mark.parametrize("name", FORMULAS)
def test_a_file_for_machines_refuses_such_a_name(name: str) -> None:
    rows = [row(replace(GARAGE_1, name=name), *MARCH, 1)]
    with pytest.raises(FormatError, match="formula"):
        written(rows, columns=("name",), for_people=False)


@pytest.mark.parametrize("code", ["=1+1", "+41", "-2", "@A1", "|x", "%x", "＝1"])
def test_an_identifier_like_a_formula_is_refused_not_altered(code: str) -> None:
    with pytest.raises(FormatError, match=r"^Einstellhalle 1: .*formula"):
        written([row(replace(GARAGE_1, device_location_id=code), *MARCH, 1)])


def test_a_name_cannot_start_a_cell_in_another_separator() -> None:
    rows = [row(replace(GARAGE_1, name="Halle,=1+1"), *MARCH, 1)]
    assert written(rows, columns=("name",), header=False) == b'"Halle,=1+1"\r\n'


@pytest.mark.parametrize(
    ("meter", "chosen", "message"),
    [
        (replace(GARAGE_1, name="Łódź"), {"encoding": "iso-8859-1"}, "iso-8859-1 cannot hold"),
        (replace(GARAGE_1, name="a\x00b"), {}, "control character"),
        (replace(GARAGE_1, name="\ud800"), {}, "cannot hold"),
        (VISITORS, {"identifier": "internal_no"}, "no InternalNo"),
        (GARAGE_1, {"columns": ("identifier", "register_kwh")}, "no meter reading"),
        (GARAGE_1, {"per": "quarter"}, "no quarter hours"),
    ],
)
def test_it_refuses_and_names_the_meter(meter: Meter, chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message) as refused:
        written([row(meter, *MARCH, 1)], **({"columns": ("identifier", "name")} | chosen))
    assert refused.value.meter == meter.name


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (Series(START, [1] * 91, "W" * 91), "until 2026-03-29 21:45 UTC only"),
        (Series(START, [1] * 93, "W" * 93), "until 2026-03-29 22:15 UTC only"),
        (Series(START + QUARTER_HOUR, [1] * 92, "W" * 92), "from 2026-03-28 23:15 UTC on only"),
        (Series(START, [], ""), "until 2026-03-28 23:00 UTC only"),
        (Series(START, [1] * 92, "W" * 91), "without a quality"),
        (Series(START, [1] * 92, "W" * 91 + "X"), "without a quality"),
        (Series(START, [-5, 5] * 46, "W" * 92), "negative energy"),
        (Series(START, [2] * 92, "W" * 92), "do not sum"),
    ],
)
def test_it_refuses_quarter_hours_that_are_not_those_of_the_period(held: Series, message: str) -> None:
    energy_wh = 0 if min(held.energy_wh, default=0) < 0 else 92
    bad = replace(row(GARAGE_1, SPRING, SPRING + timedelta(days=1), energy_wh), series=held)
    with pytest.raises(FormatError, match=message):
        written([bad], per="quarter")


def test_an_empty_name_is_a_record_of_its_own() -> None:
    rows = [row(replace(GARAGE_1, name=""), *MARCH, 1)]
    assert written(rows, columns=("name",), header=False) == b'""\r\n'


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("columns", ()),
        ("columns", ("energy",)),
        ("columns", ("name", "name")),
        ("titles", ("one",)),
        ("titles", ("=1", "b", "c", "d", "e", "f")),
        ("titles", ("Łódź", "b", "c", "d", "e", "f")),
        ("separator", "x"),
        ("decimal_mark", ""),
        ("encoding", "utf-16"),
        ("stamps", "unix"),
        ("per", "hour"),
        ("identifier", "name"),
        ("decimals", 1),
        ("obis", "=1"),
    ],
)
def test_it_refuses_settings_that_break_the_file(field: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        CsvSettings(**{"encoding": "iso-8859-1", field: value})  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


def test_the_decimal_mark_is_not_the_separator() -> None:
    with pytest.raises(SettingsError, match="must differ"):
        CsvSettings(separator=",", decimal_mark=",")


def test_no_register_per_quarter_hour() -> None:
    with pytest.raises(SettingsError, match="meter reading"):
        CsvSettings(columns=("register_kwh",), per="quarter")


def test_no_rows_give_the_header_alone() -> None:
    assert written([], columns=STAMPED) == b"identifier;period_end;energy_kwh;status\r\n"


def quarter_rows(meters: int) -> Iterator[MeterPeriod]:
    """The quarter hours of four weeks for each of so many meters."""
    days = [quarter_day(GARAGE_1, date(2026, 1, 1) + timedelta(days=number)) for number in range(28)]
    for number in range(meters):
        meter = replace(GARAGE_1, device_location_id=f"CH99{number:029d}")
        yield from (replace(day, meter=meter) for day in days)


@pytest.mark.parametrize("per", ["period", "quarter"])
def test_memory_stays_flat_over_200_000_lines(per: str) -> None:
    rows = many(200_000) if per == "period" else quarter_rows(75)
    pieces = write(rows, CsvSettings(per=per))  # type: ignore[arg-type]  # a parameter is a plain str
    tracemalloc.start()
    size = sum(map(len, pieces))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 15_000_000
    assert peak < 6_000_000
