"""The map of stations."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from portal.accounts.login import current_account
from portal.core import clock, web
from portal.core.db import db
from portal.core.display import ngettext, number
from portal.core.web import guard
from portal.stations import group_list, labels, map_outline, map_picture, map_places, pages, reach, search
from portal.stations.map_outline import Drawing
from portal.stations.map_picture import Section
from portal.stations.map_places import Heap, Places, Seen, Where
from portal.stations.models import Station
from portal.stations.states import DisplayState, of_station

bp = Blueprint("station_map", __name__)


class Mark(NamedTuple):
    """A station in the picture, or several of a cell. `text` stands in the mark of several; `state` is one station's;
    `broken`: how many are out of service, as far as told."""

    x: float
    y: float
    url: str
    title: str
    text: str = ""
    radius: int = 0
    state: DisplayState | None = None
    broken: int = 0


class Spot(NamedTuple):
    """Where in a small picture of the country a station is."""

    drawing: Drawing
    units: str
    x: float
    y: float
    canton: str


@bp.get("/map")
@guard("station:list")
def show() -> str:
    session, account = db.session(), current_account()
    mine, canton, section = reach.of(session, account.id), *_section()
    text, relation, group_id = search.cleaned(request.args.get("q")), pages.relation(), pages.whole_number("group")
    places = map_places.of(session, mine, section, relation=relation, text=text, station_group_id=group_id)
    filters = {"q": text, "show": relation or "", "group": group_id}
    where, now = _where(), clock.now()
    page = map_places.listed(session, places, where, web.page_number())
    kept = {name: value for name, value in filters.items() if value}
    return render_template(
        "stations/map.html",
        places=places,
        marks=_marks(places, map_places.seen(session, places, now), kept),
        section=section,
        drawing=map_outline.drawing(section.off),
        picture=map_picture,
        canton=canton,
        cantons=[(letters, letters) for letters in map_outline.cantons()],
        filters=filters,
        kept=kept,
        groups=group_list.choices(session, mine),
        where=where,
        page=page,
        states={station.id: of_station(station.connectors, now) for station in page.items},
        reachable=map_places.REACHABLE,
        labels=labels,
    )


def _section() -> tuple[str, Section]:
    """The canton that the address asks for, if any, and the section of the map."""
    letters = request.args.get("canton", "")
    of_canton = map_picture.of_canton(letters)
    if of_canton:
        return letters, of_canton
    return "", map_picture.section(request.args.get("box", ""))


def _where() -> Where:
    chosen = request.args.get("where", "")
    return Where(chosen) if chosen in list(Where) else Where.SECTION


def _marks(places: Places, seen: Sequence[Seen], kept: dict[str, Any]) -> list[Mark]:
    told: dict[int, list[Seen]] = {}
    for station in seen:
        told.setdefault(station.cell, []).append(station)
    return [
        _mark(places.section, heap, [station for cell in heap.cells for station in told.get(cell, [])], kept)
        for heap in places.heaps
    ]


def _mark(section: Section, heap: Heap, told: Sequence[Seen], kept: dict[str, Any]) -> Mark:
    x, y = section.at(heap.latitude, heap.longitude)
    if heap.number == 1 and told:
        title = f"{told[0].name}: {labels.DISPLAY_STATES[told[0].state]}"
        return Mark(x, y, url_for("stations.show", station_id=told[0].id), title, state=told[0].state)
    nearer = section.around(heap.latitude, heap.longitude)
    url = url_for("station_map.show", box=nearer.text, _anchor="stations" if nearer == section else None, **kept)
    radius = 12 + 3 * len(str(heap.number))
    states = Counter(station.state for station in told)
    return Mark(
        x,
        y,
        url,
        _title(heap, states),
        text=str(heap.number) if heap.number < 10_000 else f"{heap.number // 1000}k",
        radius=radius,
        broken=states[DisplayState.OUT_OF_SERVICE],
    )


def _title(heap: Heap, states: Counter[DisplayState]) -> str:
    canton = map_outline.canton_at(heap.latitude, heap.longitude)
    stations = ngettext("%(num)s station", "%(num)s stations", heap.number)
    place = gettext("%(stations)s, canton %(canton)s", stations=stations, canton=canton) if canton else stations
    words = [f"{number(states[state])} {labels.DISPLAY_STATES[state]}" for state in DisplayState if states[state]]
    return f"{place}: {', '.join(words)}" if words else place


def spot(station: Station) -> Spot | None:
    """For the page of a station; none where it is not in Switzerland, or nobody knows."""
    if station.latitude is None or station.longitude is None:
        return None
    canton = map_outline.canton_at(station.latitude, station.longitude)
    if canton is None:
        return None
    whole = map_picture.WHOLE
    x, y = whole.at(station.latitude, station.longitude)
    return Spot(map_outline.drawing(3 * map_outline.COARSE), whole.units, x, y, canton)
