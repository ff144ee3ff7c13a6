"""The demo's sessions are moved by whole weeks and stay what they are."""

import csv
import itertools
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portal.demo import dates


def local(text):
    return datetime.strptime(text, "%d.%m.%Y %H:%M")  # noqa: DTZ007 - wall-clock times


def stamps(lines):
    rows = list(csv.DictReader(lines, delimiter=";"))
    return [local(row["Start_plugin"]) for row in rows], rows


def test_the_stated_days_are_those_of_the_file():
    with dates.open_sessions() as text:
        starts, rows = stamps(text)
    ends = [row["End_plugout"] for row in rows if row["End_plugout"] != "NA"]
    assert (min(starts).date(), max(starts).date()) == (dates.FIRST_DAY, dates.LAST_DAY)
    assert max(local(end) for end in ends).date() == dates.LAST_DAY
    assert len(rows) == dates.ROWS


@given(st.dates(date(2020, 1, 1), date(2100, 1, 1)))
def test_the_last_day_falls_into_the_week_before_today(today):
    shift = dates.shift_to(today)
    monday = today - timedelta(days=today.weekday())
    assert monday - timedelta(days=7) <= shift.last_day < monday
    assert shift.last_day.weekday() == dates.LAST_DAY.weekday()
    assert shift.last_day - dates.LAST_DAY == shift.first_day - dates.FIRST_DAY == timedelta(weeks=shift.weeks)


def test_weekdays_and_times_of_day_stay_true():
    shift = dates.shift_to(date(2026, 11, 23))
    with dates.open_sessions() as before, dates.open_sessions() as after:
        old, _ = stamps(before)
        new, rows = stamps(dates.move(after, shift.weeks))
    assert {b - a for a, b in zip(old, new, strict=True)} == {timedelta(weeks=shift.weeks)}
    assert max(new).date() == shift.last_day == date(2026, 11, 20)
    assert all(row["weekdays_plugin"] == start.strftime("%A") for row, start in zip(rows, new, strict=True))


def test_missing_ends_stay_missing():
    with dates.open_sessions() as text:
        _, rows = stamps(dates.move(text, 100))
    assert sum(row["End_plugout"] == "NA" for row in rows) == 34


def test_no_weeks_change_nothing():
    with dates.open_sessions() as text, dates.open_sessions() as same:
        assert "".join(dates.move(text, 0)) == same.read()


def test_it_is_a_stream():
    endless = itertools.chain(["Start_plugin;End_plugout\r\n"], itertools.repeat("21.12.2018 10:20;NA\r\n"))
    moved = dates.move(endless, 1)
    assert [next(moved), next(moved)] == ["Start_plugin;End_plugout\r\n", "28.12.2018 10:20;NA\r\n"]
