"""Dates are proposed with their evidence and never guessed; local times become instants or say why not."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.charging.date_text import MISSING
from portal.charging.moments import (
    DateOrder,
    Instant,
    MomentProblem,
    examples,
    propose,
    read_moment,
    to_utc,
)
from portal.charging.table_files import detect, rows
from portal.demo.dates import SESSIONS as TRONDHEIM

SAMPLES = Path(__file__).parent / "samples"
ZURICH = ZoneInfo("Europe/Zurich")


def local(*parts) -> datetime:
    return datetime(*parts)  # noqa: DTZ001 - wall-clock times


def column(path, name) -> list:
    with path.open("rb") as stream:
        shape = detect(stream, path.name)
        place = shape.columns.index(name)
        return [row.cells[place] for row in rows(stream, shape)]


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2019-08-31 23:26", DateOrder.ISO, local(2019, 8, 31, 23, 26)),
        ("2019-08-31T23:26:05", DateOrder.ISO, local(2019, 8, 31, 23, 26, 5)),
        ("2019-08-31T23:26:05.250", DateOrder.ISO, local(2019, 8, 31, 23, 26, 5, 250_000)),
        ("2019/8/31 7:05", DateOrder.YEAR_MONTH_DAY, local(2019, 8, 31, 7, 5)),
        ("20190831T232605", DateOrder.YEAR_MONTH_DAY, local(2019, 8, 31, 23, 26, 5)),
        ("2019-31-08 10:00", DateOrder.YEAR_DAY_MONTH, local(2019, 8, 31, 10)),
        ("31.08.2019 10:20", DateOrder.DAY_MONTH_YEAR, local(2019, 8, 31, 10, 20)),
        ("1/2/19, 10:20", DateOrder.DAY_MONTH_YEAR, local(2019, 2, 1, 10, 20)),
        ("08/31/2019 11:05 PM", DateOrder.MONTH_DAY_YEAR, local(2019, 8, 31, 23, 5)),
        ("08/31/2019 12:05 am", DateOrder.MONTH_DAY_YEAR, local(2019, 8, 31, 0, 5)),
        ("31.12.2019 24:00", DateOrder.DAY_MONTH_YEAR, local(2020, 1, 1)),
        ("2019-01-09 08:58", DateOrder.SWAPPED_WHEN_AMBIGUOUS, local(2019, 9, 1, 8, 58)),
        ("2019-01-31 08:58", DateOrder.SWAPPED_WHEN_AMBIGUOUS, local(2019, 1, 31, 8, 58)),
        (local(2019, 1, 9, 8, 58), DateOrder.SWAPPED_WHEN_AMBIGUOUS, local(2019, 9, 1, 8, 58)),
        (local(2019, 1, 9, 8, 57, 59, 999_999), DateOrder.EXCEL, local(2019, 1, 9, 8, 58)),
        (43466.5, DateOrder.EXCEL, local(2019, 1, 1, 12)),
        ("43466,5", DateOrder.EXCEL, local(2019, 1, 1, 12)),
        ("1546344000", DateOrder.EPOCH_SECONDS, datetime(2019, 1, 1, 12, tzinfo=UTC)),
        (1546344000000, DateOrder.EPOCH_MILLISECONDS, datetime(2019, 1, 1, 12, tzinfo=UTC)),
    ],
)
def test_it_reads_every_order(text, order, expected):
    assert read_moment(text, order) == expected


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("31.08.2019", DateOrder.DAY_MONTH_YEAR),
        ("31.02.2019 10:00", DateOrder.DAY_MONTH_YEAR),
        ("31.08.2019 10:60", DateOrder.DAY_MONTH_YEAR),
        ("31.08.2019 25:00", DateOrder.DAY_MONTH_YEAR),
        ("31.08-2019 10:00", DateOrder.DAY_MONTH_YEAR),
        ("08/31/2019 13:05 PM", DateOrder.MONTH_DAY_YEAR),
        ("0001-01-01 10:00", DateOrder.ISO),
        ("٢٠١٩-01-01 10:00", DateOrder.ISO),
        ("12", DateOrder.EPOCH_SECONDS),
        ("12", DateOrder.EXCEL),
        (float("nan"), DateOrder.EXCEL),
        (time(10), DateOrder.EXCEL),
    ],
)
def test_what_is_no_moment_is_not_read(text, order):
    assert read_moment(text, order) is None


def test_an_offset_in_the_text_is_taken_as_it_is():
    instant = Instant(datetime(2019, 8, 31, 8, 20, tzinfo=UTC))
    for text in ("2019-08-31T10:20:00+02:00", "2019-08-31T08:20Z", "2019-08-31T03:50:00-0430"):
        assert to_utc(read_moment(text, DateOrder.ISO), ZURICH) == instant


@pytest.mark.parametrize("clock", ["23:26", "23:26:00", "11:26 pm", time(23, 26), timedelta(hours=23, minutes=26)])
def test_date_and_time_can_stand_in_two_cells(clock):
    assert read_moment("2019-08-31T00:00:00", DateOrder.ISO, clock) == local(2019, 8, 31, 23, 26)


def test_a_date_cell_with_a_time_of_its_own_contradicts_the_time_cell():
    assert read_moment("2019-08-31T07:00:00", DateOrder.ISO, "23:26") is None


def test_days_up_to_twelve_leave_the_order_open():
    proposal = propose(["01.02.2019 10:00", "03.04.2019 10:00"])
    assert set(proposal.orders) == {DateOrder.DAY_MONTH_YEAR, DateOrder.MONTH_DAY_YEAR}
    assert proposal.ambiguous


def test_one_day_above_twelve_decides_and_is_the_evidence():
    proposal = propose(["01.02.2019 10:00", "13.02.2019 10:00", "", "NA"])
    assert proposal.orders == (DateOrder.DAY_MONTH_YEAR,)
    assert proposal.excluded[DateOrder.MONTH_DAY_YEAR] == "13.02.2019 10:00"
    assert proposal.samples == 2


def test_contradicting_rows_leave_no_order():
    assert propose(["13/02/2019", "02/13/2019"]).orders == ()


def test_gibberish_excludes_no_order_and_is_shown():
    proposal = propose(["13.02.2019", "yesterday", "14.02.2019"])
    assert proposal.orders == (DateOrder.DAY_MONTH_YEAR,)
    assert proposal.unreadable == ("yesterday",)


def test_nothing_to_go_by_proposes_nothing():
    assert propose(["", "NA"]).orders == propose([]).orders == propose(["yesterday"]).orders == ()


def test_trondheim_writes_the_day_first():
    proposal = propose(column(TRONDHEIM, "Start_plugin"))
    assert proposal.orders == (DateOrder.DAY_MONTH_YEAR,)
    assert proposal.excluded[DateOrder.MONTH_DAY_YEAR] == "21.12.2018 10:20"


def test_perth_is_suspected_of_swapped_days_and_never_decided():
    for name in ("Start Date", "End Date"):
        proposal = propose(column(SAMPLES / "perth-excerpt.csv.gz", name))
        assert proposal.orders == (DateOrder.ISO, DateOrder.SWAPPED_WHEN_AMBIGUOUS)
        assert proposal.swap.outside_as_read > 100
        assert proposal.swap.outside_swapped == 0
        assert proposal.swap.jumps_as_read > 5 * proposal.swap.jumps_swapped


def test_sound_iso_dates_are_not_suspected():
    day = date(2018, 9, 1)
    sorted_days = [(day + timedelta(days=n // 3)).isoformat() for n in range(1200)]
    assert propose(sorted_days).orders == (DateOrder.ISO,)
    assert propose(sorted(sorted_days, key=lambda text: text[::-1])).orders == (DateOrder.ISO,)


def swapped_back(day: date) -> str:
    return day.strftime("%Y-%d-%m" if day.day <= 12 else "%Y-%m-%d")


def test_a_few_sound_days_are_not_suspected():
    assert propose(["2019-08-20", "2019-08-21"]).orders == (DateOrder.ISO,)
    assert propose(["2019-08-20", "2019-08-21", "2019-09-01"]).orders == (DateOrder.ISO,)


def test_unsorted_swapped_dates_are_suspected_for_lying_outside_the_others():
    days = [date(2019, 8, 1 + n * 7 % 31) for n in range(31)]
    proposal = propose(map(swapped_back, days))
    assert proposal.swap.outside_as_read == 10  # all but 9 August, read as 8 September: close enough
    assert DateOrder.SWAPPED_WHEN_AMBIGUOUS in proposal.orders


def test_sorted_swapped_dates_are_suspected_for_jumping_even_inside_the_span_of_the_others():
    days = [date(2017, 1, 13) + timedelta(days=n) for n in range(1000)]
    proposal = propose([*map(swapped_back, days), "2019-12-31"])
    assert proposal.swap.outside_as_read == 0
    assert DateOrder.SWAPPED_WHEN_AMBIGUOUS in proposal.orders


def test_typed_dates_that_are_not_sorted_are_not_suspected():
    proposal = propose(column(SAMPLES / "epfl-dc.xlsx", "Arrival"))
    assert proposal.orders == (DateOrder.EXCEL,)


def test_typed_dates_that_a_spreadsheet_swapped_are_suspected():
    days = [date(2019, 1, 1) + timedelta(days=n) for n in range(300)]
    typed = [local(d.year, d.day, d.month) if d.day <= 12 else local(d.year, d.month, d.day) for d in days]
    assert propose(typed).orders == (DateOrder.EXCEL, DateOrder.SWAPPED_WHEN_AMBIGUOUS)


def test_the_examples_show_both_kinds_of_days_and_the_swapped_one():
    cells = column(SAMPLES / "perth-excerpt.csv.gz", "Start Date")
    shown = examples(cells, DateOrder.SWAPPED_WHEN_AMBIGUOUS)
    assert ("2019-12-08T00:00:00", local(2019, 8, 12), "swapped") in shown
    assert ("2019-08-31T00:00:00", local(2019, 8, 31), "day_above_12") in shown
    assert ("2018-01-09T00:00:00", local(2018, 9, 1), "earliest") in shown
    plain = {example.raw: example.read for example in examples(cells, DateOrder.ISO)}
    assert plain["2019-12-08T00:00:00"] == local(2019, 12, 8)


def test_the_hour_that_is_skipped_does_not_exist():
    assert to_utc(local(2026, 3, 29, 2, 30), ZURICH) is MomentProblem.NONEXISTENT_HOUR
    assert to_utc(local(2026, 3, 29, 2, 30), ZURICH, fold=1) is MomentProblem.NONEXISTENT_HOUR
    assert to_utc(local(2026, 3, 29, 3, 0), ZURICH) == Instant(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert to_utc(local(2026, 3, 29, 1, 59), ZURICH) == Instant(datetime(2026, 3, 29, 0, 59, tzinfo=UTC))


def test_the_hour_that_comes_twice_is_asked_for():
    twice = local(2026, 10, 25, 2, 30)
    assert to_utc(twice, ZURICH) is MomentProblem.AMBIGUOUS_HOUR
    assert to_utc(twice, ZURICH, fold=0) == Instant(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert to_utc(twice, ZURICH, fold=1) == Instant(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    assert to_utc(local(2026, 10, 25, 3, 0), ZURICH) == Instant(datetime(2026, 10, 25, 2, tzinfo=UTC))


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_an_instant_has_the_local_time_that_it_was_read_from(moment):
    found = to_utc(moment, ZURICH)
    if isinstance(found, Instant):
        assert found.utc.astimezone(ZURICH).replace(tzinfo=None, fold=0) == moment


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)), st.times(), st.sampled_from(["-", "/", "."]))
def test_what_is_written_in_an_order_is_read_in_it(day, clock, mark):
    written = {
        DateOrder.YEAR_MONTH_DAY: f"%Y{mark}%m{mark}%d",
        DateOrder.YEAR_DAY_MONTH: f"%Y{mark}%d{mark}%m",
        DateOrder.DAY_MONTH_YEAR: f"%d{mark}%m{mark}%Y",
        DateOrder.MONTH_DAY_YEAR: f"%m{mark}%d{mark}%Y",
    }
    for order, form in written.items():
        text = f"{day.strftime(form)} {clock.isoformat(timespec='seconds')}"
        assert read_moment(text, order) == datetime.combine(day, clock.replace(microsecond=0))


@given(st.lists(st.one_of(st.text(max_size=30), st.datetimes(), st.floats(), st.integers(), st.times())))
def test_no_cells_crash_the_proposal(cells):
    proposal = propose(cells)
    for order in DateOrder:
        examples(cells, order)
    assert proposal.samples <= len(cells)


def test_missing_values_are_known_by_their_usual_names():
    assert {"", "na", "null", "-"} <= MISSING
