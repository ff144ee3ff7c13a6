"""Pages of price rules: the reader's own, by user group with their time line."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.access import labels, offers, price_rules, user_group_places
from portal.access.forms import OfferForm, PriceRuleForm, of_offer
from portal.access.models import PriceRule
from portal.access.prices import Price
from portal.accounts import user_groups
from portal.accounts.login import current_account
from portal.accounts.models import UserGroup
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations.models import StationGroup

bp = Blueprint("price_rules", __name__, url_prefix="/price-rules")
Page = str | tuple[str, int] | Response


@bp.app_template_global("charging_places")
def charging_places(user_group: UserGroup) -> user_group_places.Places:
    """Where a user group of the reader's is a special user, and its price rules; two statements."""
    return user_group_places.of(db.session(), current_account(), user_group)


@bp.app_template_global("priced")
def priced(price: Price | None) -> str:
    return labels.priced(price)


@bp.get("")
@guard("price_rule:list")
def list_rules() -> str:
    session, account = db.session(), current_account()
    return render_template(
        "price_rules/list_rules.html",
        page=price_rules.listed(session, account, web.page_number()),
        has_groups=bool(user_groups.owned(session, account.id).total),
        labels=labels,
    )


@bp.route("/add", methods=["GET", "POST"])
@guard("price_rule:edit")
def add() -> Page:
    session, actor, form = db.session(), current_account(), PriceRuleForm()
    form.offer_groups(user_groups.names(session, actor.id), price_rules.station_groups(session, actor.id))
    if form.validate_on_submit():
        try:
            chosen = int(form.station_group.data) if form.station_group.data else None
            price_rules.add(session, actor, int(form.user_group.data), chosen, form.offer())
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The price rule is made."), "success")
            return redirect(url_for("price_rules.list_rules"))
    return render_template("price_rules/add.html", form=form), 422 if form.errors else 200


@bp.route("/<int:price_rule_id>/edit", methods=["GET", "POST"])
@guard("price_rule:edit", price_rule=price_rules.rule)
def edit(price_rule: PriceRule) -> Page:
    session, actor = db.session(), current_account()
    form = OfferForm(data=of_offer(offers.offer_of(price_rule, web.zone())))
    names = _names(price_rule)
    if form.validate_on_submit():
        try:
            price_rules.change(session, actor, price_rule, form.offer())
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The price rule is saved."), "success")
            return redirect(url_for("price_rules.list_rules"))
    page = render_template("price_rules/edit.html", form=form, rule_id=price_rule.id, names=names)
    return page, 422 if form.errors else 200


@bp.route("/<int:price_rule_id>/remove", methods=["GET", "POST"])
@guard("price_rule:edit", price_rule=price_rules.rule)
def remove(price_rule: PriceRule) -> Page:
    session, (user_group, stations) = db.session(), _names(price_rule)
    if request.method == "POST":
        price_rules.remove(session, current_account(), price_rule)
        session.commit()
        flash(gettext("The price rule is removed."), "success")
        return redirect(url_for("price_rules.list_rules"))
    sentences = [
        gettext(
            "Who is in the user group %(group)s no longer pays by this rule at %(stations)s.",
            group=user_group,
            stations=stations,
        ),
        gettext(
            "Another rule of the group applies where there is one; else the public price, "
            "and where it is Limited, charging is free."
        ),
        gettext("What has been charged so far keeps its cost."),
    ]
    return render_template("price_rules/remove.html", rule_id=price_rule.id, sentences=sentences)


def _names(row: PriceRule) -> tuple[str, str]:
    """The user group, and the station group or all stations."""
    session = db.session()
    stations = gettext("all stations")
    if row.station_group_id is not None:
        stations = session.get_one(StationGroup, row.station_group_id).name
    return session.get_one(UserGroup, row.user_group_id).name, stations
