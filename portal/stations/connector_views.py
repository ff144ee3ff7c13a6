"""Pages of connectors: one page each, with the same address for looking and changing."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import clock, forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations import consequences, entries, labels, operations, pages, queries, refused_fields, states
from portal.stations.forms import CONNECTOR_FIELDS, ConnectorForm, of_connector
from portal.stations.models import IDENTIFIERS, Access, Connector, PlugType, Station
from portal.stations.operations import connectors, writing
from portal.stations.renaming import renamed

bp = Blueprint("connectors", __name__)


@bp.get("/connectors/<int:connector_id>")
@guard("connector:view", connector=queries.connector)
def show(connector: Connector) -> str:
    return _page(connector, ConnectorForm(formdata=None, data=_filled(connector)), _locked(connector))


@bp.post("/connectors/<int:connector_id>")
@guard("connector:edit", connector=queries.connector)
def edit(connector: Connector) -> tuple[str, int] | Response:
    session, actor, form = db.session(), current_account(), ConnectorForm()
    before = [getattr(connector, name) for name in IDENTIFIERS]
    locked = _locked(connector)
    writing.check(session, actor, connector, form.lock(locked, of_connector(connector)))
    if form.validate_on_submit():
        try:
            operations.edit_connector(session, actor, connector, form.values(), form.seen.data or "")
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
            if isinstance(broken, operations.Meanwhile):
                form.show_present(of_connector(connector), broken.fields, connectors.version(connector))
        else:
            db.session.commit()
            flash(gettext("The connector is saved."), "success")
            _warn(connector)
            if before != [getattr(connector, name) for name in IDENTIFIERS]:
                renamed.send(connector_ids=[connector.id])
            return redirect(url_for("connectors.show", connector_id=connector.id))
    return _page(connector, form, locked), 422


def _filled(connector: Connector) -> dict[str, Any]:
    return of_connector(connector) | {"seen": connectors.version(connector)}


def _locked(connector: Connector) -> dict[str, str]:
    writable = writing.writable_fields(db.session(), current_account(), connector.station).connector
    return refused_fields.locked("connector", CONNECTOR_FIELDS, writable)


def _page(connector: Connector, form: ConnectorForm, locked: dict[str, str]) -> str:
    place = pages.place_at_station(db.session(), current_account().id, connector.station)
    if request.method == "GET" and "connector:edit" in place.actions and "opening_times" not in locked:
        form.offer_blank_rows()
    return render_template(
        "stations/connector.html",
        connector=connector,
        station=connector.station,
        form=form,
        locked=locked,
        state=states.of_connector(connector, clock.now()),
        place=place,
        odd_metering_code=entries.looks_wrong(connector.metering_code),
        sessions_url=url_for("charging.list_sessions", station=connector.station_id),
        labels=labels,
    )


@bp.post("/connectors/<int:connector_id>/week")
@guard("connector:edit", connector=queries.connector)
def draw_week(connector: Connector) -> str:
    """The picture of the week as the form would make it, with what its reader may not write as it is stored."""
    form = ConnectorForm()
    form.lock(_locked(connector), of_connector(connector))
    return render_template("stations/week.html", picture=form.picture(), labels=labels)


@bp.post("/stations/<int:station_id>/connectors/week")
@guard("connector:add", station=queries.station)
def draw_new_week(station: Station) -> str:
    """The same for a connector that is not there yet."""
    return render_template("stations/week.html", station=station, picture=ConnectorForm().picture(), labels=labels)


def _warn(connector: Connector) -> None:
    if entries.looks_wrong(connector.metering_code):
        text = gettext(
            "The metering code begins with CH, but a Swiss one is CH and 31 digits, capital letters or hyphens. "
            "Check it."
        )
        flash(text, "warning")


@bp.route("/stations/<int:station_id>/connectors/add", methods=["GET", "POST"])
@guard("connector:add", station=queries.station)
def add(station: Station) -> tuple[str, int] | Response:
    form = ConnectorForm(data={"plug_type": PlugType.TYPE_2.value, "access": Access.PRIVATE.value})
    if form.validate_on_submit():
        try:
            connector = operations.add_connector(db.session(), current_account(), station, form.values())
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("Connector %(number)s is there.", number=connector.number), "success")
            _warn(connector)
            return redirect(url_for("stations.show", station_id=station.id))
    if request.method == "GET":
        form.offer_blank_rows()
    page = render_template("stations/add_connector.html", form=form, station=station, labels=labels)
    return page, 422 if form.errors else 200


@bp.route("/connectors/<int:connector_id>/remove", methods=["GET", "POST"])
@guard("connector:remove", connector=queries.connector)
def remove(connector: Connector) -> tuple[str, int] | Response:
    session, problem, station_id = db.session(), "", connector.station_id
    if request.method == "POST":
        try:
            operations.remove_connector(session, current_account(), connector)
        except RuleBroken as broken:
            session.rollback()
            problem = gettext(broken.message, **broken.params)
        else:
            session.commit()
            flash(gettext("The connector is removed."), "success")
            return redirect(url_for("stations.show", station_id=station_id))
    page = render_template(
        "stations/remove_connector.html",
        connector=connector,
        sessions=consequences.sessions_of_connector(session, connector),
        problem=problem,
    )
    return page, 422 if problem else 200
