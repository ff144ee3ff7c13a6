"""What failures mean for a task: when to try again, when to tell its owner, when to pause it."""

import random
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.config import Settings
from portal.core.errors import Sentence
from portal.exports import telling, waiting, webhooks
from portal.exports.models import ExportRun, ExportTask, RunState

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 6 * 3600
TOLD_AFTER = 3  # failures in a row: a server that restarts is no news
# Steps at which a server turned away the task and not one file: its other periods wait as well.
OF_THE_SERVER = ("resolve", "connect", "host_key", "certificate", "login", "directory")
# To try again unchanged is useless, and may lock the log-in at the receiver.
UNTIL_SOMEBODY_ACTS = ("host_key", "certificate", "login")


def count(
    session: Session, run: ExportRun, reason: dict[str, Any], message: Sentence, *, over: bool, settings: Settings
) -> datetime:
    """Count a failed attempt with the run's task, and say when the run is to be tried again.

    The task is paused after as many failures in a row as it says, or at once where only a human can mend it. Its owner
    is told once, at the third failure, at one that no retry mends, or at the pause; and again when it goes on.
    """
    task = _locked(session, run.task_id)
    task.failures += 1
    again_at = retry_at(task.failures)
    step = str(reason["step"])
    if step in OF_THE_SERVER:
        _rest(session, task, again_at)
    lasting = over and step in UNTIL_SOMEBODY_ACTS
    if task.paused_at is None and (lasting or task.failures >= task.pause_after):
        task.paused_at = clock.now()
        task.paused_reason = {**reason, "failures": task.failures}
        task.trouble_since = task.trouble_since or clock.now()
        telling.of_pause(session, run, message, settings.public_url)
        webhooks.note(session, run, "paused", step=step, failures=task.failures)
    elif task.trouble_since is None and (over or task.failures >= TOLD_AFTER):
        task.trouble_since = clock.now()
        telling.of_failure(session, run, message, settings.public_url, over=over)
    if over or task.failures == TOLD_AFTER:
        webhooks.note(session, run, "failed", step=step, given_up=over)
    return again_at


def over(session: Session, run: ExportRun, public_url: str) -> None:
    """After a delivery: nothing stands against the task; its owner hears of it where he heard of trouble, or that this
    period waits."""
    waited = waiting.was_told(session, run)
    if not run.task.failures and run.task.trouble_since is None and not waited:
        return
    task = _locked(session, run.task_id)
    since = task.trouble_since or (run.created_at if waited else None)
    if since is not None:
        telling.of_recovery(session, run, since, public_url)
        webhooks.note(session, run, "recovered", since=since.isoformat())
    task.failures, task.trouble_since = 0, None


def retry_at(failures: int) -> datetime:
    """When to try again: half a minute doubled with every failure, six hours at most, spread by a quarter so that the
    tasks of one broken server do not come back all at once."""
    wait = min(FIRST_WAIT_SECONDS * 2 ** min(failures - 1, 20), LONGEST_WAIT_SECONDS)
    return clock.now() + timedelta(seconds=wait * random.uniform(0.75, 1.25))  # noqa: S311  spreads load, hides nothing


def _locked(session: Session, task_id: int) -> ExportTask:
    """The task as it stands now, the caller's until his transaction ends: two workers at two of its runs count both."""
    query = sa.select(ExportTask).where(ExportTask.id == task_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _rest(session: Session, task: ExportTask, until: datetime) -> None:
    """No other period of the task is tried before."""
    states = (RunState.DUE, RunState.UPLOADED)
    others = (ExportRun.task_id == task.id, ExportRun.state.in_(states), ExportRun.not_before < until)
    session.execute(
        sa.update(ExportRun).where(*others).values(not_before=until).execution_options(synchronize_session=False)
    )
