"""The first operator."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts import operations, queries
from portal.accounts.links import Links
from portal.core.config import Settings
from tests import world
from tests.accounts.post import present

FORM = {"name": "Utility", "email": "operator@demo.example", "password": "a long enough one", "language": "en"}


@pytest.fixture
def path(settings: Settings) -> str:
    return f"/set-up/{operations.operator_link_token(Links.of(settings), 'operator@demo.example')}"


def test_it_makes_the_operator_and_logs_in(client: FlaskClient, session: Session, path: str) -> None:
    assert "operator@demo.example" in client.get(path).text
    assert client.post(path, data=FORM).status_code == 302
    assert client.get("/operator/accounts").status_code == 200
    assert queries.operator_exists(session)


def test_it_works_once(client: FlaskClient, app: Flask, path: str) -> None:
    client.post(path, data=FORM)
    second = app.test_client().post(path, data=FORM | {"email": "second@demo.example"})
    assert second.status_code == 410


def test_it_is_dead_while_there_is_an_operator(client: FlaskClient, session: Session, path: str) -> None:
    world.account(session, "operator@demo.example", operator=True)
    session.commit()
    assert client.get(path).status_code == 410


def test_it_refuses_a_made_up_link(client: FlaskClient) -> None:
    assert client.post("/set-up/made-up", data=FORM).status_code == 410


def test_a_weak_password_leaves_the_link_good(client: FlaskClient, path: str) -> None:
    assert client.post(path, data=FORM | {"password": "short"}).status_code == 422
    assert client.post(path, data=FORM).status_code == 302


def test_the_command_prints_a_link_that_sets_the_password(app: Flask, client: FlaskClient, session: Session) -> None:
    answer = app.test_cli_runner().invoke(args=["account", "create-operator", "Chief@demo.example"])
    assert answer.exit_code == 0, answer.output
    path = answer.output.split("http://piquet.example")[1].split()[0]
    assert client.post(path, data={"password": "a long enough one"}).status_code == 302
    assert client.get("/operator/accounts").status_code == 200


def test_the_command_refuses_what_is_no_address(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["account", "create-operator", "chief"])
    assert answer.exit_code == 1
    assert "Enter an e-mail address" in answer.output


def test_the_command_appoints_an_account_that_is_there(app: Flask, session: Session) -> None:
    account = world.account(session, "chief@demo.example")
    session.commit()
    answer = app.test_cli_runner().invoke(args=["account", "create-operator", "chief@demo.example"])
    assert "present password" in answer.output
    present(session, account)
    assert account.is_operator


def test_the_command_trusts_no_password_that_nobody_confirmed(app: Flask, session: Session) -> None:
    account = world.account(session, "chief@demo.example", verified=False)
    session.commit()
    answer = app.test_cli_runner().invoke(args=["account", "create-operator", "chief@demo.example"])
    assert "/reset/" in answer.output
    present(session, account)
    assert account.password_hash is None
