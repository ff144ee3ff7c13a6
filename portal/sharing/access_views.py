"""Why somebody may, why somebody may not, and what somebody sees: pages about access, for who gives it."""

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, render_template
from flask_login import current_user
from sqlalchemy.orm import Session, selectinload

from portal.accounts.login import current_account
from portal.core import clock, web
from portal.core.db import db
from portal.core.web import guard
from portal.sharing import paths, view_as, why
from portal.sharing.access_words import ABILITIES, FIELDS, OF_GROUP, OF_STATION
from portal.sharing.eyes import links, question
from portal.stations import group_list, labels, pages, states, station_list
from portal.stations import queries as stations
from portal.stations.models import Connector, Station, StationGroup

bp = Blueprint("access", __name__)


@bp.get("/station-groups/<int:station_group_id>/why")
@guard("access:explain", station_group=stations.station_group)
def why_group(station_group: StationGroup) -> tuple[str, int]:
    session, asked = db.session(), question(OF_GROUP)
    is_owner = station_group.owner_id == current_user.id
    told = why.explain(session, current_user.id, station_group, asked.email, asked.action) if asked.email else None
    page = render_template(
        "access/why_group.html",
        group=station_group,
        asked=asked,
        told=told,
        is_owner=is_owner,
        known=paths.known_addresses(session, station_group.owner_id, [station_group.id], as_owner=is_owner),
        tabs=pages.group_tabs(station_group, "sharing", sees_grants=True),
    )
    return page, asked.status


@bp.get("/stations/<int:station_id>/why")
@guard("access:explain", station=stations.station)
def why_station(station: Station) -> tuple[str, int]:
    session, asked = db.session(), question(OF_STATION)
    is_owner, here = station.owner_id == current_user.id, why.groups_to_explain(session, current_user.id, station)
    told = (
        why.explain_station(session, current_user.id, station, here, asked.email, asked.action) if asked.email else None
    )
    page = render_template(
        "access/why_station.html",
        station=station,
        asked=asked,
        told=told,
        is_owner=is_owner,
        known=paths.known_addresses(session, station.owner_id, [group.id for group in here], as_owner=is_owner),
    )
    return page, asked.status


@bp.get("/access")
@guard("grant:list")
def person() -> tuple[str, int]:
    """A person as the reader knows him: what reaches the address of all that is the reader's or administrated by
    him."""
    session, asked = db.session(), question({})
    within = paths.explainable(session, current_user.id, "access:explain")
    found = (
        paths.of_address(session, asked.email, within, "station_group:view", reader_id=current_user.id)
        if asked.email
        else []
    )
    page = render_template(
        "access/person.html",
        asked=asked,
        paths=[path for path in found if not path.is_over],
        gone=[path for path in found if path.is_over],
        cut=len(found) == paths.MOST,
        own=asked.email == current_account().email,
        known=paths.known_to_owner(session, current_user.id),
    )
    return page, asked.status


@bp.get("/station-groups/<int:station_group_id>/view-as")
@guard("access:view_as", station_group=stations.station_group)
def view_as_group(station_group: StationGroup) -> tuple[str, int]:
    session, asked = db.session(), question({})
    view = view_as.of_group(session, current_user.id, station_group, asked.email) if asked.email else None
    page = render_template(
        "access/view_as_group.html",
        url_for=links(asked.email),
        group=station_group,
        asked=asked,
        view=view,
        page=station_list.of_group(session, station_group, number=web.page_number()) if view else None,
        abilities=ABILITIES,
        known=paths.known_addresses(session, station_group.owner_id, [station_group.id], as_owner=True),
    )
    return page, asked.status


@bp.get("/stations/<int:station_id>/view-as")
@guard("access:view_as", station=stations.station)
def view_as_station(station: Station) -> tuple[str, int]:
    """The page of the station with what the other would find on it, nothing of it usable."""
    session, asked = db.session(), question({})
    view = view_as.of_station(session, current_user.id, station, asked.email) if asked.email else None
    known = paths.known_to_owner(session, current_user.id)
    shown: dict[str, Any] = {"asked": asked, "view": view, "station": station, "known": known}
    if view:
        now = clock.now()
        _load_connectors(session, station)
        shown |= {
            "place": pages.Place(view.role, view.paths[0].group, view.paths[0].owner_name, view.actions),
            "groups": [group_list.OfStation(group, view.paths[0].owner_name, None) for group in view.groups],
            "state": states.of_station(station.connectors, now),
            "connector_states": {c.id: states.of_connector(c, now) for c in station.connectors},
            "sessions_url": None,
            "sharing_url": lambda _group_id: "",
            "labels": labels,
            "fields": FIELDS,
            "url_for": links(asked.email),
        }
    template = "access/view_as_station.html" if view else "access/nothing_to_see.html"
    return render_template(template, **shown), asked.status


def _load_connectors(session: Session, station: Station) -> None:
    """All that the page shows of them, in as many statements for one connector as for many."""
    whole = selectinload(Station.connectors).selectinload(Connector.opening_times)
    session.scalars(sa.select(Station).where(Station.id == station.id).options(whole)).one()
