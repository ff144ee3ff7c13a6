"""Revisions of a period on screen: what a correction changes, and what can be done with it."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import changes
from portal.charging.models import QuarterHour
from portal.core import clock
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.exports import gaps
from portal.exports.models import ExportRun
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import BEGINS_AT, Scene, charge, plan, runs

LogIn = Callable[[Account], FlaskClient]
Work = Callable[[], int]
QUARTER = timedelta(minutes=15)


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Any) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def delivered(session: Session, scene: Scene, work: Work) -> ExportRun:
    """The first of two days, delivered."""
    plan(session)
    work()
    return runs(session)[0]


@pytest.fixture
def proposed(session: Session, scene: Scene, delivered: ExportRun) -> ExportRun:
    """250 Wh have come late: a correction that waits to be confirmed."""
    late(session, scene, 250)
    return runs(session)[1]


@pytest.fixture
def browser(logged_in: LogIn, scene: Scene) -> FlaskClient:
    return logged_in(scene.owner)


def late(session: Session, scene: Scene, wh: int, hours: int = 10) -> None:
    at = BEGINS_AT + timedelta(hours=hours)
    charge(session, scene.connectors[0], at, wh)
    changes.note(session, [(scene.connectors[0].id, at, at + QUARTER)])
    session.commit()
    plan(session)


def url(run: ExportRun, path: str = "") -> str:
    return f"/exports/runs/{run.id}{path}"


def test_a_proposed_correction_shows_each_meter_before_and_after(proposed: ExportRun, browser: FlaskClient) -> None:
    page = browser.get(url(proposed)).text
    for text in ("Centro · 1", "CH-owner-1", "1.500 kWh", "1.750 kWh", "+0.250 kWh", "96 / 0 / 0"):
        assert text in page
    assert "Centro · 2" not in page
    assert "Values of 1 meter have changed since they were sent: 0.25 kWh." in page
    for button in ("/confirm", "/set-aside"):
        assert f'action="{url(proposed, button)}"' in page


def test_a_correction_that_was_sent_still_shows_what_it_changed(
    proposed: ExportRun, browser: FlaskClient, work: Work
) -> None:
    answer = browser.post(url(proposed, "/confirm"), follow_redirects=True)
    assert "The correction is sent in a moment." in answer.text
    work()
    page = browser.get(url(proposed)).text
    assert "+0.250 kWh" in page
    assert 'action="/exports/runs/' in page
    assert url(proposed, "/confirm") not in page


def test_what_is_only_spread_differently_is_said(
    session: Session, scene: Scene, browser: FlaskClient, work: Work
) -> None:
    scene.formatter.settings = {"file_name": "{task}_{period_start}.csv", "per": "quarter"}
    plan(session)
    work()
    for wh, other in ((500, 510), (1000, 990)):
        held = (QuarterHour.connector_id == scene.connectors[0].id, QuarterHour.energy_wh == wh)
        session.execute(sa.update(QuarterHour).where(*held).values(energy_wh=other))
    changes.note(session, [(scene.connectors[0].id, BEGINS_AT, BEGINS_AT + timedelta(days=1))])
    session.commit()
    plan(session)
    page = browser.get(url(runs(session)[1])).text
    assert "Only spread differently" in page
    assert "Quarter hours of 1 meter are others than those that were sent; the sum is the same." in page


def test_a_correction_is_set_aside_and_can_be_sent_all_the_same(
    session: Session, scene: Scene, proposed: ExportRun, browser: FlaskClient, work: Work
) -> None:
    browser.post(url(proposed, "/set-aside"))
    assert (work(), runs(session)[1].state) == (0, "set_aside")
    page = browser.get(url(proposed)).text
    assert url(proposed, "/set-aside") not in page
    browser.post(url(proposed, "/confirm"))
    work()
    assert runs(session)[1].state == "delivered"


@pytest.mark.parametrize("path", ["/confirm", "/set-aside"])
def test_a_delivered_period_has_nothing_to_decide(delivered: ExportRun, browser: FlaskClient, path: str) -> None:
    page = browser.post(url(delivered, path), follow_redirects=True).text
    assert "does not wait for a decision any more" in page


def test_a_period_is_exported_again_as_its_next_revision(
    session: Session, delivered: ExportRun, browser: FlaskClient, work: Work
) -> None:
    page = browser.post(url(delivered, "/export-again"), follow_redirects=True).text
    assert "The next revision of the period is built and sent in a moment." in page
    assert "Revisions of this period" in page
    page = browser.post(url(delivered, "/export-again"), follow_redirects=True).text
    assert "A revision of this period is on its way already." in page
    work()
    found = [(run.revision, run.kind, run.state) for run in runs(session)[:2]]
    assert found == [(0, "schedule", "delivered"), (1, "request", "delivered")]


def test_revisions_lead_to_each_other_and_the_last_one_alone_is_sent_again(
    session: Session, delivered: ExportRun, browser: FlaskClient, work: Work
) -> None:
    assert url(delivered, "/send-again") in browser.get(url(delivered)).text
    browser.post(url(delivered, "/export-again"))
    work()
    second = runs(session)[1]
    first_page, second_page = (browser.get(url(run)).text for run in (delivered, second))
    assert f'href="{url(second)}"' in first_page
    assert f'href="{url(delivered)}"' in second_page
    assert url(delivered, "/send-again") not in first_page
    assert url(second, "/send-again") in second_page


def test_every_file_has_its_size_its_checksum_and_its_download(
    session: Session, scene: Scene, work: Work, browser: FlaskClient
) -> None:
    scene.formatter.settings = {"files": "meter", "file_name": "{meter}-{period_start}.csv"}
    plan(session)
    work()
    run = runs(session)[0]
    page = browser.get(url(run)).text
    assert len(run.files) == 2
    for file in run.files:
        for text in (file.name, file.sha256, f'href="{url(run, "/files")}/{file.position}"'):
            assert text in page


@pytest.fixture
def incomplete(session: Session, scene: Scene, work: Work) -> ExportRun:
    """A day without values of the first charging point from 06:00 on, but for two quarter hours at 08:00."""
    session.execute(sa.text("DELETE FROM coverage"))
    first, second = scene.connectors
    scenes.cover(session, first, BEGINS_AT, BEGINS_AT + timedelta(hours=6))
    scenes.cover(session, second, BEGINS_AT, BEGINS_AT + timedelta(days=2))
    scene.task.trigger, scene.task.hours_after_end, scene.task.corrections = "hours_after_end", 0, "never"
    plan(session)
    work()
    return runs(session)[0]


def test_missing_quarter_hours_stay_listed_as_they_were_when_it_was_built(
    session: Session, scene: Scene, incomplete: ExportRun, browser: FlaskClient
) -> None:
    for _ in range(2):
        section = browser.get(url(incomplete)).text.partition("Missing quarter hours")[2]
        for text in (
            "Centro · 1",
            '<td data-label="Quarter hours" class="amount">8</td>',
            ">62</td>",
            "All of them as",
        ):
            assert text in section
        scenes.cover(session, scene.connectors[0], BEGINS_AT + timedelta(hours=6), BEGINS_AT + timedelta(days=2))
        session.commit()


def test_all_missing_quarter_hours_are_a_file(
    session: Session, incomplete: ExportRun, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "MOST_SHOWN", 1)
    assert "The first 1 of 2." in browser.get(url(incomplete)).text
    answer = browser.get(url(incomplete, "/missing.csv"))
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.data.decode("utf-8-sig").splitlines() == [
        "Meter;From;Until before;Quarter hours",
        "Centro · 1;2026-03-28 06:00+01:00;2026-03-28 08:00+01:00;8",
        "Centro · 1;2026-03-28 08:30+01:00;2026-03-29 00:00+01:00;62",
    ]


@pytest.mark.parametrize("settings_", [{}, {"per": "period"}, {"files": "day", "file_name": "{day}.csv"}])
def test_missing_quarter_hours_are_the_same_however_the_files_are_made(
    session: Session, scene: Scene, work: Work, settings_: dict[str, Any]
) -> None:
    scene.formatter.settings = scene.formatter.settings | settings_
    scene.task.interval, scene.task.starts_on = "weekly", date(2026, 3, 23)
    scene.task.ends_on, scene.task.next_due_at = date(2026, 3, 29), BEGINS_AT + timedelta(days=2)
    scene.task.trigger, scene.task.hours_after_end = "hours_after_end", 0
    plan(session)
    work()
    (run,) = runs(session)
    monday = BEGINS_AT - timedelta(days=5)
    assert list(gaps.stored(session, run.id)) == [(f"Centro · {number}", monday, BEGINS_AT) for number in (1, 2)]
    assert (run.gap_count, run.quarters_missing) == (2, 2 * 5 * 96)


def test_of_very_many_gaps_the_first_are_kept_and_all_are_counted(
    session: Session, scene: Scene, work: Work, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "MOST_KEPT", 1)
    session.execute(sa.text("DELETE FROM coverage"))
    scene.task.trigger, scene.task.hours_after_end = "hours_after_end", 0
    plan(session)
    work()
    run = runs(session)[0]
    assert (run.gap_count, len(list(gaps.stored(session, run.id)))) == (4, 1)
    page = browser.get(url(run)).text
    assert "The first 1 of 4." in page
    assert "The first 1 as CSV" in page


def test_a_complete_period_lists_nothing_missing(delivered: ExportRun, browser: FlaskClient) -> None:
    assert "Missing quarter hours" not in browser.get(url(delivered)).text
    assert browser.get(url(delivered, "/missing.csv")).status_code == 404


def test_whoever_may_export_no_more_reads_no_correction(
    session: Session, scene: Scene, proposed: ExportRun, logged_in: LogIn
) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email)
    scene.task.owner_id = guest.id
    session.commit()
    browser = logged_in(guest)
    assert "+0.250 kWh" in browser.get(url(proposed)).text
    grant.revoked_at = clock.now()
    session.commit()
    page = browser.get(url(proposed)).text
    assert "0.25" not in page
    assert "Centro" not in page


@pytest.mark.parametrize("path", ["/confirm", "/set-aside", "/export-again"])
def test_who_may_only_look_decides_nothing(
    session: Session, scene: Scene, proposed: ExportRun, logged_in: LogIn, path: str
) -> None:
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION)
    world.grant(session, scene.group, "display", guest.email)
    assert logged_in(guest).post(url(proposed, path)).status_code == 403
    assert url(proposed, path) not in logged_in(guest).get(url(proposed)).text


def test_the_task_says_that_a_correction_waits_and_leads_to_it(
    session: Session, scene: Scene, proposed: ExportRun, browser: FlaskClient
) -> None:
    page = browser.get(f"/exports/tasks/{scene.task.id}").text
    assert "1 correction waits to be confirmed" in page
    assert f'href="{url(proposed)}">Look at it' in page
    listed = browser.get("/exports").text
    assert "Correction to confirm" in listed
    assert f'href="{url(proposed)}">Look at it' in listed
    assert "Correction to confirm" in browser.get(f"/exports/tasks/{scene.task.id}?state=proposed").text
    browser.post(url(proposed, "/set-aside"))
    assert "waits to be confirmed" not in browser.get(f"/exports/tasks/{scene.task.id}").text


def test_what_was_sent_leads_to_its_correction(delivered: ExportRun, proposed: ExportRun, browser: FlaskClient) -> None:
    page = browser.get(url(delivered)).text
    assert "Values have changed since" in page
    assert f'href="{url(proposed)}">Look at the correction' in page
