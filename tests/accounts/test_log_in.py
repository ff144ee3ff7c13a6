"""Logging in and out."""

from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from tests import world


def test_it_opens_the_overview(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    browser = logged_in(world.account(session, "master@demo.example"))
    assert browser.get("/").status_code == 200


def test_it_refuses_a_wrong_password_and_an_unknown_address_alike(session: Session, client: FlaskClient) -> None:
    world.account(session, "master@demo.example")
    session.commit()
    wrong = client.post("/log-in", data={"email": "master@demo.example", "password": "wrong"})
    unknown = client.post("/log-in", data={"email": "nobody@demo.example", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace("master@", "nobody@") == unknown.text


def test_it_sends_the_anonymous_to_the_log_in_page_and_back(client: FlaskClient) -> None:
    answer = client.get("/?day=2026-11-01")
    assert answer.status_code == 302
    assert answer.location.startswith("/log-in?next=%2F%3Fday")
