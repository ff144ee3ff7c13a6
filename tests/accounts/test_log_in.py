"""Logging in and out."""

from collections.abc import Callable
from itertools import count

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.app import create_app
from portal.core.config import Settings
from portal.core.web import limiter
from tests import world
from tests.accounts.post import shown
from tests.conftest import NOBODY

CLIENTS = (f"192.0.2.{number}" for number in count(1))


def test_it_opens_the_overview(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    browser = logged_in(world.account(session, "master@demo.example"))
    assert browser.get("/").status_code == 200


def test_it_refuses_a_wrong_password_and_an_unknown_address_alike(session: Session, client: FlaskClient) -> None:
    world.account(session, "master@demo.example")
    session.commit()
    wrong = client.post("/log-in", data={"email": "master@demo.example", "password": "wrong"})
    unknown = client.post("/log-in", data={"email": "nobody@demo.example", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 422
    assert shown(wrong).replace("master@", "nobody@") == shown(unknown)


def test_an_unknown_address_is_compared_as_slowly_as_a_known_one() -> None:
    assert not PasswordHasher().check_needs_rehash(NOBODY)


def test_it_sends_the_anonymous_to_the_log_in_page_and_back(client: FlaskClient) -> None:
    answer = client.get("/?day=2026-11-01")
    assert answer.status_code == 302
    assert answer.location.startswith("/log-in?next=%2F%3Fday")


def test_an_address_not_confirmed_looks_unknown_without_the_password(session: Session, client: FlaskClient) -> None:
    world.account(session, "new@demo.example", verified=False)
    session.commit()
    waiting = client.post("/log-in", data={"email": "new@demo.example", "password": "wrong"})
    unknown = client.post("/log-in", data={"email": "nob@demo.example", "password": "wrong"})
    assert waiting.status_code == unknown.status_code == 422
    assert shown(waiting).replace("new@", "nob@") == shown(unknown)


def test_it_begins_a_new_session(session: Session, client: FlaskClient) -> None:
    account = world.account(session, "master@demo.example")
    session.commit()
    with client.session_transaction() as before:
        before["planted"] = "by a stranger"
    client.post("/log-in", data={"email": account.email, "password": world.PASSWORD})
    with client.session_transaction() as after:
        assert "planted" not in after


def test_logging_out_ends_the_session_and_forgets_the_device(session: Session, client: FlaskClient) -> None:
    account = world.account(session, "master@demo.example")
    session.commit()
    client.post("/log-in", data={"email": account.email, "password": world.PASSWORD, "remember": "y"})
    assert client.post("/log-out").location == "/log-in"
    assert client.get("/").status_code == 302
    assert client.get_cookie("remember_token") is None


def test_a_link_does_not_log_out(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    browser = logged_in(world.account(session, "master@demo.example"))
    assert browser.get("/log-out").status_code == 405
    assert browser.get("/").status_code == 200


def test_every_form_needs_its_token(app: Flask, session: Session) -> None:
    account = world.account(session, "master@demo.example")
    session.commit()
    app.config["WTF_CSRF_ENABLED"] = True
    answer = app.test_client().post("/log-in", data={"email": account.email, "password": world.PASSWORD})
    assert answer.status_code == 400


def test_a_form_that_outlived_its_session_leads_to_log_in_and_back(app: Flask, session: Session) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    form = {"csrf_token": "of the session that ended", "name": "Garage"}
    answer = app.test_client().post(
        "/stations/create", data=form, headers={"Referer": "http://localhost/stations/create"}
    )
    assert answer.headers["Location"] == "/log-in?next=/stations/create"


def test_a_log_in_page_that_is_too_old_is_shown_anew(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    form = {"csrf_token": "of a cookie that is gone", "email": "master@demo.example", "password": world.PASSWORD}
    answer = app.test_client().post("/log-in?next=/stations", data=form)
    assert answer.headers["Location"] == "/log-in?next=/stations"


@pytest.fixture
def limited_app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The application with its limits, which other tests do without."""
    monkeypatch.setattr(limiter, "enabled", True)
    app = create_app(settings)
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def failures(app: Flask, attempts: int, email: str, client_address: Callable[[], str]) -> list[int]:
    form = {"email": email, "password": "wrong"}
    answers = []
    for _ in range(attempts):
        environ = {"REMOTE_ADDR": client_address()}
        answers.append(app.test_client().post("/log-in", data=form, environ_overrides=environ).status_code)
    return answers


def test_one_client_can_try_so_often(limited_app: Flask) -> None:
    here, names = next(CLIENTS), count()
    tried = [failures(limited_app, 1, f"client-{next(names)}@demo.example", lambda: here) for _ in range(11)]
    assert [status for answers in tried for status in answers] == [422] * 10 + [429]


def test_one_address_can_be_tried_so_often_from_anywhere(limited_app: Flask) -> None:
    tried = failures(limited_app, 11, "victim@demo.example", lambda: next(CLIENTS))
    assert tried == [422] * 10 + [429]
