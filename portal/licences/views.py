"""The account's own licences: what it holds, asking for what is missing."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts.blueprint import reader
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.urls import inner_path
from portal.core.web import guard, limiter
from portal.licences import activation_views, operator_views, request_queries, request_views, requests
from portal.licences.forms import RequestForm
from portal.licences.models import Kind
from portal.licences.words import WORDS

bp = Blueprint("licences", __name__)
asking_limit = limiter.limit("60 per hour", key_func=reader, methods=["POST"])


@bp.app_template_filter("last_instant")
def last_instant(ends_at: datetime) -> datetime:
    """The last instant before an end, which at midnight belongs to the day before."""
    return ends_at - timedelta(microseconds=1)


@bp.app_template_global("own_licence")
def own_licence(kind: str) -> request_queries.State:
    """What the reader holds of a kind of licence, and what he has asked for; two statements for all kinds, once for a
    page."""
    if "licence_states" not in g:
        g.licence_states = request_queries.states(db.session(), current_user.id)
    state: request_queries.State = g.licence_states[Kind(kind)]
    return state


@bp.app_template_global("licence_words")
def licence_words(kind: str) -> Any:
    """Name, what it unlocks and what is missing without it."""
    return WORDS[Kind(kind)]


@bp.get("/licences")
@guard("licence:view")
def show() -> str:
    """What the account holds, what each licence unlocks, and what it has asked for."""
    states = request_queries.states(db.session(), login.current_account().id)
    return render_template("licences/show.html", states=states, words=WORDS)


@bp.post("/licences/request")
@asking_limit
@guard("licence:request")
def ask() -> Response:
    """Ask for a licence, from whatever page shows that it is missing; the answer leads back there."""
    form = RequestForm()
    if not form.validate():
        flash(gettext("Choose a licence; the message has at most 1000 letters."), "danger")
        return _back()
    kind = Kind(form.kind.data)
    try:
        requests.ask(db.session(), login.current_account(), kind, form.message.data or "")
    except RuleBroken as broken:
        flash(forms.words(broken), "info")
    else:
        db.session.commit()
        words = {"licence": WORDS[kind].name}
        flash(gettext("You have asked for the licence %(licence)s. The answer comes by mail.", **words), "success")
    return _back()


@bp.post("/licences/withdraw")
@guard("licence:request")
def withdraw() -> Response:
    form = RequestForm()
    if form.validate() and requests.withdraw(db.session(), login.current_account(), Kind(form.kind.data)):
        db.session.commit()
        flash(gettext("The request is withdrawn."), "success")
    else:
        flash(gettext("There is no such request any more."), "info")
    return _back()


def _back() -> Response:
    return redirect(inner_path(request.form.get("next"), url_for("licences.show")))


blueprints = (bp, operator_views.bp, request_views.bp, activation_views.bp)
