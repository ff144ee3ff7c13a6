"""Drivers, as their owner knows them."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.charging import arguments, flagged, operations, queries
from portal.charging.forms import DriverForm
from portal.charging.models import Driver
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations.models import IDENTIFIERS
from portal.stations.renaming import renamed

bp = Blueprint("drivers", __name__, url_prefix="/drivers")


@bp.get("")
@guard("driver:list")
def list_drivers() -> str:
    account, text = login.current_account(), arguments.text("q")
    page = queries.drivers(db.session(), account.id, text, web.page_number())
    open_rows = flagged.open_rows(db.session(), account.id)
    return render_template("drivers/list_drivers.html", page=page, text=text, open_rows=open_rows)


@bp.route("/<int:driver_id>", methods=["GET", "POST"])
@guard("driver:edit", driver=queries.driver)
def edit(driver: Driver) -> str | tuple[str, int] | Response:
    session, form = db.session(), DriverForm(obj=driver)
    before = {name: getattr(driver, name) or "" for name in IDENTIFIERS}
    if form.validate_on_submit():
        identifiers = {name: form[name].data or "" for name in IDENTIFIERS}
        try:
            operations.edit_driver(
                session, login.current_account(), driver, form.label.data or "", form.email.data or "", **identifiers
            )
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The driver was saved."), "success")
            if identifiers != before:
                renamed.send(driver_ids=[driver.id])
            return redirect(url_for("drivers.list_drivers"))
    return render_template("drivers/edit.html", form=form, driver=driver), 422 if form.errors else 200
