"""Pages of station groups."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import clock, forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import NotThere, RuleBroken
from portal.core.web import guard
from portal.stations import (
    consequences,
    group_list,
    labels,
    operations,
    pages,
    queries,
    search,
    states,
    station_list,
)
from portal.stations.forms import AddStationsForm, GroupForm
from portal.stations.models import Station, StationGroup
from portal.stations.operations import groups

bp = Blueprint("station_groups", __name__)
VERBS = ("edit", "delete", "add_station", "remove_station")


@bp.get("/station-groups")
@guard("station_group:list")
def list_groups() -> str:
    return render_template("station_groups/list.html", **listed(db.session(), current_account().id))


def listed(session: Session, account_id: int) -> dict[str, Any]:
    """What the list of station groups shows to the account, as the address of the page asks."""
    text, chosen = search.cleaned(request.args.get("q")), pages.relation()
    page = group_list.groups(session, account_id, relation=chosen, text=text, number=web.page_number())
    return {"page": page, "text": text, "show": chosen or ""}


@bp.route("/station-groups/create", methods=["GET", "POST"])
@guard("station_group:create")
def create() -> tuple[str, int] | Response:
    form = GroupForm()
    if form.validate_on_submit():
        try:
            group = operations.create_group(
                db.session(), current_account(), form.name.data or "", form.description.data or ""
            )
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
        else:
            db.session.commit()
            flash(gettext("The group is there. Now add its stations."), "success")
            return redirect(url_for("station_groups.add_stations", station_group_id=group.id))
    return render_template("station_groups/create.html", form=form), 422 if form.errors else 200


@bp.get("/station-groups/<int:station_group_id>")
@guard("station_group:view", station_group=queries.station_group)
def show(station_group: StationGroup) -> str:
    session, account = db.session(), current_account()
    text = search.cleaned(request.args.get("q"))
    page = station_list.of_group(session, station_group, text=text, number=web.page_number())
    figures, now = group_list.figures(session, station_group), clock.now()
    place = pages.place_at_group(session, account.id, station_group, figures.owner)
    return render_template(
        "station_groups/show.html",
        group=station_group,
        page=page,
        text=text,
        figures=figures,
        station_states={station.id: states.of_station(station.connectors, now) for station in page.items},
        place=place,
        tabs=pages.group_tabs(
            station_group,
            "stations",
            sees_grants="grant:view" in place.actions,
            sees_special_users="special_user:view" in place.actions,
        ),
        may={verb: f"station_group:{verb}" in place.actions for verb in VERBS},
        labels=labels,
    )


@bp.route("/station-groups/<int:station_group_id>/edit", methods=["GET", "POST"])
@guard("station_group:edit", station_group=queries.station_group)
def edit(station_group: StationGroup) -> tuple[str, int] | Response:
    form = GroupForm(obj=station_group, seen=groups.version(station_group))
    if form.validate_on_submit():
        try:
            texts = form.name.data or "", form.description.data or "", form.seen.data or ""
            operations.edit_group(db.session(), current_account(), station_group, *texts)
        except RuleBroken as broken:
            db.session.rollback()
            forms.show(form, broken)
            if isinstance(broken, operations.Meanwhile):
                present = {"name": station_group.name, "description": station_group.description}
                form.show_present(present, broken.fields, groups.version(station_group))
        else:
            db.session.commit()
            flash(gettext("The group is saved."), "success")
            return redirect(url_for("station_groups.show", station_group_id=station_group.id))
    return render_template("station_groups/edit.html", form=form, group=station_group), 422 if form.errors else 200


@bp.route("/station-groups/<int:station_group_id>/add-stations", methods=["GET", "POST"])
@guard("station_group:add_station", station_group=queries.station_group)
def add_stations(station_group: StationGroup) -> tuple[str, int] | Response:
    session, form = db.session(), AddStationsForm()
    if form.validate_on_submit():
        try:
            chosen = form.chosen(request.form.getlist("station_ids"))
            added = operations.add_stations(session, current_account(), station_group, chosen)
        except RuleBroken as broken:
            session.rollback()
            forms.show(form, broken)
        else:
            session.commit()
            flash(ngettext("%(num)s station is added.", "%(num)s stations are added.", added), "success")
            return redirect(url_for("station_groups.show", station_group_id=station_group.id))
    text = search.cleaned(request.args.get("q"))
    page = station_list.not_in_group(session, station_group, text=text, number=web.page_number())
    rendered = render_template("station_groups/add_stations.html", group=station_group, form=form, page=page, text=text)
    return rendered, 422 if form.errors else 200


@bp.route("/station-groups/<int:station_group_id>/stations/<int:station_id>/remove", methods=["GET", "POST"])
@guard("station_group:remove_station", station_group=queries.station_group, station=queries.station)
def remove_station(station_group: StationGroup, station: Station) -> str | Response:
    session = db.session()
    if request.method == "POST":
        operations.remove_station(session, current_account(), station_group, station)
        session.commit()
        flash(gettext("The station is no longer in this group."), "success")
        return redirect(url_for("station_groups.show", station_group_id=station_group.id))
    if not queries.in_group(session, station_group, station):
        raise NotThere
    losing = consequences.recipients(session, station_group, losing=station)
    sentences = [gettext("%(who)s sees this station no more.", who=who) for who in losing]
    sentences += [
        gettext("The export task %(name)s no longer contains it, from its next file on.", name=name)
        for name in consequences.tasks(session, station_group, current_account().id)
    ]
    sentences.append(gettext("The station itself, its connectors and its sessions stay."))
    return render_template(
        "station_groups/remove_station.html", group=station_group, station=station, sentences=sentences
    )
