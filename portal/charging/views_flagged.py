"""Flagged rows: list, correct, dismiss, reopen."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.charging import arguments, corrections, flagged, import_queries, wording
from portal.charging.amounts import read_number, to_wh
from portal.charging.file_reading import mapping_of, shape_of
from portal.charging.forms import CorrectForm
from portal.charging.lookups import StationLookup
from portal.charging.mapping import Mapping
from portal.charging.models import FlaggedRow, FlaggedState, SessionImport
from portal.charging.moments import read_moment
from portal.charging.reading import Reading
from portal.charging.views_imports import Page, bp
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import NotAllowed, RuleBroken
from portal.core.urls import inner_path
from portal.core.web import guard
from portal.stations.models import Connector

STATES = ("", *(state.value for state in FlaggedState))


@bp.get("/flagged")
@guard("import:list")
def list_flagged() -> str:
    """The rows of one import, or of all."""
    session, account = db.session(), login.current_account()
    import_id = arguments.number("import")
    of = import_queries.session_import(session, account.id, "session:import", import_id) if import_id else None
    state = request.args.get("state", FlaggedState.OPEN.value)
    wanted = flagged.FlaggedFilter(
        import_id, arguments.text("problem"), state if state in STATES else FlaggedState.OPEN.value
    )
    page = flagged.page(session, account.id, wanted, web.page_number())
    imports = {row.import_id: _import(row) for row in page.items}
    return render_template(
        "imports/list_flagged.html",
        page=page,
        wanted=wanted,
        of=of,
        imports=imports,
        columns={key: shape_of(row).columns for key, row in imports.items()},
        open_rows=flagged.open_rows(session, account.id),
        counts=flagged.problems(session, account.id, wanted),
        words=wording.PROBLEMS,
    )


def _import(row: FlaggedRow) -> SessionImport:
    return db.session().get_one(SessionImport, row.import_id)


@bp.route("/flagged/<int:row_id>/correct", methods=["GET", "POST"])
@guard("session:correct", row=flagged.row)
def correct_flagged(row: FlaggedRow) -> Page:
    """Make a charging session of the row."""
    session, account = db.session(), login.current_account()
    of = _import(row)
    reading = flagged.understood(session, row, of)
    form = _form(row, of, reading)
    form.station.choices = [("", "–")] + [
        (station.id, station.name) for station in import_queries.stations_to_import(session, account.id, of.owner_id)
    ]
    if form.validate_on_submit():
        try:
            corrections.correct(session, account, row, of, _values(form), mapping_of(of).zone)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(gettext("The row counts now as a charging session."), "success")
            return redirect(f"{url_for('imports.list_flagged')}?import={of.id}")
    page = render_template(
        "imports/correct_flagged.html",
        row=row,
        of=of,
        form=form,
        reading=reading,
        columns=shape_of(of).columns,
        words=wording.PROBLEMS,
        zone=mapping_of(of).zone,
    )
    return page, 422 if form.errors else 200


def _values(form: CorrectForm) -> corrections.Corrected:
    return corrections.Corrected(
        start=form.start.data or "",
        end=form.end.data or "",
        energy_wh=form.energy_wh(),
        station_id=form.station.data or 0,
        connector_no=form.connector.data or 0,
        driver=form.driver.data or "",
        card=form.card.data or "",
    )


def _form(row: FlaggedRow, of: SessionImport, reading: Reading) -> CorrectForm:
    """What was understood of the row, to begin with."""
    mapping = mapping_of(of)
    found = reading.session
    if found is None:
        return CorrectForm(**_pieces(row, of, mapping))
    connector = db.session().get(Connector, int(found.station_ref)) if found.station_ref != flagged.NOWHERE else None
    zone = mapping.zone
    return CorrectForm(
        station=connector.station_id if connector else 0,
        connector=found.connector_no,
        start=found.started_at.astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds"),
        end=found.ended_at.astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds"),
        energy=f"{found.energy_wh / 1000:.3f}",
        driver=found.driver,
        card=found.card,
    )


def _pieces(row: FlaggedRow, of: SessionImport, mapping: Mapping) -> dict[str, Any]:
    """Each cell by itself, where the row as a whole is no session: what can be read stands in the form already."""
    cells = list(row.cells)

    def cell(column: int | None) -> str:
        return str(cells[column]) if column is not None and column < len(cells) else ""

    def moment(column: int | None, time_column: int | None) -> str:
        time_cell = None if time_column is None else cell(time_column)
        read = read_moment(cell(column), mapping.date_order, time_cell) if mapping.date_order else None
        return read.replace(tzinfo=None).isoformat(" ", "seconds") if read and read.tzinfo is None else ""

    energy = read_number(cell(mapping.energy), mapping.decimal_mark)
    lookup = StationLookup(db.session(), of.account_id, of.owner_id)
    found = lookup(mapping.constant_station or cell(mapping.station).strip(), cell(mapping.connector).strip())
    connector = db.session().get(Connector, int(found.station_ref)) if found else None
    return {
        "station": connector.station_id if connector else 0,
        "connector": connector.number if connector else 1,
        "start": moment(mapping.start, mapping.start_time),
        "end": moment(mapping.end, mapping.end_time),
        "energy": "" if energy is None else f"{to_wh(energy, mapping.energy_unit) / 1000:.3f}",
        "driver": cell(mapping.driver),
        "card": cell(mapping.card),
    }


@bp.post("/flagged/dismiss")
@guard("import:edit")
def dismiss_flagged() -> Response:
    """Leave the ticked rows out for good; they can be reopened."""
    return _settle(FlaggedState.DISMISSED)


@bp.post("/flagged/reopen")
@guard("import:edit")
def reopen_flagged() -> Response:
    """Undo a dismissal."""
    return _settle(FlaggedState.OPEN)


def _settle(state: FlaggedState) -> Response:
    session, account = db.session(), login.current_account()
    back = inner_path(request.form.get("next"), url_for("imports.list_flagged"))
    ids = [int(text) for text in request.form.getlist("row") if text.isascii() and text.isdigit() and len(text) < 10]
    if not ids:
        flash(gettext("Tick the rows first."), "warning")
        return redirect(back)
    if len(ids) > corrections.MOST_AT_ONCE:
        raise NotAllowed
    rows = flagged.rows(session, account.id, ids)
    if state is FlaggedState.DISMISSED:
        count = corrections.dismiss(session, account, rows)
        flash(ngettext("%(num)s row was dismissed.", "%(num)s rows were dismissed.", count), "success")
    else:
        count = corrections.reopen(session, account, rows)
        flash(ngettext("%(num)s row is open again.", "%(num)s rows are open again.", count), "success")
    session.commit()
    return redirect(back)
