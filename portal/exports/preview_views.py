"""The preview of a task: its files for any days, before anything is sent."""

from flask import Response, render_template
from flask_login import current_user

from portal.accounts.blueprint import reader
from portal.core import forms
from portal.core.db import db
from portal.core.errors import NotAllowed, RuleBroken
from portal.core.web import guard, limiter
from portal.exports import drafts, previews, queries, rights
from portal.exports.blueprint import Page, bp
from portal.exports.forms import PreviewForm
from portal.exports.models import ExportTask
from portal.exports.previews import Preview

SHOWN_NAMES = 100


@bp.route("/tasks/<int:task_id>/preview", methods=["GET", "POST"])
@limiter.limit("120 per hour", key_func=reader, methods=["POST"])
@guard("task:edit", task=queries.task)
def preview_task(task: ExportTask) -> Page | Response:
    """For who set the task up, while he may see what it exports."""
    session = db.session()
    if rights.stops(session, [task]) or not rights.opens_files(session, current_user.id, task):
        raise NotAllowed
    first_day, last_day = previews.usual_days(task)
    form, preview = PreviewForm(first_day=first_day, last_day=last_day), None
    content = drafts.temporary()
    if form.validate_on_submit() and form.first_day.data and form.last_day.data:
        try:
            preview = previews.build(session, task, form.first_day.data, form.last_day.data, content)
        except RuleBroken as broken:
            forms.show(form, broken)
    if preview and form.whole.data and preview.names:
        session.rollback()  # a slow reader keeps no transaction open
        return _whole(preview)
    page = render_template("exports/preview.html", task=task, form=form, preview=preview, shown=SHOWN_NAMES)
    content.close()
    return page, 422 if form.errors else 200


def _whole(preview: Preview) -> Response:
    name = preview.names[0] if len(preview.names) == 1 else "preview.zip"
    answer = Response(previews.pieces(preview), mimetype="application/octet-stream")
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    answer.call_on_close(preview.content.close)
    return answer
