"""The operator's queue: requests for licences, approved or declined one by one or many at once."""

from collections.abc import Sequence
from datetime import date

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts.links import Links
from portal.core import clock, forms, web
from portal.core.db import LARGEST_ID, db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.licences import request_queries, requests, telling
from portal.licences.forms import DaysForm, DeclineForm
from portal.licences.request_queries import Asked
from portal.licences.words import WORDS

bp = Blueprint("licence_requests", __name__, url_prefix="/operator/requests")
Answer = tuple[str, int] | str | Response


@bp.get("")
@guard("licence:decide")
def list_requests() -> str:
    session = db.session()
    history = request_queries.decided(session, web.page_number("history"))
    context = {"queue": request_queries.queue(session, web.page_number()), "history": history, "words": WORDS}
    return render_template("operator/list_requests.html", **context, history_open="history" in request.args)


@bp.route("/approve", methods=["GET", "POST"])
@guard("licence:decide")
def approve() -> Answer:
    session, rows = db.session(), _ticked()
    if not rows:
        return _nothing_ticked()
    today = clock.now().astimezone(web.zone()).date()
    form = DaysForm(first_day=_proposed(rows, today))
    if form.validate_on_submit():
        ids, first_day = [row.request.id for row in rows], form.first_day.data or today
        try:
            done = requests.approve(session, login.current_account(), ids, first_day, form.last_day.data)
        except RuleBroken as broken:
            session.rollback()  # some are activated already
            forms.show(form, broken)
        else:
            telling.of_activation(session, _links(), done)
            session.commit()
            say = ngettext("%(num)s licence is activated.", "%(num)s licences are activated.", len(done))
            flash(f"{say} {gettext('The accounts are told by mail.')}", "success")
            return redirect(url_for("licence_requests.list_requests"))
    context = {"form": form, "rows": rows, "words": WORDS}
    return render_template("operator/approve_requests.html", **context), 422 if form.errors else 200


@bp.route("/decline", methods=["GET", "POST"])
@guard("licence:decide")
def decline() -> Answer:
    session, rows, form = db.session(), _ticked(), DeclineForm()
    if not rows:
        return _nothing_ticked()
    if form.validate_on_submit():
        ids = [row.request.id for row in rows]
        try:
            done = requests.decline(session, login.current_account(), ids, form.reason.data or "")
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            telling.of_decline(session, _links(), done)
            session.commit()
            say = ngettext("%(num)s request is declined.", "%(num)s requests are declined.", len(done))
            flash(f"{say} {gettext('The accounts are told by mail.')}", "success")
            return redirect(url_for("licence_requests.list_requests"))
    context = {"form": form, "rows": rows, "words": WORDS}
    return render_template("operator/decline_requests.html", **context), 422 if form.errors else 200


def _ticked() -> list[Asked]:
    """The chosen requests that are still open."""
    found = [int(text) for text in request.values.getlist("request") if text.isascii() and text.isdigit()]
    ids = [number for number in found if number <= LARGEST_ID][: request_queries.SIZE]
    return request_queries.chosen(db.session(), ids) if ids else []


def _proposed(rows: Sequence[Asked], today: date) -> date:
    """The day after the licence that is there already, where there is only one to continue; else today."""
    until = rows[0].until if len(rows) == 1 else None
    return until.astimezone(web.zone()).date() if until else today


def _nothing_ticked() -> Response:
    flash(gettext("Tick the requests first. Those that are decided already are not shown any more."), "info")
    return redirect(url_for("licence_requests.list_requests"))


def _links() -> Links:
    return Links.of(current_app.extensions["settings"])


@bp.record_once
def _badge(state: object) -> None:
    """The number of open requests beside the entry of the side bar."""
    app = state.app  # type: ignore[attr-defined]  # Flask's setup state
    counts = app.extensions.setdefault("navigation_counts", {})
    counts["licence_requests.list_requests"] = lambda: request_queries.count_open(db.session())
