"""Registering, and confirming the address."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy.orm import Session

from portal.accounts import queries
from portal.accounts.models import Account
from tests import world
from tests.accounts.post import letters, link, present, shown

NEW = {"name": "Depot Nord", "email": " New@Demo.example ", "password": "a long enough one", "language": "de"}
ADDRESS = "new@demo.example"


@pytest.fixture
def path(client: FlaskClient, session: Session) -> str:
    """The link that the registration in `client` sent."""
    assert client.post("/register", data=NEW).status_code == 200
    return link(session, ADDRESS, "/verify/")


def test_it_sends_a_link_that_logs_in(client: FlaskClient, session: Session, path: str) -> None:
    answer = client.post(path)
    assert answer.location == "/"
    assert client.get("/profile").status_code == 200
    account = queries.by_email(session, ADDRESS)
    assert account
    assert (account.name, account.language, account.verified_at is not None) == ("Depot Nord", "de", True)


def test_a_program_that_opens_the_link_does_not_use_it_up(app: Flask, client: FlaskClient, path: str) -> None:
    assert app.test_client().get(path).status_code == app.test_client().get(path).status_code == 200
    assert client.post(path).status_code == 302


def test_the_link_works_once(client: FlaskClient, app: Flask, path: str) -> None:
    client.post(path)
    again = app.test_client().post(path)
    assert again.status_code == 410
    assert "no longer works" in again.text


def test_the_account_cannot_be_used_before(client: FlaskClient, path: str) -> None:
    client.post("/log-in", data={"email": ADDRESS, "password": NEW["password"]})
    assert client.get("/").location.startswith("/log-in")


def test_another_browser_must_know_the_password(app: Flask, path: str) -> None:
    stranger = app.test_client()
    assert "chosen at registration" in stranger.get(path).text
    assert stranger.post(path).status_code == stranger.post(path, data={"password": "wrong"}).status_code == 422
    assert stranger.post(path, data={"password": NEW["password"]}).status_code == 302


def test_nobody_confirms_a_password_that_a_stranger_chose(app: Flask, client: FlaskClient, session: Session) -> None:
    client.post("/register", data=NEW)
    app.test_client().post("/register", data=NEW | {"password": "the stranger's own"})
    assert client.post(link(session, ADDRESS, "/verify/")).status_code == 422


def test_registering_again_kills_the_first_link(client: FlaskClient, session: Session, path: str) -> None:
    client.post("/register", data=NEW | {"password": "another long one"})
    assert client.get(path).status_code == 410


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-1], lambda t: "x" + t, lambda t: t.replace(".", ",", 1), lambda t: t[:9]]
)
def test_it_refuses_a_damaged_link(client: FlaskClient, path: str, damage: Callable[[str], str]) -> None:
    start, _, token = path.rpartition("/")
    assert client.post(f"{start}/{damage(token)}").status_code == 410


def test_it_refuses_an_old_link(client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    later = URLSafeTimedSerializer.default_signer.get_timestamp
    monkeypatch.setattr("itsdangerous.timed.TimestampSigner.get_timestamp", lambda self: later(self) + 7 * 86400 + 1)
    assert client.get(path).status_code == 410


def test_a_link_is_good_for_its_purpose_only(client: FlaskClient, path: str) -> None:
    token = path.rpartition("/")[2]
    for other in ("reset", "confirm-email", "set-up"):
        assert client.get(f"/{other}/{token}").status_code == 410


def test_a_link_of_another_installation_is_dead(client: FlaskClient, app: Flask, session: Session) -> None:
    from portal.accounts.links import Links, Purpose

    account = world.account(session, ADDRESS, verified=False)
    session.commit()
    token = Links("another secret key, just as long as this", "").token(Purpose.VERIFY, account)
    assert client.get(f"/verify/{token}").status_code == 410


def test_a_known_address_gets_the_same_answer_and_one_letter(client: FlaskClient, session: Session) -> None:
    world.account(session, "known@demo.example")
    session.commit()
    known = client.post("/register", data=NEW | {"email": "known@demo.example"})
    unknown = client.post("/register", data=NEW | {"email": "other@demo.example"})
    assert known.status_code == unknown.status_code == 200
    assert shown(known).replace("known@", "other@") == shown(unknown)
    assert [len(letters(session, f"{name}@demo.example")) for name in ("known", "other")] == [1, 1]
    assert "There is one already" in letters(session, "known@demo.example")[0].body


def test_it_changes_nothing_of_a_known_account(client: FlaskClient, session: Session) -> None:
    account = world.account(session, "known@demo.example")
    session.commit()
    before = (account.name, account.password_hash)
    client.post("/register", data=NEW | {"email": "known@demo.example"})
    present(session, account)
    assert (account.name, account.password_hash) == before


def test_links_lead_to_the_public_address_whatever_host_is_asked(client: FlaskClient, session: Session) -> None:
    client.post("/register", data=NEW, headers={"Host": "evil.example"})
    body = letters(session, ADDRESS)[0].body
    assert "http://piquet.example/verify/" in body
    assert "evil" not in body


@pytest.mark.parametrize(
    "wrong",
    [{"email": "no address"}, {"email": ""}, {"email": "ümlaut@demo.example"}, {"name": " "}, {"password": "short"},
     {"password": "aaaaaaaaaaaa"}, {"language": "xx"}, {"name": "x" * 121}],
)  # fmt: skip
def test_it_refuses_what_is_wrong_and_keeps_what_was_typed(
    client: FlaskClient, session: Session, wrong: dict[str, str]
) -> None:
    answer = client.post("/register", data=NEW | wrong)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert letters(session, ADDRESS) == []


def test_only_who_knows_the_password_can_have_the_mail_sent_again(client: FlaskClient, session: Session) -> None:
    world.account(session, ADDRESS, verified=False)
    session.commit()
    wrong = client.post("/log-in", data={"email": ADDRESS, "password": "wrong"})
    assert "Send the mail again" not in wrong.text
    right = client.post("/log-in", data={"email": ADDRESS, "password": world.PASSWORD})
    token = right.text.split('name="token" value="')[1].split('"')[0]
    assert client.post("/send-again", data={"token": token}).location == "/log-in"
    assert len(letters(session, ADDRESS)) == 1
    assert client.post("/send-again", data={"token": "made up"}).status_code == 410


def test_a_reader_needs_no_account(session: Session, logged_in: Callable[[Account], FlaskClient]) -> None:
    assert logged_in(world.account(session, ADDRESS)).get("/register").location == "/"
