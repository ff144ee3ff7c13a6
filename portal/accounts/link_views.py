"""The pages behind links: confirm an address, set a password, confirm a change of address, set the portal up.

A GET only shows a button: programs that read mails open every link, and must not use it up.
"""

import secrets

from flask import current_app, flash, redirect, render_template, request, url_for
from flask import session as browser
from flask_babel import gettext

from portal.accounts import changes, links, login, operations
from portal.accounts import forms as pages
from portal.accounts.blueprint import Answer, bp, site_links
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import limiter, public


@bp.route("/verify/<token>", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"])
@public
def verify(token: str) -> Answer:
    account = operations.check_verification(db.session(), site_links(), token)
    registered_here = secrets.compare_digest(str(browser.get("registered", "")), links.state(account))
    form = pages.VerifyForm()
    if form.validate_on_submit():
        password = pages.text(form.password)
        try:
            operations.verify(db.session(), site_links(), token, registered_here=registered_here, password=password)
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            login.begin(account)
            flash(gettext("Your e-mail address is confirmed. Welcome to Piquet."), "success")
            return redirect(url_for("dashboard.show"))
    context = {"form": form, "email": account.email, "registered_here": registered_here}
    return render_template("accounts/verify.html", **context), 422 if form.errors else 200


@bp.post("/send-again")
@limiter.limit("5 per hour")
@public
def send_again() -> Answer:
    """Another letter with the link that confirms the address."""
    operations.send_verification_again(db.session(), site_links(), request.form.get("token", ""))
    db.session.commit()
    flash(gettext("The mail was sent again. Look into your mailbox, also among the junk."), "success")
    return redirect(url_for("accounts.log_in"))


@bp.route("/reset/<token>", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
@public
def reset(token: str) -> Answer:
    account = operations.check_reset(db.session(), site_links(), token)
    form = pages.ResetForm()
    if form.validate_on_submit():
        try:
            account = operations.reset(db.session(), site_links(), token, pages.text(form.password))
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            login.begin(account)
            flash(gettext("Your new password is set. Every other device was logged out."), "success")
            return redirect(url_for("dashboard.show"))
    return render_template("accounts/reset.html", form=form, email=account.email), 422 if form.errors else 200


@bp.route("/confirm-email/<token>", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
@public
def confirm_email(token: str) -> Answer:
    account, new_email = changes.check_email_change(db.session(), site_links(), token)
    form = pages.ConfirmForm()
    if form.validate_on_submit():
        contact = current_app.extensions["settings"].mail_from
        try:
            changes.change_email(db.session(), site_links(), token, contact)
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            flash(gettext("Your e-mail address is now %(address)s.", address=new_email), "success")
            return redirect(url_for("accounts.profile"))
    context = {"form": form, "old_email": account.email, "new_email": new_email}
    return render_template("accounts/confirm_email.html", **context), 422 if form.form_errors else 200


@bp.route("/set-up/<token>", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
@public
def set_up(token: str) -> Answer:
    email = operations.check_set_up(db.session(), site_links(), token)
    form = pages.RegisterForm(email=email, language=web.language())
    if form.validate_on_submit():
        fields = (pages.text(form.email), pages.text(form.name), pages.text(form.password), pages.text(form.language))
        try:
            account = operations.create_operator(db.session(), *fields)
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            login.begin(account)
            flash(gettext("The portal is yours to run. Activate licences under Accounts."), "success")
            return redirect(url_for("dashboard.show"))
    return render_template("accounts/set_up.html", form=form), 422 if form.errors else 200
