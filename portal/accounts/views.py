"""Log in and out."""

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask import session as browser
from flask_login import current_user, logout_user
from werkzeug.wrappers import Response

from portal.accounts import login, operations
from portal.accounts.forms import LogInForm
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.urls import inner_path
from portal.core.web import LANGUAGES, guard, limiter, public

bp = Blueprint("accounts", __name__)


@bp.route("/log-in", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"])
@public
def log_in() -> tuple[str, int] | str | Response:
    target = inner_path(request.values.get("next"), url_for("dashboard.show"))
    if current_user.is_authenticated:
        return redirect(target)
    form = LogInForm()
    if form.validate_on_submit():
        try:
            account = operations.authenticate(db.session(), form.email.data or "", form.password.data or "")
        except RuleBroken as broken:
            db.session.commit()  # the failed attempt stays recorded
            forms.show(form, broken)
        else:
            db.session.commit()
            login.begin(account, remember=form.remember.data)
            return redirect(target)
    return render_template("accounts/log_in.html", form=form, next=target), 422 if form.errors else 200


@bp.post("/language")
@public
def set_language() -> Response:
    """Remember the language in this browser, and in the account of a reader who is logged in."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    browser["language"] = chosen
    if current_user.is_authenticated:
        login.current_account().language = chosen
        db.session.commit()
    return redirect(inner_path(request.form.get("next"), url_for("dashboard.show")))


@bp.get("/profile")
@guard("account:edit")
def profile() -> str:
    return render_template("accounts/profile.html", account=login.current_account())


@bp.post("/log-out")
@guard("account:view")
def log_out() -> Response:
    logout_user()
    return redirect(url_for("accounts.log_in"))


blueprints = (bp,)
