"""`flask --app wsgi export run`."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from portal.charging.models import Coverage
from tests.exports.scene import Scene, plan, runs


def _run(app: Flask, *arguments: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=["export", "run", *arguments])
    return done.exit_code, done.output


def test_it_plans_delivers_and_prints_each_period(session: Session, scene: Scene, app: Flask) -> None:
    code, output = _run(app, str(scene.task.id))
    assert code == 0, output
    assert output.count("delivered") == 2
    assert len(scene.files()) == 2


def test_a_second_run_has_nothing_to_do(session: Session, scene: Scene, app: Flask) -> None:
    _run(app, str(scene.task.id))
    assert _run(app, "Monthly to IS-E", "--owner", scene.owner.email) == (0, "Nothing was to be done.\n")


def test_a_waiting_period_is_no_error(session: Session, scene: Scene, app: Flask) -> None:
    session.query(Coverage).delete()
    session.commit()
    code, output = _run(app, str(scene.task.id))
    assert (code, output.count("waiting  values")) == (0, 2)


def test_a_failure_ends_with_1_and_the_servers_words(session: Session, scene: Scene, app: Flask) -> None:
    scene.destination.directory = "nowhere"
    session.commit()
    code, output = _run(app, str(scene.task.id))
    assert code == 1
    assert "nowhere" in output


def test_it_works_off_that_task_alone(session: Session, scene: Scene, app: Flask) -> None:
    plan(session)
    code, _ = _run(app, "999")
    assert code == 1
    assert {run.state for run in runs(session)} == {"due"}


@pytest.mark.parametrize("arguments", [("Monthly to IS-E",), ("Monthly to IS-E", "--owner", "nobody@demo.example")])
def test_an_unknown_task_is_said_so(scene: Scene, app: Flask, arguments: tuple[str, ...]) -> None:
    code, output = _run(app, *arguments)
    assert code == 1
    assert "Error: " in output
