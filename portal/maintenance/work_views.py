"""Writing entries: notes, planned work, what became of it."""

from collections.abc import Callable

from flask import flash, redirect, render_template, url_for
from flask_babel import gettext
from flask_wtf import FlaskForm

from portal.accounts.blueprint import site_links
from portal.accounts.login import current_account
from portal.core import clock, forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.licences import queries as licences
from portal.maintenance import labels, operations, queries, telling
from portal.maintenance.blueprint import Page, bp, letters_limit
from portal.maintenance.forms import DoneForm, NoteForm, WorkForm
from portal.maintenance.models import MaintenanceEntry
from portal.stations import queries as stations
from portal.stations.models import Station

Act = Callable[[], object]


@bp.route("/stations/<int:station_id>/maintenance/note", methods=["GET", "POST"])
@guard("maintenance:run", station=stations.station)
def note(station: Station) -> Page:
    form = NoteForm()

    def act() -> None:
        operations.note(db.session(), current_account(), station, form.text.data or "")

    return _page("maintenance/note.html", form, station, act, gettext("The note is kept."))


@bp.route("/stations/<int:station_id>/maintenance/plan", methods=["GET", "POST"])
@letters_limit
@guard("maintenance:run", station=stations.station)
def plan(station: Station) -> Page:
    form = WorkForm()

    def act() -> None:
        _tell(operations.plan(db.session(), current_account(), station, form.plan()), "planned")

    said = gettext("The work is planned. Everyone who sees the station sees it.")
    return _page("maintenance/plan.html", form, station, act, said)


@bp.route("/maintenance/<int:maintenance_entry_id>/move", methods=["GET", "POST"])
@letters_limit
@guard("maintenance:run", maintenance_entry=queries.entry)
def move(maintenance_entry: MaintenanceEntry) -> Page:
    entry, form = maintenance_entry, WorkForm.of(maintenance_entry)

    def act() -> None:
        if operations.move(db.session(), current_account(), entry, form.plan()):
            _tell(entry, "changed")

    return _of_work("maintenance/move.html", form, entry, act, gettext("The planned work is changed."))


@bp.route("/maintenance/<int:maintenance_entry_id>/done", methods=["GET", "POST"])
@letters_limit
@guard("maintenance:run", maintenance_entry=queries.entry)
def finish(maintenance_entry: MaintenanceEntry) -> Page:
    entry, account = maintenance_entry, current_account()
    form = DoneForm(done_by=account.name or account.email)

    def act() -> None:
        operations.finish(db.session(), account, entry, form.done_by.data or "", form.remark.data or "")
        _tell(entry, "done")

    return _of_work("maintenance/finish.html", form, entry, act, gettext("The work is done."))


@bp.route("/maintenance/<int:maintenance_entry_id>/cancel", methods=["GET", "POST"])
@letters_limit
@guard("maintenance:run", maintenance_entry=queries.entry)
def cancel(maintenance_entry: MaintenanceEntry) -> Page:
    entry, form = maintenance_entry, FlaskForm()

    def act() -> None:
        operations.cancel(db.session(), current_account(), entry)
        _tell(entry, "cancelled")

    return _of_work("maintenance/cancel.html", form, entry, act, gettext("The work is called off."))


def _tell(entry: MaintenanceEntry, event: str) -> None:
    telling.of_work(db.session(), site_links(), current_account(), entry, event)


def _of_work(template: str, form: FlaskForm, entry: MaintenanceEntry, act: Act, said: str) -> Page:
    """A page about work that is still open; back to its station where it is not any more."""
    session = db.session()
    station = stations.station(session, current_account().id, "maintenance:run", entry.station_id)
    if not entry.is_open:
        flash(gettext("This work was done or called off meanwhile."), "info")
        return redirect(url_for("maintenance.show_station", station_id=station.id))
    return _page(template, form, station, act, said, entry=entry)


def _page(template: str, form: FlaskForm, station: Station, act: Act, said: str, **values: object) -> Page:
    session = db.session()
    if form.validate_on_submit():
        try:
            act()
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(said, "success")
            return redirect(url_for("maintenance.show_station", station_id=station.id))
    lacking = licences.lacking(session, current_account().id, "maintenance:run")
    page = render_template(
        template, form=form, station=station, lacking=lacking, labels=labels, now=clock.now(), **values
    )
    return page, 422 if form.errors else 200
