"""The warning of the Limited rule on the pages of groups, stations and connectors, and what its buttons do."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.access import limited, requests
from portal.access.limited import Area, Asked, Missing
from portal.access.models import SpecialUserRequest
from portal.accounts.blueprint import site_links
from portal.accounts.login import current_account
from portal.core import authz, forms
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.urls import inner_path
from portal.core.web import guard
from portal.stations import queries as stations
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation

bp = Blueprint("limited", __name__)
MOST_GROUPS = 100  # of a station, in one request


@dataclass(frozen=True, slots=True)
class Told:
    """What the reader is told: as the owner who is missing, and who of them asks; as somebody who holds the stations
    only of himself, and where he can ask."""

    is_owner: bool
    found: list[Missing]
    station_group_id: int
    connectors: int
    asked: Asked | None = None
    also: tuple[int, ...] = ()  # further station groups of the owner's in which somebody is missing

    @property
    def declined_at(self) -> datetime | None:
        return self.asked.declined_at if self.asked else None


@bp.app_template_global("limited_rule")
def limited_rule(
    group: StationGroup | None = None, station: Station | None = None, connector: Connector | None = None
) -> Told | None:
    """Who is missing as special user at this place, as far as the reader is concerned; none where nobody is. At most
    two statements."""
    area = Area(group.owner_id, [group.id]) if group else _around(station or connector)
    return _of_owner(area) if area.owner_id == current_account().id else _of_holder(area)


def _around(place: Station | Connector | None) -> Area:
    """The station groups by which the reader sees the station; all of its own for its owner."""
    assert place is not None
    station_id = place.station_id if isinstance(place, Connector) else place.id
    column = StationGroupStation.station_group_id
    ids = sa.select(column).where(StationGroupStation.station_id == station_id)
    if place.owner_id != current_account().id:
        ids = ids.where(column.in_(authz.visible(current_account().id, "station_group:view")))
    return Area(place.owner_id, ids, station_id, place.id if isinstance(place, Connector) else None)


def _of_owner(area: Area) -> Told | None:
    found = limited.among_holders(db.session(), area, current_account().email)
    if not found:
        return None
    first, *others = dict.fromkeys(one.holder.station_group_id for one in found)
    return Told(True, found, first, max(one.connectors for one in found), also=tuple(others))


def _of_holder(area: Area) -> Told | None:
    account = current_account()
    found, asked = limited.of_holder(db.session(), area, account)
    if not found:
        return None
    most = max(found, key=lambda one: one.connectors)
    return Told(False, [], most.holder.station_group_id, most.connectors, asked)


@bp.post("/station-groups/<int:station_group_id>/special-users/missing")
@guard("special_user:edit", station_group=stations.station_group)
def add(station_group: StationGroup) -> Response:
    """Enter whom the warning names: one address, one user group, or all, of this station group and of those named
    besides."""
    session, account = db.session(), current_account()
    email, user_group_id = request.form.get("email", "")[:254], _number(request.form.get("user_group", ""))
    named = sorted({one for one in map(_number, request.form.getlist("also")[:MOST_GROUPS]) if one is not None})
    others = [stations.station_group(session, account.id, "special_user:edit", one) for one in named]
    groups = sorted({station_group, *others}, key=lambda group: group.id)
    try:
        added = requests.admit(session, account, groups, email, user_group_id)
    except RuleBroken as broken:
        session.rollback()
        flash(forms.words(broken), "danger")
    else:
        session.commit()
        done = ngettext("%(num)s special user is entered.", "%(num)s special users are entered.", added)
        flash(done if added else gettext("Nobody is missing there any more."), "success" if added else "info")
    return _back(station_group.id)


@bp.post("/station-groups/<int:station_group_id>/special-users/ask")
@guard("special_user:ask", station_group=stations.station_group)
def ask(station_group: StationGroup) -> Response:
    """Ask the owner to be entered as special user."""
    session = db.session()
    try:
        requests.ask(session, site_links(), current_account(), station_group)
    except RuleBroken as broken:
        session.rollback()
        flash(forms.words(broken), "info")
    else:
        session.commit()
        flash(gettext("The owner is asked. This note goes away once you are entered."), "success")
    return _back(station_group.id)


@bp.post("/special-user-requests/<int:special_user_request_id>/decline")
@guard("special_user:edit", special_user_request=requests.request)
def decline(special_user_request: SpecialUserRequest) -> Response:
    session, group_id = db.session(), special_user_request.station_group_id
    requests.decline(session, current_account(), special_user_request)
    session.commit()
    flash(gettext("The request is declined. The authorisation stays as it is."), "success")
    return _back(group_id)


def _number(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None


def _back(station_group_id: int) -> Response:
    """To the page on which the button stands."""
    otherwise = url_for("station_groups.show", station_group_id=station_group_id)
    return redirect(inner_path(request.form.get("back"), otherwise))
