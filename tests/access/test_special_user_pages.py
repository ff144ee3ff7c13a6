"""The pages of special users at a station group, a station and a connector."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import price_rules, special_users
from portal.access.models import SpecialUser
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account
from portal.core import clock
from portal.licences.models import Kind
from tests import world

LogIn = Callable[[Account], FlaskClient]
ADA, BOB = "ada@drivers.example", "bob@drivers.example"


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    """A group with a Limited station; who manages it, who manages it without the drivers, who only sees it."""
    owner = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Lugano")
    station = world.station(session, owner, "Centro", group, connectors=2)
    for connector in station.connectors:
        connector.access = "limited"
    team = world.user_group(session, owner, "Piquet", BOB)
    names = ("manage", "hidden", "display")
    people = {name: world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in names}
    world.grant(session, group, "manage", people["manage"].email)
    world.grant(session, group, "manage", people["hidden"].email, hides_drivers=True)
    world.grant(session, group, "display", people["display"].email)
    return SimpleNamespace(
        owner=owner, group=group, station=station, connectors=station.connectors, team=team, **people
    )


def urls(place: SimpleNamespace) -> dict[str, str]:
    return {
        "group": f"/station-groups/{place.group.id}/special-users",
        "station": f"/stations/{place.station.id}/special-users",
        "connector": f"/connectors/{place.connectors[0].id}/special-users",
    }


def entered(session: Session) -> list[tuple[str | None, int | None]]:
    found = [tuple(row) for row in session.execute(sa.select(SpecialUser.email, SpecialUser.price_per_kwh))]
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return sorted(found)


def test_an_empty_page_says_what_to_do(place: SimpleNamespace, logged_in: LogIn) -> None:
    browser = logged_in(place.owner)
    for url in urls(place).values():
        page = browser.get(url).text
        assert "No special user yet" in page
        assert f"{url}/add" in page


def test_many_are_pasted_at_each_place_and_shown_where_they_count(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    browser, at = logged_in(place.owner), urls(place)
    pasted = {"email": f" {ADA}; Bob <{BOB}>\n{ADA}", "price_per_kwh": "0.25", "price_per_session": "0,5"}
    assert browser.post(f"{at['group']}/add", data=pasted).location == at["group"]
    assert entered(session) == [(ADA, 2500), (BOB, 2500)]
    browser.post(f"{at['connector']}/add", data={"email": ADA, "price_per_kwh": "0.2"})
    assert "CHF 0.25 per kWh, CHF 0.50 per session" in browser.get(at["group"]).text
    page = browser.get(at["connector"]).text
    assert page.count("In force") == 2  # Ada's own at the connector, and Bob's of the group
    assert page.count("Another entry counts") == 1
    assert "Another entry counts" not in browser.get(at["station"]).text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"email": ""}, "one of the two"),
        ({"email": "ada at home"}, "Not an e-mail address"),
        ({"email": ADA, "price_per_kwh": "-0.1"}, "Enter a number from 0 to 1000"),
        ({"email": ADA, "price_per_hour": "dear"}, "Enter a number such as"),
        ({"email": ADA, "starts_on": "2026-12-01", "ends_on": "2026-11-01"}, "The last day is before the first one"),
        ({"email": "owner@x.example"}, "your own address"),
        ({"email": f"new@drivers.example {BOB}"}, f"{BOB} is a special user here already"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_entered(
    session: Session, place: SimpleNamespace, logged_in: LogIn, data: dict[str, str], message: str
) -> None:
    special_users.add(session, place.owner, place.group, email=BOB)
    answer = logged_in(place.owner).post(f"{urls(place)['group']}/add", data=data)
    assert answer.status_code == 422
    assert message in answer.text
    assert entered(session) == [(BOB, None)]


def test_a_user_group_is_entered_and_one_without_a_price_is_warned_about(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    browser, url = logged_in(place.owner), urls(place)["group"]
    browser.post(f"{url}/add", data={"user_group": str(place.team.id)})
    page = browser.get(url).text
    assert "Piquet" in page
    assert "No price" in page
    row = session.scalars(sa.select(SpecialUser)).one()
    session.commit()
    edited = browser.post(f"/special-users/{row.id}/edit", data={"price_per_kwh": "0"})
    assert edited.location == url
    page = browser.get(url).text
    assert "No price" not in page
    assert "free" in page


def test_a_manager_looks_and_does_not_see_drivers_that_are_hidden_from_him(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    row = special_users.add(session, place.owner, place.group, email=ADA)
    sees, hidden, display = (logged_in(getattr(place, name)) for name in ("manage", "hidden", "display"))
    for url in urls(place).values():
        assert ADA in sees.get(url).text
        assert f"{url}/add" not in sees.get(url).text
        assert ADA not in hidden.get(url).text
        assert ADA not in hidden.get(f"{url}?q=nobody").text
        assert "a driver, hidden" in hidden.get(f"{url}?q=nobody").text
        assert display.get(url).status_code == 403
        assert sees.post(f"{url}/add", data={"email": BOB}).status_code == 403
    assert sees.post(f"/special-users/{row.id}/remove").status_code == 403


def test_a_manager_sees_nothing_of_groups_that_are_not_shared_with_him(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    other = world.station_group(session, place.owner, "Secret")
    session.execute(
        sa.text("INSERT INTO station_group_station (station_group_id, station_id, owner_id) VALUES (:g, :s, :o)"),
        {"g": other.id, "s": place.station.id, "o": place.owner.id},
    )
    special_users.add(session, place.owner, other, email=BOB)
    owner, manager = logged_in(place.owner), logged_in(place.manage)
    for url in (urls(place)["station"], urls(place)["connector"]):
        assert BOB in owner.get(url).text
        assert BOB not in manager.get(url).text


def test_removing_says_where_he_can_no_longer_charge_and_what_he_pays_elsewhere(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    place.connectors[1].access, place.connectors[1].price_per_kwh = "public", 4500
    row = special_users.add(session, place.owner, place.group, email=ADA, offer=Offer(Price(2500)))
    browser = logged_in(place.owner)
    page = browser.get(f"/special-users/{row.id}/remove").text
    assert f"{ADA} can no longer charge at Centro / 1." in page
    assert f"{ADA} still charges at Centro / 2, at this price: CHF 0.45 per kWh." in page
    browser.post(f"/special-users/{row.id}/remove")
    assert entered(session) == []


def test_removing_one_of_two_entries_changes_what_he_pays(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    special_users.add(session, place.owner, place.group, email=ADA, offer=Offer(Price(3000)))
    special = special_users.add(session, place.owner, place.connectors[0], email=ADA, offer=Offer(Price(2500)))
    same = special_users.add(session, place.owner, place.connectors[1], email=ADA, offer=Offer(Price(3000)))
    browser = logged_in(place.owner)
    page = browser.get(f"/special-users/{special.id}/remove").text
    assert "at this price: CHF 0.30 per kWh." in page
    assert "Nothing changes for" in browser.get(f"/special-users/{same.id}/remove").text


def test_an_entry_that_is_over_is_shown_as_such(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    yesterday = (clock.now() - timedelta(days=2)).date()
    special_users.add(session, place.owner, place.group, email=ADA, offer=Offer(None, None, yesterday))
    assert "Over" in logged_in(place.owner).get(urls(place)["group"]).text


def test_deleting_a_user_group_or_a_station_group_says_what_ends_with_it(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    special_users.add(session, place.owner, place.group, user_group=place.team)
    price_rules.add(session, place.owner, place.team.id, place.group.id, Offer(Price(3000)))
    browser = logged_in(place.owner)
    for url in (f"/user-groups/{place.team.id}/delete", f"/station-groups/{place.group.id}/delete"):
        page = browser.get(url).text
        assert "1 special user ends." in page
        assert "1 price rule ends." in page
