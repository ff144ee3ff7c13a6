"""Corrections: what arrives or changes after a file was built becomes a numbered revision, or is shown as pending."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import changes, driver_cards
from portal.charging.coverage import cover
from portal.charging.models import DriverCard, EnergyChange
from portal.core.config import Settings
from portal.core.errors import RuleBroken
from portal.core.vault import Vault
from portal.exports import claims, corrections, revisions
from portal.exports.models import ExportRun, ExportValue
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import BEGINS_AT, Scene, charge, plan, runs, wake

Work = Callable[[], int]
DAY = timedelta(days=1)


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Any) -> Work:
    return lambda: scenes.work(session, settings, vault, sessions)


@pytest.fixture
def delivered(session: Session, scene: Scene, work: Work) -> list[ExportRun]:
    """Both days, delivered."""
    plan(session)
    work()
    return runs(session)


def late(session: Session, scene: Scene, wh: int = 250, hours: int = 10) -> None:
    """Energy that arrives after its day was delivered, as an import writes it."""
    at = BEGINS_AT + timedelta(hours=hours)
    charge(session, scene.connectors[0], at, wh)
    changes.note(session, [(scene.connectors[0].id, at, at + timedelta(minutes=15))])
    session.commit()


def revised(session: Session) -> list[tuple[int, int, str, str]]:
    return [(run.period_start.day, run.revision, run.kind, run.state) for run in runs(session)]


def test_late_energy_is_sent_as_the_next_revision(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    scene.task.corrections = "automatic"
    scene.formatter.settings = {"file_name": "{period_start}-{revision}.csv"}
    late(session, scene)
    plan(session)
    work()
    assert revised(session) == [
        (28, 0, "schedule", "delivered"),
        (28, 1, "correction", "delivered"),
        (29, 0, "schedule", "delivered"),
    ]
    before, after = runs(session)[:2]
    assert after.energy_wh == (before.energy_wh or 0) + 250
    assert len(scene.files()) == 3


def test_a_correction_waits_for_its_confirmation(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    late(session, scene)
    plan(session)
    assert work() == 0
    proposed = runs(session)[1]
    assert (proposed.state, proposed.reason) == ("proposed", {"code": "correction", "meters": 1, "difference_wh": 250})
    revisions.confirm(session, scene.owner, proposed)
    work()
    assert revised(session)[1] == (28, 1, "request", "delivered")


def test_by_its_rule_a_task_sets_corrections_aside_and_they_can_be_sent_all_the_same(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    scene.task.corrections = "never"
    late(session, scene)
    plan(session)
    assert (work(), runs(session)[1].state) == (0, "set_aside")
    revisions.export_again(session, scene.owner, runs(session)[1])
    work()
    assert runs(session)[1].state == "delivered"


def test_the_report_names_each_meter_with_before_and_after(
    session: Session, scene: Scene, delivered: list[ExportRun]
) -> None:
    late(session, scene)
    plan(session)
    (delta,) = corrections.report(session, runs(session)[1])
    assert (delta.before.energy_wh, delta.after.energy_wh, delta.difference_wh) == (1500, 1750, 250)
    assert delta.before.meter == "Centro · 1"


def test_values_that_are_again_as_they_were_sent_leave_nothing_to_correct(
    session: Session, scene: Scene, delivered: list[ExportRun]
) -> None:
    late(session, scene)
    plan(session)
    assert len(runs(session)) == 3
    session.execute(sa.text("DELETE FROM quarter_hour WHERE energy_wh = 250"))
    changes.note(session, [(scene.connectors[0].id, BEGINS_AT, BEGINS_AT + DAY)])
    session.commit()
    plan(session)
    assert len(runs(session)) == 2


def test_what_changes_while_a_correction_waits_is_in_it(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    late(session, scene)
    plan(session)
    late(session, scene, 100, 12)
    plan(session)
    assert [run.reason.get("difference_wh") for run in runs(session)] == [None, 350, None]
    revisions.set_aside(session, scene.owner, runs(session)[1])
    session.commit()
    late(session, scene, 40, 13)
    plan(session)
    assert (runs(session)[1].state, runs(session)[1].reason["difference_wh"]) == ("proposed", 390)


def test_a_correction_that_is_equal_by_the_time_it_is_built_is_not_sent(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    scene.task.corrections = "automatic"
    late(session, scene)
    plan(session)
    session.execute(sa.text("DELETE FROM quarter_hour WHERE energy_wh = 250"))
    session.commit()
    work()
    run = runs(session)[1]
    assert (run.state, run.reason, run.files) == ("set_aside", {"code": "no_difference"}, [])


def test_coverage_that_arrives_late_turns_missing_into_measured(session: Session, scene: Scene, work: Work) -> None:
    session.execute(sa.text("DELETE FROM coverage"))
    scene.task.trigger, scene.task.hours_after_end, scene.task.corrections = "hours_after_end", 0, "automatic"
    plan(session)
    work()
    assert runs(session)[0].quarters_missing
    cover(session, [connector.id for connector in scene.connectors], BEGINS_AT, BEGINS_AT + 2 * DAY, None)
    session.commit()
    plan(session)
    work()
    assert [(run.revision, run.quarters_missing) for run in runs(session) if run.revision] == [(1, 0), (1, 0)]


def test_a_run_under_construction_keeps_the_note_until_it_is_built(session: Session, scene: Scene, work: Work) -> None:
    plan(session)
    held = claims.claim(session, "a worker that reads just now")
    session.commit()
    late(session, scene)
    corrections.mark(session)
    session.commit()
    assert session.scalar(sa.select(sa.func.count(EnergyChange.id))) == 1
    session.execute(sa.update(ExportRun).values(state="due"))
    wake(session)
    work()
    plan(session)
    assert held is not None
    assert session.scalar(sa.select(sa.func.count(EnergyChange.id))) == 0


def test_revisions_of_a_period_go_out_in_their_order(
    session: Session, scene: Scene, delivered: list[ExportRun]
) -> None:
    delivered[0].state = "due"
    revisions.export_again(session, scene.owner, delivered[1])
    corrections.add_revision(session, delivered[0], corrections.RunKind.REQUEST, corrections.RunState.DUE, {})
    session.commit()
    first = claims.claim(session, "first")
    session.commit()
    second = claims.claim(session, "second")
    session.commit()
    assert first is not None
    assert second is not None
    assert claims.claim(session, "third") is None
    taken = {session.get_one(ExportRun, held.run_id).revision for held in (first, second)}
    assert taken == {0, 1}


def test_a_meter_that_came_to_the_group_later_is_no_correction(
    session: Session, scene: Scene, delivered: list[ExportRun]
) -> None:
    session.execute(sa.delete(ExportValue).where(ExportValue.connector_id == scene.connectors[0].id))
    late(session, scene)
    plan(session)
    assert len(runs(session)) == 2


def test_a_period_is_exported_again_once_at_a_time(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    revisions.export_again(session, scene.owner, delivered[0])
    session.commit()
    with pytest.raises(RuleBroken):
        revisions.export_again(session, scene.owner, delivered[0])
    session.rollback()
    work()
    assert revised(session)[:2] == [(28, 0, "schedule", "delivered"), (28, 1, "request", "delivered")]


def test_everything_from_a_day_on_is_exported_again(session: Session, scene: Scene, delivered: list[ExportRun]) -> None:
    assert revisions.export_again_from(session, scene.owner, scene.task, delivered[1].period_start) == 1
    assert [run.revision for run in runs(session) if run.state == "due"] == [1]


def test_an_old_revision_is_not_sent_again_after_a_newer_one(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    revisions.export_again(session, scene.owner, delivered[0])
    work()
    with pytest.raises(RuleBroken, match="later revision"):
        revisions.send_again(session, scene.owner, runs(session)[0])


def test_the_same_bytes_take_the_place_of_what_lies_there(
    session: Session, scene: Scene, delivered: list[ExportRun], work: Work
) -> None:
    name, before = delivered[0].files[0].name, scene.files()
    (scene.folder / name).write_bytes(b"spoilt")
    revisions.send_again(session, scene.owner, delivered[0])
    work()
    assert scene.files() == before
    assert [run.replaces for run in runs(session)] == [False, False]


def test_several_periods_of_a_backlog_go_into_one_file(session: Session, scene: Scene, work: Work) -> None:
    scene.task.periods_per_file = 5
    plan(session)
    work()
    (run,) = runs(session)
    assert (run.period_start.day, run.last_day.day, run.state) == (28, 29, "delivered")
    assert session.scalar(sa.select(sa.func.count()).select_from(ExportValue)) == 4
    assert run.energy_wh == 4210


def test_energy_that_moves_to_another_day_of_a_files_period_is_a_correction(
    session: Session, scene: Scene, work: Work
) -> None:
    scene.task.interval, scene.task.corrections = "monthly", "automatic"
    scene.formatter.settings = {"files": "day", "file_name": "{day}-{revision}.csv"}
    plan(session)
    work()
    moved = sa.text("UPDATE quarter_hour SET starts_at = :to WHERE energy_wh = 70")
    session.execute(moved, {"to": _stamp(session, BEGINS_AT + timedelta(hours=2))})
    changes.note(session, [(scene.connectors[0].id, BEGINS_AT, BEGINS_AT + 2 * DAY)])
    session.commit()
    plan(session)
    work()
    assert [(run.revision, run.energy_wh) for run in runs(session)] == [(0, 1570 + 2640), (1, 1570 + 2640)]
    assert [delta.only_spread for delta in corrections.report(session, runs(session)[1])] == [True]


def _stamp(session: Session, instant: datetime) -> datetime | str:
    """An instant as the engine compares it in bare SQL."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    return instant if postgresql else f"{instant:%Y-%m-%d %H:%M:%S.%f}"


@pytest.mark.parametrize("files", ["task", "day", "meter_and_day"])
def test_in_whatever_parts_it_was_written_unchanged_energy_is_no_correction(
    session: Session, scene: Scene, work: Work, files: str
) -> None:
    scene.task.interval = "monthly"
    names = {"task": "{period_start}.csv", "day": "{day}.csv", "meter_and_day": "{meter}-{day}.csv"}
    scene.formatter.settings = {"files": files, "file_name": names[files], "per": "quarter"}
    plan(session)
    work()
    changes.note(session, [(connector.id, BEGINS_AT, BEGINS_AT + 2 * DAY) for connector in scene.connectors])
    session.commit()
    plan(session)
    assert [(run.revision, run.state, run.compare) for run in runs(session)] == [(0, "delivered", False)]


def test_late_energy_corrects_every_later_reading_of_the_running_register(
    session: Session, scene: Scene, work: Work
) -> None:
    scene.task.corrections = "automatic"
    columns = ["identifier", "period_start", "register_kwh"]
    scene.formatter.settings = {"file_name": "{period_start}-{revision}.csv", "columns": columns}
    plan(session)
    work()
    late(session, scene)
    plan(session)
    work()
    assert [(run.period_start.day, run.revision) for run in runs(session)] == [(28, 0), (28, 1), (29, 0), (29, 1)]
    readings = {name: content.splitlines()[1].split(b";")[2] for name, content in scene.files().items()}
    assert readings["20260329-1.csv"] == b"1.820"


def test_a_card_that_is_assigned_afterwards_brings_its_energy_to_its_driver(
    session: Session, scene: Scene, work: Work
) -> None:
    known = world.account(session, "driver@demo.example")
    scene.task.scope, scene.task.user_id, scene.task.corrections = "driver", known.id, "automatic"
    scene.formatter.settings = {"file_name": "{period_start}-{revision}.csv"}
    fleet = scenes.add_driver(session, scene.owner, known.email)
    charge(session, scene.connectors[1], BEGINS_AT + timedelta(hours=2), 333, driver=fleet)
    charge(session, scene.connectors[0], BEGINS_AT + timedelta(hours=10), 250).card = "04:a2:1b:7c"
    session.commit()
    plan(session)
    work()
    assert [run.energy_wh for run in runs(session)] == [333, 0]
    driver_cards.assign(session, scene.owner, "04A21B7C", fleet)
    session.commit()
    plan(session)
    work()
    assert [(run.revision, run.energy_wh) for run in runs(session)] == [(0, 333), (1, 583), (0, 0)]
    driver_cards.take_back(session, scene.owner, session.scalars(sa.select(DriverCard)).one())
    session.commit()
    plan(session)
    work()
    assert [(run.revision, run.energy_wh) for run in runs(session)] == [(0, 333), (1, 583), (2, 333), (0, 0)]
