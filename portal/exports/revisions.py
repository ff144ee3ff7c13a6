"""What people do with a single period: try again, send again, export again, confirm a correction or set it aside."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, background, clock
from portal.core.errors import RuleBroken
from portal.exports import corrections
from portal.exports.models import AT_REST, ExportFile, ExportRun, ExportTask, RunKind, RunState

MOST_AT_ONCE = 1000
ON_ITS_WAY = (RunState.WORKING, RunState.UPLOADED)


def retry(session: Session, actor: Account, run: ExportRun) -> None:
    """Try a failed run again: the renames alone where its temporary files may still stand, else from the upload on.
    RuleBroken when it has not failed."""
    if not retry_where(session, ExportRun.id == run.id, actor):
        raise RuleBroken("", "This period has not failed.")
    background.ring_after_commit(session, "exports")
    _record(session, actor, "run.retried", run)


def retry_where(session: Session, which: sa.ColumnElement[bool], actor: Account) -> int:
    """Let the failed runs of a condition be due again, and say how many they are."""
    not_aside = ExportFile.temporary_name.is_(None) & ExportFile.published_at.is_(None)
    missing = sa.exists().where(ExportFile.run_id == ExportRun.id, not_aside)
    some = sa.exists().where(ExportFile.run_id == ExportRun.id)
    again = sa.case((sa.and_(some, ~missing), RunState.UPLOADED.value), else_=RunState.DUE.value)
    values = {"state": again, "failures": 0, "not_before": clock.now(), "started_by_id": actor.id, "reason": {}}
    return changed(session, sa.update(ExportRun).where(which, ExportRun.state == RunState.FAILED).values(**values))


def send_again(session: Session, actor: Account, run: ExportRun) -> None:
    """Send the files of a delivered run once more: the same bytes under the same names, in place of what still lies
    there. RuleBroken when there is a later delivery of the period, or its files are no longer kept."""
    if run.state != RunState.DELIVERED:
        raise RuleBroken("", "This period is not delivered yet.")
    later = sa.select(ExportRun.id).where(
        ExportRun.task_id == run.task_id,
        ExportRun.period_start == run.period_start,
        ExportRun.revision > run.revision,
        ExportRun.state == RunState.DELIVERED,
    )
    if session.scalar(later.limit(1)) is not None:
        raise RuleBroken("", "A later revision of this period was delivered. Send that one again.")
    lost = sa.select(ExportFile.id).where(ExportFile.run_id == run.id, ExportFile.file_id.is_(None))
    if run.built_at is None or session.scalar(lost.limit(1)) is not None:
        raise RuleBroken("", "Its files are no longer kept here. Export the period again instead.")
    values: dict[str, Any] = {"state": RunState.DUE.value, "unconfirmed": False, "delivered_at": None, "replaces": True}
    values |= {"not_before": clock.now(), "started_by_id": actor.id}
    if not changed(
        session,
        sa.update(ExportRun).where(ExportRun.id == run.id, ExportRun.state == RunState.DELIVERED).values(**values),
    ):
        raise RuleBroken("", "Somebody else has just sent it again.")
    nothing_there = {"temporary_name": None, "uploaded_to": None, "published_at": None}
    changed(session, sa.update(ExportFile).where(ExportFile.run_id == run.id).values(**nothing_there))
    background.ring_after_commit(session, "exports")
    _record(session, actor, "run.sent_again", run)


def export_again(session: Session, actor: Account, run: ExportRun) -> None:
    """Build the period anew from the values of today, as its next revision. RuleBroken while one is on its way."""
    newest = _newest(session, run)
    if newest.state in AT_REST:
        _send(session, actor, newest)
    else:
        on_its_way = newest.built_at is None or newest.state in ON_ITS_WAY
        add = corrections.add_revision
        if on_its_way or add(session, newest, RunKind.REQUEST, RunState.DUE, {}, actor.id) is None:
            raise RuleBroken("", "A revision of this period is on its way already.")
    _record(session, actor, "run.exported_again", run)


def export_again_from(session: Session, actor: Account, task: ExportTask, first_day: date) -> int:
    """Export every period that ends after a day again, and say how many they are; those on their way are left alone.
    RuleBroken for more than 1,000."""
    ids = to_export_again(session, task, first_day)
    if len(ids) > MOST_AT_ONCE:
        raise RuleBroken("first_day", "At most %(most)s periods at once.", most=MOST_AT_ONCE)
    count = 0
    for run in session.scalars(sa.select(ExportRun).where(ExportRun.id.in_(ids)).order_by(ExportRun.period_start)):
        try:
            export_again(session, actor, run)
        except RuleBroken:
            continue
        count += 1
    return count


def to_export_again(session: Session, task: ExportTask, first_day: date) -> Sequence[int]:
    """The newest revisions of the periods that end after a day, but for those on their way."""
    newest = sa.select(sa.func.max(ExportRun.id)).where(ExportRun.task_id == task.id, ExportRun.period_end > first_day)
    over = sa.and_(ExportRun.built_at.is_not(None), ExportRun.state.not_in(ON_ITS_WAY))
    ready = sa.or_(ExportRun.state.in_(AT_REST), over)
    found = sa.select(ExportRun.id).where(ExportRun.id.in_(newest.group_by(ExportRun.period_start)), ready)
    return session.scalars(found).all()


def confirm(session: Session, actor: Account, run: ExportRun) -> None:
    """Let a proposed correction, or one that was set aside, be sent. RuleBroken for any other run."""
    if run.state not in AT_REST:
        raise RuleBroken("", "This correction does not wait for a decision any more.")
    _send(session, actor, run)
    _record(session, actor, "run.confirmed", run)


def set_aside(session: Session, actor: Account, run: ExportRun) -> None:
    """Do not send a proposed correction; it stays in the history, and comes back if values change once more."""
    values = {"state": RunState.SET_ASIDE.value, "reason": {**run.reason, "declined": True}}
    waits = (ExportRun.id == run.id, ExportRun.state == RunState.PROPOSED)
    if not changed(session, sa.update(ExportRun).where(*waits).values(**values)):
        raise RuleBroken("", "This correction does not wait for a decision any more.")
    _record(session, actor, "run.set_aside", run)


def _send(session: Session, actor: Account, run: ExportRun) -> None:
    values = {"state": RunState.DUE.value, "not_before": clock.now(), "started_by_id": actor.id, "reason": {}}
    values["kind"] = RunKind.REQUEST.value  # whoever asks for it gets it, even if nothing differs by then
    waits = (ExportRun.id == run.id, ExportRun.state.in_(AT_REST))
    if not changed(session, sa.update(ExportRun).where(*waits).values(**values)):
        raise RuleBroken("", "This correction does not wait for a decision any more.")
    background.ring_after_commit(session, "exports")


def _newest(session: Session, run: ExportRun) -> ExportRun:
    same = (ExportRun.task_id == run.task_id, ExportRun.period_start == run.period_start)
    return session.scalars(sa.select(ExportRun).where(*same).order_by(ExportRun.revision.desc()).limit(1)).one()


def changed(session: Session, statement: sa.Update) -> int:
    """Run an UPDATE past the session's rows, which are read anew afterwards; how many rows it changed."""
    done = session.execute(statement.execution_options(synchronize_session=False))
    session.expire_all()
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult


def _record(session: Session, actor: Account, action: str, run: ExportRun) -> None:
    task, period = run.task, run.period_start.isoformat()
    subject = f"export_task/{task.id}"
    told = {"name": task.name, "period": period, "revision": run.revision}
    audit.record(session, action, subject, actor_id=actor.id, owner_id=task.owner_id, **told)
