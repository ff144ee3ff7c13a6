"""What every crash test needs: many tasks, energy that arrives late, and the wait until everything has arrived."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import changes
from portal.charging.models import ChargingSession, EnergyChange, QuarterHour
from portal.charging.spreading import spread
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.exports.models import ExportRun, ExportTask, RunState
from tests.conftest import ENVIRONMENT
from tests.exports.crowd import Crowd
from tests.exports.scene import BEGINS_AT, QUARTER, START, Scene, charge, set_up
from tests.servers.sshd import Sshd


def environment(settings: Settings, *ports: int) -> dict[str, str]:
    """What a process of the portal is started with; it may deliver to these ports."""
    own = {
        "DATABASE_URL": settings.database_url,
        "DATA_DIR": str(settings.data_dir),
        "DELIVERY_ALLOWED_PORTS": ",".join(map(str, ports)),
    }
    return {**os.environ, **ENVIRONMENT, **own}


def many(session: Session, vault: Vault, sshd: Sshd, tasks: int, days: int) -> list[Scene]:
    """So many owners with a task each of so many days; every second one sends a file for each meter."""
    scenes = [set_up(session, vault, sshd, f"owner{number}") for number in range(tasks)]
    for number, scene in enumerate(scenes):
        scene.task.trigger, scene.task.hours_after_end = "hours_after_end", 1
        scene.task.corrections, scene.task.pause_after = "automatic", 100
        columns = {"columns": ["identifier", "period_start", "energy_kwh"], "stamps": "iso_local"}
        one = {"file_name": "{task}_{period_start}-r{revision}.csv", **columns}
        each = {"files": "meter", "file_name": "{meter}_{period_start}-r{revision}.csv", **columns}
        scene.formatter.settings = each if number % 2 else one
        scene.task.starts_on, scene.task.ends_on = START, START + timedelta(days=days - 1)
    session.commit()
    return scenes


def change_energy(session: Session, crowd: Crowd, scenes: list[Scene]) -> None:
    """A session arrives late, or one that was sent already is put right, as an import and a correction write them:
    the session itself with its quarter hours, some of them across a midnight."""
    chance, scene = crowd.chance, crowd.chance.choice(scenes)
    days = ((scene.task.ends_on or START) - START).days + 1
    connector = chance.choice(scene.connectors)
    at = BEGINS_AT + timedelta(hours=chance.randrange(days * 24 - 2))
    ends_at, energy_wh = at + chance.randrange(1, 9) * QUARTER, chance.randrange(9, 9000)
    if chance.random() < 0.6:
        row = charge(session, connector, at, *(wh for _at, wh in spread(at, ends_at, energy_wh)))
        crowd.faults["late energy"] += 1
    else:
        of = sa.select(ChargingSession).where(ChargingSession.connector_id == connector.id)
        row = chance.choice(session.scalars(of.order_by(ChargingSession.id)).all())
        changes.note(session, [(row.connector_id, row.started_at, row.ended_at)])
        if chance.random() < 0.5:
            row.started_at, row.ended_at = at, ends_at
        row.energy_wh = energy_wh
        _make_quarters_anew(session, row)
        crowd.faults["changed energy"] += 1
    changes.note(session, [(row.connector_id, row.started_at, row.ended_at)])
    session.commit()


def _make_quarters_anew(session: Session, row: ChargingSession) -> None:
    session.execute(sa.delete(QuarterHour).where(QuarterHour.session_id == row.id))
    for at, wh in spread(row.started_at, row.ended_at, row.energy_wh):
        quarter = {"connector_id": row.connector_id, "starts_at": at, "session_id": row.id, "energy_wh": wh}
        session.add(QuarterHour(**quarter, quality="E"))
    session.flush()


def wait_until_over(
    session: Session,
    crowd: Crowd,
    periods: int,
    *,
    seconds: float,
    log: Path,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Until all these periods and their corrections are delivered; a failure when `seconds` pass without one more.
    `meanwhile` is called in every round."""
    limit, before = time.monotonic() + seconds, (-1, -1)
    run, task = ExportRun, ExportTask
    is_open = sa.or_(run.state.not_in((RunState.DELIVERED, RunState.SET_ASIDE)), run.compare)
    # One statement, and so one instant: between two of them the scheduler turns a note into a mark, seen by neither.
    noted = sa.select(sa.func.count(EnergyChange.id)).scalar_subquery()
    counted = sa.select(sa.func.count().filter(is_open) + noted, sa.func.count().filter(run.revision == 0))
    while time.monotonic() < limit:
        crowd.revive()
        if meanwhile:
            meanwhile()
        left, made = session.execute(counted.select_from(run)).one()
        session.rollback()
        if left == 0 and made == periods:
            return
        if (left, made) != before:
            limit, before = time.monotonic() + seconds, (left, made)
        time.sleep(0.2)
    told = (run.id, run.task_id, run.state, run.revision, run.failures, run.reason, run.compare, run.not_before)
    states = sa.select(*told, run.worker, run.lease_until).where(is_open).order_by(run.id)
    tasks = sa.select(task.id, task.failures, task.paused_at, task.paused_reason)
    lines = "\n".join(map(str, [*session.execute(tasks), *session.execute(states)]))
    pytest.fail(f"not over after {seconds} s, {before[1]} of {periods}:\n{lines}\n{log.read_text()[-3000:]}")
