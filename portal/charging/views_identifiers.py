"""Mass change of identifiers by a file: upload, preview row by row, write all at once."""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.charging import flagged, identifier_list
from portal.charging.forms import IdentifierListForm
from portal.charging.identifier_list import Row
from portal.charging.models import Driver
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.looking import LookedAt
from portal.core.paging import SIZE, Page, offset
from portal.core.text_tables import MOST_BYTES
from portal.core.web import guard, takes_files
from portal.formats.rows import LABELS
from portal.stations.models import Connector
from portal.stations.renaming import renamed

bp = Blueprint("identifiers", __name__, url_prefix="/identifiers")
FILE, IDENTIFIER = LookedAt("identifier_list", "identifiers.csv"), "identifier_list_of"  # in the account's session
Answer = str | tuple[str, int] | Response


@bp.route("", methods=["GET", "POST"])
@takes_files
@guard("identifier:edit")
def upload() -> Answer:
    form = IdentifierListForm()
    if form.validate_on_submit():
        data = form.file.data.stream.read(MOST_BYTES + 1)
        try:
            identifier_list.read(data)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            FILE.keep(data)
            session[IDENTIFIER] = form.identifier.data
            db.session.commit()
            return redirect(url_for("identifiers.preview"))
    open_rows = flagged.open_rows(db.session(), login.current_account().id)
    return render_template("identifiers/upload.html", form=form, open_rows=open_rows), 422 if form.errors else 200


@bp.get("/preview")
@guard("identifier:edit")
def preview() -> Answer:
    """Every row with what it would do, those with a problem first; nothing is written."""
    identifier, rows = _kept()
    if not rows:
        return _again()
    identifier_list.judge(db.session(), login.current_account(), identifier, rows)
    good = sum(not row.problem for row in rows)
    ordered, number = sorted(rows, key=lambda row: (not row.problem, row.line)), web.page_number()
    page = Page(ordered[offset(number) : offset(number) + SIZE], number, len(rows))
    named = {"identifier": LABELS[identifier], "good": good, "bad": len(rows) - good}
    return render_template("identifiers/preview.html", page=page, **named)


@bp.post("/write")
@guard("identifier:edit")
def write() -> Response:
    """Write what the preview showed, in one transaction; where something has changed since, show it anew first."""
    identifier, rows = _kept()
    if not rows:
        return _again()
    count = identifier_list.write(db.session(), login.current_account(), identifier, rows)
    if str(count) != request.form.get("expected"):
        db.session.rollback()
        flash(gettext("Something has changed since you looked: nothing is written yet. Look again."), "warning")
        return redirect(url_for("identifiers.preview"))
    FILE.discard()
    meters = [row.meter for row in rows if row.meter is not None and not row.problem]
    renamed_ids = {kind: [meter.id for meter in meters if isinstance(meter, kind)] for kind in (Connector, Driver)}
    db.session.commit()
    flash(ngettext("%(num)s identifier is changed.", "%(num)s identifiers are changed.", count), "success")
    renamed.send(connector_ids=renamed_ids[Connector], driver_ids=renamed_ids[Driver])
    return redirect(url_for("identifiers.upload"))


@bp.post("/discard")
@guard("identifier:edit")
def discard() -> Response:
    FILE.discard()
    db.session.commit()
    flash(gettext("The file is discarded. Nothing was changed."), "info")
    return redirect(url_for("identifiers.upload"))


def _kept() -> tuple[str, list[Row]]:
    """The identifier and the rows of the file that is looked at; no rows without one."""
    data = FILE.data()
    return str(session.get(IDENTIFIER, "")), identifier_list.read(data) if data else []


def _again() -> Response:
    flash(gettext("Choose a file first."), "info")
    return redirect(url_for("identifiers.upload"))
