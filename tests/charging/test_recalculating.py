"""Costs calculated anew, when somebody says so, and after he has seen what changes."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging import recalculating
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.stations import operations
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.operations import ConnectorValues
from tests import world
from tests.charging.files import HEAD, imported, stations

LogIn = Callable[[Account], FlaskClient]
ROWS = (
    b"1;A;01.03.2024 10:00;01.03.2024 11:00;8;Ann\n"
    b"2;B;05.03.2024 10:00;05.03.2024 11:00;2;Ben\n"
    b"3;A;01.04.2024 10:00;01.04.2024 11:00;1;Ann\n"
)
MARCH = {"first_day": "2024-03-01", "last_day": "2024-03-31", "group": "", "station": ""}


def price(session: Session, owner: Account, kwh: str) -> None:
    for connector in session.scalars(sa.select(Connector)).all():
        values = ConnectorValues(access="public", price_per_kwh=Decimal(kwh))
        operations.edit_connector(session, owner, connector, values)
    session.commit()


@pytest.fixture
def owner(session: Session) -> Account:
    """Three sessions at 10 Rappen; then the price is said to be 20, from ever."""
    row = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    stations(session, row, "A", "B")
    price(session, row, "0.10")
    imported(session, row, HEAD + ROWS)
    price(session, row, "0.20")
    return row


def totals(session: Session) -> list[int]:
    found = session.scalars(sa.select(SessionCost.total).order_by(SessionCost.session_id)).all()
    session.commit()
    return list(found)


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', page)
    assert found
    return found[1]


def test_a_period_is_looked_at_and_then_calculated(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    page = browser.get("/sessions/costs", query_string=MARCH).text
    assert [text in page for text in ("CHF\u00a01.00", "CHF\u00a02.00", "Calculate 2 sessions anew")] == [True] * 3
    assert totals(session) == [80, 20, 10]
    browser.post("/sessions/costs/recalculate", data=MARCH | {"seen": seen(page)})
    assert totals(session) == [160, 40, 10]
    told = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "session:recalculate")).one()
    assert told.detail["changed"]["costs"] == [{"CHF": 100}, {"CHF": 200}]
    assert (told.detail["sessions"], told.detail["different"], told.owner_id) == (2, 2, owner.id)


@pytest.mark.parametrize("by", ["station", "group"])
def test_one_station_or_one_station_group(session: Session, owner: Account, logged_in: LogIn, by: str) -> None:
    station = session.scalars(sa.select(Station).where(Station.reference == "B")).one()
    group = world.station_group(session, owner)
    session.add(StationGroupStation(station_group_id=group.id, station_id=station.id, owner_id=owner.id))
    session.commit()
    wanted = MARCH | {by: str(station.id if by == "station" else group.id)}
    browser = logged_in(owner)
    page = browser.get("/sessions/costs", query_string=wanted).text
    browser.post("/sessions/costs/recalculate", data=wanted | {"seen": seen(page)})
    assert totals(session) == [80, 40, 10]


def test_one_session(session: Session, owner: Account, logged_in: LogIn) -> None:
    (first, *_others) = session.scalars(sa.select(SessionCost.session_id).order_by(SessionCost.session_id)).all()
    session.commit()
    browser = logged_in(owner)
    address = f"/sessions/{first}/recalculate"
    assert address in browser.get(f"/sessions/{first}").text
    browser.post(address, data={"seen": seen(browser.get(address).text)})
    assert totals(session) == [160, 20, 10]


def test_what_comes_out_otherwise_by_now_is_shown_anew(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    looked = seen(browser.get("/sessions/costs", query_string=MARCH).text)
    price(session, owner, "0.30")
    page = browser.post("/sessions/costs/recalculate", data=MARCH | {"seen": looked}, follow_redirects=True).text
    assert "nothing is written yet" in page
    assert totals(session) == [80, 20, 10]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"last_day": "2024-02-01"}, "The last day lies before the first."),
        ({"first_day": ""}, "This must be filled in."),
        ({"first_day": "0001-01-01", "last_day": "9999-12-31"}, "Choose a day between 1970 and 2199."),
        ({"station": "99999"}, "Not a valid choice"),
        ({"group": "x"}, "Invalid Choice"),
    ],
)
def test_bad_input_is_refused_at_its_field(owner: Account, logged_in: LogIn, wrong: dict[str, str], said: str) -> None:
    answer = logged_in(owner).get("/sessions/costs", query_string=MARCH | wrong)
    assert (answer.status_code, said in answer.text) == (422, True)


def test_more_than_can_be_waited_for_are_refused(
    session: Session, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalculating, "MOST_AT_ONCE", 2)
    with pytest.raises(RuleBroken, match="Choose a shorter period"):
        recalculating.chosen_ids(session, owner.id, recalculating.Chosen())


def test_in_portions_it_comes_out_the_same(session: Session, owner: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = recalculating.preview(
        session, owner.id, recalculating.chosen_ids(session, owner.id, recalculating.Chosen())
    )
    monkeypatch.setattr(recalculating.batches, "__defaults__", (1,))
    found = recalculating.recalculate(session, owner, recalculating.Chosen())
    assert found == whole
    assert (found.before, found.after, found.changed) == ({"CHF": 110}, {"CHF": 220}, 3)


def test_nobody_else_calculates_them(session: Session, owner: Account, logged_in: LogIn) -> None:
    group = world.station_group(session, owner)
    for station in session.scalars(sa.select(Station)).all():
        session.add(StationGroupStation(station_group_id=group.id, station_id=station.id, owner_id=owner.id))
    reader = world.account(session, "reader@x.example", Kind.AUTHORISATION)
    world.grant(session, group, "administrate", reader.email)
    session.commit()
    browser = logged_in(reader)
    assert "Calculate 2 sessions" not in browser.get("/sessions/costs", query_string=MARCH).text
    first = session.scalar(sa.select(sa.func.min(SessionCost.session_id)))
    session.commit()
    assert browser.post(f"/sessions/{first}/recalculate").status_code == 403
    assert totals(session) == [80, 20, 10]


def test_the_list_shows_costs_their_sum_and_what_has_no_price(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    session.execute(sa.update(SessionCost).where(SessionCost.total == 20).values(currency="EUR", gap=True))
    session.commit()
    browser = logged_in(owner)
    page = browser.get("/sessions").text.replace("\u00a0", " ")
    page = page.replace("€", "EUR ").replace("EUR  ", "EUR ")
    assert [text in page for text in ("CHF 0.90", "EUR 0.20", "CHF 0.80", "CHF 0.10")] == [True] * 4
    page = browser.get("/sessions?price=none").text.replace("\u00a0", " ")
    page = page.replace("€", "EUR ").replace("EUR  ", "EUR ")
    assert ("EUR 0.20" in page, "CHF 0.80" in page) == (True, False)


def test_the_account_says_currency_and_rounding_and_existing_costs_stay(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    browser = logged_in(owner)
    page = browser.post("/profile/costs", data={"currency": "EUR", "five_rappen": "y"}, follow_redirects=True).text
    assert "Existing costs stay as they are." in page
    assert session.execute(sa.select(Account.currency, Account.five_rappen)).all() == [("EUR", True)]
    assert totals(session) == [80, 20, 10]
    told = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "account:change_costs")).one()
    assert told.detail["changed"] == {"currency": ["CHF", "EUR"], "five_rappen": [False, True]}
    session.commit()
    assert browser.post("/profile/costs", data={"currency": "Taler"}).status_code == 422
