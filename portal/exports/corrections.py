"""Corrections: values that arrived or changed after a file was built lead to a numbered revision of its period.

What writes energy notes a span (`charging.changes`). The scheduler first marks the built runs that overlap it, then
looks at each of them. Nothing is lost in between: a run that is being built keeps the note back until it is built, and
one that is claimed later reads the new values itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from portal.charging.models import EnergyChange
from portal.core import background, clock
from portal.exports import rights, values, webhooks
from portal.exports.models import Corrections, ExportRun, ExportTask, Formatter, RunKind, RunState
from portal.exports.writers import tells_register
from portal.stations.models import Connector, StationGroupStation

MOST_CHANGES, MOST_TASKS, MOST_RUNS = 500, 200, 50  # a look: the next one comes seconds later
STATES = {
    Corrections.AUTOMATIC: RunState.DUE,
    Corrections.CONFIRM: RunState.PROPOSED,
    Corrections.NEVER: RunState.SET_ASIDE,
}


def mark(session: Session) -> int:
    """Mark the built runs that noted changes of energy may concern, and say how many notes were looked at."""
    table = EnergyChange
    noted = sa.select(table.id).order_by(table.id).limit(MOST_CHANGES).with_for_update(skip_locked=True)
    ids = set(session.scalars(noted))
    if not ids:
        return 0
    building, built = set(), set()
    for change_id, run_id, state, built_at in session.execute(_touched(session, ids)):
        if built_at is not None:
            built.add(run_id)
        elif state == RunState.WORKING:
            building.add(change_id)
    marked = sa.update(ExportRun).where(ExportRun.id.in_(built)).values(compare=True)
    session.execute(marked.execution_options(synchronize_session=False))
    session.execute(sa.delete(table).where(table.id.in_(ids - building)))
    return len(ids)


def _touched(session: Session, ids: Iterable[int]) -> sa.Select[int, int, str, datetime | None]:
    """Each change with the runs whose files it concerns: of its time, and every later one where they tell the running
    register, which holds all that was before."""
    change, run = EnergyChange, ExportRun
    used = _exporting(sa.select(ExportTask.formatter_id)).where(change.id.in_(ids))
    formatters = session.scalars(sa.select(Formatter).where(Formatter.id.in_(used)))
    running = [formatter.id for formatter in formatters if tells_register(formatter)]
    reached = sa.or_(run.starts_at <= change.ends_at, ExportTask.formatter_id.in_(running))
    runs = sa.select(change.id, run.id, run.state, run.built_at).select_from(ExportTask)
    return _exporting(runs.join(run, run.task_id == ExportTask.id)).where(
        change.id.in_(ids), run.ends_at > change.starts_at, reached
    )


def _exporting(query: sa.Select) -> sa.Select:  # type: ignore[type-arg]  # keeps its columns
    """With the tasks of a query the changes of what they export."""
    inside = StationGroupStation.station_group_id == ExportTask.station_group_id
    return (
        query.join(StationGroupStation, inside)
        .join(Connector, Connector.station_id == StationGroupStation.station_id)
        .join(EnergyChange, EnergyChange.connector_id == Connector.id)
    )


def look(session: Session) -> int:
    """Look at marked runs, make, refresh or drop their corrections, and say how many runs were looked at. Those of a
    task whose owner may not export any more keep their mark until he may: he learns nothing new meanwhile."""
    marked = sa.select(ExportRun.task_id).where(ExportRun.compare).distinct()
    # In any order: tasks that have stopped must not stand in the way of the others for ever.
    chosen = sa.select(ExportTask).where(ExportTask.id.in_(marked)).order_by(sa.func.random()).limit(MOST_TASKS)
    tasks = session.scalars(chosen).all()
    if not tasks:
        return 0
    stopped = rights.stops(session, tasks)
    open_ids = [task.id for task in tasks if task.id not in stopped]
    runs = sa.select(ExportRun).where(ExportRun.compare, ExportRun.task_id.in_(open_ids))
    runs = runs.order_by(ExportRun.task_id, ExportRun.period_start, ExportRun.revision).limit(MOST_RUNS)
    found = session.scalars(runs.with_for_update(skip_locked=True)).all()
    for run in found:
        _look_at(session, run)
    return len(found)


def _look_at(session: Session, run: ExportRun) -> None:
    run.compare = False
    newest = session.scalars(_revisions(run).order_by(ExportRun.revision.desc())).all()
    built = next((one for one in newest if one.built_at is not None), None)
    if built is None or built.id != run.id:
        return  # a later revision said something else meanwhile, and is marked itself
    waiting = next((one for one in newest if one.built_at is None), None)
    found = values.deltas(values.stored(session, run.id), values.present(session, run))
    if waiting is not None:
        _refresh(session, waiting, found)
    elif found:
        _propose(session, run, found)


def _revisions(run: ExportRun) -> sa.Select[ExportRun]:
    return sa.select(ExportRun).where(ExportRun.task_id == run.task_id, ExportRun.period_start == run.period_start)


def _refresh(session: Session, waiting: ExportRun, found: Sequence[values.Delta]) -> None:
    """The correction that waits says what there is to correct now; none where all is again as it was sent."""
    if waiting.kind != RunKind.CORRECTION or waiting.state not in (RunState.PROPOSED, RunState.SET_ASIDE):
        return
    if not found:
        session.delete(waiting)
        return
    rule = Corrections(waiting.task.corrections)
    waiting.state, waiting.reason = STATES[rule].value, _reason(found)
    values.keep(session, waiting.id, (delta.after for delta in found))


def _propose(session: Session, run: ExportRun, found: Sequence[values.Delta]) -> None:
    state = STATES[Corrections(run.task.corrections)]
    made = add_revision(session, run, RunKind.CORRECTION, state, _reason(found))
    if made is not None:
        values.keep(session, made, (delta.after for delta in found))
        told = {name: value for name, value in _reason(found).items() if name != "code"}
        webhooks.note(session, run, "correction", next_revision=run.revision + 1, state=state.value, **told)


def add_revision(
    session: Session,
    run: ExportRun,
    kind: RunKind,
    state: RunState,
    reason: dict[str, Any],
    started_by_id: int | None = None,
) -> int | None:
    """The next revision of a run's period, unbuilt, by its id; None where somebody else has just made it."""
    same = ("task_id", "period_start", "period_end", "starts_at", "ends_at", "interval")
    row = {name: getattr(run, name) for name in same} | {
        "revision": run.revision + 1,
        "kind": kind.value,
        "state": state.value,
        "reason": reason,
        "not_before": clock.now(),
        "started_by_id": started_by_id,
    }
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    keys = ["task_id", "period_start", "revision"]
    added = insert(ExportRun).values(row).on_conflict_do_nothing(index_elements=keys).returning(ExportRun.id)
    made = session.scalar(added)
    if made is not None and state == RunState.DUE:
        background.ring_after_commit(session, "exports")
    return made


def _reason(found: Sequence[values.Delta]) -> dict[str, Any]:
    return {
        "code": "correction",
        "meters": len({(delta.before.connector_id, delta.before.position) for delta in found}),
        "difference_wh": sum(delta.difference_wh for delta in found),
    }


def sent_before(session: Session, run: ExportRun) -> ExportRun | None:
    """The revision that a run corrects: the last one before it that was built."""
    if run.revision == 0:
        return None
    earlier = _revisions(run).where(ExportRun.revision < run.revision, ExportRun.built_at.is_not(None))
    return session.scalars(earlier.order_by(ExportRun.revision.desc()).limit(1)).one_or_none()


def differs(session: Session, run: ExportRun, now: Iterable[values.Value]) -> bool:
    """Whether these values are others than what the revision before the run said."""
    before = sent_before(session, run)
    return before is None or bool(values.deltas(values.stored(session, before.id), now))


def report(session: Session, run: ExportRun) -> Sequence[values.Delta]:
    """What a revision corrects, meter by meter. Before it is built that is what the last look found, so that a page
    reads a few rows and no month of quarter hours. Empty for a first delivery, and where nothing differs any more."""
    before = sent_before(session, run)
    if before is None or run.reason.get("code") == "no_difference":
        return []
    return values.deltas(values.stored(session, before.id), values.stored(session, run.id).values())
