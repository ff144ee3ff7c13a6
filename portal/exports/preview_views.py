"""What a task would send for any days, before anything is sent: one that is saved, and one as its form says."""

from flask import Response, render_template, request
from flask_login import current_user

from portal.accounts.blueprint import reader
from portal.core import forms
from portal.core.db import db, set_reading
from portal.core.errors import NotAllowed, RuleBroken
from portal.core.web import guard, limiter
from portal.exports import previews, queries, rights
from portal.exports.blueprint import Page, bp
from portal.exports.forms import PreviewForm, TaskForm
from portal.exports.models import ExportTask
from portal.exports.previews import Preview

SHOWN_NAMES = 100
# One limit for all that builds files while somebody waits.
building_limit = limiter.shared_limit("120 per hour", "previews", key_func=reader, methods=["POST"])


@bp.route("/tasks/<int:task_id>/preview", methods=["GET", "POST"])
@building_limit
@guard("task:edit", task=queries.task)
def preview_task(task: ExportTask) -> Page | Response:
    """For who set the task up, while he may see what it exports."""
    session = db.session()
    if rights.stops(session, [task]) or not rights.opens_files(session, current_user.id, task):
        raise NotAllowed
    only_read()
    first_day, last_day = previews.usual_days(task)
    form, preview = PreviewForm(first_day=first_day, last_day=last_day), None
    if form.validate_on_submit() and form.first_day.data and form.last_day.data:
        try:
            preview = previews.build(session, task, form.first_day.data, form.last_day.data)
        except RuleBroken as broken:
            forms.show(form, broken)
    if preview and form.whole.data and preview.names:
        return whole(preview)
    return shown("exports/preview.html", preview, task=task, form=form), 422 if form.errors else 200


def asked() -> bool:
    """Whether the button pressed on a form of settings wants their preview or file, not to save them."""
    return any(request.form.get(button) for button in ("preview", "whole"))


def downloads() -> bool:
    """Whether it wants the whole file."""
    return bool(request.form.get("whole"))


def of_draft(form: TaskForm, task: ExportTask) -> Preview:
    """What a task of `operations.draft` would send for the days of its form, or for its usual ones, which the form then
    shows. RuleBroken."""
    only_read()
    days = previews.days_from(task, form.first_day.data, form.last_day.data)
    preview = previews.build(db.session(), task, *days)
    form.first_day.data, form.last_day.data = days
    form.first_day.raw_data = form.last_day.raw_data = None  # else what was typed is shown: nothing
    return preview


def only_read() -> None:
    """From here on the request only reads: SQLite's one write lock is for others while files are built."""
    db.session.rollback()
    set_reading(True)


def shown(template: str, preview: Preview | None, **values: object) -> str:
    """The page with the preview, whose files end here."""
    page = render_template(template, preview=preview, most_names=SHOWN_NAMES, **values)
    if preview:
        preview.content.close()
    return page


def whole(preview: Preview) -> Response:
    """The one file as it would be sent, or a zip of all of them, as a download."""
    db.session.rollback()  # a slow reader keeps no transaction open
    name = preview.names[0] if len(preview.names) == 1 else "preview.zip"
    answer = Response(previews.pieces(preview), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    answer.call_on_close(preview.content.close)
    return answer
