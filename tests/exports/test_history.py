"""The runs of all tasks on one page, filtered, page by page."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.exports import history
from portal.exports.history import Wanted
from portal.exports.models import ExportRun, ExportTask
from portal.licences.models import Kind
from portal.stations.models import Grant
from tests import statements, world
from tests.exports.scene import Scene

LogIn = Callable[[Account], FlaskClient]
YESTERDAY = clock.now().date() - timedelta(days=1)


def add_task(session: Session, scene: Scene, name: str) -> ExportTask:
    kept = {column.key: getattr(scene.task, column.key) for column in sa.inspect(ExportTask).columns}
    task = ExportTask(**(kept | {"id": None, "name": name}))
    session.add(task)
    session.flush()
    return task


def add_runs(session: Session, task: ExportTask, last: date, days: int, state: str = "delivered") -> None:
    for number in range(days):
        start, now = last - timedelta(days=number), clock.now()
        run = ExportRun(task_id=task.id, period_start=start, period_end=start + timedelta(days=1), interval="daily")
        run.starts_at, run.ends_at, run.state = now, now, state
        session.add(run)
    session.commit()


def found(session: Session, account: Account, **wanted: object) -> list[tuple[str, date]]:
    """What pages of twenty bring, one behind the other."""
    everything, before = [], None
    while True:
        page = history.page(session, account.id, Wanted(**wanted, before=before), 20)  # type: ignore[arg-type]
        everything += [(run.task.name, run.period_start) for run in page.runs]
        before = page.following
        if before is None:
            return everything


def test_the_runs_of_all_tasks_stand_behind_one_another_once_each(session: Session, scene: Scene) -> None:
    other = add_task(session, scene, "Other")
    add_runs(session, scene.task, YESTERDAY, 50)
    add_runs(session, other, YESTERDAY - timedelta(days=500), 5)
    runs = found(session, scene.owner)
    assert len(runs) == len(set(runs)) == 55
    assert [day for _, day in runs] == sorted((day for _, day in runs), reverse=True)
    assert runs[-1] == ("Other", YESTERDAY - timedelta(days=504))


def test_they_are_filtered_by_days_task_state_and_destination(session: Session, scene: Scene) -> None:
    other = add_task(session, scene, "Other")
    add_runs(session, scene.task, YESTERDAY, 10)
    add_runs(session, other, YESTERDAY, 3, "failed")
    two_days = {"first_day": YESTERDAY - timedelta(days=4), "last_day": YESTERDAY - timedelta(days=3)}
    assert found(session, scene.owner, state="failed", task_id=scene.task.id) == []
    assert len(found(session, scene.owner, state="failed")) == 3
    assert len(found(session, scene.owner, task_id=other.id)) == 3
    assert [day for _, day in found(session, scene.owner, **two_days)] == sorted(two_days.values(), reverse=True)
    assert len(found(session, scene.owner, destination_id=scene.destination.id)) == 13
    assert found(session, scene.owner, destination_id=scene.destination.id + 1) == []


def test_a_month_is_found_by_any_of_its_days(session: Session, scene: Scene) -> None:
    add_runs(session, scene.task, YESTERDAY - timedelta(days=30), 1)
    run = session.scalars(sa.select(ExportRun)).one()
    run.period_end = run.period_start + timedelta(days=30)
    session.commit()
    inside = run.period_start + timedelta(days=10)
    assert len(found(session, scene.owner, first_day=inside, last_day=inside)) == 1
    assert found(session, scene.owner, first_day=run.period_end) == []


def test_only_what_the_reader_may_see_is_listed(session: Session, scene: Scene, logged_in: LogIn) -> None:
    add_runs(session, scene.task, YESTERDAY, 3)
    stranger = world.account(session, "stranger@demo.example", Kind.AUTO_EXPORT, Kind.AUTHORISATION)
    assert found(session, stranger) == []
    assert scene.task.name not in logged_in(stranger).get("/exports/runs").text
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    world.grant(session, scene.group, "manage", stranger.email)
    session.commit()
    assert len(found(session, stranger)) == 3
    session.execute(sa.update(Grant).values(hides_drivers=True))
    scene.task.scope = "driver"
    session.commit()
    assert found(session, stranger) == []


def test_the_page_goes_on_by_a_link_and_keeps_its_filters(session: Session, scene: Scene, logged_in: LogIn) -> None:
    add_runs(session, scene.task, YESTERDAY, 60)
    browser = logged_in(scene.owner)
    first = browser.get(f"/exports/runs?task={scene.task.id}&state=delivered").text
    assert first.count("/exports/runs/") == 50
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = browser.get(older.replace("&amp;", "&")).text
    assert f"task={scene.task.id}" in older
    assert second.count("/exports/runs/") == 10
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    "odd",
    ["before=x", "before=2026-01-01.0", "before=2026-99-01.5", "from=never", "to=0001-01-01", "task=x&state=y",
     "destination=99999999999", "before=2026-01-01.99999999999999999999"],
)  # fmt: skip
def test_an_address_that_somebody_made_up_is_no_error(scene: Scene, logged_in: LogIn, odd: str) -> None:
    assert logged_in(scene.owner).get(f"/exports/runs?{odd}").status_code == 200


def test_without_any_run_it_says_when_the_first_one_comes(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    assert "No run yet" in browser.get("/exports/runs").text
    assert "No run fits" in browser.get("/exports/runs?state=failed").text


def test_a_page_reads_an_index_of_the_tasks_and_no_more_statements_for_more_runs(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    add_runs(session, scene.task, YESTERDAY, 1)
    browser = logged_in(scene.owner)
    browser.get("/exports/runs")
    with statements.recorded() as few:
        browser.get("/exports/runs")
    add_runs(session, scene.task, YESTERDAY - timedelta(days=1), 200)
    session.execute(sa.text("ANALYZE"))
    session.commit()
    with statements.recorded() as many:
        browser.get("/exports/runs")
    assert len(many) <= len(few) <= 12
    plans = [statements.plan(session, one) for one in many if "export_run" in one[0] and "ORDER BY" in one[0]]
    assert plans
    if session.get_bind().dialect.name == "sqlite":
        assert not any("SCAN export_run" in plan for plan in plans), plans


def test_the_history_of_a_task_is_filtered_by_days_too(session: Session, scene: Scene, logged_in: LogIn) -> None:
    add_runs(session, scene.task, YESTERDAY, 10)
    url = f"/exports/tasks/{scene.task.id}?from={YESTERDAY - timedelta(days=2)}&to={YESTERDAY - timedelta(days=1)}"
    assert logged_in(scene.owner).get(url).text.count("/exports/runs/") == 2
