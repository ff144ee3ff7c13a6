"""The steps of an import before it starts: columns, meaning, dates, preview. Each keeps what the others hold."""

from typing import Any

import sqlalchemy as sa
from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext

from portal.accounts import login, time_zones
from portal.accounts.models import Account
from portal.charging import import_queries, operations, previews, wording
from portal.charging.file_reading import mapping_of, opened, shape_of
from portal.charging.forms import COVERS, ColumnsForm, DatesForm, MappingForm, NameForm, StartForm
from portal.charging.models import Covers, ImportMapping, ImportState, SessionImport
from portal.charging.table_files import FileProblem, TableRow, rows
from portal.charging.views_imports import Page, bp, next_step, steps
from portal.core import forms
from portal.core.db import db, reading_only
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations.models import Connector, Station
from portal.stations.queries import visible_stations

SHOWN_ROWS = 8


def _step(row: SessionImport, name: str, **values: Any) -> str:
    session = db.session()
    owner = session.get_one(Account, row.owner_id)
    return render_template(f"imports/{name}.html", row=row, owner=owner, steps=steps(row, name), **values)


def _first_rows(row: SessionImport, most: int = SHOWN_ROWS) -> list[TableRow]:
    found = []
    for line in rows(opened(db.session(), row), shape_of(row)):
        found.append(line)
        if len(found) == most:
            break
    return found


def _started(row: SessionImport) -> Page | None:
    """A started import has no steps any more."""
    if row.state == ImportState.UPLOADED:
        return None
    return redirect(url_for("imports.show", session_import_id=row.id))


@bp.route("/<int:session_import_id>/columns", methods=["GET", "POST"])
@guard("session:import", session_import=import_queries.session_import)
def columns(session_import: SessionImport) -> Page:
    """How the file is written: separator, encoding, sheet, decimal mark, header."""
    if (away := _started(session_import)) is not None:
        return away
    session, row = db.session(), session_import
    shape = shape_of(row)
    form = ColumnsForm(
        separator=shape.separator,
        encoding=shape.encoding,
        sheet=shape.sheet,
        decimal_mark=mapping_of(row).decimal_mark,
        header="yes" if shape.header else "no",
    )
    form.offer(shape)
    if form.validate_on_submit():
        chosen = {name: form[name].data for name in ("separator", "encoding", "sheet") if name in form}
        try:
            operations.read_as(
                session, row, header=form.header.data == "yes", decimal_mark=form.decimal_mark.data, **chosen
            )
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            onward = "columns" if request.form.get("look") else "mapping"
            return redirect(url_for(f"imports.{onward}", session_import_id=row.id))
    page = _step(row, "columns", form=form, shape=shape_of(row), first_rows=_first_rows(row))
    return page, 422 if form.errors else 200


@bp.route("/<int:session_import_id>/mapping", methods=["GET", "POST"])
@guard("session:import", session_import=import_queries.session_import)
def mapping(session_import: SessionImport) -> Page:
    """What the columns hold."""
    if (away := _started(session_import)) is not None:
        return away
    session, row = db.session(), session_import
    first_rows = _first_rows(row)
    form = _mapping_form(row, first_rows)
    if form.validate_on_submit():
        try:
            operations.map_columns(row, form.values(mapping_of(row).decimal_mark), form.source.data or "")
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            return redirect(url_for("imports.dates", session_import_id=row.id))
    saved = import_queries.mappings(session, login.current_account().id)
    page = _step(row, "mapping", form=form, shape=shape_of(row), first_rows=first_rows, saved=saved)
    return page, 422 if form.errors else 200


def _mapping_form(row: SessionImport, first_rows: list[TableRow]) -> MappingForm:
    form = MappingForm()
    form.offer(shape_of(row), first_rows)
    if request.method != "POST":
        form.fill(mapping_of(row), row.source)
    return form


@bp.post("/<int:session_import_id>/mapping/apply/<int:mapping_id>")
@guard("session:import", session_import=import_queries.session_import, mapping=import_queries.mapping)
def apply_mapping(session_import: SessionImport, mapping: ImportMapping) -> Page:
    """Use a saved mapping for this file."""
    session = db.session()
    try:
        operations.apply_mapping(session_import, mapping)
    except RuleBroken as broken:
        session.rollback()
        flash(gettext(broken.message, **broken.params), "danger")
        return redirect(url_for("imports.mapping", session_import_id=session_import.id))
    session.commit()
    flash(gettext("%(name)s was applied. Check it below.", name=mapping.name), "success")
    return redirect(url_for("imports.mapping", session_import_id=session_import.id))


@bp.post("/<int:session_import_id>/mapping/delete/<int:mapping_id>")
@guard("session:import", session_import=import_queries.session_import, mapping=import_queries.mapping)
def delete_mapping(session_import: SessionImport, mapping: ImportMapping) -> Page:
    """Forget a saved mapping; imports made with it stay."""
    session, name = db.session(), mapping.name
    operations.delete_mapping(session, login.current_account(), mapping)
    session.commit()
    flash(gettext("%(name)s was deleted.", name=name), "success")
    return redirect(url_for("imports.mapping", session_import_id=session_import.id))


@bp.route("/<int:session_import_id>/dates", methods=["GET", "POST"])
@guard("session:import", session_import=import_queries.session_import)
def dates(session_import: SessionImport) -> Page:
    """How the dates are read. The user confirms it on examples; nothing is chosen for him where more than one fits."""
    if (away := _started(session_import) or _missing(session_import)) is not None:
        return away
    session, row = db.session(), session_import
    if request.method == "POST":
        form = DatesForm()
        form.date_order.choices = [(order, text) for order, text in wording.DATE_ORDERS.items()]
        form.time_zone.choices = time_zones.by_region()
        if form.validate():
            try:
                operations.set_dates(row, form.date_order.data, form.time_zone.data, form.ambiguous_hour.data)
            except RuleBroken as broken:
                forms.show(form, broken)
            else:
                session.commit()
                return redirect(url_for("imports.preview", session_import_id=row.id))
        session.rollback()  # reading the dates must not hold the write lock
    with reading_only():
        found = previews.dates(session, row)
    if request.method != "POST":
        form = _dates_form(row, found)
    form.offer(found)
    return _step(row, "dates", form=form, dates=found, orders=wording.DATE_ORDERS), 422 if form.errors else 200


def _dates_form(row: SessionImport, found: previews.Dates) -> DatesForm:
    mapping = mapping_of(row)
    only = found.choices[0].order.value if len(found.choices) == 1 else None
    confirmed = mapping.date_order.value if mapping.date_order else None
    zone = mapping.time_zone or login.current_account().time_zone
    return DatesForm(date_order=confirmed or only, time_zone=zone, ambiguous_hour=mapping.ambiguous_hour.value)


def _missing(row: SessionImport) -> Page | None:
    """Back to the mapping while it is not complete."""
    if next_step(row) == "mapping":
        return redirect(url_for("imports.mapping", session_import_id=row.id))
    return None


@bp.route("/<int:session_import_id>/preview", methods=["GET", "POST"])
@guard("session:import", session_import=import_queries.session_import)
def preview(session_import: SessionImport) -> Page:
    """What the import would do, for which time the file is complete, and the start."""
    if (away := _started(session_import)) is not None:
        return away
    session, row, account = db.session(), session_import, login.current_account()
    if next_step(row) != "preview":
        return redirect(url_for(f"imports.{next_step(row)}", session_import_id=row.id))
    form = StartForm()
    groups = import_queries.groups_to_import(session, account.id, row.owner_id)
    form.covers_group.choices = [("", "–"), *((group.id, group.name) for group in groups)]
    form.covers.choices = [choice for choice in COVERS if groups or choice[0] != Covers.GROUP]
    if form.validate_on_submit() and _start(row, form):
        return redirect(url_for("imports.show", session_import_id=row.id))
    session.rollback()
    with reading_only():
        return _preview_page(row, form)


def _start(row: SessionImport, form: StartForm) -> bool:
    session = db.session()
    first, last = form.covers_from.data, form.covers_to.data
    try:
        if (first is None) is not (last is None):
            raise RuleBroken("covers_to" if last is None else "covers_from", "Enter both days, or none.")
        days = (first, last) if first and last else None
        operations.start(session, login.current_account(), row, form.covers.data, form.covers_group.data, days)
    except RuleBroken as broken:
        forms.show(form, broken)
        return False
    session.commit()
    return True


def _preview_page(row: SessionImport, form: StartForm) -> Page:
    session = db.session()
    try:
        found = previews.preview(session, row)
    except FileProblem as problem:
        broken = wording.refuse_file(problem)
        flash(gettext(broken.message, **broken.params), "danger")
        return redirect(url_for("imports.columns", session_import_id=row.id))
    if request.method != "POST" and found.whole and found.days:
        form.covers_from.data, form.covers_to.data = found.days
    page = _step(
        row,
        "preview",
        form=form,
        name_form=NameForm(formdata=None),
        found=found,
        connectors=_names(found.connector_ids),
        problem_words=wording.PROBLEMS,
        warning_words=wording.WARNINGS,
        zone=mapping_of(row).zone,
        mapping=mapping_of(row),
        orders=wording.DATE_ORDERS,
        has_stations=_has_stations(row),
    )
    return page, 422 if form.errors else 200


def _names(connector_ids: set[int]) -> dict[str, str]:
    """Connector id as text -> "station, number", of those that a preview shows."""
    some = sorted(connector_ids)[:1000]
    wanted = sa.select(Connector.id, Station.name, Connector.number).join(Station, Station.id == Connector.station_id)
    found = db.session().execute(wanted.where(Connector.id.in_(some)))
    return {str(key): f"{name}, {number}" for key, name, number in found}


def _has_stations(row: SessionImport) -> bool:
    may_import = visible_stations(row.account_id, "session:import")
    some = sa.select(Station.id).where(Station.owner_id == row.owner_id, may_import).limit(1)
    return db.session().scalar(some) is not None


@bp.post("/<int:session_import_id>/save-mapping")
@guard("session:import", session_import=import_queries.session_import)
def save_mapping(session_import: SessionImport) -> Page:
    """Keep this import's mapping under a name, for the next file of the same kind."""
    session, form = db.session(), NameForm()
    try:
        saved = operations.save_mapping(session, login.current_account(), session_import, form.name.data or "")
    except RuleBroken as broken:
        session.rollback()
        flash(gettext(broken.message, **broken.params), "danger")
    else:
        session.commit()
        flash(gettext("The mapping was saved as %(name)s.", name=saved.name), "success")
    return redirect(url_for("imports.show", session_import_id=session_import.id))
