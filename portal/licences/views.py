"""The account's own licences."""

from datetime import datetime, timedelta

from flask import Blueprint, current_app, render_template

from portal.accounts import login
from portal.core.db import db
from portal.core.web import guard
from portal.licences import operator_views, queries
from portal.licences.words import WORDS

bp = Blueprint("licences", __name__)


@bp.app_template_filter("last_instant")
def last_instant(ends_at: datetime) -> datetime:
    """The last instant before an end, which at midnight belongs to the day before."""
    return ends_at - timedelta(microseconds=1)


@bp.get("/licences")
@guard("licence:view")
def show() -> str:
    """What the account holds, what each licence unlocks, and whom to ask for a missing one."""
    held = queries.current(db.session(), login.current_account().id)
    contact = current_app.extensions["settings"].mail_from
    return render_template("licences/show.html", held=held.values(), words=WORDS, contact=contact)


blueprints = (bp, operator_views.bp)
