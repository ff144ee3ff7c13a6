"""What somebody else would see of all that is the reader's: station groups, stations, a connector. The sessions and the
exports stand in their own domains."""

from flask import Blueprint, render_template
from flask_login import current_user

from portal.core import clock
from portal.core.db import db
from portal.core.web import guard
from portal.sharing import eyes, paths, view_as
from portal.sharing.access_words import FIELDS
from portal.stations import group_views, labels, states, station_views
from portal.stations import queries as stations
from portal.stations.forms import ConnectorForm, of_connector
from portal.stations.models import Connector

bp = Blueprint("view_as", __name__)


@bp.get("/view-as/station-groups")
@guard("grant:list")
def list_groups() -> tuple[str, int]:
    return eyes.page("access/view_as_groups.html", "groups", group_views.listed)


@bp.get("/view-as/stations")
@guard("grant:list")
def list_stations() -> tuple[str, int]:
    return eyes.page("access/view_as_stations.html", "stations", station_views.listed)


@bp.get("/connectors/<int:connector_id>/view-as")
@guard("access:view_as", connector=stations.connector)
def connector(connector: Connector) -> tuple[str, int]:
    """The page of the connector with what the other would find on it, nothing of it usable."""
    session, asked, station = db.session(), eyes.question({}), connector.station
    view = view_as.of_station(session, current_user.id, station, asked.email) if asked.email else None
    if view is None:
        known = paths.known_to_owner(session, current_user.id)
        return render_template("access/nothing_to_see.html", asked=asked, known=known, station=station), asked.status
    page = render_template(
        "access/view_as_connector.html",
        **eyes.around(asked, view, "stations"),
        connector=connector,
        station=station,
        form=ConnectorForm(formdata=None, data=of_connector(connector)),
        state=states.of_connector(connector, clock.now()),
        labels=labels,
        fields=FIELDS,
    )
    return page, asked.status
