"""Letters about exports to the owner of a task."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import letters
from portal.core.errors import Sentence
from portal.exports.models import ExportRun, RunState


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
