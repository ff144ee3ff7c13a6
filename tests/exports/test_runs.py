"""One task's history, one period, its file, and starting it again."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.exports.models import ExportRun
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import Scene, plan, runs

LogIn = Callable[[Account], FlaskClient]


@pytest.fixture
def delivered(session: Session, scene: Scene, settings: Settings, vault: Vault, sessions: Sessions) -> list[ExportRun]:
    """Both periods, delivered."""
    plan(session)
    scenes.work(session, settings, vault, sessions)
    return runs(session)


@pytest.fixture
def browser(logged_in: LogIn, scene: Scene) -> FlaskClient:
    return logged_in(scene.owner)


def _url(run: ExportRun, path: str = "") -> str:
    return f"/exports/runs/{run.id}{path}"


def test_the_history_shows_period_file_and_figures(
    scene: Scene, delivered: list[ExportRun], browser: FlaskClient
) -> None:
    page = browser.get(f"/exports/tasks/{scene.task.id}").text
    for run in delivered:
        assert run.files[0].name is not None
        assert run.files[0].sha256 is not None
        assert run.files[0].name in page
        assert run.files[0].sha256[:12] in page
    assert "4.00 kWh" in page
    assert "Delivered" in page


def test_the_history_can_be_filtered(
    session: Session, scene: Scene, delivered: list[ExportRun], browser: FlaskClient
) -> None:
    delivered[0].state = "failed"
    session.commit()
    page = browser.get(f"/exports/tasks/{scene.task.id}?state=failed").text
    assert delivered[0].files[0].name in page
    assert delivered[1].files[0].name not in page
    assert browser.get(f"/exports/tasks/{scene.task.id}?state=nonsense").status_code == 200


def test_a_period_shows_its_attempts(delivered: list[ExportRun], browser: FlaskClient) -> None:
    page = browser.get(_url(delivered[0])).text
    for text in ("File built", "Upload begun", "Uploaded", "Delivered", delivered[0].files[0].sha256):
        assert text in page
    assert "the schedule" in page


def test_values_that_came_late_are_shown_as_pending(
    session: Session, scene: Scene, delivered: list[ExportRun], browser: FlaskClient
) -> None:
    scenes.charge(session, scene.connectors[0], delivered[0].starts_at + timedelta(hours=20), 250)
    session.commit()
    page = browser.get(_url(delivered[0])).text
    assert "Values have changed since" in page
    assert "0.25 kWh is pending" in page
    assert "changed since" not in browser.get(_url(delivered[1])).text
    changed = browser.get(f"/exports/tasks/{scene.task.id}?state=changed").text
    assert delivered[0].files[0].name in changed
    assert delivered[1].files[0].name not in changed


def test_whoever_may_export_no_more_learns_of_no_new_values(
    session: Session, scene: Scene, delivered: list[ExportRun], logged_in: LogIn
) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email)
    scene.task.owner_id = guest.id
    scenes.charge(session, scene.connectors[0], delivered[0].starts_at + timedelta(hours=20), 250)
    browser, file_name, listed = logged_in(guest), delivered[0].files[0].name, f"/exports/tasks/{scene.task.id}"
    assert "0.25 kWh is pending" in browser.get(_url(delivered[0])).text
    grant.revoked_at = clock.now()
    session.commit()
    assert "changed since" not in browser.get(_url(delivered[0])).text
    assert "0.25" not in browser.get(listed).text
    assert file_name not in browser.get(f"{listed}?state=changed").text


def test_values_of_another_driver_change_nothing(
    session: Session, scene: Scene, settings: Settings, vault: Vault, sessions: Sessions, browser: FlaskClient
) -> None:
    driver = world.account(session, "driver@demo.example")
    known = scenes.add_driver(session, scene.owner, driver.email)
    scene.task.scope, scene.task.user_id = "driver", driver.id
    plan(session)
    scenes.work(session, settings, vault, sessions)
    run = runs(session)[0]
    scenes.charge(session, scene.connectors[0], run.starts_at, 250)
    session.commit()
    assert "changed since" not in browser.get(_url(run)).text
    scenes.charge(session, scene.connectors[0], run.starts_at, 40, driver=known)
    session.commit()
    assert "0.04 kWh is pending" in browser.get(_url(run)).text


def test_the_file_is_downloaded_as_it_was_delivered(
    scene: Scene, delivered: list[ExportRun], browser: FlaskClient
) -> None:
    answer = browser.get(_url(delivered[0], "/files/0"))
    assert hashlib.sha256(answer.data).hexdigest() == delivered[0].files[0].sha256
    assert answer.data == scene.files()[delivered[0].files[0].name]
    assert answer.headers["Content-Disposition"] == f"attachment; filename={delivered[0].files[0].name}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_who_may_see_the_group_may_download(
    session: Session, scene: Scene, delivered: list[ExportRun], logged_in: LogIn
) -> None:
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION)
    world.grant(session, scene.group, "display", guest.email)
    assert logged_in(guest).get(_url(delivered[0], "/files/0")).status_code == 200


@pytest.mark.parametrize("path", ["", "/files/0"])
def test_a_stranger_finds_nothing(session: Session, delivered: list[ExportRun], logged_in: LogIn, path: str) -> None:
    stranger = logged_in(world.account(session, "stranger@demo.example"))
    assert stranger.get(_url(delivered[0], path)).status_code == 404
    assert stranger.get("/exports/runs/999999").status_code == 404


@pytest.mark.parametrize("path", ["/retry", "/send-again"])
def test_who_may_only_look_starts_nothing(
    session: Session, scene: Scene, delivered: list[ExportRun], logged_in: LogIn, path: str
) -> None:
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION)
    world.grant(session, scene.group, "display", guest.email)
    assert logged_in(guest).post(_url(delivered[0], path)).status_code == 403


def test_a_run_without_a_file_has_none_to_download(session: Session, scene: Scene, browser: FlaskClient) -> None:
    plan(session)
    assert browser.get(_url(runs(session)[0], "/files/0")).status_code == 404


@pytest.mark.parametrize(("temporary", "state"), [(".left.part", "uploaded"), (None, "due")])
def test_a_failed_period_is_tried_again(
    session: Session, delivered: list[ExportRun], browser: FlaskClient, temporary: str | None, state: str
) -> None:
    run = delivered[0]
    run.state, run.failures, run.reason = "failed", 3, {"code": "failed", "step": "rename"}
    run.files[0].temporary_name, run.files[0].published_at = temporary, None
    session.commit()
    assert "Try again" in browser.get(_url(delivered[0])).text
    browser.post(_url(delivered[0], "/retry"))
    run = runs(session)[0]
    assert (run.state, run.failures, run.started_by_id is None) == (state, 0, False)


def test_a_delivered_period_is_not_tried_again(
    session: Session, delivered: list[ExportRun], browser: FlaskClient
) -> None:
    page = browser.post(_url(delivered[0], "/retry"), follow_redirects=True).text
    assert "This period has not failed" in page
    page = browser.post(_url(delivered[0], "/send-again"), follow_redirects=True).text
    assert "sent again in a moment" in page
    assert runs(session)[0].state == "due"


def test_an_unconfirmed_file_is_sent_again_with_the_same_bytes(
    session: Session,
    scene: Scene,
    delivered: list[ExportRun],
    browser: FlaskClient,
    settings: Settings,
    vault: Vault,
    sessions: Sessions,
) -> None:
    delivered[0].unconfirmed = True
    before = scene.files()
    (scene.folder / (delivered[0].files[0].name)).unlink()
    session.commit()
    assert "Delivered, unconfirmed" in browser.get(_url(delivered[0])).text
    browser.post(_url(delivered[0], "/send-again"))
    scenes.work(session, settings, vault, sessions)
    assert scene.files() == before
    assert {(run.state, run.unconfirmed) for run in runs(session)} == {("delivered", False)}
