"""Pages of what QR-bills are made of: how an owner is paid, and where a driver of his lives."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.charging import queries as charging
from portal.charging.models import Driver
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.reports import payments, qr_bill
from portal.reports.forms import AddressForm, CreditorForm
from portal.reports.models import Creditor, DriverAddress
from portal.reports.qr_bill import KINDS

bp = Blueprint("payments", __name__)
Page = str | tuple[str, int] | Response


@bp.route("/profile/payments", methods=["GET", "POST"])
@guard("account:edit")
def creditor() -> Page:
    """To whom and to which account the drivers of the account pay."""
    session, account = db.session(), current_account()
    row = session.get(Creditor, account.id)
    form = CreditorForm(obj=row)
    if form.validate_on_submit():
        try:
            payments.set_creditor(session, account, form.typed(), with_reference=form.with_reference.data)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The payment details are saved."), "success")
            return redirect(url_for("payments.creditor"))
    kind = KINDS[qr_bill.reference_kind(row.iban, wanted=row.with_reference)] if row else None
    return render_template("payments/creditor.html", form=form, row=row, kind=kind), 422 if form.errors else 200


@bp.post("/profile/payments/forget")
@guard("account:edit")
def forget() -> Response:
    payments.remove_creditor(db.session(), current_account())
    db.session.commit()
    flash(gettext("The payment details are forgotten. Bills that were made stay as they are."), "success")
    return redirect(url_for("payments.creditor"))


@bp.route("/drivers/<int:driver_id>/address", methods=["GET", "POST"])
@guard("driver:edit", driver=charging.driver)
def driver_address(driver: Driver) -> Page:
    """Where the driver lives, for his bills."""
    session, account = db.session(), current_account()
    form = AddressForm(obj=session.get(DriverAddress, driver.id), data={"name": driver.label})
    if form.validate_on_submit():
        try:
            payments.set_address(session, account, driver, form.typed())
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The address is saved."), "success")
            return redirect(url_for("drivers.edit", driver_id=driver.id))
    return render_template("payments/driver_address.html", form=form, driver=driver), 422 if form.errors else 200
