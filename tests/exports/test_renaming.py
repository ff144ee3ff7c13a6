"""Identifiers that are spoiled after a task was saved: said at once, to who saves them and on the task's page."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.exports import affected
from portal.exports.models import ExportTask
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import Scene

LogIn = Callable[[Account], FlaskClient]
CODE = f"CH{0:028}"


@pytest.fixture
def ahead(session: Session, scene: Scene) -> Scene:
    """A task in SDAT whose first period is not over, with two charging points well named."""
    for number, connector in enumerate(scene.connectors):
        connector.metering_code = f"{CODE}00{number}"
    scene.task.formatter = scenes.add_formatter(
        session, scene.owner, "sdat", sender="12X-EXAMPLE----Z", receiver="12X-EXAMPLE----Z", file_name=""
    )
    scene.task.starts_on, scene.task.next_due_at = clock.now().date(), clock.now() + timedelta(days=2)
    scene.task.ends_on = None
    session.commit()
    return scene


def rename(browser: FlaskClient, connector_id: int, code: str) -> str:
    """The page after the connector was saved with this metering code."""
    page = browser.get(f"/connectors/{connector_id}").text
    seen = page.split('name="seen"')[1].split('value="')[1].split('"')[0]
    data = {"plug_type": "type_2", "access": "private", "metering_code": code, "seen": seen}
    return browser.post(f"/connectors/{connector_id}", data=data, follow_redirects=True).text


def test_who_spoils_an_identifier_is_told_at_once_which_tasks_it_stops(
    ahead: Scene, session: Session, logged_in: LogIn
) -> None:
    browser, connector_id, name = logged_in(ahead.owner), ahead.connectors[1].id, ahead.task.name
    assert "cannot deliver with these identifiers" not in rename(browser, connector_id, f"{CODE}777")
    assert f"These tasks cannot deliver with these identifiers: {name}." in rename(browser, connector_id, "CH-1")
    assert f"These tasks cannot deliver with these identifiers: {name}." in rename(browser, connector_id, "")


def test_the_task_says_before_its_period_is_due_which_meter_and_where_to_put_it_right(
    ahead: Scene, session: Session, logged_in: LogIn
) -> None:
    browser, url = logged_in(ahead.owner), f"/exports/tasks/{ahead.task.id}"
    link = f"/connectors/{ahead.connectors[1].id}"
    assert "The first period is not over yet" in browser.get(url).text
    for code in ("CH-1", None):
        ahead.connectors[1].metering_code = code
        session.commit()
        page = browser.get(url).text
        assert "The first period is not over yet" not in page
        assert f'href="{link}"' in page
    ahead.connectors[1].metering_code = f"{CODE}001"
    session.commit()
    assert "The first period is not over yet" in browser.get(url).text


def test_a_stranger_to_the_task_is_told_nothing_of_it(ahead: Scene, session: Session) -> None:
    ahead.connectors[0].metering_code = "CH-1"
    stranger = world.account(session, "stranger@demo.example", Kind.AUTO_EXPORT)
    session.commit()
    ids = [connector.id for connector in ahead.connectors]
    assert [one.name for one in affected.broken_by(session, ahead.owner.id, ids, ())] == [ahead.task.name]
    assert affected.broken_by(session, stranger.id, ids, ()) == []
    assert affected.broken_by(session, ahead.owner.id, [ids[1]], ()) == []
    session.execute(sa.update(ExportTask).values(paused_at=clock.now()))
    assert affected.broken_by(session, ahead.owner.id, ids, ()) == []
