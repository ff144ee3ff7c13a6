"""The list of sessions and one session: only what the reader may see."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import queries
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.licences.models import Kind
from portal.stations.models import Station, StationGroupStation
from tests import world
from tests.charging.files import HEAD, imported, stations
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
ZURICH = ZoneInfo("Europe/Zurich")
ROWS = (
    b"1;A;01.03.2024 23:00;02.03.2024 01:00;8;Ann\n"
    b"2;B;05.03.2024 10:00;05.03.2024 11:00;2,5;Ben\n"
    b"3;A;06.03.2024 10:00;06.03.2024 11:00;1;Ben\n"
)


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    stations(session, row, "A", "B")
    imported(session, row, HEAD + ROWS, zone="Europe/Zurich")
    return row


@pytest.fixture
def display(session: Session) -> Account:
    return world.account(session, "display@demo.example", Kind.AUTHORISATION)


def share(session: Session, owner: Account, reference: str, to: Account, **fields: object) -> None:
    group = world.station_group(session, owner)
    station = session.scalars(sa.select(Station).where(Station.reference == reference)).one()
    session.add(StationGroupStation(station_group_id=group.id, station_id=station.id, owner_id=owner.id))
    world.grant(session, group, "display", to.email, **fields)
    session.commit()


def found(session: Session, account: Account, **wanted: object) -> list[str]:
    page = queries.sessions(session, account.id, queries.SessionFilter(**wanted), 1)  # type: ignore[arg-type]
    return [line.row.external_id for line in page.items]


def driver(session: Session, label: str) -> int:
    return session.scalars(sa.select(Driver.id).where(Driver.label == label)).one()


def test_the_owner_sees_the_latest_first_with_totals(owner: Account, logged_in: LogIn) -> None:
    page = logged_in(owner).get("/sessions").text
    assert page.index("06.03.2024") < page.index("05.03.2024") < page.index("01.03.2024")
    assert "11.50 kWh" in page


def test_totals_are_of_the_filtered_ones(session: Session, owner: Account) -> None:
    wanted = queries.SessionFilter(driver_id=driver(session, "Ben"))
    assert queries.totals(session, owner.id, wanted) == queries.Totals(2, 3500, {"CHF": 0})


def test_the_period_is_local_days(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    assert "8.00 kWh" in browser.get("/sessions?from=2024-03-01&to=2024-03-01").text
    assert "No session fits" in browser.get("/sessions?from=2024-03-02&to=2024-03-02").text


@pytest.mark.parametrize(("text", "ids"), [("garage b", ["2"]), ("Ann", ["1"]), ("3", ["3"]), ("nobody", [])])
def test_search_finds_station_driver_and_number(session: Session, owner: Account, text: str, ids: list[str]) -> None:
    assert found(session, owner, text=text) == ids


def test_a_share_shows_its_stations_only(session: Session, owner: Account, display: Account) -> None:
    share(session, owner, "A", display)
    assert found(session, display) == ["3", "1"]
    assert found(session, display, text="Garage B") == []
    assert queries.totals(session, display.id, queries.SessionFilter()).energy_wh == 9000


def test_a_stranger_sees_nothing(session: Session, owner: Account, logged_in: LogIn) -> None:
    stranger = world.account(session, "stranger@demo.example")
    row = session.scalars(sa.select(ChargingSession)).first()
    assert row is not None
    browser = logged_in(stranger)
    assert "No session yet" in browser.get("/sessions").text
    assert browser.get(f"/sessions/{row.id}").status_code == 404


def test_hidden_drivers_are_numbers_everywhere(
    session: Session, owner: Account, display: Account, logged_in: LogIn
) -> None:
    share(session, owner, "A", display, hides_drivers=True)
    ann = driver(session, "Ann")
    row = session.scalars(sa.select(ChargingSession).where(ChargingSession.external_id == "1")).one()
    browser = logged_in(display)
    for address in ("/sessions", f"/sessions/{row.id}", f"/sessions?driver={ann}"):
        assert "Ann" not in browser.get(address).text
    assert f"#{ann}" in browser.get("/sessions").text
    assert found(session, display, text="Ann") == found(session, display, driver_id=ann) == []


def test_a_grant_that_does_not_hide_them_wins(session: Session, owner: Account, display: Account) -> None:
    share(session, owner, "A", display, hides_drivers=True)
    share(session, owner, "A", display)
    assert found(session, display, text="Ann") == ["1"]


def test_one_session_shows_its_quarter_hours_twice(session: Session, owner: Account, logged_in: LogIn) -> None:
    row = session.scalars(sa.select(ChargingSession).where(ChargingSession.external_id == "2")).one()
    page = logged_in(owner).get(f"/sessions/{row.id}").text
    assert page.count("0.625 kWh") >= 4
    assert "E substitute" in page


def test_the_list_costs_the_same_for_many_sessions(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    with recorded() as three:
        browser.get("/sessions")
    rows = b"".join(b"%d;A;%02d.04.2024 10:00;%02d.04.2024 11:00;1;D%d\n" % (n + 90, n, n, n) for n in range(1, 29))
    imported(session, owner, HEAD + rows, zone="Europe/Zurich")
    with recorded() as many:
        browser.get("/sessions")
    assert len(many) == len(three) <= 12


def test_quarter_hours_go_with_their_session(session: Session, owner: Account) -> None:
    session.execute(sa.delete(ChargingSession).where(ChargingSession.started_at < datetime(2024, 3, 5, tzinfo=UTC)))
    assert session.scalar(sa.select(sa.func.sum(QuarterHour.energy_wh))) == 3500


@pytest.mark.parametrize(
    "odd", ["group=99999999999999999999", "page=99999999999999999999", "page=-1", "q=%25_", "from=soon", "station=x"]
)
def test_an_odd_address_is_no_error(owner: Account, logged_in: LogIn, odd: str) -> None:
    assert logged_in(owner).get(f"/sessions?{odd}").status_code == 200
