"""Pages about the special users of a place: their addresses at a station group, a station and a connector, and what
tells the reader where he stands."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

from flask import Blueprint, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from portal.access.special_users import Spot
from portal.accounts.models import Account
from portal.core import authz
from portal.core.web import Loader, guard
from portal.stations import pages, queries
from portal.stations.models import Connector, Station, StationGroup

# Kind of a place: the beginning of its addresses, and how it is loaded.
PLACES: dict[str, tuple[str, Loader]] = {
    "station_group": ("/station-groups/<int:station_group_id>", queries.station_group),
    "station": ("/stations/<int:station_id>", queries.station),
    "connector": ("/connectors/<int:connector_id>", queries.connector),
}
View = Callable[[Any], Any]


class Here(NamedTuple):
    """Where the reader is: the place by its kind and name, what he is to it, and the way to it."""

    kind: str
    place: Spot
    name: str
    reader: pages.Place
    trail: list[dict[str, str | None]]  # breadcrumbs up to the place
    tabs: list[dict[str, Any]]

    def url(self, view: str, **values: Any) -> str:
        """The address of one of the pages that are the same at every place."""
        named: dict[str, Any] = {f"{self.kind}_id": self.place.id, **values}
        return url_for(f"special_users.{view}_{self.kind}", **named)


def at_each_place(
    blueprint: Blueprint, rule: str, action: str, methods: tuple[str, ...] = ("GET",)
) -> Callable[[View], View]:
    """Marks a view of one place: it answers at each kind of place, as `<view>_<kind>`, behind the gate of that kind."""

    def mark(view: View) -> View:
        for kind, (beginning, load) in PLACES.items():

            @wraps(view)
            def there(**loaded: Any) -> Any:
                (place,) = loaded.values()
                return view(place)

            guarded = guard(action, **{kind: load})(there)
            endpoint = f"{view.__name__}_{kind}"
            blueprint.add_url_rule(beginning + rule, endpoint, guarded, methods=list(methods))
        return view

    return mark


def here(session: Session, account: Account, place: Spot) -> Here:
    """What a page about the place says of it to an account that may see it; two statements at most, none to its
    owner where its station is loaded."""
    reader = _reader(session, account, place)
    if isinstance(place, StationGroup):
        trail = [_crumb("station_groups.list_groups", gettext("Station groups"))]
        trail.append(_crumb("station_groups.show", place.name, station_group_id=place.id))
        tabs = pages.group_tabs(place, "special_users", sees_grants="grant:view" in reader.actions)
        return Here("station_group", place, place.name, reader, trail, tabs)
    station = place.station if isinstance(place, Connector) else place
    trail = [_crumb("stations.list_stations", gettext("Stations"))]
    trail.append(_crumb("stations.show", station.name, station_id=station.id))
    if isinstance(place, Station):
        return Here("station", place, place.name, reader, trail, [])
    name = gettext("Connector %(number)s", number=place.number)
    trail.append(_crumb("connectors.show", name, connector_id=place.id))
    return Here("connector", place, f"{station.name} / {place.number}", reader, trail, [])


def _reader(session: Session, account: Account, place: Spot) -> pages.Place:
    if place.owner_id == account.id:
        return pages.Place("owner", None, account.name or account.email, authz.owner_actions())
    if isinstance(place, StationGroup):
        return pages.place_at_group(session, account.id, place)
    station = place.station if isinstance(place, Connector) else place
    return pages.place_at_station(session, account.id, station)


def _crumb(endpoint: str, label: str, **values: Any) -> dict[str, str | None]:
    return {"url": url_for(endpoint, **values), "label": label}
