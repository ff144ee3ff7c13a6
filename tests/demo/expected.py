"""What the demo's files have to say, worked out from its CSV file by other means than the product's."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

SESSIONS = Path(__file__).parents[2] / "portal" / "demo" / "data" / "trondheim.csv.gz"
OSLO, ZURICH = ZoneInfo("Europe/Oslo"), ZoneInfo("Europe/Zurich")
LAST_MONDAY = date(2020, 1, 27)  # of the week that holds the file's last day
MAX_POWER_W = 11_000
Quarters = dict[str, Counter[int]]  # what was consumed -> quarter hour, in minutes since 1970 -> Wh


def weeks(today: date) -> int:
    """By how many weeks the file is moved, so that its last week is the one before today's."""
    return (today - timedelta(days=today.weekday()) - LAST_MONDAY).days // 7 - 1


def quarters(moved_by: int) -> Quarters:
    """Per charge point ("Garage/Point") and per driver's label, the energy of every quarter hour."""
    found: Quarters = defaultdict(Counter)
    with gzip.open(SESSIONS, "rt", encoding="utf-8") as text:
        for row in csv.DictReader(text, delimiter=";"):
            point = row["User_ID"] if row["User_type"] == "Private" else row["Shared_ID"]
            for quarter, energy_wh in _shares(row, moved_by):
                found[f"{row['Garage_ID']}/{point}"][quarter] += energy_wh
                found[row["User_ID"]][quarter] += energy_wh
    return found


def points() -> list[str]:
    """Every charge point in the order in which the demo numbers them."""
    with gzip.open(SESSIONS, "rt", encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter=";"))
    pairs = {(row["Garage_ID"], row["User_ID" if row["User_type"] == "Private" else "Shared_ID"]) for row in rows}
    return [f"{garage}/{point}" for garage, point in sorted(pairs)]


def energy(of: Counter[int], first: date, after: date) -> int:
    """Wh of the quarter hours from midnight of the first day to that of the day after the last, in Zurich."""
    begins, ends = (int(datetime(*day.timetuple()[:3], tzinfo=ZURICH).timestamp()) // 60 for day in (first, after))
    return sum(energy_wh for quarter, energy_wh in of.items() if begins <= quarter < ends)


def _shares(row: dict[str, str], moved_by: int) -> Iterator[tuple[int, int]]:
    if "NA" in (row["End_plugout"], row["El_kWh"]):
        return
    energy_wh = round(float(row["El_kWh"].replace(",", ".")) * 1000)
    instants = (_minutes(row[name], moved_by) for name in ("Start_plugin", "End_plugout"))
    spans = [(start, end) for start, end in product(*instants) if start <= end]
    if len(spans) != 1:  # an hour that the clock skips or repeats, or an end before the start
        return
    start, end = spans[0]
    if energy_wh * 60 > MAX_POWER_W * (end - start + 1) or energy_wh < 0:
        return
    given = 0
    for quarter in range(start - start % 15, max(end, start + 1), 15):
        until = energy_wh * (min(quarter + 15, end) - start) // (end - start) if end > start else energy_wh
        yield quarter, until - given
        given = until


def _minutes(text: str, moved_by: int) -> set[int]:
    """The instants that a moved wall-clock time can mean: none, one or two."""
    local = datetime.strptime(text, "%d.%m.%Y %H:%M") + timedelta(weeks=moved_by)  # noqa: DTZ007  a wall-clock time
    both = {local.replace(tzinfo=OSLO, fold=fold).astimezone(UTC) for fold in (0, 1)}
    real = {instant for instant in both if instant.astimezone(OSLO).replace(tzinfo=None) == local}
    return {int(instant.timestamp()) // 60 for instant in real}
