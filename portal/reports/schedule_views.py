"""Monthly reports: the list, setting one up, changing it, ending it."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.charging import arguments
from portal.core import forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.licences import queries as licences
from portal.reports import labels, queries, schedules, scope
from portal.reports.blueprint import bp, order_limit, tabs
from portal.reports.forms import ScheduleForm, subject_of
from portal.reports.models import ReportSchedule, Subject

Page = str | tuple[str, int] | Response


@bp.get("/monthly")
@guard("report:schedule")
def list_schedules() -> str:
    session, account = db.session(), current_account()
    page = queries.schedules(session, account.id, web.page_number())
    resting = queries.resting(session, account.id, page.items)
    return render_template(
        "reports/list_schedules.html", page=page, resting=resting, labels=labels, tabs=tabs("monthly")
    )


@bp.route("/monthly/new", methods=["GET", "POST"])
@order_limit
@guard("report:schedule")
def create_schedule() -> Page:
    form = ScheduleForm()
    if request.method == "GET" and subject_of(request.args.get("subject", "")):
        form.subject.data = request.args["subject"]
    return _answer("reports/create_schedule.html", form, None)


@bp.route("/monthly/<int:report_schedule_id>/edit", methods=["GET", "POST"])
@order_limit
@guard("report:schedule", report_schedule=queries.schedule)
def edit_schedule(report_schedule: ReportSchedule) -> Page:
    row = report_schedule
    subject_id = getattr(row, f"{Subject(row.subject).value}_id")
    vat = None if row.vat_permille is None else row.vat_permille / 10
    present = {"subject": f"{row.subject}-{subject_id}", "kinds": row.kinds, "vat": vat, "with_bills": row.with_bills}
    return _answer(
        "reports/edit_schedule.html", ScheduleForm(data={**present, "recipients": "\n".join(row.recipients)}), row
    )


def _answer(template: str, form: ScheduleForm, row: ReportSchedule | None) -> Page:
    session, account, text = db.session(), current_account(), arguments.text("q")
    chosen = subject_of(form.subject.data or "")
    seen = chosen is not None and (row is None or scope.may_see(session, account.id, row) or request.method == "POST")
    named = (*chosen, scope.named(session, account.id, chosen)) if chosen and seen else None
    form.offer(queries.subjects(session, account.id, text), named)
    if form.validate_on_submit():
        try:
            if row is None:
                schedules.create(session, account, form.wanted())
            else:
                schedules.edit(session, account, row, form.wanted())
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The monthly report is saved."), "success")
            return redirect(url_for("reports.list_schedules"))
    lacking = licences.lacking(session, account.id, "report:schedule")
    page = render_template(template, form=form, text=text, lacking=lacking, row=row, seen=row is None or seen)
    return page, 422 if form.errors else 200


@bp.route("/monthly/<int:report_schedule_id>/stop", methods=["GET", "POST"])
@guard("report:schedule", report_schedule=queries.schedule)
def stop_schedule(report_schedule: ReportSchedule) -> Page:
    if request.method == "POST":
        schedules.stop(db.session(), current_account(), report_schedule)
        db.session.commit()
        flash(gettext("The monthly report has ended. Those that were made stay."), "success")
        return redirect(url_for("reports.list_schedules"))
    return render_template("reports/stop_schedule.html", row=report_schedule)
