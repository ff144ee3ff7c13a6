"""Runs come into being: one for every period that has ended, however many plan."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.orm import Session

from portal.exports import jobs, planning
from tests.exports.conftest import Sessions
from tests.exports.scene import START, Scene, plan, runs


def test_every_ended_period_gets_a_run(session: Session, scene: Scene) -> None:
    plan(session)
    assert [(run.period_start, run.state) for run in runs(session)] == [
        (START, "due"),
        (START + timedelta(days=1), "due"),
    ]
    assert [(run.ends_at - run.starts_at) for run in runs(session)] == [timedelta(hours=24), timedelta(hours=23)]


def test_after_the_last_day_nothing_is_due(session: Session, scene: Scene) -> None:
    plan(session)
    assert scene.task.next_due_at is None


def test_a_period_under_way_is_left_for_later(session: Session, scene: Scene) -> None:
    jobs.planning.plan(session, datetime(2026, 3, 29, 12, tzinfo=UTC))
    session.commit()
    assert [run.period_start for run in runs(session)] == [START]
    assert scene.task.next_due_at == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_planners_at_the_same_time_make_each_run_once(session: Session, scene: Scene, sessions: Sessions) -> None:
    def plan_alone(_: int) -> None:
        with sessions() as own:
            planning.plan(own)
            own.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(plan_alone, range(8)))
    assert len(runs(session)) == 2


def test_planning_again_after_a_reset_adds_nothing_twice(session: Session, scene: Scene) -> None:
    plan(session)
    scene.task.planned_until, scene.task.next_due_at = None, datetime(2026, 3, 28, 23, tzinfo=UTC)
    plan(session)
    assert len(runs(session)) == 2


def test_a_long_backfill_goes_on_at_the_next_look(session: Session, scene: Scene) -> None:
    scene.task.starts_on, scene.task.ends_on = date(2024, 1, 1), date(2025, 12, 31)
    plan(session)
    assert len(runs(session)) == planning.MOST_PERIODS
    plan(session)
    assert len(runs(session)) == 731


def test_a_paused_task_is_not_planned(session: Session, scene: Scene) -> None:
    scene.task.paused_at = datetime(2026, 4, 1, tzinfo=UTC)
    plan(session)
    assert runs(session) == []


def _days(session: Session) -> list[int]:
    return [(run.period_start - START).days for run in runs(session)]


def test_earlier_days_are_added_before_the_first_run(session: Session, scene: Scene) -> None:
    plan(session)
    scene.task.starts_on = START - timedelta(days=2)
    planning.plan_anew(session, scene.task)
    session.commit()
    assert _days(session) == [-2, -1, 0, 1]


def test_days_that_were_left_out_come_back_and_delivered_ones_stay(session: Session, scene: Scene) -> None:
    scene.task.ends_on = START + timedelta(days=5)
    plan(session)
    runs(session)[1].state = "delivered"
    scene.task.starts_on, scene.task.ends_on = START + timedelta(days=3), START + timedelta(days=4)
    planning.plan_anew(session, scene.task)
    session.commit()
    assert _days(session) == [1, 3, 4]
    scene.task.starts_on, scene.task.ends_on = START, START + timedelta(days=5)
    planning.plan_anew(session, scene.task)
    plan(session)
    assert _days(session) == [0, 1, 2, 3, 4, 5]


def test_another_interval_goes_on_after_the_last_run(session: Session, scene: Scene) -> None:
    plan(session)
    scene.task.interval, scene.task.ends_on = "weekly", START + timedelta(days=8)
    planning.plan_anew(session, scene.task)
    plan(session)
    assert [(run.period_start, run.period_end) for run in runs(session)][1:] == [
        (START + timedelta(days=1), START + timedelta(days=2)),
        (START + timedelta(days=2), START + timedelta(days=9)),
    ]
