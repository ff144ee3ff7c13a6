"""The operator's view of the outbox."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock, mail
from portal.core.mail import MailMessage
from tests import world

LogIn = Callable[[Account], FlaskClient]
SECRET = "http://piquet.example/reset/one-time"


@pytest.fixture
def message(session: Session) -> MailMessage:
    return mail.post(session, "duty@demo.example", "Choose a new password", f"Here: {SECRET}\n<b>bold</b>\n")


@pytest.fixture
def browser(session: Session, message: MailMessage, logged_in: LogIn) -> FlaskClient:
    return logged_in(world.account(session, "operator@demo.example", operator=True))


def change(session: Session, message: MailMessage, **fields: object) -> None:
    for name, value in fields.items():
        setattr(message, name, value)
    session.commit()


def test_it_shows_recipient_and_subject_but_never_the_text(browser: FlaskClient, message: MailMessage) -> None:
    page = browser.get("/operator/mail").text
    assert "duty@demo.example" in page
    assert "Choose a new password" in page
    assert "one-time</" not in page
    assert SECRET not in page
    assert browser.get(f"/operator/mail/{message.id}").status_code == 404


def test_a_demo_shows_the_text(app: Flask, browser: FlaskClient, message: MailMessage) -> None:
    app.extensions["settings"] = replace(app.extensions["settings"], demo=True)
    page = browser.get(f"/operator/mail/{message.id}").text
    assert f'href="{SECRET}"' in page
    assert "<b>bold" not in page


def test_it_says_why_a_mail_fails(session: Session, browser: FlaskClient, message: MailMessage) -> None:
    change(session, message, attempts=2, error="450 mailbox busy")
    page = browser.get("/operator/mail?state=failing").text
    assert "450 mailbox busy" in page
    assert "Will be tried again" in page


def test_a_mail_that_was_given_up_can_be_tried_again(
    session: Session, browser: FlaskClient, message: MailMessage
) -> None:
    change(session, message, attempts=mail.MOST_ATTEMPTS, error="550 no such user")
    assert "Given up" in browser.get("/operator/mail?state=given_up").text
    assert browser.post(f"/operator/mail/{message.id}/try-again").location == "/operator/mail"
    session.refresh(message)
    assert message.attempts == 0
    assert message.not_before <= clock.now()


def test_a_sent_mail_is_not_sent_again(session: Session, browser: FlaskClient, message: MailMessage) -> None:
    change(session, message, attempts=1, sent_at=clock.now())
    browser.post(f"/operator/mail/{message.id}/try-again")
    session.refresh(message)
    assert message.attempts == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [("", True), ("q=duty", True), ("q=DUTY", True), ("q=uty", False), ("q=%25", False), ("state=waiting", True),
     ("state=sent", False), ("state=given_up", False), ("state=made-up", True)],
)  # fmt: skip
def test_it_filters(browser: FlaskClient, query: str, found: bool) -> None:
    assert ("duty@demo.example" in browser.get(f"/operator/mail?{query}").text) == found
