"""Drivers, as their owner knows them."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core.audit import AuditEntry
from tests import world
from tests.charging.files import HEAD, imported, stations

LogIn = Callable[[Account], FlaskClient]
ROWS = b"1;A;01.03.2024 10:00;01.03.2024 11:00;8;Ann\n2;A;05.03.2024 10:00;05.03.2024 11:00;2,5;Ben\n"


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example")
    stations(session, row, "A")
    imported(session, row, HEAD + ROWS)
    return row


def ann(session: Session) -> Driver:
    wanted = sa.select(Driver).where(Driver.label == "Ann").execution_options(populate_existing=True)
    row = session.scalars(wanted).one()
    session.commit()
    return row


def test_the_list_shows_them_with_their_energy(owner: Account, logged_in: LogIn) -> None:
    page = logged_in(owner).get("/drivers?q=an").text
    assert "Ann" in page
    assert "8.00 kWh" in page
    assert "Ben" not in page


def test_the_owner_changes_address_and_identifiers(session: Session, owner: Account, logged_in: LogIn) -> None:
    said = {"label": "Ann", "email": " Ann@Driver.example ", "metering_code": "CH-1"}
    assert logged_in(owner).post(f"/drivers/{ann(session).id}", data=said).status_code == 302
    assert (ann(session).email, ann(session).metering_code) == ("ann@driver.example", "CH-1")
    assert "driver:edit" in session.scalars(sa.select(AuditEntry.action)).all()


@pytest.mark.parametrize(
    ("said", "field"), [({"label": "Ben"}, "label"), ({"email": "no address"}, "email"), ({"label": ""}, "label")]
)
def test_what_is_taken_or_wrong_is_refused_at_its_field(
    session: Session, owner: Account, logged_in: LogIn, said: dict[str, str], field: str
) -> None:
    answer = logged_in(owner).post(f"/drivers/{ann(session).id}", data={"label": "Ann"} | said)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_an_identifier_belongs_to_one_driver(session: Session, owner: Account, logged_in: LogIn) -> None:
    session.execute(sa.update(Driver).where(Driver.label == "Ben").values(metering_code="CH-1"))
    answer = logged_in(owner).post(f"/drivers/{ann(session).id}", data={"label": "Ann", "metering_code": "CH-1"})
    assert answer.status_code == 422
    assert "Ben has this already." in answer.text


def test_nobody_else_finds_them(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(world.account(session, "stranger@demo.example"))
    assert browser.get(f"/drivers/{ann(session).id}").status_code == 404
    assert "Ann" not in browser.get("/drivers").text
