"""How long files and runs are kept: chores of the scheduler, without Flask.

The bytes of a delivered run go after a time, once what follows it is delivered; size and checksum stay. The run itself
goes long after, with all that hangs on it. What was not delivered stays until somebody has mended or decided it.
"""

import logging
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.links import Links
from portal.core import clock, process
from portal.core.files import StoredFile
from portal.exports.models import ExportFile, ExportRun, ExportTask, RunState

log = logging.getLogger(__name__)
MOST_FILES, MOST_RUNS = 500, 100  # a look
LOOK_EVERY = timedelta(hours=6)
OVER = (RunState.DELIVERED, RunState.SET_ASIDE)


class ClearFiles:
    """The chore that clears bytes. It walks over the stored files from the oldest on, MOST_FILES a tick, up to the
    first that is too young, and begins again after LOOK_EVERY."""

    def __init__(self) -> None:
        self._behind, self._next_look = 0, clock.now()

    def __call__(self, session: Session, _links: Links) -> int:
        if clock.now() < self._next_look:
            return 0
        limit = clock.now() - timedelta(days=process.context()[0].keep_export_files_days)
        behind, cleared = clear_files(session, limit, self._behind)
        if behind is None:
            self._next_look = clock.now() + LOOK_EVERY
        self._behind = behind or 0
        return cleared


def clear_files(session: Session, limit: datetime, behind: int = 0) -> tuple[int | None, int]:
    """Clear the bytes of runs delivered before `limit`, among the next MOST_FILES files behind the one with this id.
    Gives the id to go on behind, None where the walk is over, and how many were cleared."""
    next_ones = (
        sa.select(ExportFile.file_id, ExportFile.run_id, StoredFile.created_at)
        .join(StoredFile, StoredFile.id == ExportFile.file_id)
        .where(ExportFile.file_id > behind)
        .order_by(ExportFile.file_id)
        .limit(MOST_FILES)
    )
    found = [row for row in session.execute(next_ones) if row.created_at <= limit]
    runs = sa.select(ExportRun.id).where(ExportRun.id.in_({row.run_id for row in found}), *_is_succeeded(limit))
    # Locked: whoever sends one of them again at this moment comes before or after.
    old = set(session.scalars(runs.with_for_update(skip_locked=True)))
    ids = [row.file_id for row in found if row.run_id in old]
    _discard(session, ids)
    return (found[-1].file_id if len(found) == MOST_FILES else None), len(ids)


def _is_succeeded(limit: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of a delivered run whose bytes nobody needs here any more: the next period of the task is
    delivered, and every later revision of its own but those that are set aside."""
    following, later = aliased(ExportRun), aliased(ExportRun)
    same = (later.task_id == ExportRun.task_id, later.period_start == ExportRun.period_start)
    return (
        ExportRun.state == RunState.DELIVERED,
        ExportRun.delivered_at <= limit,
        sa.exists().where(
            following.task_id == ExportRun.task_id,
            following.period_start == ExportRun.period_end,
            following.state == RunState.DELIVERED,
        ),
        ~sa.exists().where(*same, later.revision > ExportRun.revision, later.state.not_in(OVER)),
    )


def forget_old_runs(session: Session, _links: Links) -> int:
    """`forget_runs` of what is older than the setting says: the chore."""
    return forget_runs(session, clock.now() - timedelta(days=process.context()[0].keep_export_runs_days))


def forget_runs(session: Session, limit: datetime) -> int:
    """Delete up to MOST_RUNS runs that were over before `limit`, with their attempts, values and files, and say how
    many. They go from a task's first period on, and its first day moves behind them: nothing is planned there again.
    A period stays until the one after it is delivered, so that the last delivered one of a task always does."""
    found = session.execute(_old(limit).limit(MOST_RUNS).with_for_update(skip_locked=True)).all()
    if not found:
        return 0
    runs = {row.id for row in found}
    files = sa.select(ExportFile.file_id).where(ExportFile.run_id.in_(runs), ExportFile.file_id.is_not(None))
    _discard(session, list(session.scalars(files)))
    session.execute(sa.delete(ExportRun).where(ExportRun.id.in_(runs)))
    for task_id, end in {row.task_id: row.period_end for row in found}.items():
        moved = sa.update(ExportTask).where(ExportTask.id == task_id, ExportTask.starts_on < end)
        session.execute(moved.values(starts_on=end).execution_options(synchronize_session=False))
    log.info("%s old export runs were deleted", len(runs))
    return len(runs)


def _old(limit: datetime) -> sa.Select[int, int, date]:
    run, earlier, same, later = ExportRun, aliased(ExportRun), aliased(ExportRun), aliased(ExportRun)
    of_task = [other.task_id == run.task_id for other in (earlier, same, later)]
    still = sa.or_(same.state.not_in(OVER), sa.func.coalesce(same.delivered_at, same.created_at) > limit)
    return (
        sa.select(run.id, run.task_id, run.period_end)
        .where(run.state.in_(OVER), run.not_before <= limit)  # by the index; a run is over after that
        .where(sa.func.coalesce(run.delivered_at, run.created_at) <= limit)
        .where(~sa.exists().where(of_task[0], earlier.period_start < run.period_start))
        .where(~sa.exists().where(of_task[1], same.period_start == run.period_start, still))
        .where(sa.exists().where(of_task[2], later.period_start == run.period_end, later.state == RunState.DELIVERED))
    )


def _discard(session: Session, file_ids: list[int]) -> None:
    for first in range(0, len(file_ids), MOST_FILES):
        some = StoredFile.id.in_(file_ids[first : first + MOST_FILES])
        session.execute(sa.delete(StoredFile).where(some).execution_options(synchronize_session=False))
