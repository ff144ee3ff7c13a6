"""Formatters: which file, which identifier, with a preview."""

from collections.abc import Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.charging import energy
from portal.core import clock, forms
from portal.core.db import db
from portal.core.errors import NotThere, RuleBroken
from portal.core.web import guard
from portal.delivery.forms import LendForm
from portal.exports import formatters, labels, queries
from portal.exports.affected import Lost, TasksLost
from portal.exports.blueprint import Page
from portal.exports.formatter_forms import FormatterForm, fields_of
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.meters import meters_of_group
from portal.exports.models import Formatter, FormatterLoan
from portal.exports.periods import make_period
from portal.formats.rows import MeterPeriod

bp = Blueprint("formatters", __name__, url_prefix="/exports/formatters")
PREVIEW_METERS = 3


@bp.get("")
@guard("formatter:list")
def list_formatters() -> str:
    session = db.session()
    rows = queries.formatters(session, current_user.id)
    lent = [each for each in FORMATTERS.usable(session, current_user.id) if each.lent_by]
    formats = formatters.formats(session, [each.id for each in lent])
    told = {"counted": queries.counted(session, current_user.id), "labels": labels}
    return render_template("formatters/list.html", rows=rows, lent=lent, formats=formats, **told)


@bp.route("/new", methods=["GET", "POST"])
@guard("formatter:edit")
def create() -> Page:
    form = FormatterForm()
    if form.validate_on_submit():
        try:
            formatters.create(db.session(), current_account(), form.wanted())
        except RuleBroken as broken:
            db.session.rollback()
            form.show(broken)
        else:
            db.session.commit()
            flash(gettext("The formatter is saved."), "success")
            return redirect(url_for("formatters.list_formatters"))
    return _form("formatters/create.html", form)


@bp.route("/<int:formatter_id>", methods=["GET", "POST"])
@guard("formatter:edit", formatter=queries.formatter)
def edit(formatter: Formatter) -> Page:
    form = FormatterForm(data=fields_of(formatter))
    row_id, name, lost = formatter.id, formatter.name, list[tuple[Lost, str]]()
    if form.validate_on_submit():
        try:
            formatters.edit(db.session(), current_account(), formatter, form.wanted())
        except RuleBroken as broken:
            db.session.rollback()
            form.show(broken)
            lost = [(one, forms.words(one.reason)) for one in broken.lost] if isinstance(broken, TasksLost) else []
        else:
            db.session.commit()
            flash(gettext("The formatter is saved. Files built from now on follow it."), "success")
            return redirect(url_for("formatters.list_formatters"))
    return _form("formatters/edit.html", form, row_id=row_id, name=name, lost=lost)


def _form(template: str, form: FormatterForm, **values: object) -> Page:
    lines, problem = _preview(form)
    page = render_template(template, form=form, lines=lines, problem=problem, labels=labels, **values)
    return page, 422 if form.errors else 200


@bp.post("/preview")
@guard("formatter:list")
def preview() -> str:
    """The first lines of the file that the form's settings make, whatever else is still missing in it."""
    lines, problem = _preview(FormatterForm())
    return render_template("formatters/_preview.html", lines=lines, problem=problem)


def _preview(form: FormatterForm) -> tuple[list[str], str]:
    try:
        wanted = form.wanted()
        quarters, register = formatters.wants(wanted)
        try:
            return formatters.preview(wanted, _rows(quarters=quarters, register=register)), ""
        except RuleBroken:  # real meters that lack the identifier: the sample shows the shape all the same
            return formatters.preview(wanted, formatters.samples()), ""
    except RuleBroken as broken:
        return [], str(broken)
    except ValueError:
        return [], gettext("Choose a format and an identifier.")


def _rows(*, quarters: bool, register: bool) -> Iterator[MeterPeriod]:
    """Rows of the reader's first station group, of the last day on which it charged, else of yesterday; samples where
    there is none."""
    session, zone = db.session(), ZoneInfo(current_account().time_zone)
    groups = queries.groups_to_export(session, current_user.id)
    found = meters_of_group(session, groups[0][0].id)[:PREVIEW_METERS] if groups else []
    if not found:
        return formatters.samples()
    charged_at = energy.last_at(session, [number for meter in found for number in meter.connector_ids])
    day = (charged_at or clock.now() - timedelta(days=1)).astimezone(zone).date()
    period = make_period(day, day + timedelta(days=1), zone)
    return energy.meter_periods(session, found, period.starts_at, period.ends_at, quarters=quarters, register=register)


@bp.post("/<int:formatter_id>/copy")
@guard("formatter:edit", formatter=queries.formatter)
def copy(formatter: Formatter) -> Response:
    twin = formatters.copy(db.session(), current_account(), formatter)
    db.session.commit()
    flash(gettext("The formatter is copied."), "success")
    return redirect(url_for("formatters.edit", formatter_id=twin.id))


@bp.route("/<int:formatter_id>/lend", methods=["GET", "POST"])
@guard("formatter:edit", formatter=queries.formatter)
def lend(formatter: Formatter) -> Page:
    session, form = db.session(), LendForm()
    if form.validate_on_submit():
        try:
            FORMATTERS.lend(session, current_account(), formatter, form.email.data or "")
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The formatter is lent by its name."), "success")
            return redirect(url_for("formatters.lend", formatter_id=formatter.id))
    lent = FORMATTERS.loans(session, formatter)
    return render_template("formatters/lend.html", row=formatter, loans=lent, form=form), 422 if form.errors else 200


@bp.post("/<int:formatter_id>/loans/<int:formatter_loan_id>/end")
@guard("formatter:edit", formatter=queries.formatter, formatter_loan=FORMATTERS.loan)
def end_loan(formatter: Formatter, formatter_loan: FormatterLoan) -> Response:
    if formatter_loan.formatter_id != formatter.id:
        raise NotThere
    FORMATTERS.end(db.session(), current_account(), formatter, formatter_loan)
    db.session.commit()
    flash(gettext("The formatter is lent to this address no longer."), "success")
    return redirect(url_for("formatters.lend", formatter_id=formatter.id))


@bp.route("/<int:formatter_id>/delete", methods=["GET", "POST"])
@guard("formatter:edit", formatter=queries.formatter)
def delete(formatter: Formatter) -> Page:
    if request.method == "POST":
        try:
            formatters.delete(db.session(), current_account(), formatter)
        except RuleBroken as broken:
            flash(gettext(broken.message), "danger")
            return redirect(url_for("formatters.edit", formatter_id=formatter.id))
        db.session.commit()
        flash(gettext("The formatter is deleted."), "success")
        return redirect(url_for("formatters.list_formatters"))
    tasks = queries.tasks_with(db.session(), formatter)
    return render_template("formatters/delete.html", row=formatter, tasks=tasks)
