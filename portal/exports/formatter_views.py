"""Formatters: which file, which identifier, with a preview."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.db import db
from portal.core.errors import NotThere, RuleBroken
from portal.core.web import guard
from portal.delivery.forms import LendForm
from portal.exports import formatter_preview_views, formatters, labels, preview_views, queries
from portal.exports.affected import Lost, TasksLost
from portal.exports.blueprint import Page
from portal.exports.blueprint import formatters_bp as bp
from portal.exports.formatter_forms import FormatterForm, fields_of
from portal.exports.formatter_loans import FORMATTERS
from portal.exports.models import Formatter, FormatterLoan
from portal.exports.previews import Preview


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
    file: Preview | None = None
    if form.validate_on_submit():
        try:
            if preview_views.downloads():
                file = formatter_preview_views.file(form)
            else:
                formatters.create(db.session(), current_account(), form.wanted())
                db.session.commit()
                flash(gettext("The formatter is saved."), "success")
                return redirect(url_for("formatters.list_formatters"))
        except RuleBroken as broken:
            db.session.rollback()
            form.show(broken)
    return _form("formatters/create.html", form, file)


@bp.route("/<int:formatter_id>", methods=["GET", "POST"])
@guard("formatter:edit", formatter=queries.formatter)
def edit(formatter: Formatter) -> Page:
    form = FormatterForm(data=fields_of(formatter))
    row_id, name, lost = formatter.id, formatter.name, list[tuple[Lost, str]]()
    file: Preview | None = None
    if form.validate_on_submit():
        try:
            if preview_views.downloads():
                file = formatter_preview_views.file(form)
            else:
                formatters.edit(db.session(), current_account(), formatter, form.wanted())
                db.session.commit()
                flash(gettext("The formatter is saved. Files built from now on follow it."), "success")
                return redirect(url_for("formatters.list_formatters"))
        except RuleBroken as broken:
            db.session.rollback()
            form.show(broken)
            lost = [(one, forms.words(one.reason)) for one in broken.lost] if isinstance(broken, TasksLost) else []
    return _form("formatters/edit.html", form, file, row_id=row_id, name=name, lost=lost)


def _form(template: str, form: FormatterForm, file: Preview | None, **values: object) -> Page:
    if file and file.names:
        return preview_views.whole(file)
    sources = formatter_preview_views.sources_form()
    found = formatter_preview_views.live(form, sources)
    page = render_template(template, form=form, sources=sources, found=found, labels=labels, **values)
    return page, 422 if form.errors else 200


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
