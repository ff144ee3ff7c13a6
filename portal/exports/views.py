"""Tasks: the list with its statuses, and setting them up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.accounts.blueprint import reader
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.charging import arguments
from portal.core import clock, forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter
from portal.delivery.loans import DESTINATIONS
from portal.exports import (
    formatter_views,
    history_views,
    labels,
    notice_views,
    operations,
    operator_views,
    preview_views,
    queries,
    renaming_views,
    rights,
    run_views,
)
from portal.exports.blueprint import Page, bp, formatters_bp
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.forms import TaskForm
from portal.exports.meter_checks import MetersUnnamed
from portal.exports.models import ExportTask
from portal.exports.previews import Preview
from portal.exports.reasons import advice
from portal.exports.status import status
from portal.licences import queries as licences
from portal.sharing import eyes
from portal.stations.models import StationGroup

Groups = Sequence[tuple[StationGroup, Account]]
SHOWN_METERS = 5

# A driver can be chosen only if he has an account: this bounds how many addresses somebody can try in that way.
saving_limit = limiter.shared_limit("120 per hour; 300 per day", "tasks", key_func=reader, methods=["POST"])


@bp.get("")
@guard("task:list")
def list_tasks() -> str:
    return _list("exports/list.html")


@bp.get("/statuses")
@guard("task:list")
def list_statuses() -> str:
    """The table alone, for a page that looks again while something is running."""
    return _list("exports/_list.html")


def _list(template: str) -> str:
    session = db.session()
    listed = _listed(session, current_user.id)
    live = any(found.live for _, found, _ in listed["rows"])
    return render_template(template, **listed, live=live, counted=queries.counted(session, current_user.id))


@bp.get("/view-as")
@guard("grant:list")
def view_as() -> tuple[str, int]:
    """The tasks that somebody else would see, of those on what is the reader's."""
    return eyes.page("exports/view_as.html", "exports", _listed)


def _listed(session: Session, account_id: int) -> dict[str, Any]:
    station_group_id = arguments.number("station_group_id")
    page = queries.tasks(session, account_id, web.page_number(), station_group_id)
    facts = queries.facts(session, page.items)
    shown = rights.shown(session, account_id, page.items)
    rows = []
    for task in page.items:
        found = status(facts[task.id])
        rows.append((task, found, advice(found.reason, task, reader_id=account_id, group=shown[task.id].group)))
    return {
        "page": page,
        "station_group_id": station_group_id,
        "rows": rows,
        "shown": shown,
        "reader_id": account_id,
        "labels": labels,
    }


@bp.route("/tasks/new", methods=["GET", "POST"])
@saving_limit
@guard("task:edit")
def create_task() -> Page:
    session, account = db.session(), current_account()
    last_month = (clock.now().astimezone(web.zone()).date().replace(day=1) - timedelta(days=1)).replace(day=1)
    groups = queries.groups_to_export(session, account.id)
    form = TaskForm(user=_likely_user(account, groups).email, starts_on=last_month, time_zone=account.time_zone)
    _offer(form, groups)
    unnamed: MetersUnnamed | None = None
    preview: Preview | None = None
    if form.validate_on_submit():
        try:
            if preview_views.asked():
                preview = preview_views.of_draft(form, operations.draft(session, account, form.wanted()))
            else:
                task = operations.create(session, account, form.wanted())
                session.commit()
                _saved(task)
                return redirect(url_for("exports.show_task", task_id=task.id))
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
            unnamed = broken if isinstance(broken, MetersUnnamed) else None
    lacking = licences.lacking(session, current_user.id, "export:create")
    counted = queries.counted(session, current_user.id)
    return _form("exports/create.html", form, unnamed, preview, counted=counted, lacking=lacking)


@bp.route("/tasks/<int:task_id>/edit", methods=["GET", "POST"])
@saving_limit
@guard("task:edit", task=queries.task)
def edit_task(task: ExportTask) -> Page:
    session, account, task_id, name = db.session(), current_account(), task.id, task.name
    form = TaskForm(data=_present(task))
    _offer(form, queries.groups_to_export(session, current_user.id))
    unnamed: MetersUnnamed | None = None
    preview: Preview | None = None
    if form.validate_on_submit():
        try:
            if preview_views.asked():
                preview = preview_views.of_draft(form, operations.draft(session, account, form.wanted(), task))
            else:
                operations.edit(session, account, task, form.wanted())
                session.commit()
                _saved(task)
                return redirect(url_for("exports.show_task", task_id=task_id))
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
            unnamed = broken if isinstance(broken, MetersUnnamed) else None
    return _form("exports/edit.html", form, unnamed, preview, task_id=task_id, name=name)


def _present(task: ExportTask) -> dict[str, object]:
    """The task as its form shows it: ids and an address where the row has other rows."""
    plain = (
        "name",
        "scope",
        "interval",
        "trigger",
        "hours_after_end",
        "starts_on",
        "ends_on",
        "time_zone",
        *operations.MORE,
    )
    chosen = {"station_group": task.station_group_id, "formatter": task.formatter_id}
    chosen["destination"] = task.destination_id
    user = rights.shown(db.session(), current_user.id, [task])[task.id].user
    return {**{name: getattr(task, name) for name in plain}, **chosen, "user": user or ""}


def _likely_user(account: Account, groups: Groups) -> Account:
    """Whose consumption it will be: the account's own, or of an owner who shares with one that has no group itself."""
    owners = [owner for _, owner in groups]
    return account if account in owners or not owners else owners[0]


def _offer(form: TaskForm, groups: Groups) -> None:
    session = db.session()
    parts = FORMATTERS.usable(session, current_user.id)
    form.offer(groups, parts, DESTINATIONS.usable(session, current_user.id))


def _form(
    template: str, form: TaskForm, unnamed: MetersUnnamed | None, preview: Preview | None, **values: object
) -> Page:
    if preview and preview.names and preview_views.downloads():
        return preview_views.whole(preview)
    meters = unnamed.meters[:SHOWN_METERS] if unnamed else []
    page = preview_views.shown(template, preview, form=form, unnamed=meters, **values)
    return page, 422 if form.errors else 200


def _saved(task: ExportTask) -> None:
    flash(gettext("The task is saved."), "success")
    if licences.lacking(db.session(), task.owner_id, "export:create"):
        flash(gettext("It waits: the licence Auto-export is missing. Everything is sent once it is active."), "warning")


@bp.post("/tasks/<int:task_id>/pause")
@guard("task:edit", task=queries.task)
def pause_task(task: ExportTask) -> Response:
    operations.pause(db.session(), current_account(), task)
    db.session.commit()
    flash(gettext("The task is paused: nothing is sent until it is resumed."), "success")
    return redirect(url_for("exports.show_task", task_id=task.id))


@bp.post("/tasks/<int:task_id>/resume")
@guard("task:edit", task=queries.task)
def resume_task(task: ExportTask) -> Response:
    operations.resume(db.session(), current_account(), task)
    db.session.commit()
    flash(gettext("The task goes on, with everything that fell due meanwhile."), "success")
    return redirect(url_for("exports.show_task", task_id=task.id))


@bp.post("/tasks/<int:task_id>/run")
@guard("task:edit", task=queries.task)
def run_task(task: ExportTask) -> Response:
    task_id = task.id
    try:
        woken = operations.run_now(db.session(), current_account(), task)
    except RuleBroken as broken:
        flash(gettext(broken.message), "danger")
    else:
        db.session.commit()
        flash(
            *((gettext("It begins now."), "success") if woken else (gettext("There is nothing to send now."), "info"))
        )
    return redirect(url_for("exports.show_task", task_id=task_id))


@bp.post("/tasks/<int:task_id>/copy")
@guard("task:edit", task=queries.task)
def copy_task(task: ExportTask) -> Response:
    task_id = task.id
    try:
        twin = operations.copy(db.session(), current_account(), task)
    except RuleBroken as broken:
        flash(gettext(broken.message), "danger")
        return redirect(url_for("exports.show_task", task_id=task_id))
    db.session.commit()
    flash(gettext("The task is copied. The copy is paused: nothing is sent until you resume it."), "success")
    return redirect(url_for("exports.edit_task", task_id=twin.id))


@bp.route("/tasks/<int:task_id>/delete", methods=["GET", "POST"])
@guard("task:edit", task=queries.task)
def delete_task(task: ExportTask) -> Page:
    if request.method == "POST":
        operations.delete(db.session(), current_account(), task)
        db.session.commit()
        flash(gettext("The task is deleted."), "success")
        return redirect(url_for("exports.list_tasks"))
    facts = queries.facts(db.session(), [task])[task.id]
    return render_template("exports/delete.html", task=task, found=status(facts))


@bp.get("/containing-me")
@guard("account:view")
def containing_me() -> str:
    rows = queries.containing(db.session(), current_account())
    return render_template("exports/containing_me.html", rows=rows, labels=labels)


blueprints: tuple[Blueprint, ...] = (bp, formatters_bp, operator_views.bp)
__all__ = [
    "blueprints",
    "formatter_views",
    "history_views",
    "notice_views",
    "preview_views",
    "renaming_views",
    "run_views",
]
