"""Transfers: offer a station, a station group or all that is one's own; accept, decline, withdraw."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.blueprint import reader, refused, site_links
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.accounts.queries import by_email
from portal.core import forms, letters, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter
from portal.sharing.models import Transfer
from portal.stations import queries as stations
from portal.stations.models import Station, StationGroup
from portal.transfers import inventory, operations, queries, things
from portal.transfers.forms import AccountOfferForm, AnswerForm, OfferForm
from portal.transfers.things import Kind, State, Thing

bp = Blueprint("transfers", __name__)

Page = str | tuple[str, int] | Response
Act = Callable[[], object]

# Each offer sends a letter to somebody who has not asked for it.
letters_limit = limiter.shared_limit("20 per hour; 60 per day", "transfers", key_func=reader, methods=["POST"])


@bp.get("/transfers")
@guard("transfer:list")
def list_transfers() -> str:
    found = queries.of_account(db.session(), current_account(), web.page_number())
    return render_template("transfers/list_transfers.html", transfers=found)


@bp.get("/transfers/<int:transfer_id>")
@guard("transfer:list", transfer=queries.transfer)
def show(transfer: Transfer) -> Page:
    return _show(transfer, AnswerForm())


@bp.post("/transfers/<int:transfer_id>/accept")
@guard("transfer:decide", transfer=queries.transfer)
def accept(transfer: Transfer) -> Page:
    form, session, actor = AnswerForm(), db.session(), current_account()
    if not form.validate():
        return _show(transfer, form), 422
    try:
        thing = operations.accept(session, actor, transfer)
    except RuleBroken as broken:
        return _refused(transfer, form, broken)
    _tell_giver(transfer, "transfer_accepted")
    session.commit()
    flash(gettext("%(name)s belongs to you now.", name=transfer.moved["name"]), "success")
    return redirect(_page_of(thing))


@bp.post("/transfers/<int:transfer_id>/decline")
@guard("transfer:decide", transfer=queries.transfer)
def decline(transfer: Transfer) -> Page:
    def act() -> None:
        operations.decline(db.session(), current_account(), transfer)
        _tell_giver(transfer, "transfer_declined")

    return _answer(transfer, act, gettext("The offer is declined. Nothing has changed."))


@bp.post("/transfers/<int:transfer_id>/withdraw")
@guard("transfer:withdraw", transfer=queries.transfer)
def withdraw(transfer: Transfer) -> Page:
    def act() -> None:
        operations.withdraw(db.session(), current_account(), transfer)

    return _answer(transfer, act, gettext("The offer is withdrawn. Nothing has changed."))


@bp.route("/stations/<int:station_id>/transfer", methods=["GET", "POST"])
@letters_limit
@guard("station:transfer", station=stations.station)
def offer_station(station: Station) -> Page:
    return _offer(things.of_station(station), OfferForm())


@bp.route("/station-groups/<int:station_group_id>/transfer", methods=["GET", "POST"])
@letters_limit
@guard("station_group:transfer", station_group=stations.station_group)
def offer_group(station_group: StationGroup) -> Page:
    return _offer(things.of_group(station_group), OfferForm())


@bp.route("/profile/transfer", methods=["GET", "POST"])
@letters_limit
@limiter.limit("10 per hour", methods=["POST"], key_func=reader, deduct_when=refused)
@guard("account:transfer")
def offer_account() -> Page:
    return _offer(things.of_account(current_account()), AccountOfferForm())


def _offer(thing: Thing, form: OfferForm) -> Page:
    session, actor = db.session(), current_account()
    if form.validate_on_submit():
        try:
            if thing.kind is Kind.ACCOUNT:
                operations.check_password(session, actor, form.present.data or "")
            row = operations.offer(session, actor, thing, form.email.data or "", form.message.data or "")
        except RuleBroken as broken:
            session.commit()  # a wrong password stays recorded
            forms.show(form, broken)
        else:
            _tell_receiver(row)
            session.commit()
            flash(gettext("The offer is on its way to %(address)s.", address=row.to_email), "success")
            return redirect(url_for("transfers.show", transfer_id=row.id))
    page = render_template(
        "transfers/offer.html",
        form=form,
        thing=thing,
        back=_page_of(thing),
        action=request.path,
        open_offer=operations.open_offer(session, thing),
        inventory=inventory.of(session, thing, ""),
    )
    return page, 422 if form.errors else 200


def _answer(transfer: Transfer, act: Act, said: str) -> Page:
    form = AnswerForm()
    if not form.validate():
        return _show(transfer, form), 422
    try:
        act()
    except RuleBroken as broken:
        return _refused(transfer, form, broken)
    db.session.commit()
    flash(said, "success")
    return redirect(url_for("transfers.show", transfer_id=transfer.id))


def _refused(transfer: Transfer, form: AnswerForm, broken: RuleBroken) -> Page:
    db.session.rollback()
    forms.show(form, broken)
    return _show(transfer, form), 422


def _show(transfer: Transfer, form: AnswerForm) -> str:
    session, account, state = db.session(), current_account(), things.state(transfer)
    thing = things.of(session, transfer) if state is State.OFFERED else None
    return render_template(
        "transfers/show.html",
        transfer=transfer,
        form=form,
        state=state,
        incoming=queries.is_receiver(account, transfer),
        giver=session.get_one(Account, transfer.from_id),
        name=transfer.moved.get("name", ""),
        thing=thing,
        inventory=inventory.of(session, thing, transfer.to_email) if thing else None,
    )


def _page_of(thing: Thing) -> str:
    if thing.kind is Kind.STATION:
        return url_for("stations.show", station_id=thing.id)
    if thing.kind is Kind.STATION_GROUP:
        return url_for("station_groups.show", station_group_id=thing.id)
    return url_for("accounts.profile")


def _tell_receiver(row: Transfer) -> None:
    """The same mail whether or not the address has an account, in its holder's language where that is known."""
    session, giver = db.session(), current_account()
    known = by_email(session, row.to_email)
    language = known.language if known else giver.language
    values = {"giver": giver.email, "kind": row.kind, "days": operations.VALID.days, "page": _list_link()}
    letters.post(session, row.to_email, language, "transfer_offered", **values)


def _tell_giver(row: Transfer, letter: str) -> None:
    session = db.session()
    giver = session.get_one(Account, row.from_id)
    values = {"receiver": row.to_email, "kind": row.kind, "thing": row.moved["name"], "page": _list_link()}
    letters.post(session, giver.email, giver.language, letter, **values)


def _list_link() -> str:
    return site_links().page(url_for("transfers.list_transfers"))


blueprints: tuple[Blueprint, ...] = (bp,)
