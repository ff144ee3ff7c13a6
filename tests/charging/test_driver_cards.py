"""Cards of sessions that name no driver: the owner says whose they are."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access.models import SessionCost, SpecialUser
from portal.accounts.models import Account
from portal.charging import driver_cards
from portal.charging.models import ChargingSession, Driver, DriverCard
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.stations.models import Station
from tests import world
from tests.charging.files import imported, stations

LogIn = Callable[[Account], FlaskClient]
HEAD = b"id;station;start;end;kWh;driver;card\n"
ROWS = (
    b"1;A;01.03.2024 10:00;01.03.2024 11:00;8;;04:a2:1b:7c\n"
    b"2;A;05.03.2024 10:00;05.03.2024 11:00;2;;04 A2 1B 7C\n"
    b"3;A;06.03.2024 10:00;06.03.2024 11:00;1;Ben;04A21B7C\n"
    b"4;A;07.03.2024 10:00;07.03.2024 11:00;4;;04-ff-ff-01\n"
)
CARD = "04A21B7C"


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    stations(session, row, "A")
    imported(session, row, HEAD + ROWS)
    return row


def drivers(session: Session) -> dict[str, str | None]:
    """Who charged, by the number of the session in the file."""
    wanted = sa.select(ChargingSession.external_id, Driver.label).outerjoin(ChargingSession.driver)
    found = {row.external_id: row.label for row in session.execute(wanted)}
    session.commit()
    return found


def assign(session: Session, owner: Account, since: datetime | None = None) -> Driver:
    driver = driver_cards.named(session, owner, "Fleet", add=True)
    driver_cards.assign(session, owner, CARD, driver, since)
    session.commit()
    return driver


def test_the_list_adds_up_what_each_unknown_card_charged(owner: Account, logged_in: LogIn) -> None:
    page = logged_in(owner).get("/drivers/cards").text
    assert page.index("04FFFF01") < page.index(CARD)  # the last used first
    assert "10.00 kWh" in page
    assert "04FFFF01" not in logged_in(owner).get("/drivers/cards?q=a2:1b").text


def test_what_stood_in_the_file_stays_visible(session: Session, owner: Account, logged_in: LogIn) -> None:
    page = logged_in(owner).get("/sessions?q=04a21b7c").text
    assert "Card 04:a2:1b:7c" in page
    assert "Card 04 A2 1B 7C" in page


def test_its_sessions_go_to_a_driver_and_those_that_name_one_keep_him(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    said = {"driver": "Fleet@x.example", "new": "y"}
    page = logged_in(owner).post(f"/drivers/cards/assign?card={CARD}", data=said, follow_redirects=True).text
    assert "2 sessions are assigned to fleet@x.example." in page
    assert drivers(session) == {"1": "fleet@x.example", "2": "fleet@x.example", "3": "Ben", "4": None}
    assert session.scalar(sa.select(Driver.email).where(Driver.label == "fleet@x.example")) == "fleet@x.example"


def test_from_a_day_on(session: Session, owner: Account, logged_in: LogIn) -> None:
    said = {"driver": "Ben", "since": "2024-03-02"}
    logged_in(owner).post(f"/drivers/cards/assign?card={CARD}", data=said)
    assert drivers(session) == {"1": None, "2": "Ben", "3": "Ben", "4": None}


@pytest.mark.parametrize("said", ["Nobody", "no address@", ""])
def test_who_is_no_driver_is_not_added_by_a_slip(session: Session, owner: Account, logged_in: LogIn, said: str) -> None:
    answer = logged_in(owner).post(f"/drivers/cards/assign?card={CARD}", data={"driver": said})
    assert (answer.status_code, 'id="driver-error"' in answer.text) == (422, True)
    assert drivers(session)["1"] is None


def test_a_later_import_knows_the_card(session: Session, owner: Account) -> None:
    assign(session, owner, datetime(2024, 3, 2, tzinfo=UTC))
    later = (
        b"8;A;01.02.2024 10:00;01.02.2024 11:00;3;;04a21b7c\n"
        b"9;A;01.04.2024 10:00;01.04.2024 11:00;3;;04a21b7c\n"
        b"10;A;02.04.2024 10:00;02.04.2024 11:00;3;Ben;04a21b7c\n"
    )
    imported(session, owner, HEAD + later)
    found = drivers(session)
    assert (found["8"], found["9"], found["10"]) == (None, "Fleet", "Ben")


def test_an_assigned_session_that_comes_again_from_another_system_is_known(session: Session, owner: Account) -> None:
    assign(session, owner)
    row = imported(session, owner, HEAD + ROWS.replace(b"1;A;01", b"77;A;01", 1), source="other")
    assert (row.sessions_added, row.rows_known) == (0, 4)


def test_taken_back_only_what_came_by_the_card_is_nobodys_again(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    browser = logged_in(owner)
    browser.post(f"/drivers/cards/assign?card={CARD}", data={"driver": "Ben"})
    (card_id,) = session.scalars(sa.select(DriverCard.id)).all()
    session.commit()
    assert "2 sessions (10.00 kWh) have no driver any longer." in browser.get(
        f"/drivers/cards/{card_id}/take-back"
    ).text.replace("\u00a0", " ")
    browser.post(f"/drivers/cards/{card_id}/take-back")
    assert drivers(session) == {"1": None, "2": None, "3": "Ben", "4": None}
    assert session.scalar(sa.select(sa.func.count(DriverCard.id))) == 0


def test_costs_follow_and_the_log_has_both_totals(session: Session, owner: Account) -> None:
    station = session.scalars(sa.select(Station)).one()
    station.connectors[0].access = "limited"
    prices = {"price_per_kwh": 2500, "price_per_hour": 0, "price_per_session": 0}
    fleet = SpecialUser(
        owner_id=owner.id, station_id=station.id, added_by_id=owner.id, email="fleet@x.example", **prices
    )
    session.add(fleet)
    driver = driver_cards.named(session, owner, "fleet@x.example", add=True)
    driver_cards.assign(session, owner, CARD, driver)
    session.commit()
    assert session.scalar(sa.select(sa.func.sum(SessionCost.total))) == 250
    told = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "driver:assign_card")).one()
    assert (told.detail["sessions"], told.detail["changed"]["costs"]) == (2, [{"CHF": 0}, {"CHF": 250}])
    driver_cards.take_back(session, owner, session.scalars(sa.select(DriverCard)).one())
    assert session.scalar(sa.select(sa.func.sum(SessionCost.total))) == 0


def test_one_card_has_one_driver(session: Session, owner: Account) -> None:
    assign(session, owner)
    ben = session.scalars(sa.select(Driver).where(Driver.label == "Ben")).one()
    with pytest.raises(RuleBroken, match="Fleet has this card"):
        driver_cards.assign(session, owner, CARD, ben)


def test_too_many_at_once_are_refused(session: Session, owner: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_cards, "MOST_AT_ONCE", 1)
    with pytest.raises(RuleBroken, match="Choose a later first day"):
        assign(session, owner)


def test_nobody_else_sees_or_assigns_the_cards(session: Session, owner: Account, logged_in: LogIn) -> None:
    group = world.station_group(session, owner)
    station = session.scalars(sa.select(Station)).one()
    world.station(session, owner, "B", group)
    session.execute(sa.text("UPDATE station_group_station SET station_id = :id"), {"id": station.id})
    reader = world.account(session, "reader@x.example", Kind.AUTHORISATION)
    world.grant(session, group, "administrate", reader.email, hides_drivers=True)
    session.commit()
    browser = logged_in(reader)
    assert CARD not in browser.get("/drivers/cards").text
    assert browser.get(f"/drivers/cards/assign?card={CARD}").status_code == 302
    assert browser.post(f"/drivers/cards/assign?card={CARD}", data={"driver": "X", "new": "y"}).status_code == 302
    assert drivers(session)["1"] is None


def test_the_list_walks_its_index(session: Session, owner: Account) -> None:
    sqlite = session.get_bind().dialect.name == "sqlite"
    if not sqlite:
        session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # four rows are read faster without an index
    wanted = sa.select(ChargingSession.card_number, sa.func.count()).where(driver_cards._unknown(owner.id))
    wanted = wanted.group_by(ChargingSession.card_number)
    text = wanted.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    told = session.execute(sa.text(f"EXPLAIN {'QUERY PLAN' if sqlite else ''} {text}")).all()
    assert "ix_charging_session_unknown_card" in str(told)
