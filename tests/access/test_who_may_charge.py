"""Who may charge, at what price, and why: as its page says it."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access.models import PriceRule, SpecialUser
from portal.accounts.models import Account
from portal.stations.models import Access, OpeningTime
from tests import world
from tests.statements import recorded
from tests.stations.scene import Scene, build

LogIn = Callable[[Account], FlaskClient]
NOON, NIGHT = "2026-03-25T12:00", "2026-03-25T23:00"


@pytest.fixture
def scene(session: Session) -> Scene:
    """Public by day for 0.45, Limited from 22 to 24 o'clock."""
    made = build(session)
    connector = made.connector
    connector.access, connector.price_per_kwh = Access.PUBLIC.value, 4500
    night = {"opens": 22 * 60, "closes": 24 * 60, "access": "limited", "price_per_kwh": 0, "price_per_hour": 0}
    connector.opening_times = [OpeningTime(weekday=day, **night) for day in range(7)]
    team = world.user_group(session, made.owner, "Employees", "ann@driver.example")
    session.add(
        SpecialUser(
            owner_id=made.owner.id, station_group_id=made.group.id, user_group_id=team.id, added_by_id=made.owner.id
        )
    )
    free = {"price_per_hour": 0, "price_per_session": 0}
    session.add(PriceRule(owner_id=made.owner.id, user_group_id=team.id, price_per_kwh=2500, **free))
    session.commit()
    return made


def page(browser: FlaskClient, scene: Scene, **query: str) -> str:
    answer = browser.get(f"/connectors/{scene.connector.id}/who-may-charge", query_string=query)
    assert answer.status_code == 200
    return answer.text.replace("\u00a0", " ")


def test_by_day_anybody_pays_the_public_price_and_at_night_nobody_else_may(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    day = page(browser, scene, at=NOON)
    for text in ("everyone may charge", "CHF 0.45 per kWh", "Public price", "25.03.2026, 22:00"):
        assert text in day
    night = page(browser, scene, at=NIGHT)
    assert "may not charge" in night
    assert "not a special user" in night


def test_a_special_user_pays_by_the_rule_of_his_user_group_at_night_too(scene: Scene, logged_in: LogIn) -> None:
    night = page(logged_in(scene.owner), scene, at=NIGHT, email=" Ann@driver.example ")
    for text in (
        "a special user",
        "CHF 0.25 per kWh",
        "Price rule of the user group",
        "Employees",
        "by an opening time",
    ):
        assert text in night


def test_a_night_across_midnight_is_one(scene: Scene, logged_in: LogIn, session: Session) -> None:
    morning = {"opens": 0, "closes": 6 * 60, "access": "limited", "price_per_kwh": 0, "price_per_hour": 0}
    scene.connector.opening_times.extend(OpeningTime(weekday=day, **morning) for day in range(7))
    session.commit()
    night = page(logged_in(scene.owner), scene, at=NIGHT)
    assert "26.03.2026, 06:00" in night
    assert "26.03.2026, 00:00" not in night


def test_the_owner_charges_for_nothing(scene: Scene, logged_in: LogIn) -> None:
    assert "The owner charges for nothing" in page(logged_in(scene.owner), scene, at=NIGHT, email=scene.owner.email)


def test_it_is_the_owners_to_ask(scene: Scene, logged_in: LogIn) -> None:
    url = f"/connectors/{scene.connector.id}/who-may-charge"
    assert [logged_in(who).get(url).status_code for who in (scene.manage, scene.stranger)] == [403, 404]


@pytest.mark.parametrize(("field", "value"), [("email", "ann at example"), ("at", "soon"), ("at", "0001-01-01T00:00")])
def test_what_cannot_be_read_is_said_at_its_field_and_kept(
    scene: Scene, logged_in: LogIn, field: str, value: str
) -> None:
    told = page(logged_in(scene.owner), scene, **{field: value})
    assert 'aria-invalid="true"' in told
    assert value in told
    assert "What comes next" not in told


def test_the_answer_takes_twelve_statements_at_most(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    with recorded() as statements:
        page(browser, scene, at=NIGHT, email="ann@driver.example")
    assert len(statements) <= 12
