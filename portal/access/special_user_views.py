"""Pages of special users: who is entered at a place, add, change, remove."""

from flask import Blueprint, flash, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.access import labels, offers, outcomes, special_user_list, special_users
from portal.access.forms import OfferForm, SpecialUserForm, of_offer
from portal.access.models import SpecialUser
from portal.access.outcomes import Outcome, Outcomes
from portal.access.special_users import Spot
from portal.access.spots import at_each_place, here
from portal.accounts import user_groups
from portal.accounts.login import current_account
from portal.accounts.models import UserGroup
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import NotThere, RuleBroken
from portal.core.web import guard
from portal.stations import labels as station_labels

bp = Blueprint("special_users", __name__)
Page = str | tuple[str, int] | Response
LONGEST_SEARCH = 100


@at_each_place(bp, "/special-users", "special_user:view")
def list_users(place: Spot) -> str:
    session, account = db.session(), current_account()
    at, text = here(session, account, place), request.args.get("q", "").strip()[:LONGEST_SEARCH]
    found = special_user_list.listed(session, account.id, place, web.page_number(), text)
    return render_template(
        "special_users/list_users.html",
        at=at,
        knows=found.knows,
        text=text,
        page=found.page,
        may_edit="special_user:edit" in at.reader.actions,
        labels=labels,
        station_labels=station_labels,
    )


@at_each_place(bp, "/special-users/add", "special_user:edit", ("GET", "POST"))
def add(place: Spot) -> Page:
    session, actor, form = db.session(), current_account(), SpecialUserForm()
    form.offer_user_groups(user_groups.names(session, actor.id))
    at = here(session, actor, place)
    if form.validate_on_submit():
        try:
            added = _add(form, place)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(ngettext("%(num)s special user is entered.", "%(num)s special users are entered.", added), "success")
            return redirect(at.url("list_users"))
    return render_template("special_users/add.html", form=form, at=at), 422 if form.errors else 200


def _add(form: SpecialUserForm, place: Spot) -> int:
    session, actor, offer = db.session(), current_account(), form.offer()
    chosen, typed_in = form.user_group.data, (form.email.data or "").strip()
    if bool(chosen) == bool(typed_in):
        raise RuleBroken("email", "Choose a user group or enter e-mail addresses, one of the two.")
    if chosen:
        group = session.get_one(UserGroup, int(chosen))  # one of the choices, which are his
        special_users.add(session, actor, place, user_group=group, offer=offer)
        return 1
    return len(special_users.add_all(session, actor, place, user_groups.addresses(typed_in, "email"), offer))


@bp.route("/special-users/<int:special_user_id>/edit", methods=["GET", "POST"])
@guard("special_user:edit", special_user=special_user_list.special_user)
def edit(special_user: SpecialUser) -> Page:
    session, actor = db.session(), current_account()
    form = OfferForm(data=of_offer(offers.offer_of(special_user, web.zone())))
    at = here(session, actor, special_users.spot(session, special_user))
    name = _name(special_user)
    if form.validate_on_submit():
        try:
            special_users.change(session, actor, special_user, form.offer())
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The special user %(name)s is saved.", name=name), "success")
            return redirect(at.url("list_users"))
    page = render_template("special_users/edit.html", form=form, at=at, special_user=special_user, name=name)
    return page, 422 if form.errors else 200


@bp.route("/special-users/<int:special_user_id>/remove", methods=["GET", "POST"])
@guard("special_user:edit", special_user=special_user_list.special_user)
def remove(special_user: SpecialUser) -> Page:
    session, actor, name = db.session(), current_account(), _name(special_user)
    at = here(session, actor, special_users.spot(session, special_user))
    if request.method == "POST":
        special_users.remove(session, actor, special_user)
        session.commit()
        flash(gettext("%(name)s is no longer a special user here.", name=name), "success")
        return redirect(at.url("list_users"))
    sentences = _sentences(name, outcomes.of_removing(session, special_user), of_group=not special_user.email)
    return render_template(
        "special_users/remove.html", at=at, special_user=special_user, name=name, sentences=sentences
    )


def _name(row: SpecialUser) -> str:
    if row.email:
        return row.email
    if row.user_group is None:
        raise NotThere
    return row.user_group.name


def _sentences(name: str, found: Outcomes, *, of_group: bool) -> list[str]:
    told = [_told(name, outcome) for outcome in found.changes]
    if not found.connectors:
        told.append(gettext("There is no connector at this place, so nothing changes for anybody."))
    elif not found.changes:
        told.append(gettext("Nothing changes for %(name)s: he may charge at the same price as before.", name=name))
    if of_group:
        told.append(
            gettext("Who is also entered by his address, or in another user group, stays a special user by that.")
        )
    if found.connectors == outcomes.LOOKED_AT:
        told.append(gettext("This was worked out for the first %(num)s connectors.", num=outcomes.LOOKED_AT))
    return [*told, gettext("What has been charged so far keeps its cost.")]


def _told(name: str, outcome: Outcome) -> str:
    told = {"name": name, "where": _where(outcome), "price": labels.priced(outcome.price)}
    if outcome.price is None and outcome.at_times:
        text = gettext("%(name)s can no longer charge at %(where)s at the times when that is Limited.", **told)
    elif outcome.price is None:
        text = gettext("%(name)s can no longer charge at %(where)s.", **told)
    elif outcome.at_times:
        text = gettext("%(name)s still charges at %(where)s, at times at this price: %(price)s.", **told)
    else:
        text = gettext("%(name)s still charges at %(where)s, at this price: %(price)s.", **told)
    return str(text)


def _where(outcome: Outcome) -> str:
    more = outcome.connectors - len(outcome.names)
    named = ", ".join(outcome.names)
    if not more:
        return named
    return ngettext("%(named)s and %(num)s connector more", "%(named)s and %(num)s connectors more", more, named=named)
