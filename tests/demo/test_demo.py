"""The demo as a newcomer starts it: what its auto-exports deliver is what its sessions say."""

import csv
import signal
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from portal.accounts.models import Account
from portal.core import schema
from portal.core.db import session_factory
from tests.demo import expected
from tests.servers.processes import folder
from tests.workers.supervised import COMMAND, Supervised, begin, supervised, wait_for

DEMO = (*COMMAND, "--demo")
DELIVERED_SECONDS, AGAIN_SECONDS = 60, 15
TODAY = datetime.now(UTC).date()


def ask(portal: Supervised, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{portal.data_dir}/piquet.db?mode=ro", uri=True) as connection:
        return connection.execute(statement).fetchall()


def states(portal: Supervised) -> dict[object, object]:
    return dict(ask(portal, "SELECT state, count(*) FROM export_run GROUP BY state"))


def files(portal: Supervised, ending: str) -> list[Path]:
    return sorted((portal.data_dir / "drop-box").glob(f"*{ending}"))


@pytest.fixture(scope="module")
def begun() -> float:
    return time.monotonic()


@pytest.fixture(scope="module")
def portal(begun: float) -> Iterator[Supervised]:
    with folder() as home, supervised(home, DEMO) as started:
        wait_for(lambda: set(states(started)) == {"delivered"}, DELIVERED_SECONDS)
        yield started


@pytest.fixture(scope="module")
def quarters() -> expected.Quarters:
    return expected.quarters(expected.weeks(TODAY))


@pytest.fixture(scope="module")
def points() -> dict[str, str]:
    """Metering code -> charge point."""
    return {f"CH{number:031}": point for number, point in enumerate(expected.points(), 1)}


def test_everything_is_delivered_in_time(portal: Supervised, begun: float) -> None:
    assert time.monotonic() - begun < DELIVERED_SECONDS
    tasks = ask(portal, "SELECT name, count(run.id) FROM export_task JOIN export_run run ON task_id = export_task.id "
                "GROUP BY name ORDER BY name")  # fmt: skip
    assert tasks == [("Bl2 daily", 14), ("Bl2 monthly", 4), ("Driver monthly", 4)]
    assert (len(files(portal, ".csv")), len(files(portal, ".xml"))) == (14, 8)
    assert files(portal, "") == sorted(files(portal, ".csv") + files(portal, ".xml"))


def test_the_daily_files_hold_the_energy_of_their_days(
    portal: Supervised, quarters: expected.Quarters, points: dict[str, str]
) -> None:
    for path in files(portal, ".csv"):
        first = datetime.strptime(path.name.split("_")[1], "%Y%m%d").date()  # noqa: DTZ007  a local day
        rows = list(csv.DictReader(path.read_text().splitlines(), delimiter=";"))
        delivered = {row["identifier"]: round(float(row["energy_kwh"]) * 1000) for row in rows}
        assert delivered == {
            code: expected.energy(quarters[point], first, first + timedelta(days=1))
            for code, point in points.items()
            if point.startswith("Bl2/")
        }


def monthly(path: Path) -> tuple[date, date, dict[str, int]]:
    """First day, day after the last, and Wh by metering code."""
    root = ElementTree.parse(path).getroot()
    values = {}
    for meter in root.iter("Meter"):
        (row,) = meter.iter("ValueRow")
        values[meter.attrib["meteringCode"]] = round(float(row.attrib["value"]) * 1000)
    (end,) = {period.attrib["end"] for period in root.iter("TimePeriod")}
    after = datetime.fromisoformat(end).date()
    last = after - timedelta(days=1)
    return last.replace(day=1), after, values


def test_the_monthly_files_hold_the_energy_of_their_months(
    portal: Supervised, quarters: expected.Quarters, points: dict[str, str]
) -> None:
    months = []
    for path in files(portal, ".xml"):
        first, after, values = monthly(path)
        if len(values) > 1:
            months.append(first)
            assert values == {
                code: expected.energy(quarters[point], first, after)
                for code, point in points.items()
                if point.startswith("Bl2/")
            }
    assert len(set(months)) == 4


def test_the_drivers_files_hold_his_energy_in_the_group(portal: Supervised, quarters: expected.Quarters) -> None:
    months = []
    for path in files(portal, ".xml"):
        first, after, values = monthly(path)
        if len(values) == 1:
            months.append(first)
            assert list(values.values()) == [expected.energy(quarters["Bl2-5"], first, after)]
            assert sum(values.values()) > 0
    assert len(set(months)) == 4


def test_every_page_says_whose_data_these_are(portal: Supervised) -> None:
    status, page = portal.get("/log-in")
    assert status == 200
    assert f"Trondheim (A. L. Sørensen et al., CC BY 4.0), moved by {expected.weeks(TODAY)} weeks" in page


def test_every_kind_of_sharing_is_there_with_few_mails(portal: Supervised) -> None:
    live = "revoked_at IS NULL AND (ends_at IS NULL OR ends_at > datetime('now'))"
    kinds = {
        "ends": f"{live} AND ends_at IS NOT NULL AND starts_at <= datetime('now')",
        "planned": "starts_at > datetime('now') AND revoked_at IS NULL",
        "revoked": "revoked_at IS NOT NULL",
        "hides drivers": f"{live} AND hides_drivers",
    }
    for kind, condition in kinds.items():
        assert ask(portal, f"SELECT count(*) FROM station_group_grant WHERE {condition}") == [(1,)], kind
    unopened = "sent_at IS NOT NULL AND link_used_at IS NULL"
    invited = {email for (email,) in ask(portal, f"SELECT email FROM invitation WHERE {unopened}")}
    assert invited > {"caretaker@demo.example", "piquet3@demo.example"}
    offers = ask(portal, "SELECT to_email, kind, state FROM transfer")
    assert offers == [("stranger@demo.example", "station", "offered")]
    asked = ask(portal, "SELECT kind, approved FROM licence_request ORDER BY id")
    assert asked == [("auto_export", 0), ("authorisation", None)]
    ((mails,),) = ask(portal, "SELECT count(*) FROM mail_message")
    assert isinstance(mails, int)
    assert mails < 15
    assert ask(portal, "SELECT count(*) FROM audit_entry WHERE action LIKE 'grant:give_%'") == [(5,)]


def test_unknown_cards_wait_and_one_is_assigned(portal: Supervised) -> None:
    by_card = "SELECT card_number, count(driver_id), count(*) FROM charging_session WHERE card_number IS NOT NULL"
    cards = ask(portal, f"{by_card} GROUP BY card_number ORDER BY card_number")
    assert cards == [("04529E10", 134, 134), ("046F218A", 0, 41), ("04915C77", 0, 73)]
    assert ask(portal, "SELECT label FROM driver JOIN driver_card ON driver_id = driver.id") == [("Share-12",)]


def test_a_group_shows_who_may_not_charge_there_and_who_asks_to(portal: Supervised) -> None:
    limited = "SELECT DISTINCT opens, closes FROM opening_time WHERE access = 'limited' ORDER BY opens"
    assert ask(portal, limited) == [(0, 360), (1320, 1440)]
    asking = "SELECT email FROM special_user_request JOIN account ON account.id = account_id"
    assert ask(portal, asking) == [("manage@demo.example",)]
    assert ask(portal, "SELECT count(*) FROM special_user") == [(3,)]
    assert ask(portal, "SELECT price_per_kwh FROM price_rule") == [(3000,)]


def test_the_log_ins_see_what_the_readme_says(portal: Supervised) -> None:
    seen = ask(
        portal,
        "SELECT account.email, station_group.name, role FROM standing JOIN account ON account.id = account_id "
        "JOIN station_group ON station_group.id = station_group_id WHERE account.email <> 'master@demo.example'",
    )
    assert {row for row in seen if row[0] in ("display@demo.example", "stranger@demo.example")} == {
        ("display@demo.example", "Bl2", "display")
    }
    assert ("manage@demo.example", "Bl2", "manage") in seen
    assert ("piquet1@demo.example", "AsO2", "administrate") in seen


def test_it_tells_what_takes_its_time(portal: Supervised) -> None:
    assert "Importing 6,878 charging sessions ..." in portal.out
    assert portal.err == ""


def test_a_second_start_is_quick_and_keeps_all(portal: Supervised) -> None:
    before = [(path.name, path.stat().st_mtime_ns) for path in files(portal, "")]
    runs, logins = states(portal), ask(portal, "SELECT count(*), max(id) FROM account")
    assert portal.seconds_to_end(signal.SIGTERM) < 15
    begun = time.monotonic()
    with supervised(portal.home, DEMO) as again:
        assert time.monotonic() - begun < AGAIN_SECONDS
        time.sleep(5)  # in which the scheduler looks twice
        assert [(path.name, path.stat().st_mtime_ns) for path in files(again, "")] == before
        assert (states(again), ask(again, "SELECT count(*), max(id) FROM account")) == (runs, logins)
        assert "Importing" not in again.out


def test_an_interrupted_load_goes_on(tmp_path: Path) -> None:
    killed = begin(tmp_path, DEMO)
    wait_for(lambda: "Importing" in killed.out and ask(killed, "SELECT rows_read FROM session_import") > [(0,)])
    killed.process.kill()
    killed.process.wait()
    assert (0,) < ask(killed, "SELECT rows_read FROM session_import")[0] < (6878,)
    with supervised(tmp_path, DEMO) as again:
        ((rows, added, flagged),) = ask(again, "SELECT rows_read, sessions_added, rows_flagged FROM session_import")
        assert (rows, added + flagged) == (6878, 6878)
        assert ask(again, "SELECT count(*) FROM charging_session") == [(added,)]
        assert len(ask(again, "SELECT id FROM export_task")) == 3


def test_data_that_are_not_the_demos_are_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'data' / 'piquet.db'}"
    (tmp_path / "data").mkdir()
    schema.upgrade(url)
    with session_factory(url)() as session:
        session.add(Account(email="owner@piquet.example"))
        session.commit()
    started = begin(tmp_path, DEMO)
    assert started.process.wait(60) == 1
    assert started.err.startswith("piquet: The database holds accounts that are not the demo's; choose another")
    assert ask(started, "SELECT email FROM account") == [("owner@piquet.example",)]
