"""Days, weeks and months of the overview, and what they are compared with."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.dashboard.periods import Kind, Period, around

DAYS = st.dates(date(2000, 1, 1), date(2199, 12, 30))


@given(st.sampled_from(Kind), DAYS)
def test_periods_follow_each_other_without_gap(kind: Kind, day: date) -> None:
    period = around(kind, day)
    assert period.first <= day <= period.last
    assert period.before.last + timedelta(days=1) == period.first
    assert period.last + timedelta(days=1) == period.after.first
    assert period.before.after == period == around(kind, period.last)


def test_a_week_begins_on_monday() -> None:
    assert around(Kind.WEEK, date(2024, 3, 3)) == Period(Kind.WEEK, date(2024, 2, 26), date(2024, 3, 3))


@pytest.mark.parametrize(
    ("kind", "on", "today", "compared"),
    [
        (Kind.MONTH, "2024-03-10", "2024-05-01", ("2024-02-01", "2024-02-29")),  # over: with all of it
        (Kind.MONTH, "2024-03-10", "2024-03-10", ("2024-02-01", "2024-02-10")),  # under way: with as many days
        (Kind.MONTH, "2024-03-30", "2024-03-30", ("2024-02-01", "2024-02-29")),  # which the shorter one has not
        (Kind.MONTH, "2024-03-31", "2024-03-31", ("2024-02-01", "2024-02-29")),
        (Kind.WEEK, "2024-03-13", "2024-03-13", ("2024-03-04", "2024-03-06")),
        (Kind.DAY, "2024-03-13", "2024-03-13", ("2024-03-12", "2024-03-12")),
    ],
)
def test_what_a_period_is_compared_with(kind: Kind, on: str, today: str, compared: tuple[str, str]) -> None:
    found = around(kind, date.fromisoformat(on)).compared(date.fromisoformat(today))
    assert tuple(day.isoformat() for day in found) == compared
