"""Choosing a new password by mail."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from tests import world
from tests.accounts.post import letters, link, present, shown

ADDRESS = "master@demo.example"


@pytest.fixture
def path(client: FlaskClient, session: Session) -> str:
    world.account(session, ADDRESS)
    session.commit()
    client.post("/reset", data={"email": ADDRESS})
    return link(session, ADDRESS, "/reset/")


def test_it_sets_the_password_and_logs_in(client: FlaskClient, app: Flask, path: str) -> None:
    assert client.post(path, data={"password": "a quite new password"}).location == "/"
    assert client.get("/").status_code == 200
    fresh = app.test_client().post("/log-in", data={"email": ADDRESS, "password": "a quite new password"})
    assert fresh.status_code == 302


def test_it_ends_every_other_session(
    client: FlaskClient, session: Session, logged_in: Callable[[Account], FlaskClient]
) -> None:
    other = logged_in(world.account(session, ADDRESS))
    client.post("/reset", data={"email": ADDRESS})
    client.post(link(session, ADDRESS, "/reset/"), data={"password": "a quite new password"})
    assert other.get("/").status_code == 302


def test_the_link_works_once(client: FlaskClient, path: str) -> None:
    client.post(path, data={"password": "a quite new password"})
    assert client.post(path, data={"password": "a third password"}).status_code == 410


def test_a_refused_password_does_not_use_the_link_up(client: FlaskClient, path: str) -> None:
    assert client.post(path, data={"password": "short"}).status_code == 422
    assert client.get(path).status_code == 200


def test_it_works_for_two_hours(client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = TimestampSigner.get_timestamp
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now(self) + 7190)
    assert client.get(path).status_code == 200
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now(self) + 7201)
    assert client.get(path).status_code == 410


def test_it_confirms_the_address(client: FlaskClient, session: Session) -> None:
    account = world.account(session, ADDRESS, verified=False)
    session.commit()
    client.post("/reset", data={"email": ADDRESS})
    client.post(link(session, ADDRESS, "/reset/"), data={"password": "a quite new password"})
    present(session, account)
    assert account.verified_at


def test_an_unknown_address_gets_the_same_answer_and_one_letter(client: FlaskClient, session: Session) -> None:
    world.account(session, ADDRESS)
    session.commit()
    known = client.post("/reset", data={"email": ADDRESS})
    unknown = client.post("/reset", data={"email": "nobody@demo.example"})
    assert known.status_code == unknown.status_code == 200
    assert shown(known).replace("master@", "nobody@") == shown(unknown)
    assert len(letters(session, ADDRESS)) == len(letters(session, "nobody@demo.example")) == 1
    assert "/reset/" not in letters(session, "nobody@demo.example")[0].body


def test_it_refuses_what_is_no_address(client: FlaskClient, session: Session) -> None:
    assert client.post("/reset", data={"email": "a@demo.example, b@demo.example"}).status_code == 422
    assert letters(session, "a@demo.example") == []
