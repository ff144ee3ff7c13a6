"""Letters about exports to the owner of a task."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import letters, mail
from portal.core.errors import Sentence
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.rights import STOPS, stops
from portal.formats.rows import LABELS

NAMED = ("code", "meter", "lacking", "of", "user", "destination", "name", "side", "message", "template", "params")


def of_failure(session: Session, run: ExportRun, message: Sentence, public_url: str, *, over: bool) -> None:
    """Tell the owner that a period could not be delivered, in the caller's transaction. `over`: it is given up."""
    _of_run(session, run, "export_failed", public_url, over=over, template=message.template, params=message.params)


def of_pause(session: Session, run: ExportRun, message: Sentence, public_url: str) -> None:
    """Tell the owner that his task was paused after failures, and by which one."""
    told = {"failures": run.task.failures, "template": message.template, "params": message.params}
    _of_run(session, run, "export_paused", public_url, **told)


def of_recovery(session: Session, run: ExportRun, since: datetime, public_url: str) -> None:
    """Tell the owner that his task delivers again, after he was told of trouble."""
    zone = ZoneInfo(run.task.time_zone)
    _of_run(session, run, "export_recovered", public_url, since=f"{since.astimezone(zone):%Y-%m-%d %H:%M}")


def of_wait(session: Session, run: ExportRun, public_url: str, *, others: int) -> None:
    """Tell the owner that a period has waited for long, and for what; `others` of the task do as well. He must still
    be one who may export it: the reason names meters."""
    since = run.created_at.astimezone(ZoneInfo(run.task.time_zone))
    told = {"others": others, "since": f"{since:%Y-%m-%d}", "reason": readable(run.reason, run.task)}
    _of_run(session, run, "export_waiting", public_url, **told)


def readable(reason: Mapping[str, Any], task: ExportTask) -> dict[str, Any]:
    """A reason with all that templates/emails/_export_reason.txt names, instants as local time of the task."""
    since = reason.get("since")
    if since:
        since = f"{datetime.fromisoformat(str(since)).astimezone(ZoneInfo(task.time_zone)):%Y-%m-%d %H:%M}"
    given = {"identifier": LABELS.get(str(reason.get("identifier")), ""), "since": since or ""}
    return {**dict.fromkeys(NAMED, ""), **reason, "group": task.station_group.name, **given}


def _of_run(session: Session, run: ExportRun, name: str, public_url: str, **values: Any) -> None:
    task = run.task
    days = {"first_day": run.period_start.isoformat(), "last_day": run.last_day.isoformat()}
    about = {"task": task.name, "destination": task.destination.name, "url": f"{public_url}/exports/tasks/{task.id}"}
    letter = letters.post(session, task.owner.email, task.owner.language, name, **about, **days, **values)
    mail.judge_at_sending(letter, "exports", [task.id])


def may_read(session: Session, recipient: str, task_ids: Sequence[int]) -> bool:
    """Whether all these tasks are still there and of the account with this address, which may still export what they
    export: the judge of letters that tell of stations, meters and amounts."""
    wanted = sa.select(ExportTask).join(ExportTask.owner).where(ExportTask.id.in_(task_ids), Account.email == recipient)
    tasks = session.scalars(wanted).all()
    return len(tasks) == len(task_ids) and not stops(session, tasks)


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
