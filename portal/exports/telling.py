"""Letters about exports to the owner of a task."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import letters
from portal.core.errors import Sentence
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.rights import STOPS


def of_failure(session: Session, run: ExportRun, message: Sentence, public_url: str) -> None:
    """Tell the owner that a run was given up, in the caller's transaction; once for all failed runs of a task, because
    a server that turned away one period turns away the next ones as well."""
    others = (ExportRun.task_id == run.task_id, ExportRun.state == RunState.FAILED, ExportRun.id != run.id)
    if session.scalar(sa.select(ExportRun.id).where(*others).limit(1)) is not None:
        return
    task = run.task
    letters.post(
        session,
        task.owner.email,
        task.owner.language,
        "export_failed",
        task=task.name,
        destination=task.destination.name,
        first_day=run.period_start.isoformat(),
        last_day=run.last_day.isoformat(),
        template=message.template,
        params=message.params,
        url=f"{public_url}/exports/tasks/{task.id}",
    )


def of_stop(session: Session, run: ExportRun, reason: Mapping[str, Any], public_url: str) -> None:
    """Tell the owner that he may no longer export what his task exports, where that is the reason; once until it goes
    on. The letter names the task alone: the station group may have another name and owner by now."""
    if reason.get("code") not in STOPS:
        return
    # Of two workers at two runs of the task the second one waits here, and finds what the first one wrote.
    session.execute(sa.select(ExportTask.id).where(ExportTask.id == run.task_id).with_for_update()).all()
    told = ExportRun.reason["code"].as_string().in_(STOPS)
    others = (ExportRun.task_id == run.task_id, ExportRun.state == RunState.WAITING, told)
    if session.scalar(sa.select(ExportRun.id).where(*others).limit(1)) is not None:
        return
    task = run.task
    values = {"task": task.name, "code": reason["code"], "side": reason.get("side", "")}
    url = f"{public_url}/exports/tasks/{task.id}"
    letters.post(session, task.owner.email, task.owner.language, "export_stopped", **values, url=url)
