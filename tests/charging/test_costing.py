"""Costs are kept with a session by the rules of its time, and stand whatever prices do afterwards."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access.models import Card, PriceRule, SessionCost, SpecialUser
from portal.accounts.models import Account
from portal.charging import costing
from portal.charging.models import ChargingSession
from portal.core import clock
from portal.stations import operations
from portal.stations.models import Connector, ConnectorTerms, Station
from portal.stations.opening import Row
from portal.stations.operations import ConnectorValues
from tests import world
from tests.charging.files import HEAD, imported, stations
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
# From 21:00 to 23:00 local time on a Friday, 8 kWh evenly.
NIGHT = b"1;A;01.03.2024 21:00;01.03.2024 23:00;8;ann@driver.example\n"
PRICED = ConnectorValues(access="public", price_per_kwh=Decimal("0.45"), price_per_hour=Decimal("0.60"))


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example")
    stations(session, row, "A")
    return row


def connector(session: Session) -> Connector:
    return session.scalars(sa.select(Connector)).one()


def says(session: Session, owner: Account, values: ConnectorValues) -> None:
    operations.edit_connector(session, owner, connector(session), values)
    session.commit()


def bring_in(session: Session, owner: Account, rows: bytes = NIGHT) -> SessionCost:
    imported(session, owner, HEAD + rows, zone="Europe/Zurich")
    return session.scalars(sa.select(SessionCost)).one()


def present(session: Session) -> SessionCost:
    session.expire_all()
    return session.scalars(sa.select(SessionCost)).one()


def again(session: Session, owner: Account) -> SessionCost:
    costing.calculate(session, owner.id, session.scalars(sa.select(ChargingSession.id)).all())
    session.commit()
    return present(session)


def admit(session: Session, owner: Account, **fields: object) -> SpecialUser:
    station = session.scalars(sa.select(Station)).one()
    row = SpecialUser(owner_id=owner.id, station_id=station.id, added_by_id=owner.id, **fields)
    session.add(row)
    session.commit()
    return row


def test_an_import_keeps_what_each_session_cost(session: Session, owner: Account) -> None:
    says(session, owner, PRICED)
    cost = bring_in(session, owner)
    assert (cost.energy, cost.time, cost.total, cost.gap) == (360, 120, 480, False)
    assert (cost.vat_permille, cost.currency, cost.decisions[0]["priced_by"]) == (81, "CHF", "public")


def test_it_stands_whatever_prices_do(session: Session, owner: Account) -> None:
    says(session, owner, PRICED)
    bring_in(session, owner)
    says(session, owner, ConnectorValues(access="public", price_per_kwh=Decimal("0.99")))
    assert present(session).total == 480


def test_calculated_again_it_goes_by_what_was_said_at_its_time(
    session: Session, owner: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(month: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: datetime(2024, month, 1, tzinfo=UTC))

    session.scalars(sa.select(Station)).one().created_at = datetime(2024, 1, 1, tzinfo=UTC)
    at(2)
    says(session, owner, PRICED)
    at(4)
    assert bring_in(session, owner).total == 480
    says(session, owner, ConnectorValues(access="private"))
    assert again(session, owner).total == 480
    kept = session.scalars(sa.select(ConnectorTerms).order_by(ConnectorTerms.since)).all()
    assert [(row.since.month, row.access) for row in kept] == [(1, "private"), (2, "public"), (4, "private")]


def test_of_the_time_before_its_station_was_there_a_connector_says_what_it_says_now(
    session: Session, owner: Account
) -> None:
    says(session, owner, PRICED)
    says(session, owner, ConnectorValues(access="public", price_per_kwh=Decimal("0.10")))
    assert bring_in(session, owner).total == 80


def test_a_window_that_ends_on_the_way(session: Session, owner: Account) -> None:
    evening = Row("4", "18:00", "22:00", "public", "0.20")
    says(session, owner, ConnectorValues(access="public", price_per_kwh=Decimal("0.40"), opening_times=[evening]))
    cost = bring_in(session, owner)
    assert cost.energy == 4 * 20 + 4 * 40
    assert [one["price"][0] for one in cost.decisions] == [2000, 4000]


def test_a_special_user_pays_his_own_price(session: Session, owner: Account) -> None:
    says(session, owner, ConnectorValues(access="limited", price_per_kwh=Decimal("0.45")))
    admit(session, owner, email="ann@driver.example", price_per_kwh=2500, price_per_hour=0, price_per_session=10_000)
    cost = bring_in(session, owner)
    assert (cost.energy, cost.start, cost.total) == (200, 100, 300)


def test_a_user_group_by_a_price_rule_until_it_belongs_to_another(session: Session, owner: Account) -> None:
    says(session, owner, ConnectorValues(access="limited"))
    team = world.user_group(session, owner, "Employees", "ann@driver.example")
    admit(session, owner, user_group_id=team.id)
    session.add(
        PriceRule(owner_id=owner.id, user_group_id=team.id, price_per_kwh=3000, price_per_hour=0, price_per_session=0)
    )
    session.commit()
    assert bring_in(session, owner).total == 240
    team.owner_id = world.account(session, "other@demo.example").id
    session.commit()
    cost = again(session, owner)
    assert (cost.total, cost.gap) == (0, True)


@pytest.mark.parametrize(("state", "total"), [("active", 200), ("blocked", 0)])
def test_a_card_stands_for_the_member_of_its_user_group(
    session: Session, owner: Account, state: str, total: int
) -> None:
    says(session, owner, ConnectorValues(access="limited"))
    team = world.user_group(session, owner, "Cars")
    admit(session, owner, user_group_id=team.id, price_per_kwh=2500, price_per_hour=0, price_per_session=0)
    session.add(Card(number="04A1", user_group_id=team.id, state=state))
    bring_in(session, owner)
    row = session.scalars(sa.select(ChargingSession)).one()
    row.driver_id, row.card = None, "04A1"
    session.commit()
    assert again(session, owner).total == total


@pytest.mark.parametrize(("days", "total"), [(-1, 0), (1, 200)])
def test_a_card_that_was_blocked_afterwards_still_stands_for_what_it_charged(
    session: Session, owner: Account, days: int, total: int
) -> None:
    says(session, owner, ConnectorValues(access="limited"))
    team = world.user_group(session, owner, "Cars")
    admit(session, owner, user_group_id=team.id, price_per_kwh=2500, price_per_hour=0, price_per_session=0)
    bring_in(session, owner)
    row = session.scalars(sa.select(ChargingSession)).one()
    ended_at = row.started_at + timedelta(days=days)
    session.add(Card(number="04A1", user_group_id=team.id, state="blocked", ended_at=ended_at))
    row.driver_id, row.card = None, "04:a1"
    session.commit()
    assert again(session, owner).total == total


def test_parking_begins_where_energy_ended(session: Session, owner: Account) -> None:
    says(session, owner, PRICED)
    bring_in(session, owner)
    row = session.scalars(sa.select(ChargingSession)).one()
    row.charged_until = row.ended_at - timedelta(minutes=30)
    session.commit()
    cost = again(session, owner)
    assert (cost.time, cost.parking) == (90, 30)


def test_five_rappen_and_the_stations_own_vat(session: Session, owner: Account) -> None:
    says(session, owner, ConnectorValues(access="public", price_per_kwh=Decimal("0.4540")))
    owner.five_rappen, owner.currency = True, "EUR"
    session.scalars(sa.select(Station)).one().vat_permille = 200
    cost = bring_in(session, owner)
    assert (cost.energy, cost.rounding, cost.total, cost.vat_permille, cost.currency) == (363, 2, 365, 200, "EUR")


def test_the_statements_are_as_many_for_one_session_as_for_many(session: Session, owner: Account) -> None:
    says(session, owner, ConnectorValues(access="public", opening_times=[Row("daily", "08:00", "22:00", "limited")]))
    many = b"".join(
        b"%d;A;%02d.03.2024 21:00;%02d.03.2024 23:00;8;d%d@x.example\n" % (n, n, n, n) for n in range(1, 29)
    )
    imported(session, owner, HEAD + many, zone="Europe/Zurich")
    ids = session.scalars(sa.select(ChargingSession.id)).all()
    counts = []
    for some in (ids[:1], ids):
        session.expire_all()
        with recorded() as statements:
            costing.calculate(session, owner.id, some)
        counts.append(len(statements))
        session.rollback()
    assert counts[0] == counts[1] <= 15


def test_the_page_of_a_session_says_what_it_cost_and_why(session: Session, owner: Account, logged_in: LogIn) -> None:
    says(session, owner, PRICED)
    cost = bring_in(session, owner)
    page = logged_in(owner).get(f"/sessions/{cost.session_id}").text.replace("\u00a0", " ")
    for text in ("CHF 4.80", "CHF 3.60", "Public price", "0.36"):  # 36 Rappen of VAT in 4.80
        assert text in page
