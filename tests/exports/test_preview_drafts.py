"""What a task would send that is not saved yet."""

import gzip
from collections.abc import Callable
from datetime import timedelta

import lxml.html
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.audit.models import AuditEntry
from portal.core.files import StoredFile
from portal.exports.models import ExportRun, ExportTask
from portal.licences.models import Licence
from tests import world
from tests.exports.scene import Scene, plan, task_form

LogIn = Callable[[Account], FlaskClient]
Form = dict[str, object]
NEW = "/exports/tasks/new"


@pytest.fixture
def browser(logged_in: LogIn, scene: Scene) -> FlaskClient:
    return logged_in(scene.owner)


@pytest.fixture
def form(scene: Scene) -> Form:
    more = {"trigger": "hours_after_end", "hours_after_end": 7, "corrections": "never", "pause_after": 3}
    return task_form(scene, **more, periods_per_file=2)


def _edit(scene: Scene) -> str:
    return f"/exports/tasks/{scene.task.id}/edit"


def _filled_in(page: str) -> dict[str, str]:
    """What a browser would send of the form as the page shows it."""
    return dict(lxml.html.fromstring(page).get_element_by_id("task").form_values())


def _counts(session: Session) -> list[int | None]:
    session.rollback()
    kinds = (ExportTask, ExportRun, StoredFile, AuditEntry)
    return [session.scalar(sa.select(sa.func.count()).select_from(kind)) for kind in kinds]


def test_a_new_task_shows_its_first_period(browser: FlaskClient, form: Form) -> None:
    page = browser.post(NEW, data=form | {"preview": "1"})
    assert page.status_code == 200
    for text in ("Second_20260328.csv", "CH-owner-1", "measured 100", "4.00 kWh"):
        assert text in page.text


def test_nothing_typed_is_lost_and_the_days_are_filled_in(browser: FlaskClient, form: Form) -> None:
    days = {"first_day": "", "last_day": ""}
    shown = _filled_in(browser.post(NEW, data=form | days | {"preview": "1"}).text)
    assert shown | {name: str(value) for name, value in form.items()} == shown
    assert (shown["first_day"], shown["last_day"]) == ("2026-03-28", "2026-03-28")


def test_nothing_is_stored_or_sent(session: Session, scene: Scene, browser: FlaskClient, form: Form) -> None:
    addresses, before = (NEW, _edit(scene)), _counts(session)
    session.rollback()
    for button in ("preview", "whole"):
        for address in addresses:
            assert browser.post(address, data=form | {button: "1"}).status_code == 200
    assert _counts(session) == before
    assert session.scalars(sa.select(ExportTask.name)).all() == ["Monthly to IS-E"]


def test_the_whole_file_is_to_download(browser: FlaskClient, form: Form) -> None:
    answer = browser.post(NEW, data=form | {"whole": "1"})
    assert answer.headers["Content-Disposition"] == "attachment; filename=Second_20260328.csv"
    assert answer.data.count(b"CH-owner-") == 2


def test_other_days_are_chosen(browser: FlaskClient, form: Form) -> None:
    days = {"first_day": "2026-03-29", "last_day": "2026-03-29"}
    assert "0.21 kWh" in browser.post(NEW, data=form | days | {"preview": "1"}).text


def test_a_first_day_alone_is_one_period(browser: FlaskClient, form: Form) -> None:
    given = form | {"interval": "monthly", "first_day": "2026-03-01", "preview": "1"}
    assert _filled_in(browser.post(NEW, data=given).text)["last_day"] == "2026-03-31"


def test_a_period_that_lies_ahead_is_shown_by_the_one_before_today(browser: FlaskClient, form: Form) -> None:
    today = clock.now().date()
    given = form | {"starts_on": str(today + timedelta(days=40)), "ends_on": "", "preview": "1", "time_zone": "UTC"}
    shown = _filled_in(browser.post(NEW, data=given).text)
    assert shown["first_day"] == shown["last_day"] == str(today - timedelta(days=1))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "Monthly to IS-E", "with this name"),
        ("name", "", "must be filled in"),
        ("user", "stranger@demo.example", "for the owner of the station group"),
        ("station_group", 99999, "Not a valid choice"),
        ("ends_on", "2020-01-01", "lies before the first."),
        ("first_day", "soon", "Not a valid date"),
        ("first_day", "0001-01-01", "between 1990 and 2999"),
        ("last_day", "2026-03-28", "must be filled in"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    browser: FlaskClient, form: Form, field: str, value: object, words: str
) -> None:
    answer = browser.post(NEW, data=form | {field: value, "preview": "1"})
    assert answer.status_code == 422
    assert words in answer.text
    at = "first_day" if field == "last_day" else field
    assert f'id="{at}-error"' in answer.text


def test_a_meter_without_its_identifier_is_named(
    session: Session, scene: Scene, browser: FlaskClient, form: Form
) -> None:
    scene.connectors[1].metering_code = None
    session.commit()
    answer = browser.post(NEW, data=form | {"preview": "1"})
    assert answer.status_code == 422
    assert f"/connectors/{scene.connectors[1].id}" in answer.text


def test_a_group_that_one_may_not_export_shows_nothing(
    session: Session, scene: Scene, browser: FlaskClient, form: Form
) -> None:
    other = world.station_group(session, world.account(session, "other@demo.example"))
    session.commit()
    answer = browser.post(NEW, data=form | {"station_group": other.id, "preview": "1"})
    assert answer.status_code == 422
    assert "Not a valid choice" in answer.text


def test_without_the_licence_there_is_no_preview_of_a_new_task(
    session: Session, browser: FlaskClient, form: Form
) -> None:
    session.execute(sa.update(Licence).values(ends_at=clock.now() - timedelta(days=1)))
    session.commit()
    answer = browser.post(NEW, data=form | {"preview": "1"})
    assert answer.status_code == 422
    assert "The licence Auto-export is missing" in answer.text


def test_an_edited_task_is_shown_as_its_form_says(
    session: Session, scene: Scene, browser: FlaskClient, form: Form
) -> None:
    plan(session)
    page = browser.post(_edit(scene), data=form | {"preview": "1"}).text
    assert "Second_20260329.csv" in page  # the latest period of a task that runs already
    assert "0.21 kWh" in page
    session.rollback()
    assert session.get_one(ExportTask, scene.task.id, populate_existing=True).interval == "daily"


def test_the_time_zone_of_a_planned_task_stays(
    session: Session, scene: Scene, browser: FlaskClient, form: Form
) -> None:
    plan(session)
    answer = browser.post(_edit(scene), data=form | {"time_zone": "UTC", "preview": "1"})
    assert answer.status_code == 422
    assert "another time zone" in answer.text


def test_a_packed_file_comes_as_it_would_be_sent(
    session: Session, scene: Scene, browser: FlaskClient, form: Form
) -> None:
    scene.formatter.settings = {**scene.formatter.settings, "packing": "gzip"}
    session.commit()
    answer = browser.post(NEW, data=form | {"whole": "1"})
    assert b"CH-owner-2" in gzip.decompress(answer.data)
