"""Opening times on the calendar: midnight, holidays, and the nights in which the clock is changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.access.week import Week, is_holiday
from portal.stations import opening
from portal.stations.opening import HOLIDAY, Row, Window

ZURICH = ZoneInfo("Europe/Zurich")


def local(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH, fold=fold).astimezone(UTC)


def week(*rows: Row, canton: str | None = None) -> Week:
    return Week(opening.windows(rows), ZURICH, canton)


def test_a_window_across_midnight_goes_on_the_next_day() -> None:
    night = week(Row("6", "22:00", "06:00", "limited"))  # from Sunday to Monday
    open_at = ["2026-03-22T22:00", "2026-03-22T23:59", "2026-03-23T00:00", "2026-03-23T05:59"]
    closed = ["2026-03-22T21:59", "2026-03-23T06:00", "2026-03-23T22:00", "2026-03-22T05:00"]
    assert all(night.at(local(text)) for text in open_at)
    assert not any(night.at(local(text)) for text in closed)


@pytest.mark.parametrize(
    ("canton", "day", "holiday"),
    [
        ("ZH", "2026-05-01", True),  # Labour Day
        ("BE", "2026-05-01", False),
        ("TI", "2026-03-19", True),  # Saint Joseph
        ("ZH", "2026-03-19", False),
        ("ZH", "2026-08-01", True),
        (None, "2026-08-01", False),
    ],
)
def test_holidays_are_those_of_the_canton(canton: str | None, day: str, holiday: bool) -> None:
    assert is_holiday(canton, datetime.fromisoformat(day).date()) is holiday


def test_windows_of_holidays_replace_those_of_the_weekday() -> None:
    rows = (Row("daily", "08:00", "18:00", "limited", "0.20"), Row(str(HOLIDAY), "10:00", "16:00", "public", "0.50"))
    here, elsewhere = week(*rows, canton="ZH"), week(*rows, canton="BE")
    labour_day = local("2026-05-01T09:00")
    assert here.at(labour_day) is None
    assert elsewhere.at(labour_day) == Window(4, 480, 1080, "limited", 2000, 0)
    assert here.at(local("2026-05-01T10:00")) == Window(HOLIDAY, 600, 960, "public", 5000, 0)
    without = week(rows[0], canton="ZH")
    assert without.at(labour_day) == Window(4, 480, 1080, "limited", 2000, 0)


def test_in_the_hour_that_comes_twice_a_window_holds_twice() -> None:
    autumn = week(Row("6", "02:30", "02:45", "limited"))  # Sunday 2026-10-25
    assert autumn.at(local("2026-10-25T02:30"))
    assert autumn.at(local("2026-10-25T02:30", fold=1))
    assert not autumn.at(local("2026-10-25T02:45", fold=1))
    midnight = local("2026-10-25T00:00")
    edges = set(autumn.edges(midnight, midnight + timedelta(hours=6)))
    assert {local("2026-10-25T02:30"), local("2026-10-25T02:30", fold=1), local("2026-10-25T02:45", fold=1)} <= edges


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-03-25", "2026-01-01"])
@pytest.mark.parametrize("times", [("02:10", "02:50"), ("01:50", "03:10"), ("02:30", "05:00"), ("23:00", "03:00")])
def test_between_its_edges_nothing_changes(day: str, times: tuple[str, str]) -> None:
    """Minute for minute over two days, that a clock change is in or is not."""
    found = week(Row("daily", *times, "limited"), Row(str(HOLIDAY), "09:07", "09:08", "public"), canton="ZH")
    start = local(f"{day}T00:00") - timedelta(hours=12)
    end = start + timedelta(hours=48)
    edges = set(found.edges(start, end))
    at, before = start, found.at(start)
    while at < end:
        now = found.at(at)
        assert now == before or at in edges
        at, before = at + timedelta(minutes=1), now
