"""The operator's pages: accounts, and the licences he activates and ends."""

from datetime import date
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.accounts.queries import for_operator as account_for_operator
from portal.core import clock, forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.licences import operations, queries, telling
from portal.licences.forms import ActivateForm, EndForm
from portal.licences.models import Kind, Licence
from portal.licences.words import WORDS

bp = Blueprint("operator", __name__, url_prefix="/operator")

Answer = tuple[str, int] | str | Response


@bp.get("/accounts")
@guard("account:list")
def list_accounts() -> str:
    text, licence = request.args.get("q", ""), request.args.get("licence", "")
    page = queries.accounts(db.session(), text, licence, web.page_number())
    held = [(kind.value, gettext("With %(licence)s", licence=words.name)) for kind, words in WORDS.items()]
    choices = [("", _l("All")), *held, ("none", _l("Without any licence"))]
    context = {"page": page, "query": text, "licence": licence, "choices": choices, "words": WORDS}
    return render_template("operator/list_accounts.html", **context)


@bp.get("/accounts/<int:account_id>")
@guard("account:list", account=account_for_operator)
def show_account(account: Account) -> str:
    """One account: what it holds, and its licences so far."""
    session = db.session()
    history, held = queries.history(session, account.id), queries.current(session, account.id)
    context = {"person": account, "held": held.values(), "history": history, "words": WORDS, "now": clock.now()}
    return render_template("operator/show_account.html", **context)


@bp.route("/accounts/<int:account_id>/licences/new", methods=["GET", "POST"])
@guard("licence:activate", account=account_for_operator)
def activate(account: Account) -> Answer:
    today = clock.now().astimezone(web.zone()).date()
    form = ActivateForm(kind=request.args.get("kind"), first_day=_proposed(account, today))
    if form.validate_on_submit():
        kind, actor = Kind(form.kind.data), login.current_account()
        first_day, last_day = form.first_day.data or today, form.last_day.data
        try:
            licence = operations.activate(db.session(), actor, account, kind, first_day, last_day)
            telling.of_activation(db.session(), Links.of(current_app.extensions["settings"]), [licence])
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            words = {"licence": WORDS[kind].name, "address": account.email}
            flash(gettext("%(licence)s is activated for %(address)s.", **words), "success")
            return redirect(url_for("operator.show_account", account_id=account.id))
    return render_template("operator/activate.html", form=form, person=account), 422 if form.errors else 200


def _proposed(account: Account, today: date) -> date:
    """The day after the present licence of this kind, else today."""
    kind = request.args.get("kind")
    held = queries.current(db.session(), account.id)[Kind(kind)] if kind in set(Kind) else None
    return held.until.astimezone(web.zone()).date() if held and held.until else today


@bp.route("/licences/<int:licence_id>/end", methods=["GET", "POST"])
@guard("licence:end", licence=queries.for_operator)
def end(licence: Licence) -> Answer:
    account = account_for_operator(db.session(), login.current_account().id, "account:list", licence.account_id)
    form = EndForm()
    if form.validate_on_submit():
        try:
            operations.end(db.session(), login.current_account(), licence, _last_day(form))
            db.session.commit()
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            flash(_ended(licence, account), "success")
            return redirect(url_for("operator.show_account", account_id=account.id))
    context = {"form": form, "licence": licence, "person": account, "words": WORDS[Kind(licence.kind)]}
    context["consequences"] = _consequences(licence, account)
    return render_template("operator/end_licence.html", **context), 422 if form.errors else 200


def _last_day(form: EndForm) -> date | None:
    """The day after which the licence ends; none: now."""
    if form.when.data == "now":
        return None
    if form.last_day.data is None:
        raise RuleBroken("last_day", "Enter a day.")
    day: date = form.last_day.data
    return day


def _ended(licence: Licence, account: Account) -> str:
    words: dict[str, Any] = {"licence": WORDS[Kind(licence.kind)].name, "address": account.email}
    if licence.ends_at and licence.ends_at > clock.now():
        return str(gettext("%(licence)s of %(address)s will end.", **words))
    return str(gettext("%(licence)s of %(address)s has ended.", **words))


def _consequences(licence: Licence, account: Account) -> list[str]:
    """What becomes inert."""
    words = WORDS[Kind(licence.kind)]
    sentences = [str(words.without)]
    if licence.kind == Kind.AUTHORISATION:
        by, with_ = queries.sharing(db.session(), account.id)
        sentences = [
            ngettext(
                "%(num)s station group that the account shares is no longer open to others.",
                "%(num)s station groups that the account shares are no longer open to others.",
                by,
            ),
            ngettext(
                "%(num)s station group shared with the account is no longer open to it.",
                "%(num)s station groups shared with the account are no longer open to it.",
                with_,
            ),
        ]
    return [*sentences, gettext("Nothing is deleted: with a new licence everything works again as before.")]
