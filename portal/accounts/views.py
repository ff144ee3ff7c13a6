"""Log in and out, register, ask for a new password, choose a language."""

import secrets

from flask import abort, current_app, redirect, render_template, request, url_for
from flask import session as browser
from flask_login import current_user, logout_user
from werkzeug.wrappers import Response

from portal.accounts import changes, link_views, links, login, operations, profile_views
from portal.accounts import forms as pages
from portal.accounts.blueprint import Answer, bp, refused, site_links, typed_address
from portal.accounts.links import Purpose
from portal.accounts.operations import NotVerified
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.languages import LANGUAGES
from portal.core.urls import inner_path
from portal.core.web import guard, limiter, public


@bp.route("/log-in", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"])
@limiter.limit("10 per 15 minutes", methods=["POST"], key_func=typed_address, deduct_when=refused)
@public
def log_in() -> Answer:
    target = inner_path(request.values.get("next"), url_for("dashboard.show"))
    if current_user.is_authenticated:
        return redirect(target)
    form = pages.LogInForm(email=request.args.get("email", ""))
    if form.validate_on_submit():
        try:
            fields = (pages.text(form.email), pages.text(form.password))
            account = operations.authenticate(db.session(), *fields, demo=current_app.extensions["settings"].demo)
        except NotVerified as waiting:
            db.session.commit()  # the attempt stays recorded
            token = site_links().token(Purpose.SEND_AGAIN, waiting.account)
            return render_template("accounts/not_verified.html", email=waiting.account.email, token=token), 403
        except RuleBroken as broken:
            db.session.commit()  # the failed attempt stays recorded
            forms.show(form, broken)
        else:
            db.session.commit()
            login.begin(account, remember=form.remember.data)
            return redirect(target)
    return render_template("accounts/log_in.html", form=form, next=target), 422 if form.errors else 200


@bp.post("/log-out")
@guard("account:view")
def log_out() -> Response:
    operations.log_out(db.session(), login.current_account())
    db.session.commit()
    browser.clear()
    logout_user()
    return redirect(url_for("accounts.log_in"))


@bp.route("/register", methods=["GET", "POST"])
@limiter.limit("20 per hour", methods=["POST"])
@limiter.limit("5 per hour", methods=["POST"], key_func=typed_address)
@public
def register() -> Answer:
    if current_user.is_authenticated:
        return redirect(url_for("dashboard.show"))
    form = pages.RegisterForm(language=web.language())
    if form.validate_on_submit():
        fields = (pages.text(form.email), pages.text(form.name), pages.text(form.password), pages.text(form.language))
        try:
            account = operations.register(db.session(), site_links(), *fields)
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            browser["language"] = fields[3]  # the page that follows, and the log-in after it
            browser["registered"] = links.state(account) if account else secrets.token_hex(16)
            return render_template("accounts/registered.html", email=pages.text(form.email).strip())
    return render_template("accounts/register.html", form=form), 422 if form.errors else 200


@bp.route("/reset", methods=["GET", "POST"])
@limiter.limit("20 per hour", methods=["POST"])
@limiter.limit("5 per hour", methods=["POST"], key_func=typed_address)
@public
def ask_reset() -> Answer:
    form = pages.AskResetForm(email=request.args.get("email", ""))
    if form.validate_on_submit():
        try:
            operations.ask_reset(db.session(), site_links(), pages.text(form.email), web.language())
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            return render_template("accounts/reset_asked.html", email=pages.text(form.email).strip())
    return render_template("accounts/ask_reset.html", form=form), 422 if form.errors else 200


@bp.post("/language")
@public
def set_language() -> Response:
    """Remember the language in this browser, and in the account of a reader who is logged in."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        abort(400)
    browser["language"] = chosen
    if current_user.is_authenticated:
        changes.change_language(db.session(), login.current_account(), chosen)
        db.session.commit()
    return redirect(inner_path(request.form.get("next"), url_for("dashboard.show")))


blueprints = (bp,)
__all__ = ["blueprints", "link_views", "profile_views"]
