"""A row is read exactly, or kept with everything that is wrong with it."""

import csv
import gzip
import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.charging.amounts import read_number
from portal.charging.moments import DateOrder
from portal.charging.reading import (
    AmbiguousHour,
    DurationUnit,
    EnergyUnit,
    FoundConnector,
    Mapping,
    MappingProblem,
    Problem,
    Seen,
    Warning,  # noqa: A004 - the counterpart of Problem
    guess,
    read,
)
from portal.charging.table_files import TableRow, detect, rows
from portal.demo.dates import SESSIONS as TRONDHEIM

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
COLUMNS = ("Station", "Start", "End", "kWh", "First", "Last", "Driver", "Card", "Id", "Hours")
MAPPING = Mapping(
    columns=COLUMNS,
    station=0,
    start=1,
    end=2,
    energy=3,
    date_order=DateOrder.ISO,
    time_zone="Europe/Zurich",
)
REGISTERS = replace(MAPPING, register_start=4, register_end=5)
GOOD = ("A 1", "2026-05-04 10:00", "2026-05-04 12:00", "7.5", "100", "107.5", "Fox", "04AB", "s-1", "2")


def lookup(station, connector):
    return FoundConnector(station, int(connector or 1), 22_000) if station.startswith("A") else None


def reading(mapping=MAPPING, *, seen=None, exists=None, **cells):
    row = [cells.get(name, value) for name, value in zip(COLUMNS, GOOD, strict=True)]
    return read(TableRow(2, tuple(row)), mapping, lookup, now=NOW, seen=seen, exists=exists)


def problems(mapping=MAPPING, **cells):
    return reading(mapping, **cells).problems


def everything(path, order, zone, **changes):
    """Every reading of a real file under the mapping that its own column names suggest."""
    with path.open("rb") as stream:
        shape = detect(stream, path.name)
        proposal = guess(shape.columns, shape.first_rows, shape.decimal_mark)
        mapping = replace(proposal, date_order=order, time_zone=zone, **changes)
        seen = Seen()
        return [
            read(row, mapping, lambda name, _: FoundConnector(name), now=NOW, seen=seen) for row in rows(stream, shape)
        ]


def test_a_good_row_becomes_a_session():
    found = reading(replace(REGISTERS, driver=6, card=7, external_id=8))
    assert found.good
    assert not found.warnings
    session = found.session
    assert (session.station_ref, session.connector_no, session.external_id) == ("A 1", 1, "s-1")
    assert session.started_at == datetime(2026, 5, 4, 8, tzinfo=UTC)
    assert session.ended_at == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert (session.energy_wh, session.register_start_wh, session.register_end_wh) == (7500, 100_000, 107_500)
    assert (session.driver, session.card) == ("Fox", "04AB")


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"Station": "B 1"}, Problem.UNKNOWN_STATION),
        ({"Station": ""}, Problem.UNKNOWN_STATION),
        ({"Start": "NA"}, Problem.MISSING_START),
        ({"Start": "04.05.2026 10:00"}, Problem.UNREADABLE_START),
        ({"End": ""}, Problem.MISSING_END),
        ({"End": "noon"}, Problem.UNREADABLE_END),
        ({"End": "2026-05-04 09:59"}, Problem.END_BEFORE_START),
        ({"kWh": ""}, Problem.MISSING_ENERGY),
        ({"kWh": "1,5"}, Problem.UNREADABLE_ENERGY),
        ({"kWh": "-0.001"}, Problem.NEGATIVE_ENERGY),
        ({"kWh": "44.4"}, Problem.IMPOSSIBLE_POWER),
        ({"Start": "2026-03-29 02:30"}, Problem.NONEXISTENT_HOUR),
        ({"End": "2026-11-24 10:00"}, Problem.FUTURE),
    ],
)
def test_what_is_wrong_is_named_and_nothing_else(cells, problem):
    assert problems(**cells) == (problem,)


def test_a_minute_is_granted_to_stamps_to_the_minute():
    assert problems(kWh="44.366") == ()
    assert problems(kWh="44.367") == (Problem.IMPOSSIBLE_POWER,)
    assert problems(End=GOOD[1], kWh="0.3") == ()


def test_an_unknown_power_is_taken_for_the_largest_charger():
    row = TableRow(2, (*GOOD[:3], "807", *GOOD[4:]))
    assert read(row, MAPPING, lambda name, _: FoundConnector(name), now=NOW).problems == (Problem.IMPOSSIBLE_POWER,)
    row = TableRow(2, (*GOOD[:3], "806", *GOOD[4:]))
    assert read(row, MAPPING, lambda name, _: FoundConnector(name), now=NOW).good


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ({"kWh": "7.501"}, False),
        ({"kWh": "7.502"}, True),
        ({"Last": "107.498"}, True),
        ({"First": "107.5", "Last": "100"}, True),
        ({"Last": ""}, False),
    ],
)
def test_energy_and_registers_must_agree_to_one_wh(cells, wrong):
    assert problems(REGISTERS, **cells) == ((Problem.REGISTER_MISMATCH,) if wrong else ())


def test_registers_alone_give_the_energy():
    alone = replace(REGISTERS, energy=None)
    assert reading(alone).session.energy_wh == 7500
    assert problems(alone, Last="") == (Problem.MISSING_ENERGY,)
    assert problems(alone, Last="99") == (Problem.REGISTER_MISMATCH, Problem.NEGATIVE_ENERGY)


def test_an_unreadable_register_is_named():
    assert problems(REGISTERS, Last="1,075") == (Problem.UNREADABLE_REGISTER,)


@pytest.mark.parametrize(
    ("text", "mark", "wh"),
    [
        ("0.0004", ".", 0),
        ("0.0005", ".", 1),
        ("17.829999999999998", ".", 17_830),
        ("1.0015", ".", 1002),
        ("12,345", ",", 12_345),
        ("7.5 kWh", ".", 7500),
        (".5", ".", 500),
        ("-.", ".", None),
        (7.5, ".", 7500),
        (1.0015, ",", 1002),
        ("9.5e-1", ".", 950),
    ],
)
def test_energy_is_read_exactly_to_the_wh(text, mark, wh):
    found = reading(replace(MAPPING, decimal_mark=mark), kWh=text)
    assert (found.session.energy_wh if found.session else None) == wh


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("1'234.5", ".", "1234.5"),
        ("1’234", ",", "1234"),
        ("1 234,5", ",", "1234.5"),
        ("1.234,5", ",", "1234.5"),
        ("1,234,567", ".", "1234567"),
        ("1,234.5", ".", "1234.5"),
        ("1,234", ".", None),
        ("1.234", ",", None),
        ("1.5", ",", None),
        ("12'34", ".", None),
        ("1 2", ".", None),
        ("inf", ".", None),
        (float("inf"), ".", None),
    ],
)
def test_thousands_are_understood_only_where_they_cannot_be_decimals(text, mark, number):
    assert read_number(text, mark) == (Decimal(number) if number else None)


@pytest.mark.parametrize(
    ("text", "unit", "hours"),
    [
        ("5400", DurationUnit.SECONDS, 1.5),
        ("90", DurationUnit.MINUTES, 1.5),
        ("1.5", DurationUnit.HOURS, 1.5),
        ("01:30:00", DurationUnit.CLOCK, 1.5),
        ("26:00", DurationUnit.CLOCK, 26),
        (timedelta(hours=26), DurationUnit.CLOCK, 26),
        (time(1, 30), DurationUnit.CLOCK, 1.5),
    ],
)
def test_a_duration_can_stand_for_the_end(text, unit, hours):
    session = reading(replace(MAPPING, end=None, duration=9, duration_unit=unit), Hours=text).session
    assert session.ended_at - session.started_at == timedelta(hours=hours)


def test_a_bad_duration_is_a_bad_end():
    mapping = replace(MAPPING, end=None, duration=9)
    assert problems(mapping, Hours="") == (Problem.MISSING_END,)
    assert problems(mapping, Hours="-5") == (Problem.UNREADABLE_END,)


def in_autumn(start, end, setting=AmbiguousHour.FLAG, **cells):
    mapping = replace(MAPPING, ambiguous_hour=setting, duration=9, duration_unit=DurationUnit.HOURS)
    cells = {"Hours": "", "kWh": "0.1", **cells}
    found = reading(mapping, Start=f"2025-10-26 {start}", End=f"2025-10-26 {end}", **cells)
    session = found.session
    return found.problems, found.warnings, f"{session.started_at:%H:%M}-{session.ended_at:%H:%M}"


def test_the_hour_that_comes_twice_is_flagged_and_kept():
    assert in_autumn("02:30", "04:00") == ((Problem.AMBIGUOUS_HOUR,), (), "00:30-03:00")


def test_a_setting_for_the_whole_file_decides_the_hour_and_says_so():
    said = (Warning.HOUR_DECIDED_BY_SETTING,)
    assert in_autumn("02:30", "04:00", AmbiguousHour.FIRST) == ((), said, "00:30-03:00")
    assert in_autumn("02:30", "04:00", AmbiguousHour.SECOND) == ((), said, "01:30-03:00")


def test_the_order_of_start_and_end_decides_the_hour_before_the_setting():
    for setting in AmbiguousHour:
        assert in_autumn("02:50", "02:10", setting) == ((), (Warning.HOUR_DECIDED_BY_ORDER,), "00:50-01:10")


def test_a_stated_duration_decides_the_hour_before_the_setting():
    said = (Warning.HOUR_DECIDED_BY_DURATION,)
    assert in_autumn("02:30", "04:00", AmbiguousHour.FIRST, Hours="1.5") == ((), said, "01:30-03:00")


def test_a_session_over_the_clock_change_has_its_true_length():
    assert in_autumn("01:00", "04:00", Hours="4") == ((), (), "23:00-03:00")
    assert in_autumn("01:00", "04:00", Hours="3")[1] == (Warning.DURATION_DIFFERS,)


def test_a_very_long_session_counts_with_a_warning():
    found = reading(End="2026-06-30 10:00")
    assert (found.good, found.warnings) == (True, (Warning.TOO_LONG,))


def test_a_row_that_comes_twice_is_a_duplicate_the_second_time():
    seen = Seen()
    assert [reading(seen=seen).good for _ in range(2)] == [True, False]
    assert reading(seen=seen, kWh="7.6").good
    named = replace(MAPPING, external_id=8)
    assert reading(named, seen=seen, Id="s-9").problems == (Problem.DUPLICATE,)
    assert reading(named, seen=Seen(), Id="s-9", exists={"s-9"}.__contains__).problems == (Problem.DUPLICATE,)


def test_the_same_session_has_the_same_name_however_it_is_written():
    other_columns = ("Wh", "Stop", "Begin", "Charger")
    other = Mapping(
        columns=other_columns,
        station=3,
        start=2,
        end=1,
        energy=0,
        energy_unit=EnergyUnit.WH,
        date_order=DateOrder.DAY_MONTH_YEAR,
        time_zone="UTC",
    )
    row = TableRow(7, (7500, "04.05.2026 10:00", "04.05.2026 08:00:00", " A 1 "))
    again = read(row, other, lookup, now=NOW)
    assert again.good
    assert again.external_id == reading().external_id
    assert again.external_id != reading(kWh="7.501").external_id


def test_a_name_that_is_too_long_is_replaced_by_its_hash():
    assert len(reading(replace(MAPPING, external_id=8), Id="x" * 500).external_id) == 64


def test_bad_rows_have_a_name_and_their_cells():
    found = reading(End="", kWh="?")
    assert found.session is None
    assert len(found.external_id) == 64
    assert found.raw == ("A 1", "2026-05-04 10:00", "", "?", *GOOD[4:])


def test_too_many_cells_are_a_problem_and_too_few_a_warning():
    long = read(TableRow(2, (*GOOD, "shifted")), MAPPING, lookup, now=NOW)
    short = read(TableRow(2, GOOD[:4]), MAPPING, lookup, now=NOW)
    assert long.problems == (Problem.TOO_MANY_CELLS,)
    assert (short.good, short.warnings) == (True, (Warning.TOO_FEW_CELLS,))
    assert read(TableRow(2, (*GOOD, "")), MAPPING, lookup, now=NOW).good


def test_a_mapping_survives_json():
    mapping = replace(REGISTERS, driver=6, duration=9, ambiguous_hour=AmbiguousHour.SECOND)
    assert Mapping.from_json(mapping.to_json()) == mapping


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"station": 10}, "station"),
        ({"energy": -1}, "energy"),
        ({"start": "1"}, "start"),
        ({"end": True}, "end"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone"),
        ({"time_zone": 5}, "time_zone"),
        ({"decimal_mark": ";"}, "decimal_mark"),
        ({"date_order": "guess"}, "date_order"),
        ({"energy_unit": "J"}, "energy_unit"),
        ({"register_start": 4}, "register_end"),
        ({"constant_station": "A"}, "station"),
        ({"start": None, "start_time": 1}, "start"),
        ({"columns": None}, "columns"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_by_field(change, field):
    with pytest.raises(MappingProblem) as caught:
        Mapping.from_json({**MAPPING.to_json(), **change})
    assert caught.value.field == field


def test_a_proposal_names_what_is_still_open():
    assert MAPPING.open_questions == ()
    assert Mapping(columns=COLUMNS).open_questions == ("station", "start", "end", "energy", "date_order", "time_zone")


def test_a_saved_mapping_finds_its_columns_again():
    moved = MAPPING.moved_to(("Extra", *reversed(COLUMNS)))
    assert [moved.columns[i] for i in (moved.station, moved.start, moved.end, moved.energy)] == list(COLUMNS[:4])
    assert MAPPING.moved_to(COLUMNS[1:]) is None
    assert MAPPING.moved_to((*COLUMNS, "Start")) is None
    assert MAPPING.moved_to(COLUMNS) == MAPPING


@pytest.mark.parametrize(
    ("header", "values", "expected"),
    [
        (
            "Ladestation;Startzeit Beginn;Ende;Energie (kWh);RFID;Ladevorgang",
            "A;01.02.2026 10:00;01.02.2026 11:00;1,5;04AB;77",
            "station start end energy card external_id",
        ),
        (
            "Borne;Début;Fin;Énergie (Wh);Utilisateur;Durée (min)",
            "A;01.02.2026 10:00;01.02.2026 11:00;1500;Fox;60",
            "station start end energy driver duration",
        ),
        (
            "Colonnina;Inizio;Fine;Energia kWh;Utente",
            "A;01.02.2026 10:00;01.02.2026 11:00;1,5;Fox",
            "station start end energy driver",
        ),
        (
            "Ladestasjon;Starttid;Sluttid;Forbruk kWh;Bruker",
            "A;01.02.2026 10:00;01.02.2026 11:00;1,5;Fox",
            "station start end energy driver",
        ),
        (
            "transactionId;chargePoint;connectorId;meter start (Wh);meter stop (Wh);start;stop;idTag",
            "7;A;1;100;1600;2026-02-01T10:00:00Z;2026-02-01T11:00:00Z;04AB",
            "external_id station connector register_start register_end start end card",
        ),
    ],
)
def test_column_names_in_five_languages_are_proposed(header, values, expected):
    columns = tuple(header.split(";"))
    mapping = guess(columns, [TableRow(2, tuple(values.split(";")))])
    assert [getattr(mapping, field) for field in expected.split()] == list(range(len(columns)))
    assert {"date_order", "time_zone"} <= set(mapping.open_questions)


def test_one_bad_cell_leaves_no_column_open():
    rows = [TableRow(line, (start, "1.5")) for line, start in enumerate(("not a date", "2026-01-02", "2026-01-03"), 2)]
    assert guess(("Start", "kWh"), rows).start == 0


def test_units_are_proposed_from_the_column_names():
    mapping = guess(("Énergie (Wh)", "Durée (min)"), [TableRow(2, ("1500", "60"))])
    assert (mapping.energy_unit, mapping.duration_unit) == (EnergyUnit.WH, DurationUnit.MINUTES)
    assert guess(("Total kWh",), [TableRow(2, ("1.5",))]).energy_unit is EnergyUnit.KWH


def test_trondheim_is_read_to_the_last_wh():
    found = everything(TRONDHEIM, DateOrder.DAY_MONTH_YEAR, "Europe/Oslo")
    with gzip.open(TRONDHEIM, "rt", encoding="ascii") as text:
        valid = [row for row in csv.DictReader(text, delimiter=";") if row["End_plugout"] != "NA"]
    total = sum(Decimal(row["El_kWh"].replace(",", ".")) * 1000 for row in valid)
    assert Counter(problem for row in found for problem in row.problems) == {Problem.MISSING_END: 34}
    assert (len(found), len(valid)) == (6878, 6844)
    assert sum(row.session.energy_wh for row in found if row.good) == total == 87_107_570


def test_trondheims_seventeen_sessions_over_the_autumn_change_are_an_hour_longer_than_their_clocks_say():
    change = datetime(2019, 10, 27, 1, tzinfo=UTC)
    found = everything(TRONDHEIM, DateOrder.DAY_MONTH_YEAR, "Europe/Oslo")
    over = [row for row in found if row.good and row.session.started_at < change <= row.session.ended_at]
    assert len(over) == 17
    for row in over:
        started, ended = row.session.started_at, row.session.ended_at
        oslo = ZoneInfo("Europe/Oslo")
        clocks = ended.astimezone(oslo).replace(tzinfo=None) - started.astimezone(oslo).replace(tzinfo=None)
        assert ended - started == clocks + timedelta(hours=1)
        stated = timedelta(hours=float(row.raw[10].replace(",", ".")))
        assert abs(ended - started - stated) <= timedelta(minutes=1)


def test_trondheims_recorder_that_changed_its_clock_late_is_noticed():
    found = everything(TRONDHEIM, DateOrder.DAY_MONTH_YEAR, "Europe/Oslo")
    differing = [row.raw[5][:10] for row in found if Warning.DURATION_DIFFERS in row.warnings]
    assert Counter(differing) == {"30.03.2019": 6, "22.06.2019": 5}


def test_perth_is_read_with_its_swapped_days():
    found = everything(SAMPLES / "perth-excerpt.csv.gz", DateOrder.SWAPPED_WHEN_AMBIGUOUS, "Europe/London")
    assert Counter(problem for row in found for problem in row.problems) == {
        Problem.MISSING_END: 105,
        Problem.MISSING_ENERGY: 105,
        Problem.NEGATIVE_ENERGY: 6,
        Problem.END_BEFORE_START: 5,
        Problem.IMPOSSIBLE_POWER: 2,
    }
    starts = [row.session.started_at for row in found if row.good]
    assert starts == sorted(starts, reverse=True)
    assert (min(starts).date().isoformat(), max(starts).date().isoformat()) == ("2018-09-01", "2019-08-31")


def test_perth_read_as_it_stands_shows_that_something_is_wrong():
    found = everything(SAMPLES / "perth-excerpt.csv.gz", DateOrder.ISO, "Europe/London")
    assert sum(Problem.END_BEFORE_START in row.problems for row in found) == 24
    assert sum(Warning.TOO_LONG in row.warnings for row in found) == 9


def test_epfls_workbook_is_read_in_wh_and_not_sorted():
    found = everything(SAMPLES / "epfl-dc.xlsx", DateOrder.EXCEL, "Europe/Zurich")
    assert len(found) == 1878
    assert all(row.good and not row.warnings for row in found)
    assert sum(row.session.energy_wh for row in found) == 60_441_936
    assert sum(row.session.energy_wh > 100_000 for row in found) == 8
    starts = [row.session.started_at for row in found]
    assert starts != sorted(starts)


def test_the_same_file_twice_has_the_same_names():
    once, again = (
        everything(SAMPLES / "epfl-dc.xlsx", DateOrder.EXCEL, "Europe/Zurich", external_id=None) for _ in "ab"
    )
    assert [row.external_id for row in once] == [row.external_id for row in again]
    assert len({row.external_id for row in once}) == 1878


def mappings():
    column = st.none() | st.integers(0, 5)
    return st.builds(
        Mapping,
        columns=st.just(tuple("abcdef")),
        **dict.fromkeys(("station", "connector", "start", "end", "duration", "energy", "external_id", "card"), column),
        duration_unit=st.sampled_from(DurationUnit),
        decimal_mark=st.sampled_from(".,"),
        date_order=st.sampled_from(DateOrder),
        time_zone=st.sampled_from(["Europe/Zurich", "UTC", "Pacific/Apia"]),
        ambiguous_hour=st.sampled_from(AmbiguousHour),
    )


CELLS = st.one_of(
    st.text(st.characters(), max_size=25),
    st.from_regex(
        r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}[ T][0-9]{2}:[0-9]{2}([+-][0-9]{2}:?[0-9]{2})?", fullmatch=True
    ),
    st.from_regex(r"[+-]?[0-9',. ]{1,20}(e[0-9]{1,3})?", fullmatch=True),
    st.floats(),
    st.integers(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(CELLS, max_size=8), mappings())
def test_no_cells_crash_it(cells, mapping):
    found = read(TableRow(1, tuple(cells)), mapping, lambda name, _: FoundConnector(name), now=NOW, seen=Seen())
    assert found.good <= (found.session is not None)
    assert found.external_id
    assert not found.good or found.session.ended_at >= found.session.started_at
    assert not found.good or found.session.energy_wh >= 0


@settings(deadline=None)
@given(
    st.lists(st.lists(CELLS, max_size=6), min_size=1, max_size=4),
    st.lists(st.text(max_size=12), min_size=6, max_size=6),
)
def test_no_table_crashes_the_proposal(table, names):
    guess(tuple(names), [TableRow(number, tuple(cells)) for number, cells in enumerate(table, start=2)])


def test_a_file_is_read_from_its_bytes_to_its_sessions():
    data = "Säule;Start;Ende;Energie kWh\nA 1;04.05.2026 10:00;04.05.2026 12:00;7,5\n".encode("cp1252")
    stream = io.BytesIO(data)
    shape = detect(stream, "export.csv")
    mapping = replace(
        guess(shape.columns, shape.first_rows, shape.decimal_mark),
        date_order=DateOrder.DAY_MONTH_YEAR,
        time_zone="Europe/Zurich",
    )
    (found,) = [read(row, mapping, lookup, now=NOW) for row in rows(stream, shape)]
    assert found.session == replace(reading().session, external_id=found.external_id)
