"""Maintenance: what is planned where, and the pages of one station and one station group."""

from collections.abc import Collection

from flask import render_template, request

from portal.accounts.login import current_account
from portal.core import clock, web
from portal.core.db import db
from portal.core.web import guard
from portal.maintenance import labels, queries, recipient_views, work_views
from portal.maintenance.blueprint import bp, tabs
from portal.maintenance.models import MaintenanceEntry
from portal.stations import pages, search
from portal.stations import queries as stations
from portal.stations.models import Station, StationGroup

__all__ = ["blueprints", "recipient_views", "work_views"]  # these add their pages to the blueprint


@bp.get("/maintenance")
@guard("maintenance:list")
def list_work() -> str:
    session, account = db.session(), current_account()
    text = search.cleaned(request.args.get("q"))
    return render_template(
        "maintenance/list_work.html",
        page=queries.open_work(session, account.id, text, web.page_number()),
        text=text,
        now=clock.now(),
        labels=labels,
        tabs=tabs("work"),
    )


@bp.get("/stations/<int:station_id>/maintenance")
@guard("maintenance:view", station=stations.station)
def show_station(station: Station) -> str:
    session, account = db.session(), current_account()
    place = pages.place_at_station(session, account.id, station)
    divides = "maintenance:divide" in place.actions
    return render_template(
        "maintenance/show_station.html",
        station=station,
        place=place,
        open_work=queries.open_at(session, station),
        history=queries.history(session, station, web.page_number()),
        recipients=queries.recipients_of(session, station) if divides else None,
        by_group=queries.recipients_by_group(session, station) if divides else None,
        now=clock.now(),
        labels=labels,
    )


@bp.get("/station-groups/<int:station_group_id>/maintenance")
@guard("maintenance:view", station_group=stations.station_group)
def show_group(station_group: StationGroup) -> str:
    session, account = db.session(), current_account()
    place = pages.place_at_group(session, account.id, station_group)
    divides = "maintenance:divide" in place.actions
    return render_template(
        "maintenance/show_group.html",
        group=station_group,
        place=place,
        work=queries.open_work_in(session, station_group),
        recipients=queries.recipients_of(session, station_group) if divides else None,
        tabs=pages.group_tabs(
            station_group,
            "maintenance",
            sees_grants="grant:view" in place.actions,
            sees_special_users="special_user:view" in place.actions,
        ),
        now=clock.now(),
        labels=labels,
    )


@bp.app_template_global("planned_work")
def planned_work(station_ids: Collection[int]) -> dict[int, list[MaintenanceEntry]]:
    """Work that is planned at stations which the page's gate has let through, by station; one statement."""
    return queries.planned(db.session(), list(station_ids))


blueprints = (bp,)
