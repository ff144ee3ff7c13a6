"""The page behind the link of an invitation, and the list of those to what nobody has opened yet."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask import session as browser
from flask_babel import gettext
from flask_login import current_user, logout_user
from werkzeug.wrappers import Response

from portal.accounts import forms as account_forms
from portal.accounts import login
from portal.accounts import user_groups as user_group_rules
from portal.accounts.blueprint import site_links
from portal.accounts.links import DeadLink
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter, public
from portal.sharing import endings, invitation_links, invitation_list, invitations, queries
from portal.sharing.answers import letters_limit
from portal.sharing.invitation_links import Opened
from portal.sharing.invitation_list import Pending

bp = Blueprint("invitations", __name__)
bp.register_error_handler(DeadLink, lambda _error: (render_template("invitations/dead_link.html"), 410))

Page = str | tuple[str, int] | Response


class InvitedForm(account_forms.RegisterForm):
    """A registration with the address of the link."""

    email = None  # type: ignore[assignment]  # how WTForms leaves a field of the base class out


@bp.get("/invitation/<token>")
@limiter.limit("60 per minute")
@public
def show(token: str) -> str:
    """A GET changes nothing: programs that read mails open every link."""
    found = invitation_links.opened(db.session(), token)
    return render_template("invitations/show.html", found=found, token=token, other=_other(found))


@bp.post("/invitation/<token>")
@limiter.limit("20 per minute")
@public
def use(token: str) -> Page:
    """To what was shared, by way of log-in or registration. Who is logged in with another address is asked first
    whether he wants to leave that account."""
    session = db.session()
    if _other(invitation_links.opened(session, token)):
        if "leave" not in request.form:
            return redirect(url_for("invitations.show", token=token))
        browser.clear()
        logout_user()
    found, account = invitation_links.used(session, token)
    if account is None:
        return redirect(url_for("invitations.register", token=token))
    target = _target(found, account)
    session.commit()
    if current_user.is_authenticated:
        return redirect(target)
    return redirect(url_for("accounts.log_in", next=target, email=account.email))


@bp.route("/invitation/<token>/register", methods=["GET", "POST"])
@limiter.limit("20 per hour", methods=["POST"])
@public
def register(token: str) -> Page:
    session = db.session()
    found = invitation_links.opened(session, token)
    if current_user.is_authenticated:
        return redirect(url_for("invitations.show", token=token))
    form = InvitedForm(language=web.language())
    if form.validate_on_submit():
        text = account_forms.text
        try:
            fields = text(form.name), text(form.password), text(form.language)
            found, account = invitation_links.register(session, token, *fields)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            if account is None:
                return redirect(url_for("invitations.show", token=token))
            target = _target(found, account)
            session.commit()
            login.begin(account)
            flash(gettext("Your e-mail address is confirmed. Welcome to Piquet."), "success")
            return redirect(target)
    page = render_template("invitations/register.html", form=form, token=token, email=found.invitation.email)
    return page, 422 if form.errors else 200


@bp.get("/invitations")
@guard("invitation:list")
def list_invitations() -> str:
    session = db.session()
    return render_template(
        "invitations/list_invitations.html",
        pending=invitation_list.pending(session, current_user.id, web.page_number()),
        waiting=invitation_list.waiting(session, current_user.id),
        most_a_day=invitations.MOST_A_DAY,
    )


@bp.post("/invitations/<int:invitation_id>/resend")
@letters_limit
@guard("invitation:resend", invitation=invitation_list.invitation)
def resend(invitation: Pending) -> Response:
    session, email = db.session(), invitation.invitation.email
    try:
        invitations.resend(session, site_links(), current_account(), invitation.invitation)
    except RuleBroken as broken:
        flash(forms.words(broken), "danger")
    else:
        if invitation.invitation.sent_at is None:
            flash(gettext("The new mail to %(email)s waits until a day's limit allows it.", email=email), "info")
        else:
            flash(gettext("A new mail goes to %(email)s. The link sent before is dead.", email=email), "success")
        session.commit()
    return redirect(url_for("invitations.list_invitations"))


@bp.route("/invitations/<int:invitation_id>/cancel", methods=["GET", "POST"])
@guard("invitation:cancel", invitation=invitation_list.invitation)
def cancel(invitation: Pending) -> Page:
    session = db.session()
    if request.method == "POST":
        try:
            invitation_list.cancel(session, current_account(), invitation)
        except RuleBroken as broken:
            session.rollback()
            flash(forms.words(broken), "danger")
        else:
            session.commit()
            flash(gettext("The invitation is cancelled, and what it told of has ended."), "success")
        return redirect(url_for("invitations.list_invitations"))
    return render_template("invitations/cancel.html", row=invitation, **_consequences(invitation))


def _consequences(row: Pending) -> dict[str, object]:
    session = db.session()
    if row.grant is not None:
        return {"granted": [], "losses": endings.ending_with(session, row.grant)}
    assert row.member is not None
    group = user_group_rules.group_of(session, row.member)
    losses = endings.losses_with_member(session, group.id, row.member.email)
    return {"granted": queries.granted_to(session, group), "losses": losses}


def _other(found: Opened) -> str:
    """The address of the reader when the invitation is somebody else's."""
    if current_user.is_authenticated and current_user.email != found.invitation.email:
        return str(current_user.email)
    return ""


def _target(found: Opened, account: Account) -> str:
    group_id = invitation_links.station_group_to_open(db.session(), account, found)
    if group_id is not None:
        return url_for("station_groups.show", station_group_id=group_id)
    return url_for("sharing.shared_with_me")
