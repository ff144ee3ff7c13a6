"""Reports: the list, ordering, one of them with its files."""

from flask import Response, flash, redirect, render_template, request, stream_with_context, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as Redirect

from portal.accounts.login import current_account
from portal.charging import arguments
from portal.core import clock, files, forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.files import StoredFile
from portal.core.web import guard
from portal.licences import queries as licences
from portal.reports import labels, operations, payment_views, queries, schedule_views, scope
from portal.reports.blueprint import bp, order_limit, tabs
from portal.reports.forms import OrderForm, subject_of
from portal.reports.models import FileKind, Report, ReportFile, ReportState, Subject

Page = str | tuple[str, int] | Redirect
TYPES = {
    FileKind.PDF: "application/pdf",
    FileKind.CSV: "text/csv; charset=utf-8",
    FileKind.EXTENDED_CSV: "text/csv; charset=utf-8",
    FileKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@bp.get("")
@guard("report:list")
def list_reports() -> str:
    return _list("reports/list_reports.html")


@bp.get("/states")
@guard("report:list")
def list_states() -> str:
    """The table alone, for a page that looks again while something is being made."""
    return _list("reports/_list.html")


def _list(template: str) -> str:
    page = queries.reports(db.session(), current_account().id, web.page_number())
    live = any(row.state in queries.UNFINISHED for row in page.items)
    return render_template(template, page=page, live=live, labels=labels, tabs=tabs("reports"))


@bp.route("/new", methods=["GET", "POST"])
@order_limit
@guard("report:list")
def create() -> Page:
    session, account, form = db.session(), current_account(), OrderForm()
    if request.method == "GET" and subject_of(request.args.get("subject", "")):
        form.subject.data = request.args["subject"]
    chosen = subject_of(form.subject.data or "")
    named = (*chosen, scope.named(session, account.id, chosen)) if chosen else None  # NotThere for a stranger's
    text = arguments.text("q")
    form.offer(queries.subjects(session, account.id, text), named)
    if form.validate_on_submit():
        try:
            days = form.days(clock.now().astimezone(web.zone()).date())
            about, kinds = form.about(), form.kinds.data or []
            bills = bool(form.with_bills.data)
            report = operations.order(session, account, about, days, kinds, form.vat_permille, with_bills=bills)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            return redirect(url_for("reports.show", report_id=report.id))
    lacking = licences.lacking(session, account.id, scope.ACTION)
    page = render_template("reports/create.html", form=form, text=text, lacking=lacking, searched=form.is_long)
    return page, 422 if form.errors else 200


@bp.get("/<int:report_id>")
@guard("report:list", report=queries.report)
def show(report: Report) -> str:
    """The finished report, or while it is made the progress."""
    return render_template("reports/show.html", **_told(db.session(), report))


@bp.get("/<int:report_id>/progress")
@guard("report:list", report=queries.report)
def progress(report: Report) -> str:
    """The part of the page that changes while the report is made; htmx asks for it."""
    return render_template("reports/_report.html", **_told(db.session(), report))


def _told(session: Session, report: Report) -> dict[str, object]:
    seen = scope.may_open(session, report)
    return {
        "report": report,
        "seen": seen,
        "still_there": scope.may_see(session, report.account_id, report),
        "files": queries.files_of(session, report) if seen and report.state == ReportState.DONE else [],
        "about": f"{report.subject}-{getattr(report, f'{Subject(report.subject).value}_id')}",
        "labels": labels,
    }


@bp.get("/files/<int:report_file_id>")
@guard("report:list", report_file=queries.report_file)
def download(report_file: ReportFile) -> Response:
    """A file, for whoever may open the report at this moment."""
    session = db.session()
    stored, kind = session.get_one(StoredFile, report_file.file_id), FileKind(report_file.kind)
    answer = Response(stream_with_context(files.chunks(session, stored.id)), mimetype=TYPES[kind])
    answer.content_length = stored.size
    answer.headers.set("Content-Disposition", "attachment", filename=stored.name)
    return answer


@bp.route("/<int:report_id>/delete", methods=["GET", "POST"])
@guard("report:list", report=queries.report)
def delete(report: Report) -> Page:
    if request.method == "POST":
        operations.delete(db.session(), current_account(), report)
        db.session.commit()
        flash(gettext("The report was deleted."), "success")
        return redirect(url_for("reports.list_reports"))
    return render_template("reports/delete.html", report=report, labels=labels)


blueprints = (bp, payment_views.bp)
__all__ = ["blueprints", "schedule_views"]  # the latter adds its pages to the blueprint
