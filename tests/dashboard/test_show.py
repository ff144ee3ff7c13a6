"""The overview: what the reader may see, and nothing else."""

from collections.abc import Callable
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, QuarterHour
from portal.charging.spreading import spread
from portal.core import clock
from portal.licences.models import Kind
from portal.stations.models import Connector
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]


def charge(session: Session, connector: Connector, energy_wh: int, days_ago: int = 2) -> ChargingSession:
    """A session of two hours with its quarter hours."""
    started_at = (clock.now() - timedelta(days=days_ago)).replace(minute=0, second=0, microsecond=0)
    row = ChargingSession(owner_id=connector.owner_id, connector_id=connector.id, source="test", energy_wh=energy_wh)
    row.started_at, row.ended_at = started_at, started_at + timedelta(hours=2)
    row.external_id = f"{connector.id}/{days_ago}"
    session.add(row)
    session.flush()
    for at, part in spread(row.started_at, row.ended_at, energy_wh):
        key = {"connector_id": connector.id, "session_id": row.id, "starts_at": at}
        session.add(QuarterHour(**key, energy_wh=part, quality="E"))
    session.flush()
    return row


def test_it_shows_the_energy_of_the_last_thirty_days(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "master@demo.example")
    station = world.station(session, owner, "Garage 1", world.station_group(session, owner, "Garage"))
    charge(session, station.connectors[0], 12_340)
    charge(session, station.connectors[0], 5_000, days_ago=40)
    page = logged_in(owner).get("/").text
    assert "12.34 kWh" in page
    assert "Garage 1" in page
    assert "+147 %" in page  # against the 5 kWh of the thirty days before


def test_it_shows_a_new_account_what_to_do_first(session: Session, logged_in: LogIn) -> None:
    page = logged_in(world.account(session, "new@demo.example")).get("/").text
    assert "Welcome to Piquet" in page
    assert "/stations/create" in page


def test_it_leads_on_from_the_first_station_to_the_first_session(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "new@demo.example")
    station = world.station(session, owner, "Garage 1", world.station_group(session, owner, "Garage"))
    assert "Welcome to Piquet" in logged_in(owner).get("/").text
    charge(session, station.connectors[0], 12_340)
    page = logged_in(owner).get("/").text
    assert "12.34 kWh" in page
    assert "Share a station group" in page


def test_a_stranger_sees_nothing_of_it(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "master@demo.example")
    stranger = world.account(session, "stranger@demo.example")
    charge(session, world.station(session, stranger, "His own").connectors[0], 1_000)
    station = world.station(session, owner, "Garage 1", world.station_group(session, owner, "Garage"))
    charge(session, station.connectors[0], 12_340)
    page = logged_in(stranger).get("/").text
    assert "Garage" not in page
    assert "12.34" not in page


def test_a_sub_account_sees_the_shared_group_while_both_hold_the_licence(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "master@demo.example", Kind.AUTHORISATION)
    display = world.account(session, "display@demo.example")
    licence = world.licence(session, display, Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Garage")
    world.grant(session, group, "display", "display@demo.example")
    charge(session, world.station(session, owner, "Garage 1", group).connectors[0], 12_340)
    browser = logged_in(display)
    assert "12.34 kWh" in browser.get("/").text
    licence.ends_at = clock.now() - timedelta(seconds=1)
    session.commit()
    inert = browser.get("/").text
    assert "12.34" not in inert
    assert "Your licence is missing" in inert


def test_it_takes_a_bounded_number_of_statements(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "master@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Garage")
    for number in range(30):
        station = world.station(session, owner, f"Garage {number}", group, connectors=2)
        charge(session, station.connectors[0], 1_000)
    browser = logged_in(owner)
    with recorded() as statements:
        assert browser.get("/").status_code == 200
    assert len(statements) <= 12
