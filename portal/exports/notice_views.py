"""How the reader hears of his exports: the daily digest."""

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.exports import labels, notices
from portal.exports.blueprint import Page, bp


class DigestForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    digest = RadioField(_l("Daily digest"), choices=list(labels.DIGESTS.items()))


@bp.route("/notices", methods=["GET", "POST"])
@guard("task:edit")
def edit_notices() -> Page:
    session, account = db.session(), current_account()
    form = DigestForm(obj=notices.of(session, account.id))
    if form.validate_on_submit():
        try:
            notices.choose_digest(session, account, form.digest.data)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("Your choice is saved."), "success")
            return redirect(url_for("exports.edit_notices"))
    page = render_template("exports/notices.html", form=form, account=account, texts=labels.DIGEST_TEXTS)
    return page, 422 if form.errors else 200
