"""The map of stations as a page: what stands where, and for whom."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.stations import map_places, reach
from portal.stations.map_outline import Box
from portal.stations.map_picture import COLUMNS, WHOLE, WIDTH, Section, fitting
from portal.stations.map_places import Places
from portal.stations.models import ConnectorState, Grant, Station, StationGroupStation
from tests import world
from tests.stations.scene import Scene

LogIn = Callable[[Account], FlaskClient]
LUGANO, ZURICH, MILAN = (46.0037, 8.9511), (47.3769, 8.5417), (45.4642, 9.19)


def put(station: Station, place: tuple[float, float] | None, **fields: object) -> Station:
    station.latitude, station.longitude = place or (None, None)
    for connector in station.connectors:
        for name, value in fields.items():
            setattr(connector, name, value)
    return station


@pytest.fixture
def placed(scene: Scene, session: Session) -> Scene:
    """`station` in Lugano, `lonely` in Zürich, one more of the owner's in Milan and one nowhere: these three in a
    group that is shared with nobody."""
    put(scene.station, LUGANO, state=ConnectorState.AVAILABLE.value, state_at=clock.now())
    put(scene.lonely, ZURICH)
    put(world.station(session, scene.owner, "Porta Romana"), MILAN)
    world.station(session, scene.owner, "Magazzino")
    kept = world.station_group(session, scene.owner, "Shared with nobody")
    put(world.station(session, world.account(session, "other@demo.example"), "Of somebody else"), ZURICH)
    for station in session.query(Station).filter(Station.owner_id == scene.owner.id, Station.id != scene.station.id):
        session.add(StationGroupStation(station_group_id=kept.id, station_id=station.id, owner_id=scene.owner.id))
    session.commit()
    return scene


def marks(page: str) -> list[str]:
    return re.findall(r'<a class="map-mark [^>]*aria-label="([^"]*)"', page)


def rows(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><div><a href="/stations/\d+">([^<]*)</a>', page)


def test_the_owner_sees_his_stations_where_they_are(placed: Scene, logged_in: LogIn) -> None:
    page = logged_in(placed.owner).get("/map").text
    assert sorted(marks(page)) == ["Depot: No live connection", "Via Nassa: Available"]
    assert f'href="/stations/{placed.station.id}"' in page
    assert rows(page) == ["Depot", "Via Nassa"]
    assert "4 stations, 2 on the map" in page


@pytest.mark.parametrize(("where", "name"), [("outside", "Porta Romana"), ("unplaced", "Magazzino")])
def test_the_others_are_listed_below(placed: Scene, logged_in: LogIn, where: str, name: str) -> None:
    assert rows(logged_in(placed.owner).get(f"/map?where={where}").text) == [name]


@pytest.mark.parametrize("who", ["administrate", "manage", "display"])
def test_by_a_grant_one_sees_the_group_alone(placed: Scene, logged_in: LogIn, who: str) -> None:
    for where in ("section", "outside", "unplaced"):
        page = logged_in(getattr(placed, who)).get(f"/map?where={where}").text
        assert marks(page) == ["Via Nassa: Available"]
        assert "1 station, 1 on the map" in page
        assert "Depot" not in page
        assert "Porta Romana" not in page


@pytest.mark.parametrize("who", ["stranger", "unlicensed"])
def test_others_see_nothing_and_are_told_what_to_do(placed: Scene, logged_in: LogIn, who: str) -> None:
    for where in ("section", "outside", "unplaced"):
        page = logged_in(getattr(placed, who)).get(f"/map?where={where}").text
        assert not marks(page)
        assert "Add your first station" in page
        assert "Via Nassa" not in page


@pytest.mark.parametrize("field", ["ends_at", "revoked_at"])
def test_an_ended_grant_shows_nothing(placed: Scene, session: Session, logged_in: LogIn, field: str) -> None:
    browser = logged_in(placed.display)
    assert marks(browser.get("/map").text)
    grant = session.query(Grant).filter_by(email=placed.display.email).one()
    setattr(grant, field, clock.now() - timedelta(seconds=1))
    session.commit()
    assert not marks(browser.get("/map").text)


def test_stations_side_by_side_are_one_mark_that_leads_nearer(
    placed: Scene, session: Session, logged_in: LogIn
) -> None:
    put(placed.lonely, (LUGANO[0] + 0.0002, LUGANO[1]), out_of_service=True)
    session.commit()
    browser = logged_in(placed.owner)
    page = browser.get("/map").text
    assert marks(page) == ["2 stations, canton TI: 1 Available, 1 Out of service"]
    for _step in range(10):
        found = re.search(r'<a class="map-mark map-heap" href="([^"]*)"', page)
        if not found:
            break
        page = browser.get(found[1].replace("&amp;", "&")).text
    assert sorted(marks(page)) == ["Depot: Out of service", "Via Nassa: Available"]


def test_at_the_very_same_place_the_mark_leads_to_their_list(placed: Scene, session: Session, logged_in: LogIn) -> None:
    put(placed.lonely, LUGANO)
    session.commit()
    page = logged_in(placed.owner).get("/map?box=8.9510,46.0036,8.9512,46.0038").text
    assert re.search(r'<a class="map-mark map-heap" href="/map\?box=[^"]*#stations"', page)


def test_a_section_shows_and_lists_what_is_in_it(placed: Scene, logged_in: LogIn) -> None:
    browser = logged_in(placed.owner)
    for query, name in (("canton=ZH", "Depot"), ("canton=TI", "Via Nassa"), ("box=8.9,45.9,9.0,46.1", "Via Nassa")):
        page = browser.get(f"/map?{query}").text
        assert rows(page) == [name]
        assert len(marks(page)) == 1
        assert "1 station in this section, 1 elsewhere on the map" in page


def test_the_filters_are_those_of_the_list(placed: Scene, logged_in: LogIn) -> None:
    browser = logged_in(placed.owner)
    for query in ("q=nassa", f"group={placed.group.id}"):
        assert rows(browser.get(f"/map?{query}").text) == ["Via Nassa"]
    for query in ("q=nowhere", "show=viewed"):
        assert "No station fits" in browser.get(f"/map?{query}").text
    assert logged_in(placed.display).get("/map?show=viewed").text.count("map-mark ") == 1
    assert not marks(logged_in(placed.display).get("/map?show=managed").text)


def test_a_group_one_may_not_see_is_not_there(placed: Scene, logged_in: LogIn) -> None:
    assert logged_in(placed.stranger).get(f"/map?group={placed.group.id}").status_code == 404


def test_a_station_seen_in_two_ways_counts_once(placed: Scene, session: Session) -> None:
    other = world.station_group(session, placed.owner, "Ticino")
    ids = {"station_group_id": other.id, "station_id": placed.station.id, "owner_id": placed.owner.id}
    session.add(StationGroupStation(**ids))
    world.grant(session, other, "manage", placed.display.email)
    session.commit()
    assert counted(session, placed.display).placed == 1


def test_own_and_shared_ones_are_counted_together(placed: Scene, session: Session, logged_in: LogIn) -> None:
    for place in (LUGANO, MILAN, None):
        for owner, groups in ((placed.display, []), (placed.owner, [placed.group])):
            put(world.station(session, owner, "", *groups), place)
    session.commit()
    page = logged_in(placed.display).get("/map").text
    assert "7 stations, 3 on the map" in page
    assert re.findall(r'<span class="count">(\d+)</span>', page) == ["3", "2", "2"]


@pytest.mark.parametrize(
    "query",
    [
        "box=", "box=1,2,3", "box=nan,1,2,3", "box=inf,inf,inf,inf", "box=9,9,8,8", "box=1e400,0,0,0", "box=0,0,0,0",
        "box=-180,-90,180,90", "box=" + "9" * 5000, "canton=XX", "where=x", "page=99999", "group=x", "q=%1b%ff",
        "show=<b>",
    ],
)  # fmt: skip
def test_nonsense_in_the_address_does_no_harm(placed: Scene, logged_in: LogIn, query: str) -> None:
    assert logged_in(placed.owner).get(f"/map?{query}").status_code == 200


def test_the_page_asks_nobody_else_and_holds_no_inline_style(placed: Scene, logged_in: LogIn) -> None:
    page = logged_in(placed.owner).get("/map").text
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"\sstyle=|<style|<script>", page)


def test_it_names_whose_data_the_outline_is(placed: Scene, logged_in: LogIn) -> None:
    assert "Federal Statistical Office (BFS), GEOSTAT" in logged_in(placed.owner).get("/map").text


def test_without_any_coordinates_it_says_how_to_enter_them(scene: Scene, logged_in: LogIn) -> None:
    page = logged_in(scene.owner).get("/map").text
    assert "No station has coordinates yet" in page
    assert not marks(page)


def test_the_anonymous_are_sent_to_log_in(client: FlaskClient) -> None:
    assert client.get("/map").status_code == 302


def test_the_page_of_a_station_shows_it_on_a_small_map(placed: Scene, session: Session, logged_in: LogIn) -> None:
    browser = logged_in(placed.owner)
    assert "Via Nassa on the map of Switzerland, canton TI" in browser.get(f"/stations/{placed.station.id}").text
    abroad = session.query(Station).filter_by(name="Porta Romana").one()
    assert "on the map of Switzerland" not in browser.get(f"/stations/{abroad.id}").text


def counted(session: Session, account: Account, section: Section = WHOLE) -> Places:
    return map_places.of(session, reach.of(session, account.id), section)


def test_every_station_is_counted_in_the_cell_it_is_drawn_in(session: Session, scene: Scene) -> None:
    for number in range(300):
        place = 45.0 + number % 20 * 0.17, 5.5 + number // 20 * 0.36
        put(world.station(session, scene.stranger), place)
    session.commit()
    for shown in (WHOLE, fitting(Box(7.0, 46.0, 9.0, 47.0)), fitting(Box(8.5, 46.5, 8.6, 46.6))):
        places = counted(session, scene.stranger, shown)
        stations = session.query(Station).filter_by(owner_id=scene.stranger.id).all()
        inside = [s for s in stations if shown.holds(s.latitude or 0, s.longitude or 0)]
        assert sum(heap.number for heap in places.heaps) == len(inside)
        assert places.total == 300
        drawn = [(column(shown, s), row(shown, s)) for s in inside]
        for heap in places.heaps:
            assert sum(down * COLUMNS + across in heap.cells for across, down in drawn) == heap.number


def column(shown: Section, station: Station) -> int:
    return int(((station.longitude or 0) - shown.box.west) / shown.cell)


def row(shown: Section, station: Station) -> int:
    return int(shown.at(station.latitude or 0, 8)[1] / WIDTH * COLUMNS)


def test_two_on_both_sides_of_the_line_between_cells_are_one_mark(session: Session, scene: Scene) -> None:
    line = WHOLE.box.west + 7 * WHOLE.cell
    for off in (-0.01, 0.01):
        put(world.station(session, scene.stranger), (46.8, line + off))
    session.commit()
    (heap,) = counted(session, scene.stranger).heaps
    assert (heap.number, len(heap.cells)) == (2, 2)
