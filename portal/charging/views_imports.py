"""Imports: list, upload, report, delete."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from babel.dates import format_date, format_skeleton
from flask import Blueprint, Response, flash, redirect, render_template, request, stream_with_context, url_for
from flask_babel import get_locale, gettext
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as Redirect

from portal.accounts import login
from portal.accounts.models import Account
from portal.charging import corrections, flagged, import_queries, operations, wording
from portal.charging.file_reading import mapping_of, shape_of
from portal.charging.forms import UploadForm
from portal.charging.models import Coverage, ImportState, SessionImport
from portal.core import files, forms, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, takes_files
from portal.formats.csv_file import FORMULA

bp = Blueprint("imports", __name__, url_prefix="/imports")

Page = str | tuple[str, int] | Redirect
FIGURE = re.compile(r"[+-]?\d+([.,]\d+)?", re.ASCII)
STEPS = ("columns", "mapping", "dates", "preview")


@bp.app_template_filter("spelled_day")
def spelled_day(day: datetime) -> str:
    """A day that nobody can read in another order: the month as a word."""
    return str(format_date(day.date(), "long", locale=get_locale()))


@bp.app_template_filter("spelled_moment")
def spelled_moment(local: datetime) -> str:
    """A local moment, its month as a word."""
    day = format_skeleton("yMMMd", local.replace(tzinfo=None), locale=get_locale())
    return f"{day} {local:%H:%M}"


@bp.get("")
@guard("import:list")
def list_imports() -> str:
    session, account = db.session(), login.current_account()
    page = import_queries.imports(session, account.id, web.page_number())
    return render_template(
        "imports/list_imports.html", page=page, account=account, open_rows=flagged.open_rows(session, account.id)
    )


@bp.route("/new", methods=["GET", "POST"])
@takes_files
@guard("import:edit")
def create() -> Page:
    """Choose a file, and whose stations its sessions belong to."""
    session, account = db.session(), login.current_account()
    form = UploadForm(owner=account.id)
    form.offer(import_queries.owners(session, account.id))
    if request.method == "POST" and form.owner.data is not None:
        # The gate before the form: a stranger's number answers 404, one that may only be looked at 403.
        import_queries.owner(session, account.id, "session:import", form.owner.data)
    if form.validate_on_submit():
        owner = import_queries.owner(session, account.id, "session:import", form.owner.data)
        uploaded = form.file.data
        try:
            row = operations.upload(session, account, owner, uploaded.filename or "file", _chunks(uploaded))
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            return redirect(url_for("imports.columns", session_import_id=row.id))
    return render_template("imports/create.html", form=form), 422 if form.errors else 200


def _chunks(uploaded: FileStorage) -> Iterator[bytes]:
    while chunk := uploaded.stream.read(files.PIECE):
        yield chunk


@bp.get("/<int:session_import_id>")
@guard("session:import", session_import=import_queries.session_import)
def show(session_import: SessionImport) -> str | Redirect:
    """The report, or while it runs the progress; an import that was not started goes to its first open step."""
    if session_import.state == ImportState.UPLOADED:
        return redirect(url_for(f"imports.{next_step(session_import)}", session_import_id=session_import.id))
    return render_template("imports/show.html", **_report(session_import))


@bp.get("/<int:session_import_id>/progress")
@guard("session:import", session_import=import_queries.session_import)
def progress(session_import: SessionImport) -> str:
    """The part of the report that changes while the import runs; htmx asks for it."""
    return render_template("imports/_report.html", **_report(session_import))


def _report(row: SessionImport) -> dict[str, object]:
    session, account = db.session(), login.current_account()
    error = row.error.get("key", "")
    wanted = flagged.FlaggedFilter(row.id, state="")
    covered = sa.select(sa.func.count()).select_from(Coverage).where(Coverage.import_id == row.id)
    return {
        "row": row,
        "owner": session.get_one(Account, row.owner_id),
        "importer": session.get_one(Account, row.account_id),
        "error": gettext(wording.IMPORT_ERRORS[error], **row.error.get("params", {})) if error else "",
        "problems": flagged.problems(session, account.id, wanted) if row.rows_flagged else {},
        "problem_words": wording.PROBLEMS,
        "warning_words": wording.WARNINGS,
        "covered": session.scalar(covered),
        "open_rows": flagged.page(session, account.id, flagged.FlaggedFilter(row.id), 1).total,
        "zone": mapping_of(row).zone,
    }


@bp.get("/<int:session_import_id>/flagged.csv")
@guard("session:import", session_import=import_queries.session_import)
def download_flagged(session_import: SessionImport) -> Response:
    """Every flagged row of the import with its line and problems, then its cells as they stood in the file."""
    words = {key: gettext(text) for key, text in wording.PROBLEMS.items()}
    states = {"open": gettext("open"), "corrected": gettext("corrected"), "dismissed": gettext("dismissed")}
    head = [gettext("Line"), gettext("State"), gettext("Problems"), *shape_of(session_import).columns]
    session, import_id = db.session(), session_import.id

    def lines() -> Iterator[str]:
        yield _line(head)
        for row in flagged.of_import(session, import_id):
            problems = ", ".join(words.get(problem, problem) for problem in row.problems)
            yield _line([str(row.line), states.get(row.state, row.state), problems, *row.cells])

    name = f"flagged-rows-{import_id}.csv"
    return Response(
        stream_with_context(line.encode() for line in lines()),
        mimetype="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """The cell without what a spreadsheet would run as a formula; a figure with its sign is none."""
    return f"'{cell}" if FORMULA.match(cell) and not FIGURE.fullmatch(cell) else cell


@bp.post("/<int:session_import_id>/try-again")
@guard("session:import", session_import=import_queries.session_import)
def try_again(session_import: SessionImport) -> Redirect:
    """Judge the open flagged rows with the stations of today."""
    session = db.session()
    zone = mapping_of(session_import).zone
    settled = corrections.try_again(session, login.current_account(), session_import, zone)
    session.commit()
    flash(gettext("%(count)s rows were read and stored now.", count=settled), "success" if settled else "info")
    return redirect(url_for("imports.show", session_import_id=session_import.id))


@bp.route("/<int:session_import_id>/delete", methods=["GET", "POST"])
@guard("session:import", session_import=import_queries.session_import)
def delete(session_import: SessionImport) -> Page:
    session = db.session()
    if session_import.state != ImportState.UPLOADED:
        return redirect(url_for("imports.show", session_import_id=session_import.id))
    if request.method == "POST":
        operations.delete(session, login.current_account(), session_import)
        session.commit()
        flash(gettext("The file was deleted. Nothing of it was imported."), "success")
        return redirect(url_for("imports.list_imports"))
    return render_template("imports/delete.html", row=session_import)


def next_step(row: SessionImport) -> str:
    """The first step with an open question; the preview when there is none."""
    questions = set(mapping_of(row).open_questions)
    if questions - {"date_order", "time_zone"}:
        return "mapping"
    return "dates" if questions else "preview"


def steps(row: SessionImport, current: str) -> list[dict[str, object]]:
    """The guide at the top: every step with what was said there."""
    names = {
        "columns": gettext("Columns"),
        "mapping": gettext("Meaning"),
        "dates": gettext("Dates"),
        "preview": gettext("Preview and start"),
    }
    reached = STEPS.index(next_step(row))
    found: list[dict[str, object]] = [{"title": gettext("File"), "text": row.file_name, "done": True}]
    for index, name in enumerate(STEPS):
        found.append(
            {
                "title": names[name],
                "done": index < reached and name != current,
                "current": name == current,
                "url": url_for(f"imports.{name}", session_import_id=row.id) if index <= reached else None,
                "label": gettext("Show"),
            }
        )
    return found
