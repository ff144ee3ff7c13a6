"""The account's own licences."""

from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind
from tests import world

LogIn = Callable[[Account], FlaskClient]


def test_it_shows_what_is_active_and_asks_for_the_rest_in_one_click(session: Session, logged_in: LogIn) -> None:
    account = world.account(session, "master@demo.example", Kind.AUTHORISATION)
    page = logged_in(account).get("/licences").text
    assert page.count("Licence active") == 1
    assert page.count("No licence") == 3
    assert page.count("Request it") == 3


def test_an_ended_licence_says_when(session: Session, logged_in: LogIn) -> None:
    account = world.account(session, "master@demo.example")
    world.licence(session, account, Kind.REPORTS, days=-1)
    assert "ended on" in logged_in(account).get("/licences").text


def test_who_has_all_is_not_told_to_ask(session: Session, logged_in: LogIn) -> None:
    account = world.account(session, "master@demo.example", *Kind)
    assert "Request it" not in logged_in(account).get("/licences").text


def test_a_licence_that_ends_soon_can_be_asked_for_again(session: Session, logged_in: LogIn) -> None:
    account = world.account(session, "master@demo.example")
    world.licence(session, account, Kind.REPORTS, days=20)
    assert "Request that it goes on" in logged_in(account).get("/licences").text
