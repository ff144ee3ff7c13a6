"""The operator's page of all exports that need attention."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.exports import overseeing
from portal.exports.models import ExportRun, ExportTask
from tests import world
from tests.exports.scene import Scene, plan
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)
FAILED = {"code": "failed", "step": "login", "message": "530 piquet, go away", "template": "530 piquet, go away"}
LACKING = {"code": "values", "meter": "Centro · 1", "lacking": 1, "of": 2, "since": "2026-03-28T00:00:00+00:00"}


def change(session: Session, **values: Any) -> None:
    session.execute(sa.update(ExportRun).values(**values))
    session.commit()


def kinds(session: Session, **wanted: Any) -> list[tuple[str, int, str]]:
    return [(row.kind, row.periods, row.code) for row in overseeing.tasks(session, **wanted).items]


@pytest.fixture
def planned(session: Session, scene: Scene) -> Scene:
    plan(session)
    return scene


def test_a_task_that_does_well_is_not_listed(session: Session, planned: Scene) -> None:
    assert kinds(session) == []


def test_failed_waiting_and_stopped_ones_are_listed_with_the_oldest_reason(session: Session, planned: Scene) -> None:
    change(session, state="failed", reason=FAILED)
    assert kinds(session) == [("error", 2, "failed")]
    change(session, state="waiting", reason=LACKING)
    assert kinds(session) == []
    change(session, created_at=clock.now() - 4 * DAY)
    assert kinds(session) == [("waiting", 2, "values")]
    change(session, reason={"code": "permission"})
    assert kinds(session) == [("stopped", 2, "permission")]


def test_a_pause_by_failures_is_listed_and_one_by_its_owner_is_not(session: Session, planned: Scene) -> None:
    planned.task.paused_at = clock.now()
    session.commit()
    assert kinds(session) == []
    planned.task.paused_reason = FAILED | {"failures": 20}
    session.commit()
    assert kinds(session) == [("paused", 0, "failed")]


def test_a_task_in_trouble_that_is_tried_again_is_listed(session: Session, planned: Scene) -> None:
    planned.task.trouble_since = clock.now() - DAY
    change(session, state="due", reason=FAILED)
    (row,) = overseeing.tasks(session).items
    assert (row.kind, row.since, row.step) == ("retry", planned.task.trouble_since, "login")


def test_the_page_shows_owner_and_cause_without_the_servers_words_and_the_meters(
    session: Session, planned: Scene, logged_in: LogIn
) -> None:
    browser = logged_in(world.account(session, "operator@demo.example", operator=True))
    change(session, state="failed", reason=FAILED)
    page = browser.get("/operator/exports").text
    assert "It fails at this step: Logging in" in page
    assert planned.owner.email in re.sub(r"<wbr>", "", page)
    assert "go away" not in page
    change(session, state="waiting", reason=LACKING, created_at=clock.now() - 4 * DAY)
    page = browser.get("/operator/exports").text
    assert "Values of its meters are missing." in page
    assert "Centro" not in page


def test_it_is_filtered_by_kind_and_owner(session: Session, planned: Scene, logged_in: LogIn) -> None:
    change(session, state="failed", reason=FAILED)
    assert [len(kinds(session, kind=kind)) for kind in ("error", "paused", "made-up")] == [1, 0, 1]
    assert [len(kinds(session, text=text)) for text in ("OWNER@", "wner", "%")] == [1, 0, 0]


def test_it_is_for_the_operator_alone(session: Session, planned: Scene, logged_in: LogIn) -> None:
    assert logged_in(planned.owner).get("/operator/exports").status_code == 404


def test_it_takes_three_statements_however_many_there_are(session: Session, planned: Scene) -> None:
    like = ("scope", "user_id", "station_group_id", "formatter_id", "destination_id", "interval", "starts_on")
    for number in range(60):
        same = {name: getattr(planned.task, name) for name in like}
        trouble = clock.now() - timedelta(hours=number)
        session.add(ExportTask(owner_id=planned.owner.id, name=f"Task {number}", trouble_since=trouble, **same))
    session.commit()
    with recorded() as statements:
        page = overseeing.tasks(session)
        second = overseeing.tasks(session, number=2)
    assert (len(page.items), len(second.items), page.total, len(statements)) == (50, 10, 60, 6)
    assert [row.name for row in page.items[:2]] == ["Task 59", "Task 58"]
