"""`flask --app wsgi export ...`: run a task from the server."""

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts.models import Account
from portal.core.config import Settings
from portal.core.db import db, session_factory, writing
from portal.core.errors import RuleBroken
from portal.delivery import commands as vault
from portal.exports import jobs, notices, operations
from portal.exports.models import ExportRun, ExportTask, RunState

group = AppGroup("export", help="Automatic exports.")
vault.FURTHER.append(notices.seal_anew)


@group.command("run")
@click.argument("task")
@click.option("--owner", help="E-mail address of the task's owner, where TASK is its name.")
def run(task: str, owner: str | None) -> None:
    """Plan the task TASK (its number, or its name with --owner) and deliver what is due, here and now.

    Prints a line per period that is not delivered before; ends with 1 when one of them failed.
    """
    with writing():
        session = db.session()
        found = _task(session, task, owner)
        task_id = found.id
        delivered = set(session.scalars(_ids(task_id).where(ExportRun.state == RunState.DELIVERED)))
        try:
            operations.run_now(session, found.owner, found)
        except RuleBroken as broken:
            raise click.ClickException(str(broken)) from None
        session.commit()  # and nothing is read from here on: no transaction while servers are talked to
    settings: Settings = current_app.extensions["settings"]
    jobs.run_due(session_factory(settings.database_url), settings, current_app.extensions["vault"], task_id=task_id)
    worked = [run_id for run_id in session.scalars(_ids(task_id)) if run_id not in delivered]
    failed = [_tell(session.get_one(ExportRun, run_id)) for run_id in worked]
    if not failed:
        click.echo("Nothing was to be done.")
    if any(failed):
        raise SystemExit(1)


def _task(session: Session, text: str, owner: str | None) -> ExportTask:
    query = sa.select(ExportTask)
    if owner is None:
        if not text.isdigit():
            raise click.ClickException("Give the number of the task, or its name with --owner EMAIL.")
        query = query.where(ExportTask.id == int(text))
    else:
        query = query.join(Account, Account.id == ExportTask.owner_id)
        query = query.where(ExportTask.name == text, Account.email == emails.normalise(owner))
    found = session.scalar(query)
    if found is None:
        raise click.ClickException(f"There is no task {text}.")
    return found


def _ids(task_id: int) -> sa.Select[int]:
    return sa.select(ExportRun.id).where(ExportRun.task_id == task_id).order_by(ExportRun.period_start)


def _tell(run: ExportRun) -> bool:
    """Print the run's line; whether it failed."""
    words = run.reason.get("message") or run.reason.get("code") or ", ".join(file.name for file in run.files)
    click.echo(f"{run.period_start} to {run.last_day}  {run.state}  {words}")
    return run.reason.get("code") == "failed"
