"""How the reader hears of his exports: the daily digest, and the webhook with its last messages."""

from collections.abc import Callable

from flask import current_app, flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import RadioField, StringField
from wtforms.validators import InputRequired, Length

from portal.accounts.blueprint import reader
from portal.accounts.login import current_account
from portal.core import clock, forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter
from portal.exports import labels, notices, webhooks
from portal.exports.blueprint import Page, bp
from portal.exports.models import WebhookMessage

# Each message is a request from here to an address of somebody's choice.
sending_limit = limiter.shared_limit("60 per hour", "webhooks", key_func=reader, methods=["POST"])


class DigestForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    digest = RadioField(_l("Daily digest"), choices=list(labels.DIGESTS.items()))


class WebhookForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    webhook_url = StringField(
        _l("Address"),
        [InputRequired(_l("This must be filled in.")), Length(max=500)],
        description=_l("It must begin with https://."),
        render_kw={"autocomplete": "off", "inputmode": "url", "spellcheck": "false"},
    )


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
    return _page(digest=form)


def _page(digest: DigestForm | None = None, webhook: WebhookForm | None = None, secret: str = "") -> Page:
    """The page with the form that was sent, if one was; `secret` is shown this once."""
    session, account = db.session(), current_account()
    notice = notices.of(session, account.id)
    page = render_template(
        "exports/notices.html",
        form=digest or DigestForm(None, obj=notice),
        webhook=webhook or WebhookForm(None),
        notice=notice,
        secret=secret,
        account=account,
        texts=labels.DIGEST_TEXTS,
        messages=[(row, gettext(row.answer) if row.answer else "") for row in webhooks.messages(session, account)],
        events=labels.EVENTS,
        now=clock.now(),
    )
    return page, 422 if (digest and digest.errors) or (webhook and webhook.errors) else 200


@bp.post("/notices/webhook")
@guard("task:edit")
def set_webhook() -> Page:
    session, form = db.session(), WebhookForm()
    if not form.validate_on_submit():
        return _page(webhook=form)
    try:
        url = form.webhook_url.data or ""
        secret = notices.set_webhook(session, current_app.extensions["vault"], current_account(), url)
    except RuleBroken as broken:
        session.rollback()
        forms.show(form, broken)
        return _page(webhook=form)
    session.commit()
    if secret:
        return _page(secret=secret)
    flash(gettext("The webhook is saved."), "success")
    return redirect(url_for("exports.edit_notices"))


@bp.post("/notices/webhook/secret")
@guard("task:edit")
def renew_webhook_secret() -> Page:
    session = db.session()
    try:
        secret = notices.renew_secret(session, current_app.extensions["vault"], current_account())
    except RuleBroken as broken:
        flash(gettext(broken.message), "danger")
        return redirect(url_for("exports.edit_notices"))
    session.commit()
    return _page(secret=secret)


@bp.post("/notices/webhook/remove")
@guard("task:edit")
def remove_webhook() -> Page:
    return _done(lambda: notices.remove_webhook(db.session(), current_account()), gettext("The webhook is removed."))


@bp.post("/notices/webhook/test")
@sending_limit
@guard("task:edit")
def test_webhook() -> Page:
    done = gettext("A test message is sent in a moment. Look again for its answer.")
    return _done(lambda: notices.send_test(db.session(), current_account()), done)


@bp.post("/notices/messages/<int:webhook_message_id>/send-again")
@sending_limit
@guard("task:edit", webhook_message=notices.message)
def send_message_again(webhook_message: WebhookMessage) -> Page:
    done = gettext("It is sent again in a moment.")
    return _done(lambda: notices.send_again(db.session(), current_account(), webhook_message), done)


def _done(act: Callable[[], None], words: str) -> Page:
    try:
        act()
    except RuleBroken as broken:
        flash(gettext(broken.message), "danger")
    else:
        db.session.commit()
        flash(words, "success")
    return redirect(url_for("exports.edit_notices"))
