"""Tasks on screen: list, set up, change, pause, run, delete."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import Coverage
from portal.core import clock
from portal.core.config import Settings
from portal.core.files import StoredFile
from portal.core.vault import Vault
from portal.core.web import limiter
from portal.delivery.models import Destination
from portal.exports.models import ExportFile, ExportRun, ExportTask
from portal.licences.models import Kind, Licence
from portal.stations.models import Grant
from tests import world
from tests.accounts.post import shown
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import START, Scene, plan, runs, task_form
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
VERSIONS = count(1000)  # limits are counted for each log-in, and outlive a test


@pytest.fixture
def browser(logged_in: LogIn, scene: Scene) -> FlaskClient:
    return logged_in(scene.owner)


@pytest.fixture
def guest(session: Session, scene: Scene) -> Account:
    """Holds all licences; what the owner's group is to it, a test says."""
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    return world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)


def _named(session: Session, name: str) -> ExportTask | None:
    row = session.scalar(sa.select(ExportTask).where(ExportTask.name == name))
    session.commit()
    return row


def _url(scene: Scene, path: str = "") -> str:
    return f"/exports/tasks/{scene.task.id}{path}"


def test_the_list_shows_everything_of_a_task(session: Session, scene: Scene, browser: FlaskClient) -> None:
    page = browser.get("/exports").text
    for text in ("Monthly to IS-E", scene.owner.email, "Lugano", scene.formatter.name, scene.destination.name, "Daily"):
        assert text in page


def test_without_anything_the_guide_begins_at_the_destination(session: Session, logged_in: LogIn) -> None:
    page = logged_in(world.account(session, "new@demo.example")).get("/exports").text
    assert "Three steps" in page
    assert "/exports/destinations/new" in page
    assert "The licence “Auto-export” is missing" in page


def test_the_list_of_a_stranger_is_empty(session: Session, scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(world.account(session, "stranger@demo.example")).get("/exports").text
    assert "Monthly to IS-E" not in page


def test_a_task_is_saved_and_planned_at_once(session: Session, scene: Scene, browser: FlaskClient) -> None:
    answer = browser.post("/exports/tasks/new", data=task_form(scene))
    row = _named(session, "Second")
    assert row is not None
    assert answer.location == f"/exports/tasks/{row.id}"
    days = [run.period_start for run in runs(session) if run.task_id == row.id]
    assert days == [START, START + timedelta(days=1), START + timedelta(days=2)]


def test_without_the_licence_there_is_its_request_instead_of_the_form(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    session.execute(sa.update(Licence).values(ends_at=clock.now() - timedelta(days=1)))
    session.commit()
    page = browser.get("/exports/tasks/new").text
    assert 'action="/licences/request"' in page
    assert 'name="hours_after_end"' not in page
    answer = browser.post("/exports/tasks/new", data=task_form(scene))
    assert answer.status_code == 422
    assert "The licence Auto-export is missing: request it first." in answer.text
    assert _named(session, "Second") is None


def test_a_change_without_the_licence_is_saved_and_says_that_it_waits(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    session.execute(sa.update(Licence).values(ends_at=clock.now() - timedelta(days=1)))
    session.commit()
    page = browser.post(_url(scene, "/edit"), data=task_form(scene), follow_redirects=True).text
    assert _named(session, "Second") is not None
    assert "It waits: the licence Auto-export is missing" in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "Monthly to IS-E", "with this name"),
        ("name", "", "must be filled in"),
        ("user", "no address", "Enter an e-mail address"),
        ("user", "stranger@demo.example", "for the owner of the station group"),
        ("station_group", 99999, "Not a valid choice"),
        ("formatter", 99999, "Not a valid choice"),
        ("destination", 99999, "Not a valid choice"),
        ("starts_on", "1990-01-01", "at most 20 years back"),
        ("ends_on", "2020-01-01", "lies before the first."),
        ("ends_on", "9999-12-31", "leave it empty"),
        ("hours_after_end", 9999, "between 0 and 720"),
        ("time_zone", "Moon/Base", "Not a valid choice"),
        ("corrections", "sometimes", "Not a valid choice"),
        ("pause_after", 0, "between 1 and 100"),
        ("periods_per_file", 101, "between 1 and 100"),
    ],
)
def test_bad_input_stands_at_its_field_and_nothing_is_lost(
    session: Session, scene: Scene, browser: FlaskClient, field: str, value: object, words: str
) -> None:
    answer = browser.post("/exports/tasks/new", data=task_form(scene, **{field: value}))
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{field}-error"' in answer.text
    assert 'value="2026-03-30"' in answer.text or field == "ends_on"
    assert len(session.scalars(sa.select(ExportTask)).all()) == 1


def test_meters_without_identifier_are_named_and_linked(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.connectors[1].metering_code = " "
    session.commit()
    answer = browser.post("/exports/tasks/new", data=task_form(scene))
    assert answer.status_code == 422
    assert "1 of 2 meters have no Metering Code" in answer.text
    assert f'href="/connectors/{scene.connectors[1].id}">Centro · 2' in answer.text
    assert _named(session, "Second") is None


def test_meters_with_one_identifier_are_refused(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.connectors[1].metering_code = f"{scene.connectors[0].metering_code} "
    session.commit()
    assert "the same Metering Code" in browser.post("/exports/tasks/new", data=task_form(scene)).text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (" CH-padded", "Centro · 2 has blanks around its Metering Code."),
        ("CH\u200b-2", "Centro · 2 has an invisible character in its Metering Code."),
    ],
)
def test_an_identifier_that_no_receiver_takes_is_refused_by_the_meters_name(
    session: Session, scene: Scene, browser: FlaskClient, code: str, words: str
) -> None:
    scene.connectors[1].metering_code = code
    session.commit()
    answer = browser.post("/exports/tasks/new", data=task_form(scene))
    assert answer.status_code == 422
    assert words in answer.text
    assert f'href="/connectors/{scene.connectors[1].id}">Centro · 2' in answer.text


@pytest.mark.parametrize("page", ["/exports", "/exports/tasks/{task}", "/exports/runs/{run}"])
def test_a_status_leads_to_the_meter_that_it_names(
    session: Session, scene: Scene, browser: FlaskClient, page: str
) -> None:
    plan(session)
    point = scene.connectors[1]
    url = page.format(task=scene.task.id, run=runs(session)[0].id)
    named = {"meter": "Centro · 2", "connector_id": point.id, "of": 1}
    _wait(session, {"code": "identifier", "identifier": "metering_code", **named})
    text = browser.get(url).text
    assert "Centro · 2 has no Metering Code." in text
    assert f'href="/connectors/{point.id}">Open the charging point' in text
    _wait(session, {"code": "values", "lacking": 1, "since": "2026-03-28T00:00:00+00:00", **named})
    text = browser.get(url).text
    assert "Waiting for values of Centro · 2" in text
    assert f'href="/connectors/{point.id}">Open the charging point' in text
    assert ">Import sessions</a>" in text


def _wait(session: Session, reason: dict[str, object]) -> None:
    session.execute(sa.update(ExportRun).values(state="waiting", reason=reason))
    session.commit()


def test_a_status_leads_the_owner_of_the_stations_to_the_driver(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    plan(session)
    known = scenes.add_driver(session, scene.owner, "driver@demo.example")
    reason = {"code": "identifier", "meter": "Driver", "identifier": "metering_code", "of": 1, "driver_id": known.id}
    _wait(session, reason)
    assert f'href="/drivers/{known.id}">Open the driver' in browser.get("/exports").text


COMPANIES = {"sender": "12X-EXAMPLE----Z", "receiver": "12X-EXAMPLE----Z"}
SWISS = f"CH{1:031}"
NOT_SWISS = "Centro · 2 has a Metering Code that is not CH and 31 characters"


@pytest.mark.parametrize(
    ("format_", "chosen", "entered", "words"),
    [
        ("sdat", COMPANIES, {"metering_code": "CH-owner-2"}, NOT_SWISS),
        ("mscons", COMPANIES, {"metering_code": "CH-owner-2"}, NOT_SWISS),
        ("mscons", COMPANIES | {"kind": "reading"}, {"factory_no": " "}, "Centro · 2 has no FactoryNo."),
        ("mscons", COMPANIES | {"swiss_codes": False}, {"metering_code": "7" * 36}, "of more than 35 characters"),
        ("mscons", COMPANIES | {"swiss_codes": False}, {"metering_code": "Ł7"}, "that ISO 8859-1 cannot hold"),
        ("csv", {}, {"metering_code": "=1+1"}, "Centro · 2: a spreadsheet would run"),
        ("csv", {"encoding": "iso-8859-1"}, {"metering_code": "Ł7"}, "that iso-8859-1 cannot hold"),
        ("ise_csv", {}, {"metering_code": "=1+1"}, "Centro · 2: a spreadsheet would run"),
        ("ise_csv", {"encoding": "iso-8859-1"}, {"metering_code": "Ł7"}, "that iso-8859-1 cannot hold"),
        ("ise_pair", {}, {"metering_code": "=1+1"}, "Centro · 2: a spreadsheet would run"),
        ("ise_pair", {"further_identifiers": ["factory_no"]}, {"factory_no": " 7"}, "has blanks around its FactoryNo"),
        ("esl_xml", {"further_identifiers": ["factory_no"]}, {"factory_no": " 7"}, "has blanks around its FactoryNo"),
        ("ise_xml", {"further_identifiers": ["factory_no"]}, {"factory_no": "7 "}, "has blanks around its FactoryNo"),
        ("xlsx", {}, {"metering_code": "7\x01"}, "has a control character in its Metering Code"),
    ],
)
def test_what_a_format_would_refuse_is_refused_when_the_task_is_saved(
    session: Session,
    scene: Scene,
    browser: FlaskClient,
    format_: str,
    chosen: dict[str, object],
    entered: dict[str, str],
    words: str,
) -> None:
    scene.formatter.format, scene.formatter.settings = format_, chosen
    first, second = scene.connectors
    first.metering_code, second.metering_code = SWISS, f"CH{2:031}"
    first.factory_no, second.factory_no = "1", "2"
    for name, value in entered.items():
        setattr(second, name, value)
    session.commit()
    answer = browser.post("/exports/tasks/new", data=task_form(scene))
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="formatter-error"' in answer.text
    assert f'href="/connectors/{second.id}">Centro · 2' in answer.text
    assert f'href="/connectors/{first.id}"' not in answer.text
    assert _named(session, "Second") is None


def test_what_every_format_takes_is_saved(session: Session, scene: Scene, browser: FlaskClient) -> None:
    for number, point in enumerate(scene.connectors):
        point.metering_code, point.factory_no = f"CH{number:031}", f"7-{number}"
    for format_ in ("esl_xml", "ise_pair", "ise_xml", "ise_csv", "sdat", "mscons", "csv", "xlsx"):
        settings: dict[str, object] = {"file_name": ""} | (COMPANIES if format_ in ("sdat", "mscons") else {})
        formatter = scenes.add_formatter(session, scene.owner, format_, **settings)
        session.commit()
        data = task_form(scene, name=format_, formatter=formatter.id)
        assert browser.post("/exports/tasks/new", data=data).status_code == 302, format_


def test_a_driver_who_charged_there_can_be_exported(session: Session, scene: Scene, browser: FlaskClient) -> None:
    driver = world.account(session, "driver@demo.example")
    known = scenes.add_driver(session, scene.owner, driver.email)
    scenes.charge(session, scene.connectors[0], scenes.BEGINS_AT, 100, driver=known)
    session.commit()
    browser.post("/exports/tasks/new", data=task_form(scene, scope="driver", user="Driver@demo.example"))
    row = _named(session, "Second")
    assert row is not None
    assert (row.scope, row.user_id) == ("driver", driver.id)


def test_drivers_that_cannot_be_chosen_look_alike(session: Session, scene: Scene, browser: FlaskClient) -> None:
    world.account(session, "elsewhere@demo.example")
    session.commit()
    texts = []
    for user in ("elsewhere@demo.example", "nobody@demo.example"):
        answer = browser.post("/exports/tasks/new", data=task_form(scene, scope="driver", user=user))
        assert answer.status_code == 422
        texts.append(shown(answer).replace(user, "X"))
    assert "No driver with this address" in texts[0]
    assert texts[0] == texts[1]


def test_a_display_grant_does_not_let_a_task_be_made(
    session: Session, scene: Scene, guest: Account, vault: Vault, sshd: object, logged_in: LogIn
) -> None:
    world.grant(session, scene.group, "display", guest.email)
    formatter = scenes.add_formatter(session, guest)
    destination = scenes.add_destination(session, vault, sshd, guest, "")  # type: ignore[arg-type]  # the fixture
    data = task_form(scene, formatter=formatter.id, destination=destination.id)
    assert logged_in(guest).post("/exports/tasks/new", data=data).status_code == 422
    assert _named(session, "Second") is None


def test_a_manager_exports_a_shared_group_but_no_hidden_driver(
    session: Session, scene: Scene, guest: Account, vault: Vault, sshd: object, logged_in: LogIn
) -> None:
    grant = world.grant(session, scene.group, "manage", guest.email, hides_drivers=True)
    driver = world.account(session, "driver@demo.example")
    known = scenes.add_driver(session, scene.owner, driver.email)
    scenes.charge(session, scene.connectors[0], scenes.BEGINS_AT, 100, driver=known)
    formatter = scenes.add_formatter(session, guest)
    destination = scenes.add_destination(session, vault, sshd, guest, "")  # type: ignore[arg-type]  # the fixture
    data = task_form(scene, formatter=formatter.id, destination=destination.id)
    browser = logged_in(guest)
    answer = browser.post("/exports/tasks/new", data=data | {"scope": "driver", "user": driver.email})
    assert "does not show you its drivers" in answer.text
    assert browser.post("/exports/tasks/new", data=data).status_code == 302
    session.get_one(Grant, grant.id).hides_drivers = False
    session.commit()
    again = data | {"name": "Third", "scope": "driver", "user": driver.email}
    assert browser.post("/exports/tasks/new", data=again).status_code == 302


def test_the_user_is_who_owns_what_can_be_exported(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    world.grant(session, scene.group, "manage", guest.email)
    scenes.add_formatter(session, guest)
    session.add(
        Destination(owner_id=guest.id, name="Own", host="sftp.demo.example", port=22, username="x", login="key")
    )
    browser = logged_in(guest)
    assert f'value="{scene.owner.email}"' in browser.get("/exports/tasks/new").text
    world.station_group(session, guest)
    session.commit()
    page = browser.get("/exports/tasks/new").text
    assert f'value="{guest.email}"' in page
    assert f'value="{scene.owner.email}"' not in page


@pytest.mark.parametrize("part", ["formatter", "destination"])
def test_parts_of_somebody_else_cannot_be_used(
    session: Session, scene: Scene, guest: Account, browser: FlaskClient, vault: Vault, sshd: object, part: str
) -> None:
    theirs = (
        scenes.add_formatter(session, guest)
        if part == "formatter"
        else scenes.add_destination(session, vault, sshd, guest, "")  # type: ignore[arg-type]  # the fixture
    )
    session.commit()
    assert browser.post("/exports/tasks/new", data=task_form(scene, **{part: theirs.id})).status_code == 422


@pytest.mark.parametrize("path", ["", "/status", "/edit", "/delete"])
def test_a_stranger_finds_nothing(session: Session, scene: Scene, logged_in: LogIn, path: str) -> None:
    stranger = logged_in(world.account(session, "stranger@demo.example"))
    assert stranger.get(_url(scene, path)).status_code == 404


@pytest.mark.parametrize("path", ["/edit", "/delete", "/pause", "/resume", "/run", "/copy", "/export-again"])
def test_who_may_only_look_changes_nothing(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn, path: str
) -> None:
    world.grant(session, scene.group, "display", guest.email)
    browser = logged_in(guest)
    assert browser.post(_url(scene, path), data=task_form(scene)).status_code == 403
    page = browser.get(_url(scene))
    assert page.status_code == 200
    assert "This export belongs to" in page.text
    assert "Run now" not in page.text


def test_a_task_on_a_hidden_driver_is_not_there_for_a_guest(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    world.grant(session, scene.group, "display", guest.email, hides_drivers=True)
    scene.task.scope = "driver"
    browser = logged_in(guest)
    assert browser.get(_url(scene)).status_code == 404
    assert "Monthly to IS-E" not in browser.get("/exports").text


def test_the_form_of_a_change_shows_what_is_set(session: Session, scene: Scene, browser: FlaskClient) -> None:
    page = browser.get(_url(scene, "/edit")).text
    assert 'value="Monthly to IS-E"' in page
    assert 'value="2026-03-28"' in page


def test_an_earlier_first_day_adds_periods_and_delivered_ones_stay(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    plan(session)
    runs(session)[0].state = "delivered"
    session.commit()
    data = task_form(scene, name="Monthly to IS-E", starts_on="2026-03-26", ends_on="2026-03-29")
    assert browser.post(_url(scene, "/edit"), data=data).status_code == 302
    found = [(run.period_start.day, run.state) for run in runs(session)]
    assert found == [(26, "due"), (27, "due"), (28, "delivered"), (29, "due")]


def test_the_time_zone_stays_once_periods_are_planned(session: Session, scene: Scene, browser: FlaskClient) -> None:
    plan(session)
    answer = browser.post(_url(scene, "/edit"), data=task_form(scene, time_zone="Europe/London"))
    assert answer.status_code == 422
    assert "Make a new task for another time zone" in answer.text


def test_it_is_paused_and_resumed(session: Session, scene: Scene, browser: FlaskClient) -> None:
    page = browser.post(_url(scene, "/pause"), follow_redirects=True).text
    assert "Resume" in page
    plan(session)
    assert runs(session) == []
    browser.post(_url(scene, "/resume"))
    assert len(runs(session)) == 2


def test_run_now_plans_and_wakes(session: Session, scene: Scene, browser: FlaskClient) -> None:
    browser.post(_url(scene, "/run"))
    first, second = runs(session)
    first.state, first.not_before = "waiting", clock.now() + timedelta(hours=1)
    second.state = "failed"
    second.files = [ExportFile(position=0, name="a", size=1, sha256="a" * 64, temporary_name=".a.part")]
    session.commit()
    browser.post(_url(scene, "/run"))
    first, second = runs(session)
    assert first.not_before <= clock.now()
    assert (second.state, second.started_by_id) == ("uploaded", scene.owner.id)


def test_a_paused_task_is_not_run(session: Session, scene: Scene, browser: FlaskClient) -> None:
    browser.post(_url(scene, "/pause"))
    assert "Resume it first" in browser.post(_url(scene, "/run"), follow_redirects=True).text
    assert runs(session) == []


def test_deleting_says_what_goes_and_takes_the_files_along(
    session: Session, scene: Scene, browser: FlaskClient, settings: Settings, vault: Vault, sessions: Sessions
) -> None:
    plan(session)
    scenes.work(session, settings, vault, sessions)
    page = browser.get(_url(scene, "/delete")).text
    assert "stored files of 2 delivered periods" in page
    browser.post(_url(scene, "/delete"))
    assert runs(session) == []
    assert session.scalar(sa.select(sa.func.count(StoredFile.id))) == 0
    assert len(scene.files()) == 2


def test_a_waiting_task_says_for_what_and_where_to_go(
    session: Session, scene: Scene, browser: FlaskClient, settings: Settings, vault: Vault, sessions: Sessions
) -> None:
    session.execute(sa.delete(Coverage))
    plan(session)
    scenes.work(session, settings, vault, sessions)
    session.commit()
    page = browser.get("/exports").text
    assert "Waiting for values of 2 meters, such as Centro · 1" in page
    assert '<a class="small" href="' in page


def test_a_failed_task_shows_the_servers_words_to_its_owner_alone(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    world.grant(session, scene.group, "display", guest.email)
    plan(session)
    session.execute(
        sa.update(ExportRun).values(state="failed", reason={"code": "failed", "step": "write", "message": "Quota!"})
    )
    session.commit()
    assert "Quota!" in logged_in(scene.owner).get("/exports").text
    seen = logged_in(guest)
    assert "A delivery failed" in seen.get("/exports").text
    for path in ("/exports", _url(scene), f"/exports/runs/{runs(session)[0].id}"):
        assert "Quota!" not in seen.get(path).text


def test_a_failed_task_says_how_to_go_on(session: Session, scene: Scene, browser: FlaskClient) -> None:
    plan(session)
    session.execute(sa.update(ExportRun).values(state="failed", reason={"code": "failed", "step": "directory"}))
    session.commit()
    assert "then choose Run now" in browser.get(_url(scene)).text
    scene.task.paused_at = clock.now()
    session.commit()
    assert "then choose Run now" not in browser.get(_url(scene)).text


def test_only_while_something_runs_the_page_looks_again(session: Session, scene: Scene, browser: FlaskClient) -> None:
    assert 'hx-trigger="every 3s"' not in browser.get("/exports").text
    plan(session)
    for path in ("/exports", "/exports/statuses", _url(scene), _url(scene, "/status")):
        assert 'hx-trigger="every 3s"' in browser.get(path).text


def test_a_driver_sees_which_exports_contain_him(session: Session, scene: Scene, logged_in: LogIn) -> None:
    driver = world.account(session, "driver@demo.example")
    scene.task.scope, scene.task.user_id = "driver", driver.id
    page = logged_in(driver).get("/exports/containing-me").text
    assert "Lugano" in page
    assert "No export contains you" in logged_in(scene.owner).get("/exports/containing-me").text


def test_addresses_of_drivers_can_be_tried_so_often(
    session: Session, scene: Scene, logged_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.owner.session_version = next(VERSIONS)
    browser = logged_in(scene.owner)
    monkeypatch.setattr(limiter, "enabled", True)
    new, edit = "/exports/tasks/new", _url(scene, "/edit")
    answers = [browser.post(url, data={}).status_code for _ in range(61) for url in (new, edit)]
    assert (answers[119], answers[-2:]) == (422, [429, 429])


def test_the_list_costs_the_same_for_many_tasks(session: Session, scene: Scene, logged_in: LogIn) -> None:
    few = _statements(session, scene, logged_in, 1)
    many = _statements(session, scene, logged_in, 20)
    assert many == few < 15


def _statements(session: Session, scene: Scene, logged_in: LogIn, more: int) -> int:
    for number in range(more):
        fields = {
            column.name: getattr(scene.task, column.name)
            for column in ExportTask.__table__.columns
            if column.name not in ("id", "name")
        }
        session.add(ExportTask(**fields, name=f"Copy {more} {number}"))
    browser = logged_in(scene.owner)
    plan(session)
    with recorded() as seen:
        browser.get("/exports")
    return len(seen)


def test_the_form_shows_the_task_as_it_is(session: Session, browser: FlaskClient, scene: Scene) -> None:
    world.station_group(session, scene.owner, "A group that comes first")
    session.commit()
    page = browser.get(_url(scene, "/edit")).text
    assert f'value="{scene.owner.email}"' in page
    for chosen in (scene.group, scene.formatter, scene.destination):
        assert f'selected value="{chosen.id}">{chosen.name}' in page


def test_a_station_groups_tab_lists_its_tasks_alone(session: Session, browser: FlaskClient, scene: Scene) -> None:
    other = world.station_group(session, scene.owner, "Another group")
    session.commit()
    assert scene.task.name in browser.get(f"/exports?station_group_id={scene.group.id}").text
    assert scene.task.name not in browser.get(f"/exports?station_group_id={other.id}").text


def test_a_copy_is_paused_and_has_a_free_name(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.task.pause_after, scene.task.corrections = 7, "never"
    session.commit()
    for name in ("Monthly to IS-E 2", "Monthly to IS-E 3"):
        answer = browser.post(_url(scene, "/copy"))
        twin = _named(session, name)
        assert twin is not None
        assert answer.location == f"/exports/tasks/{twin.id}/edit"
        assert (twin.pause_after, twin.corrections, twin.paused_at is None) == (7, "never", False)
    plan(session)
    assert {run.task_id for run in runs(session)} == {scene.task.id}


def test_without_the_licence_nothing_is_copied(session: Session, scene: Scene, browser: FlaskClient) -> None:
    session.execute(sa.update(Licence).values(ends_at=clock.now() - timedelta(days=1)))
    session.commit()
    assert "request it first" in browser.post(_url(scene, "/copy"), follow_redirects=True).text
    assert _named(session, "Monthly to IS-E 2") is None


def test_a_task_that_failures_have_paused_says_why_and_where_to_go(
    session: Session, scene: Scene, guest: Account, logged_in: LogIn
) -> None:
    world.grant(session, scene.group, "display", guest.email)
    reason = {"code": "failed", "step": "login", "message": "Permission denied", "failures": 3}
    scene.task.paused_at, scene.task.paused_reason = clock.now(), reason
    page = logged_in(scene.owner).get(_url(scene)).text
    for text in ("Paused after failures", "Permission denied", f"/destinations/{scene.destination.id}/log-in"):
        assert text in page
    assert f'action="{_url(scene, "/resume")}"' in page
    page = logged_in(guest).get(_url(scene)).text
    assert "Paused after failures" in page
    assert "Permission denied" not in page


def test_periods_are_counted_before_they_are_exported_again(
    session: Session, scene: Scene, browser: FlaskClient, settings: Settings, vault: Vault, sessions: Sessions
) -> None:
    plan(session)
    scenes.work(session, settings, vault, sessions)
    url, day = _url(scene, "/export-again"), (START + timedelta(days=1)).isoformat()
    assert "1 period is built anew" in browser.post(url, data={"first_day": day}).text
    assert "2 periods are built anew" in browser.post(url, data={"first_day": START.isoformat()}).text
    assert "No period that ends after" in browser.post(url, data={"first_day": "2027-01-01"}).text
    assert len(runs(session)) == 2
    page = browser.post(url, data={"first_day": day, "seen": "1"}, follow_redirects=True).text
    assert "1 period is exported again." in page
    assert [(run.period_start.day, run.revision, run.state) for run in runs(session)][1:] == [
        (29, 0, "delivered"),
        (29, 1, "due"),
    ]
    assert "No period that ends after" in browser.post(url, data={"first_day": day}).text


def test_what_happens_afterwards_is_saved_and_shown_again(session: Session, scene: Scene, browser: FlaskClient) -> None:
    browser.post("/exports/tasks/new", data=task_form(scene, corrections="never", pause_after=4, periods_per_file=3))
    row = _named(session, "Second")
    assert row is not None
    assert (row.corrections, row.pause_after, row.periods_per_file) == ("never", 4, 3)
    assert [run.period_end - run.period_start for run in runs(session)] == [timedelta(days=3)]
    page = browser.get(f"/exports/tasks/{row.id}/edit").text
    assert 'value="4"' in page
    assert "They are listed as set aside, and can be sent all the same." in page
