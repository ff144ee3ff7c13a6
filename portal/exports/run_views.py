"""One task with its history, and what can be done with a single period."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypedDict
from zoneinfo import ZoneInfo

from flask import Response, flash, redirect, render_template, request, stream_with_context, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.accounts.queries import by_id
from portal.core import files, forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import NotThere, RuleBroken
from portal.core.web import guard
from portal.exports import corrections, gaps, labels, queries, readiness, revisions, rights
from portal.exports.blueprint import Page, bp
from portal.exports.forms import AgainForm
from portal.exports.history_views import day
from portal.exports.models import ExportRun, ExportTask, RunState
from portal.exports.reasons import advice
from portal.exports.status import Status, status
from portal.formats import csv_download


class Reader(TypedDict):
    """Who reads, and the name of the station group where he may know it."""

    reader_id: int
    group: str | None


SHOWN_DELTAS = SHOWN_FILES = 100


@bp.get("/tasks/<int:task_id>")
@guard("export:view", task=queries.task)
def show_task(task: ExportTask) -> str:
    return _task(task, "exports/show.html")


@bp.get("/tasks/<int:task_id>/status")
@guard("export:view", task=queries.task)
def task_status(task: ExportTask) -> str:
    """Status and history alone, for a page that looks again while something is running."""
    return _task(task, "exports/_history.html")


def _task(task: ExportTask, template: str) -> str:
    session, mine = db.session(), task.owner_id == current_user.id
    state = request.args.get("state", "")
    days = day("from"), day("to")
    page = queries.runs(session, task, state, web.page_number(), days)
    facts = queries.facts(session, [task])[task.id]
    found = _with_what_lies_ahead(session, task, status(facts))
    shown = rights.shown(session, current_user.id, [task])[task.id]
    reader: Reader = {"reader_id": current_user.id, "group": shown.group}
    return render_template(
        template,
        task=task,
        mine=mine,
        state=state,
        days=days,
        page=page,
        found=found,
        told=advice(found.reason, task, **reader),
        shown=shown,
        paused_by=None if facts.stopped or not task.paused_reason else advice(task.paused_reason, task, **reader),
        proposed=0 if facts.stopped else facts.count(RunState.PROPOSED),
        first_proposed=facts.first_proposed,
        opens_files=shown.files,
        changes=queries.changes(session, task, page.items),
        labels=labels,
    )


def _with_what_lies_ahead(session: Session, task: ExportTask, found: Status) -> Status:
    """The status, or before a period is due what will keep it back: identifiers that were spoiled meanwhile."""
    at_peace = found.kind == "ok" or found.reason.get("code") == "first_period"
    obstacle = readiness.ahead(session, task) if at_peace and task.next_due_at is not None else None
    return replace(found, kind="waiting", reason=obstacle.as_reason()) if obstacle else found


@bp.route("/tasks/<int:task_id>/export-again", methods=["GET", "POST"])
@guard("task:edit", task=queries.task)
def export_again_from(task: ExportTask) -> Page:
    """Says first how many periods a day concerns; does it once that was seen."""
    form, concerned, task_id = AgainForm(), None, task.id
    if form.validate_on_submit() and form.first_day.data:
        session, first_day = db.session(), form.first_day.data
        concerned = len(revisions.to_export_again(session, task, first_day))
        if form.seen.data:
            try:
                done = revisions.export_again_from(session, current_account(), task, first_day)
            except RuleBroken as broken:
                forms.show(form, broken)
            else:
                session.commit()
                flash(ngettext("%(num)s period is exported again.", "%(num)s periods are exported again.", done))
                return redirect(url_for("exports.show_task", task_id=task_id))
    page = render_template("exports/export_again.html", task=task, form=form, concerned=concerned)
    return page, 422 if form.errors else 200


@bp.get("/runs/<int:run_id>")
@guard("export:view", run=queries.run)
def show_run(run: ExportRun) -> str:
    session, task = db.session(), run.task
    mine = task.owner_id == current_user.id
    shown = rights.shown(session, current_user.id, [task])[task.id]
    # What a run waited for names meters, and on one driver a person: no more once its owner may not know them.
    stopped = rights.stops(session, [task]).get(task.id)
    reason = stopped if stopped and run.state != RunState.DELIVERED else run.reason
    started_by = by_id(session, run.started_by_id) if run.started_by_id else None
    return render_template(
        "exports/run.html",
        run=run,
        task=task,
        mine=mine,
        started_by=started_by,
        told=advice(reason, task, reader_id=current_user.id, group=shown.group),
        words=mine and not stopped,
        opens_files=shown.files,
        change=queries.changes(session, task, [run]).get(run.id),
        revisions=queries.revisions(session, run),
        several_periods=len(run.periods()) > 1,
        files_shown=SHOWN_FILES,
        labels=labels,
        **(_of_meters(session, run) if shown.files and not stopped else {}),
    )


def _of_meters(session: Session, run: ExportRun) -> dict[str, object]:
    """What the page tells of single meters."""
    deltas = corrections.report(session, run)
    return {
        "deltas": deltas[:SHOWN_DELTAS],
        "delta_count": len(deltas),
        "difference_wh": sum(delta.difference_wh for delta in deltas),
        "gaps": gaps.first(session, run.id) if run.gap_count else [],
        "gaps_kept": gaps.MOST_KEPT,
    }


@bp.get("/runs/<int:run_id>/files/<int:position>")
@guard("export:view", run=queries.run_with_file)
def download(run: ExportRun, position: int) -> Response:
    """A stored file, piece by piece. Its name holds only letters, digits and . _ = + @ -, see formats.file_names."""
    file = next((file for file in run.files if file.position == position), None)
    if file is None or file.file_id is None:
        raise NotThere
    answer = Response(stream_with_context(_pieces(file.file_id)), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=file.name)
    answer.content_length = file.size
    return answer


def _pieces(file_id: int) -> Iterator[bytes]:
    session = db.session()
    for piece in files.chunks(session, file_id):
        session.rollback()  # a slow reader keeps no transaction open
        yield piece


@bp.get("/runs/<int:run_id>/missing.csv")
@guard("export:view", run=queries.run_with_file)
def missing_quarters(run: ExportRun) -> Response:
    """All gaps that are kept with the run, in local time of its task."""
    if not run.gap_count:
        raise NotThere
    run_id, zone = run.id, ZoneInfo(run.task.time_zone)
    head = [gettext("Meter"), gettext("From"), gettext("Until before"), gettext("Quarter hours")]

    def lines() -> Iterator[bytes]:
        yield csv_download.BEGINNING + csv_download.line(head)
        for gap in gaps.stored(db.session(), run_id):
            span = (at.astimezone(zone).isoformat(" ", "minutes") for at in (gap.starts_at, gap.ends_at))
            yield csv_download.line([gap.meter, *span, str(gap.quarters)])

    # At once and not piece by piece: it is small, and a slow reader keeps no transaction open.
    answer = Response(b"".join(lines()), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="missing-{run.period_start:%Y%m%d}-{run_id}.csv"'
    return answer


@bp.post("/runs/<int:run_id>/retry")
@guard("task:edit", run=queries.run)
def retry_run(run: ExportRun) -> WerkzeugResponse:
    return _act(run, revisions.retry, gettext("It is sent again in a moment."))


@bp.post("/runs/<int:run_id>/send-again")
@guard("task:edit", run=queries.run)
def send_again(run: ExportRun) -> WerkzeugResponse:
    return _act(run, revisions.send_again, gettext("It is sent again in a moment."))


@bp.post("/runs/<int:run_id>/export-again")
@guard("task:edit", run=queries.run)
def export_again(run: ExportRun) -> WerkzeugResponse:
    return _act(run, revisions.export_again, gettext("The next revision of the period is built and sent in a moment."))


@bp.post("/runs/<int:run_id>/confirm")
@guard("task:edit", run=queries.run)
def confirm_run(run: ExportRun) -> WerkzeugResponse:
    return _act(run, revisions.confirm, gettext("The correction is sent in a moment."))


@bp.post("/runs/<int:run_id>/set-aside")
@guard("task:edit", run=queries.run)
def set_aside_run(run: ExportRun) -> WerkzeugResponse:
    done = gettext("The correction is set aside. It comes back if values change once more.")
    return _act(run, revisions.set_aside, done)


def _act(run: ExportRun, act: Callable[[Session, Account, ExportRun], None], done: str) -> WerkzeugResponse:
    run_id = run.id
    try:
        act(db.session(), current_account(), run)
    except RuleBroken as broken:
        db.session.rollback()
        flash(gettext(broken.message), "danger")
    else:
        db.session.commit()
        flash(done, "success")
    return redirect(url_for("exports.show_run", run_id=run_id))
