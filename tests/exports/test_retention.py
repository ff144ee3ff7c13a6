"""Files go after a time and once what follows is delivered; runs go long after; nothing is planned or sent again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.config import Settings
from portal.core.errors import RuleBroken
from portal.core.files import StoredFile, StoredPiece
from portal.core.vault import Vault
from portal.exports import corrections, planning, retention, revisions
from portal.exports.models import ExportAttempt, ExportFile, ExportRun, ExportValue, RunKind, RunState
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import START, Scene, plan, runs

Work = Callable[[], int]
DAY = timedelta(days=1)


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def delivered(session: Session, scene: Scene, work: Work) -> list[ExportRun]:
    plan(session)
    work()
    return runs(session)


def clear(session: Session) -> list[bool]:
    """Everything is old enough; says of which files the bytes are still here, by period and revision."""
    retention.clear_files(session, clock.now())
    session.commit()
    session.expire_all()
    return [run.files[0].file_id is not None for run in runs(session)]


def forget(session: Session) -> list[ExportRun]:
    retention.forget_runs(session, clock.now() + DAY)
    session.commit()
    session.expire_all()
    return runs(session)


def count(session: Session, *tables: type) -> list[int]:
    return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]


def test_bytes_go_once_the_next_period_is_delivered_and_the_rest_stays(
    session: Session, delivered: list[ExportRun]
) -> None:
    told = [(run.files[0].name, run.files[0].size, run.files[0].sha256) for run in delivered]
    assert clear(session) == [False, True]
    assert [(run.files[0].name, run.files[0].size, run.files[0].sha256) for run in runs(session)] == told
    assert count(session, StoredFile, StoredPiece) == [1, 1]


def test_young_files_stay(session: Session, delivered: list[ExportRun]) -> None:
    assert retention.clear_files(session, clock.now() - DAY) == (None, 0)
    assert count(session, StoredFile) == [2]


def test_a_file_stays_while_the_next_period_is_not_delivered(session: Session, delivered: list[ExportRun]) -> None:
    delivered[1].state = "waiting"
    session.commit()
    assert clear(session) == [True, True]


@pytest.mark.parametrize(("state", "kept"), [("due", True), ("proposed", True), ("failed", True), ("set_aside", False)])
def test_a_file_stays_while_a_later_revision_is_open(
    session: Session, delivered: list[ExportRun], state: str, kept: bool
) -> None:
    corrections.add_revision(session, delivered[0], RunKind.CORRECTION, RunState(state), {})
    session.commit()
    retention.clear_files(session, clock.now())
    session.commit()
    assert [run.files[0].file_id is not None for run in runs(session) if run.revision == 0] == [kept, True]


def test_the_walk_is_bounded_and_goes_on_where_it_stopped(
    session: Session, delivered: list[ExportRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "MOST_FILES", 1)
    first, cleared = retention.clear_files(session, clock.now())
    assert (first is not None, cleared) == (True, 1)
    second, cleared = retention.clear_files(session, clock.now(), first or 0)
    assert (second is not None, cleared) == (True, 0)
    assert retention.clear_files(session, clock.now(), second or 0) == (None, 0)


def test_what_is_cleared_is_not_sent_again_and_can_be_exported_again(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    clear(session)
    with pytest.raises(RuleBroken, match="no longer kept"):
        revisions.send_again(session, scene.owner, runs(session)[0])
    session.rollback()
    revisions.export_again(session, scene.owner, runs(session)[0])
    work()
    assert [run.state for run in runs(session)] == ["delivered"] * 3


def test_old_runs_go_with_all_that_hangs_on_them(session: Session, scene: Scene, delivered: list[ExportRun]) -> None:
    tables = (ExportRun, ExportFile, ExportAttempt, ExportValue, StoredFile)
    before = count(session, *tables)
    (left,) = forget(session)
    assert left.period_start == START + DAY
    assert count(session, *tables) == [number // 2 for number in before]


def test_the_last_delivered_period_of_a_task_stays(session: Session, delivered: list[ExportRun]) -> None:
    forget(session)
    assert len(forget(session)) == 1


def test_a_young_run_stays(session: Session, delivered: list[ExportRun]) -> None:
    assert retention.forget_runs(session, clock.now() - DAY) == 0


def test_what_was_not_delivered_stays_and_keeps_what_follows(session: Session, delivered: list[ExportRun]) -> None:
    delivered[0].state = "failed"
    session.commit()
    assert len(forget(session)) == 2


def test_a_file_stays_until_the_period_after_it_is_delivered_whatever_came_later(
    session: Session, scene: Scene, work: Work
) -> None:
    scene.task.ends_on = START + 2 * DAY
    plan(session)
    work()
    runs(session)[1].state = "failed"
    session.commit()
    assert [run.state for run in forget(session)] == ["delivered", "failed", "delivered"]
    assert clear(session) == [True, True, True]
    runs(session)[1].state = "delivered"
    session.commit()
    assert [run.period_start for run in forget(session)] == [START + DAY, START + 2 * DAY]


def test_an_open_revision_keeps_its_whole_period(session: Session, delivered: list[ExportRun]) -> None:
    corrections.add_revision(session, delivered[0], RunKind.CORRECTION, RunState.PROPOSED, {})
    session.commit()
    assert len(forget(session)) == 3


def test_a_period_that_was_forgotten_is_never_planned_again(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    forget(session)
    session.refresh(scene.task)
    assert scene.task.starts_on == START + DAY
    planning.plan_anew(session, scene.task)
    planning.plan_task(session, scene.task)
    session.commit()
    plan(session)
    assert (work(), len(runs(session))) == (0, 1)


def test_a_look_takes_a_bounded_number(
    session: Session, scene: Scene, delivered: list[ExportRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    corrections.add_revision(session, delivered[0], RunKind.CORRECTION, RunState.SET_ASIDE, {})
    session.commit()
    monkeypatch.setattr(retention, "MOST_RUNS", 1)
    assert len(forget(session)) == 2
    assert len(forget(session)) == 1
