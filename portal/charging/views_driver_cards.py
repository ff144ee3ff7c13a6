"""Cards of sessions that name no driver: whose they are, as the owner of the stations says."""

from datetime import datetime, time

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import BooleanField, DateField, StringField
from wtforms.validators import InputRequired, Length, Optional

from portal.accounts import login
from portal.charging import arguments, driver_cards, flagged, queries
from portal.charging.models import DriverCard
from portal.charging.views_drivers import bp
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard

__all__ = ["bp"]

Answer = str | tuple[str, int] | Response


class AssignForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    driver = StringField(
        _l("Driver"),
        [InputRequired(_l("This must be filled in.")), Length(max=254)],
        description=_l("The label or the e-mail address of one of your drivers, or of a new one."),
        render_kw={"list": "drivers", "autocomplete": "off"},
    )
    new = BooleanField(_l("Add him where I have no such driver"))
    since = DateField(
        _l("From"), [Optional()], description=_l("Only sessions that began on this day or later. Empty: all of them.")
    )


@bp.get("/cards")
@guard("driver:list")
def list_cards() -> str:
    session, account, text = db.session(), login.current_account(), arguments.text("q")
    return render_template(
        "drivers/list_cards.html",
        page=driver_cards.unknown(session, account.id, text, web.page_number()),
        assigned=driver_cards.assigned(session, account.id, web.page_number("assigned")),
        text=text,
        open_rows=flagged.open_rows(session, account.id),
    )


@bp.route("/cards/assign", methods=["GET", "POST"])
@guard("driver:edit")
def assign_card() -> Answer:
    session, account, form = db.session(), login.current_account(), AssignForm()
    number = request.args.get("card", "")[:80]
    found = driver_cards.reached(session, account.id, number)
    if not found.sessions:
        flash(gettext("Choose a card of sessions without a driver."), "info")
        return redirect(url_for("drivers.list_cards"))
    if form.validate_on_submit():
        day = form.since.data
        since = datetime.combine(day, time(), web.zone()) if day else None
        try:
            driver = driver_cards.named(session, account, form.driver.data or "", add=form.new.data)
            done = driver_cards.assign(session, account, number, driver, since)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(
                ngettext(
                    "%(num)s session is assigned to %(driver)s.",
                    "%(num)s sessions are assigned to %(driver)s.",
                    done.sessions,
                    driver=driver.label,
                ),
                "success",
            )
            return redirect(url_for("drivers.list_cards"))
    drivers = queries.drivers_to_choose(session, account.id, None)
    page = render_template("drivers/assign_card.html", form=form, number=number, found=found, drivers=drivers)
    return page, 422 if form.errors else 200


@bp.route("/cards/<int:driver_card_id>/take-back", methods=["GET", "POST"])
@guard("driver:edit", driver_card=driver_cards.driver_card)
def take_card_back(driver_card: DriverCard) -> Answer:
    session, label = db.session(), driver_card.driver.label
    if request.method == "POST":
        try:
            done = driver_cards.take_back(session, login.current_account(), driver_card)
        except RuleBroken as broken:
            session.rollback()
            flash(forms.words(broken), "danger")
        else:
            session.commit()
            flash(
                ngettext(
                    "%(num)s session is taken back from %(driver)s.",
                    "%(num)s sessions are taken back from %(driver)s.",
                    done.sessions,
                    driver=label,
                ),
                "success",
            )
        return redirect(url_for("drivers.list_cards"))
    found = driver_cards.reached_back(session, driver_card)
    return render_template("drivers/take_card_back.html", row=driver_card, found=found)
