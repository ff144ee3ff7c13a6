"""The overview: what the reader may see, and nothing else."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.daily_totals import ZONE
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.charging.spreading import spread
from portal.core import clock
from portal.delivery.models import Destination
from portal.exports.models import ExportTask, Formatter
from portal.licences.models import Kind, Licence
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]


def charge(
    session: Session, connector: Connector, energy_wh: int, days_ago: int = 2, driver: Driver | None = None
) -> ChargingSession:
    """A session of two hours, from ten in the morning on, with its quarter hours."""
    day = clock.now().astimezone(ZONE).date() - timedelta(days=days_ago)
    return charge_at(session, connector, energy_wh, datetime.combine(day, time(10), ZONE), driver)


def charge_at(
    session: Session, connector: Connector, energy_wh: int, at: datetime, driver: Driver | None = None
) -> ChargingSession:
    row = ChargingSession(owner_id=connector.owner_id, connector_id=connector.id, source="test", energy_wh=energy_wh)
    row.started_at, row.ended_at = at.astimezone(UTC), at.astimezone(UTC) + timedelta(hours=2)
    row.external_id, row.driver_id = f"{connector.id}/{at}", driver.id if driver else None
    session.add(row)
    session.flush()
    for starts_at, part in spread(row.started_at, row.ended_at, energy_wh):
        key = {"connector_id": connector.id, "session_id": row.id, "starts_at": starts_at}
        session.add(QuarterHour(**key, energy_wh=part, quality="E"))
    session.flush()
    return row


def task(session: Session, owner: Account, group: StationGroup) -> ExportTask:
    named = {"owner_id": owner.id, "name": "Monthly"}
    destination = Destination(**named, host="sftp.example", username="piquet", login="password")
    formatter = Formatter(**named, format="esl_xml", identifier="metering_code", settings={})
    session.add_all([destination, formatter])
    session.flush()
    parts = {"station_group_id": group.id, "formatter_id": formatter.id, "destination_id": destination.id}
    whose = {"scope": "charging_points", "user_id": owner.id}
    row = ExportTask(**named, **parts, **whose, interval="month", starts_on=MARCH.date())
    session.add(row)
    session.flush()
    return row


def shown(page: str, heading: str) -> str:
    """The text of the card of this heading."""
    found = re.search(rf">{heading}</h2>(.*?)</section>", page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""


@pytest.fixture
def garage(session: Session) -> tuple[Account, StationGroup, Station]:
    owner = world.account(session, "master@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Garage")
    return owner, group, world.station(session, owner, "Garage 1", group)


MARCH = datetime(2024, 3, 15, 10, tzinfo=ZONE)


def test_a_month_is_compared_with_the_one_before(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, _group, station = garage
    for energy_wh, at in ((12_340, MARCH), (5000, MARCH - timedelta(days=20)), (7000, MARCH - timedelta(days=50))):
        charge_at(session, station.connectors[0], energy_wh, at)
    page = logged_in(owner).get("/?on=2024-03-20").text
    assert "12.34 kWh" in page
    assert "+147 %" in page  # against the 5 kWh of February
    assert "before: 5 kWh (February 2024)" in page
    assert shown(page, "Energy by station") == "Reports Garage 1 12.34 kWh in 1 session"
    february = logged_in(owner).get("/?period=month&on=2024-02-29").text
    assert "-29 %" in february
    assert "/?period=month&amp;on=2024-01-01" in february
    assert "/?period=month&amp;on=2024-03-01" in february


def test_a_day_shows_its_hours_and_a_week_its_days(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, _group, station = garage
    charge_at(session, station.connectors[0], 8000, MARCH)
    browser = logged_in(owner)
    day, week = (shown(browser.get(f"/?period={kind}&on=2024-03-15").text, f"Energy per {per}") for kind, per in
                 (("day", "hour"), ("week", "day")))  # fmt: skip
    assert "09:00 0.00 kWh 10:00 4.00 kWh 11:00 4.00 kWh 12:00 0.00 kWh" in day
    assert "Thu 14. Mar 0.00 kWh Fri 15. Mar 8.00 kWh" in week
    assert len(re.findall(r"\d\. Mar \d", week)) == 7


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_the_days_when_the_clock_changes(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station], day: str, hours: int
) -> None:
    owner, _group, station = garage
    charge_at(session, station.connectors[0], 1000, datetime.fromisoformat(day).replace(hour=12, tzinfo=ZONE))
    shown_hours = shown(logged_in(owner).get(f"/?period=day&on={day}").text, "Energy per hour")
    assert len(re.findall(r"\d\d:00 \d", shown_hours)) == hours
    assert "12:00 0.50 kWh 13:00 0.50 kWh" in shown_hours


def test_without_a_day_it_shows_the_present_period_or_the_last_that_says_something(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, _group, station = garage
    charge_at(session, station.connectors[0], 12_340, MARCH)
    browser = logged_in(owner)
    assert "March 2024" in browser.get("/").text
    charge(session, station.connectors[0], 1000, days_ago=0)
    session.commit()
    assert f"{clock.now().astimezone(ZONE):%B %Y}" in browser.get("/?period=month").text
    assert "Friday, 15 March 2024" in browser.get("/?period=day&on=2024-03-15").text


def test_a_period_without_energy_says_where_there_is_some(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, _group, station = garage
    charge_at(session, station.connectors[0], 12_340, MARCH)
    page = logged_in(owner).get("/?period=week&on=2024-01-01").text
    assert "Nothing was charged in this period" in page
    assert "/?period=week&amp;on=2024-03-15" in page


@pytest.mark.parametrize("query", ["?period=year", "?on=today", "?on=0001-01-01", "?on=9999-12-31", "?period=day&on=x"])
def test_it_answers_whatever_the_address_says(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station], query: str
) -> None:
    owner, _group, station = garage
    charge(session, station.connectors[0], 1000)
    assert logged_in(owner).get(f"/{query}").status_code == 200


def test_energy_by_driver_where_the_grant_shows_them_and_without_names_where_it_does_not(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, group, station = garage
    ann, ben = Driver(owner_id=owner.id, label="Ann"), Driver(owner_id=owner.id, label="Ben")
    session.add_all([ann, ben])
    session.flush()
    for number, driver in enumerate((ann, ann, ben, None)):
        charge_at(session, station.connectors[0], 1000, MARCH + timedelta(hours=2 * number), driver)
    seeing, blind = (world.account(session, f"{name}@demo.example", Kind.AUTHORISATION) for name in ("a", "b"))
    world.grant(session, group, "display", seeing.email)
    world.grant(session, group, "display", blind.email, hides_drivers=True)
    named = "Ann 2.00 kWh in 2 sessions Without a driver 1.00 kWh in 1 session Ben 1.00 kWh in 1 session"
    path = "/?period=day&on=2024-03-15"
    assert shown(logged_in(owner).get(path).text, "Energy by driver") == f"All drivers {named}"
    assert shown(logged_in(seeing).get(path).text, "Energy by driver") == named
    page = logged_in(blind).get(path).text
    hidden = "Drivers who are hidden from you 3.00 kWh in 3 sessions Without a driver 1.00 kWh in 1 session"
    assert shown(page, "Energy by driver") == hidden
    assert "Ann" not in page


def test_a_station_in_two_shared_groups_counts_once(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, group, station = garage
    second = world.station_group(session, owner, "On call")
    session.add(StationGroupStation(station_group_id=second.id, station_id=station.id, owner_id=owner.id))
    reader = world.account(session, "a@demo.example", Kind.AUTHORISATION)
    for one in (group, second):
        world.grant(session, one, "display", reader.email)
    world.grant(session, group, "display", owner.email)  # who shares with himself sees his own once
    charge_at(session, station.connectors[0], 8000, MARCH)
    for account in (owner, reader):
        page = logged_in(account).get("/?on=2024-03-15").text
        assert shown(page, "Energy by station").endswith("Garage 1 8.00 kWh in 1 session")
        assert shown(page, "Energy by station group") == "Garage 8.00 kWh in 1 session On call 8.00 kWh in 1 session"


def test_it_names_licences_that_need_attention(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, group, station = garage
    charge(session, station.connectors[0], 1000)
    assert "Licences that need attention" not in logged_in(owner).get("/").text
    world.licence(session, owner, Kind.REPORTS, days=12)
    world.licence(session, owner, Kind.MAINTENANCE, days=-2)
    told = shown(logged_in(owner).get("/").text, "Licences that need attention")
    assert "Reports ends with" in told
    assert "Maintenance ended with" in told
    session.execute(sa.delete(Licence))
    world.grant(session, group, "display", "a@demo.example")
    told = shown(logged_in(owner).get("/").text, "Licences that need attention")
    assert "Authorisation missing:" in told
    assert "Maintenance" not in told


def test_a_task_in_trouble_comes_first_of_many(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, group, station = garage
    charge(session, station.connectors[0], 1000)
    last = task(session, owner, group)
    world.licence(session, owner, Kind.AUTO_EXPORT)
    last.name, last.paused_at, last.paused_reason = "Z", clock.now(), {"code": "failed", "step": "login"}
    for number in range(60):
        kept = {
            name: getattr(last, name) for name in ("owner_id", "formatter_id", "destination_id", "station_group_id")
        }
        whose = {"scope": "charging_points", "user_id": owner.id, "name": f"A{number:02}"}
        session.add(ExportTask(**kept, **whose, interval="month", starts_on=MARCH.date()))
    page = logged_in(owner).get("/").text
    assert "1 needs attention" in page
    assert "50+" in page
    assert shown(page, "Auto-export").removeprefix("All tasks ").startswith("Z ")


def test_who_lives_elsewhere_is_told_whose_days_they_are(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station]
) -> None:
    owner, _group, station = garage
    charge(session, station.connectors[0], 1000)
    assert "days in the time zone" not in logged_in(owner).get("/").text
    owner.time_zone = "America/New_York"
    assert "kWh, days in the time zone Europe/Zurich" in logged_in(owner).get("/").text


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


@pytest.mark.parametrize("query", ["", "?period=week", "?period=day", "?period=month&on=2024-03-15"])
def test_it_takes_a_bounded_number_of_statements(
    session: Session, logged_in: LogIn, garage: tuple[Account, StationGroup, Station], query: str
) -> None:
    """For who owns, shares and is shared with, and has an export besides."""
    owner, group, _station = garage
    other = world.account(session, "other@demo.example", Kind.AUTHORISATION)
    world.grant(session, group, "display", other.email)
    theirs = world.station_group(session, other, "Theirs")
    world.grant(session, theirs, "display", owner.email)
    for number in range(30):
        station = world.station(session, owner, f"Garage {number}", group, connectors=2)
        charge(session, station.connectors[0], 1000)
        charge(session, world.station(session, other, f"Their {number}", theirs).connectors[0], 1000)
    task(session, owner, group)
    browser = logged_in(owner)
    with recorded() as statements:
        assert browser.get(f"/{query}").status_code == 200
    assert len(statements) <= 12
