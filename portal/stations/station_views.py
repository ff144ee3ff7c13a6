"""Pages of stations."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.accounts.login import current_account
from portal.core import clock, files, forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import NotThere, RuleBroken
from portal.core.files import StoredFile
from portal.core.web import guard, takes_files
from portal.stations import (
    consequences,
    group_list,
    images,
    labels,
    map_views,
    operations,
    pages,
    queries,
    reach,
    refused_fields,
    search,
    states,
    station_list,
)
from portal.stations.forms import STATION_FIELDS, StationForm, of_station
from portal.stations.models import Station
from portal.stations.operations import stations, writing

bp = Blueprint("stations", __name__)
bp.app_errorhandler(writing.FieldsRefused)(refused_fields.answer)


@bp.get("/stations")
@guard("station:list")
def list_stations() -> str:
    return render_template("stations/list.html", **listed(db.session(), current_account().id))


def listed(session: Session, account_id: int) -> dict[str, Any]:
    """What the list of stations shows to the account, as the address of the page asks."""
    text, group_id = search.cleaned(request.args.get("q")), pages.whole_number("group")
    mine = reach.of(session, account_id)
    page = station_list.stations(
        session,
        mine,
        relation=pages.relation(),
        text=text,
        station_group_id=group_id,
        number=web.page_number(),
    )
    return {
        "page": page,
        "text": text,
        "show": pages.relation() or "",
        "group_id": group_id,
        "groups": group_list.choices(session, mine),
        "reachable": station_list.REACHABLE,
        "labels": labels,
    }


@bp.route("/stations/create", methods=["GET", "POST"])
@takes_files
@guard("station:create")
def create() -> tuple[str, int] | WerkzeugResponse:
    form = StationForm()
    if form.validate_on_submit():
        try:
            station = operations.create_station(db.session(), current_account(), form.values())
            _keep_image(form, station)
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The station is there. Now add its connectors."), "success")
            return redirect(url_for("connectors.add", station_id=station.id))
    return render_template("stations/create.html", form=form), 422 if form.errors else 200


@bp.get("/stations/<int:station_id>")
@guard("station:view", station=queries.station)
def show(station: Station) -> str:
    session, account = db.session(), current_account()
    connectors = queries.connectors_of(session, station)
    groups = group_list.groups_of_station(session, account.id, station)
    return render_template(
        "stations/show.html",
        station=station,
        place=pages.place_at_station(session, account.id, station, [(one.group, one.owner) for one in groups]),
        groups=groups,
        state=states.of_station(connectors, clock.now()),
        connector_states={c.id: states.of_connector(c, clock.now()) for c in connectors},
        sessions_url=url_for("charging.list_sessions", station=station.id),
        sharing_url=_sharing_url,
        spot=map_views.spot(station),
        labels=labels,
    )


def _sharing_url(station_group_id: int) -> str:
    return url_for("sharing.list_grants", station_group_id=station_group_id)


@bp.route("/stations/<int:station_id>/edit", methods=["GET", "POST"])
@takes_files
@guard("station:edit", station=queries.station)
def edit(station: Station) -> tuple[str, int] | WerkzeugResponse:
    session, actor, present = db.session(), current_account(), of_station(station)
    form = StationForm(data=present | {"seen": stations.version(station)})
    locked = refused_fields.locked("station", STATION_FIELDS, writing.writable_fields(session, actor, station).station)
    writing.check(session, actor, station, form.lock(locked, present))
    if form.validate_on_submit():
        try:
            operations.edit_station(session, actor, station, form.values(), form.seen.data or "")
            _keep_image(form, station)
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
            if isinstance(broken, operations.Meanwhile):
                form.show_present(of_station(station), broken.fields, stations.version(station))
        else:
            db.session.commit()
            flash(gettext("The station is saved."), "success")
            return redirect(url_for("stations.show", station_id=station.id))
    page = render_template("stations/edit.html", form=form, station=station, locked=locked)
    return page, 422 if form.errors else 200


def _keep_image(form: StationForm, station: Station) -> None:
    session, actor = db.session(), current_account()
    upload = form.image.data
    if upload and upload.filename:
        operations.set_image(session, actor, station, upload.stream.read(images.MOST_BYTES + 1))
    elif form.remove_image.data:
        operations.remove_image(session, actor, station)


@bp.route("/stations/<int:station_id>/delete", methods=["GET", "POST"])
@guard("station:delete", station=queries.station)
def delete(station: Station) -> tuple[str, int] | WerkzeugResponse:
    session, problem = db.session(), ""
    if request.method == "POST":
        try:
            operations.delete_station(session, current_account(), station)
        except RuleBroken as broken:
            session.rollback()
            problem = gettext(broken.message, **broken.params)
        else:
            session.commit()
            flash(gettext("The station is deleted."), "success")
            return redirect(url_for("stations.list_stations"))
    ending = consequences.of_station(session, station)
    page = render_template(
        "stations/delete.html", station=station, ending=ending, sentences=_sentences(ending), problem=problem
    )
    return page, 422 if problem else 200


def _sentences(ending: consequences.OfStation) -> list[str]:
    connectors = ngettext(
        "%(num)s connector with its prices, opening times and identifiers is deleted.",
        "%(num)s connectors with their prices, opening times and identifiers are deleted.",
        ending.connectors,
    )
    groups = [
        gettext("It leaves the group %(name)s: who sees it through this group sees it no more.", name=name)
        for name in ending.groups
    ]
    return [connectors, *groups, *_maintained(ending), gettext("This cannot be undone.")]


def _maintained(ending: consequences.OfStation) -> list[str]:
    counts = (
        (
            ending.works,
            ngettext(
                "%(num)s planned work that is not done is deleted, and nobody is told that it does not take place.",
                "%(num)s planned works that are not done are deleted, and nobody is told that they do not take place.",
                ending.works,
            ),
        ),
        (
            ending.entries,
            ngettext(
                "%(num)s note or work of the maintenance that is over is deleted.",
                "%(num)s notes and works of the maintenance that are over are deleted.",
                ending.entries,
            ),
        ),
        (
            ending.receiving,
            ngettext(
                "%(num)s recipient no longer receives its maintenance.",
                "%(num)s recipients no longer receive its maintenance.",
                ending.receiving,
            ),
        ),
    )
    return [sentence for count, sentence in counts if count]


@bp.get("/stations/<int:station_id>/image")
@guard("station:view", station=queries.station)
def image(station: Station) -> WerkzeugResponse:
    """The picture; browsers keep it, but ask again each time, so that a revoked grant ends it."""
    session = db.session()
    kept = session.get(StoredFile, station.image_file_id) if station.image_file_id else None
    if kept is None:
        raise NotThere
    answer = Response(b"".join(files.chunks(session, kept.id)), mimetype=images.MIME_TYPE)
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.set_etag(kept.sha256)
    return answer.make_conditional(request)
