"""The own account: name, language, time zone, appearance, password, address, sessions."""

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext, refresh
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response

from portal.accounts import changes, charging_costs, durations, login, queries
from portal.accounts import forms as pages
from portal.accounts.blueprint import Answer, bp, reader, refused, site_links
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter


@bp.route("/profile", methods=["GET", "POST"])
@guard("account:edit")
def profile() -> Answer:
    account = login.current_account()
    form = pages.ProfileForm(obj=account, theme=web.theme())
    if form.validate_on_submit():
        fields = (pages.text(form.name), pages.text(form.language), pages.text(form.time_zone))
        try:
            changes.change_profile(db.session(), account, *fields)
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            refresh()  # what is said from here on is said in the language just chosen
            flash(gettext("Your profile is saved."), "success")
            response = redirect(url_for("accounts.profile"))
            web.keep_theme(response, form.theme.data)
            return response
    return _profile(form=form)


def _profile(**sent: FlaskForm) -> Answer:
    """The page with the form that was sent, and the others as they are kept."""
    account = login.current_account()
    shown = {
        "form": sent.get("form") or pages.ProfileForm(None, obj=account, theme=web.theme()),
        "durations": sent.get("durations") or pages.DurationsForm(None, obj=account),
        "costs": sent.get("costs") or pages.CostsForm(None, obj=account),
    }
    wrong = any(form.errors for form in sent.values())
    return render_template("accounts/profile.html", account=account, **shown), 422 if wrong else 200


@bp.post("/profile/durations")
@guard("account:edit")
def change_durations() -> Answer:
    """For how long others get access to what is the account's own."""
    account, form = login.current_account(), pages.DurationsForm()
    if form.validate_on_submit():
        try:
            durations.change_durations(db.session(), account, form.grant_default_days.data, form.grant_most_days.data)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The durations are saved."), "success")
            return redirect(url_for("accounts.profile"))
    return _profile(durations=form)


@bp.post("/profile/costs")
@guard("account:edit")
def change_costs() -> Answer:
    """In what charging at the account's stations costs."""
    form = pages.CostsForm()
    if form.validate_on_submit():
        try:
            charging_costs.change_costs(
                db.session(), login.current_account(), form.currency.data, five_rappen=form.five_rappen.data
            )
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("Currency and rounding are saved. Existing costs stay as they are."), "success")
            return redirect(url_for("accounts.profile"))
    return _profile(costs=form)


@bp.route("/profile/password", methods=["GET", "POST"])
@limiter.limit("10 per hour", methods=["POST"], key_func=reader, deduct_when=refused)
@guard("account:edit")
def change_password() -> Answer:
    account = login.current_account()
    form = pages.ChangePasswordForm()
    if form.validate_on_submit():
        try:
            changes.change_password(
                db.session(), site_links(), account, pages.text(form.present), pages.text(form.password)
            )
        except RuleBroken as broken:
            forms.show(form, broken)
        db.session.commit()  # a wrong present password stays recorded
        if not form.errors:
            login.begin(account)
            flash(gettext("Your password is changed. Every other device was logged out."), "success")
            return redirect(url_for("accounts.profile"))
    return render_template("accounts/change_password.html", form=form), 422 if form.errors else 200


@bp.route("/profile/email", methods=["GET", "POST"])
@limiter.limit("10 per hour", methods=["POST"], key_func=reader)
@guard("account:edit")
def change_email() -> Answer:
    account = login.current_account()
    form = pages.ChangeEmailForm()
    if form.validate_on_submit():
        fields = (pages.text(form.new_email), pages.text(form.present))
        try:
            address = changes.ask_email_change(db.session(), site_links(), account, *fields)
        except RuleBroken as broken:
            forms.show(form, broken)
        db.session.commit()  # a wrong password stays recorded
        if not form.errors:
            flash(gettext("A mail is on its way to %(address)s. Open the link in it.", address=address), "success")
            return redirect(url_for("accounts.profile"))
    reach = queries.reach(db.session(), account)
    context = {"form": form, "account": account, "reach": reach}
    return render_template("accounts/change_email.html", **context), 422 if form.errors else 200


@bp.post("/profile/sessions")
@guard("account:edit")
def end_sessions() -> Response:
    """Log out every other device."""
    account = login.current_account()
    changes.end_sessions(db.session(), account)
    db.session.commit()
    login.begin(account)
    flash(gettext("Every other device was logged out."), "success")
    return redirect(url_for("accounts.profile"))
