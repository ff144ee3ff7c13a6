"""Weekly opening times: from rows to windows and back."""

import pytest

from portal.core.errors import RuleBroken
from portal.stations import opening
from portal.stations.opening import Row, Window


def row(days: str, opens: str, closes: str, access: str = "limited") -> Row:
    return Row(days, opens, closes, access, "0.30", "1")


def windows(*rows: Row) -> list[tuple[int, str]]:
    return [(w.weekday, opening.span(w.opens, w.closes)) for w in opening.windows(rows)]


def test_a_row_becomes_a_window() -> None:
    assert opening.windows([row("0", "07:30", "18:00")]) == [Window(0, 450, 1080, "limited", 3000, 10000)]


def test_a_row_across_midnight_becomes_two_windows() -> None:
    assert windows(row("0", "22:00", "06:00")) == [(0, "22:00–24:00"), (1, "00:00–06:00")]


def test_sunday_night_goes_on_on_monday() -> None:
    assert windows(row("6", "22:00", "06:00")) == [(0, "00:00–06:00"), (6, "22:00–24:00")]


@pytest.mark.parametrize("closes", ["00:00", "24:00"])
def test_midnight_ends_the_day(closes: str) -> None:
    assert windows(row("2", "00:00", closes)) == [(2, "00:00–24:00")]


def test_weekdays_weekend_and_every_day() -> None:
    assert [day for day, _ in windows(row("weekdays", "08:00", "17:00"))] == [0, 1, 2, 3, 4]
    assert [day for day, _ in windows(row("weekend", "08:00", "17:00"))] == [5, 6]
    assert len(windows(row("daily", "22:00", "06:00"))) == 14


def test_windows_may_touch() -> None:
    assert len(windows(row("0", "08:00", "12:00"), row("0", "12:00", "17:00"))) == 2


def test_an_overlap_names_both_rows() -> None:
    with pytest.raises(RuleBroken, match=r"Rows 1 and 3 overlap: 05:00–06:00"):
        windows(row("0", "22:00", "06:00"), row("3", "08:00", "09:00"), row("1", "05:00", "07:00"))


@pytest.mark.parametrize(
    "wrong",
    [
        row("8", "08:00", "09:00"), row("7", "22:00", "06:00"),
        row("", "08:00", "09:00"), row("0", "08:00", "08:00"), row("0", "25:00", "09:00"),
        row("0", "24:30", "09:00"), row("0", "8", "09:00"), row("0", "", ""), row("0", "08:00", "09:00", "everyone"),
        Row("0", "08:00", "09:00", "public", "-1"), Row("0", "08:00", "09:00", "public", "NaN"),
        Row("0", "08:00", "09:00", "public", "", "1e9"),
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused_by_its_row(wrong: Row) -> None:
    with pytest.raises(RuleBroken, match="Row 2") as refused:
        windows(row("5", "08:00", "09:00"), wrong)
    assert refused.value.field == "opening_times"


def test_rows_of_windows_give_the_same_windows() -> None:
    made = opening.windows([row("daily", "22:00", "06:00"), row("0", "08:00", "12:00", "public")])
    assert opening.windows(opening.rows(made)) == made
