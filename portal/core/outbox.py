"""The outbox as the operator sees it: what was sent, what waits, what fails and why."""

import sqlalchemy as sa
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy.orm import Session, defer
from werkzeug.wrappers import Response

from portal.core import authz, clock, mail
from portal.core.db import db
from portal.core.errors import NotThere
from portal.core.mail import MOST_ATTEMPTS, MailMessage
from portal.core.paging import SIZE, Page, offset
from portal.core.web import guard, page_number

bp = Blueprint("outbox", __name__, url_prefix="/operator/mail")

UNSENT = sa.and_(MailMessage.sent_at.is_(None), MailMessage.withheld_at.is_(None))
STATES = {
    "": (_l("All"), sa.true()),
    "waiting": (_l("Waiting"), sa.and_(UNSENT, MailMessage.error == "")),
    "failing": (_l("Failing"), sa.and_(UNSENT, MailMessage.error != "", MailMessage.attempts < MOST_ATTEMPTS)),
    "given_up": (_l("Given up"), sa.and_(UNSENT, MailMessage.attempts >= MOST_ATTEMPTS)),
    "withheld": (_l("Withheld"), MailMessage.withheld_at.is_not(None)),
    "sent": (_l("Sent"), MailMessage.sent_at.is_not(None)),
}


def message_for_operator(session: Session, _account_id: int, action: str, row_id: int) -> MailMessage:
    """Any mail, for the platform's operator; NotThere for everybody else."""
    if not authz.platform_may(action, operator=current_user.is_operator):
        raise NotThere
    row = session.get(MailMessage, row_id)
    if row is None:
        raise NotThere
    return row


def page(session: Session, text: str, state: str, number: int) -> Page[MailMessage]:
    """A page of the outbox, the newest first, without the bodies. `text` is the beginning of a recipient."""
    conditions = [STATES.get(state, STATES[""])[1]]
    if text.strip():
        conditions.append(MailMessage.recipient.startswith(text.strip().lower(), autoescape=True))
    total = session.scalar(sa.select(sa.func.count(MailMessage.id)).where(*conditions)) or 0
    query = sa.select(MailMessage).options(defer(MailMessage.body)).where(*conditions)
    rows = session.scalars(query.order_by(MailMessage.id.desc()).limit(SIZE).offset(offset(number))).all()
    return Page(rows, max(1, number), total)


@bp.get("")
@guard("mail:view")
def list_mail() -> str:
    text, state = request.args.get("q", ""), request.args.get("state", "")
    shown = page(db.session(), text, state, page_number())
    choices = [(key, label) for key, (label, _condition) in STATES.items()]
    context = {"page": shown, "query": text, "state": state, "choices": choices, "most_attempts": MOST_ATTEMPTS}
    return render_template("outbox/list_mail.html", now=clock.now(), **context)


@bp.get("/<int:message_id>")
@guard("mail:view", message=message_for_operator)
def show(message: MailMessage) -> str:
    """The text of a mail, in a demo only: it can hold one-time links, which open somebody's account."""
    if not current_app.extensions["settings"].demo:
        raise NotThere
    return render_template("outbox/show.html", message=message)


@bp.post("/<int:message_id>/try-again")
@guard("mail:retry", message=message_for_operator)
def try_again(message: MailMessage) -> Response:
    if message.sent_at is None and message.withheld_at is None:
        mail.try_again(db.session(), message)
        db.session.commit()
        flash(gettext("The mail to %(address)s will be tried again now.", address=message.recipient), "success")
    return redirect(url_for("outbox.list_mail"))


blueprints = (bp,)
