"""A driver sees where he may charge and what he pays, and nothing of others."""

from collections.abc import Callable
from datetime import date
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import price_rules, special_users
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account
from portal.licences.models import Kind
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
URL = "/where-i-may-charge"


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    owner = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    ada = world.account(session, "ada@drivers.example")
    group = world.station_group(session, owner, "Lugano")
    station = world.station(session, owner, "Centro", group)
    station.connectors[0].access = "limited"
    world.station(session, owner, "Closed", group)
    team = world.user_group(session, owner, "Piquet", ada.email)
    return SimpleNamespace(owner=owner, ada=ada, group=group, station=station, team=team)


def test_each_place_is_there_with_its_price(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    browser = logged_in(place.ada)
    assert "You are no special user yet" in browser.get(URL).text
    special_users.add(session, place.owner, place.group, user_group=place.team)
    special_users.add(session, place.owner, place.station, email=place.ada.email, offer=Offer(Price(2500)))
    price_rules.add(session, place.owner, place.team.id, place.group.id, Offer(Price(3000)))
    session.commit()
    with recorded() as statements:
        page = browser.get(URL).text
    assert len(statements) <= 12
    for text in ("Lugano", "by the user group Piquet", "CHF 0.30 per kWh", "Centro", "CHF 0.25 per kWh", "Owner"):
        assert text in page
    assert "Closed" not in page


def test_the_page_of_the_user_group_tells_its_owner(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    browser, url = logged_in(place.owner), f"/user-groups/{place.team.id}"
    assert "No special user and no price rule yet" in browser.get(url).text
    special_users.add(session, place.owner, place.group, user_group=place.team)
    over = Offer(Price(2500), None, date(2026, 1, 1))
    special_users.add(session, place.owner, place.station.connectors[0], user_group=place.team, offer=over)
    special_users.add(session, place.owner, place.station, email="bob@drivers.example", offer=Offer(Price(7700)))
    price_rules.add(session, place.owner, place.team.id, None, Offer(Price(3000)))
    session.commit()
    page = browser.get(url).text
    for text in (
        "Lugano",
        "by the price rule",
        "Centro / 1",
        "CHF 0.25 per kWh",
        "Over",
        "all stations",
        "CHF 0.30 per",
    ):
        assert text in page
    assert "0.77" not in page


def test_what_is_over_of_others_or_at_an_unconfirmed_address_is_not(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    over = Offer(None, None, date(2026, 1, 1))
    special_users.add(session, place.owner, place.group, email=place.ada.email, offer=over)
    special_users.add(session, place.owner, place.station, email="bob@drivers.example")
    browser = logged_in(place.ada)
    assert "You are no special user yet" in browser.get(URL).text
    special_users.add(session, place.owner, place.station, email=place.ada.email)
    session.commit()
    assert "free where the access is Limited" in browser.get(URL).text
    place.ada.verified_at = None
    session.commit()
    assert "Centro" not in browser.get(URL).text
