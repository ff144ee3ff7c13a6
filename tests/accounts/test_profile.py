"""The own account: profile, password, address, sessions."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from tests import world
from tests.accounts.post import letters, link, present, shown

LogIn = Callable[[Account], FlaskClient]
ADDRESS, NEW = "master@demo.example", "moved@demo.example"
PROFILE = {"name": "Depot Süd", "language": "de", "time_zone": "Europe/Lisbon", "theme": "dark"}


@pytest.fixture
def account(session: Session) -> Account:
    return world.account(session, ADDRESS)


def test_it_saves_the_profile(session: Session, account: Account, logged_in: LogIn) -> None:
    answer = logged_in(account).post("/profile", data=PROFILE)
    assert answer.location == "/profile"
    assert "theme=dark" in answer.headers["Set-Cookie"]
    present(session, account)
    assert (account.name, account.language, account.time_zone) == ("Depot Süd", "de", "Europe/Lisbon")


@pytest.mark.parametrize("wrong", [{"name": ""}, {"language": "xx"}, {"time_zone": "Mars/Base"}, {"theme": "pink"}])
def test_it_refuses_what_is_not_offered(account: Account, logged_in: LogIn, wrong: dict[str, str]) -> None:
    assert logged_in(account).post("/profile", data=PROFILE | wrong).status_code == 422


def test_a_new_password_ends_the_other_sessions_and_keeps_this(account: Account, logged_in: LogIn) -> None:
    here, there = logged_in(account), logged_in(account)
    answer = here.post("/profile/password", data={"present": world.PASSWORD, "password": "a quite new password"})
    assert answer.location == "/profile"
    assert here.get("/profile").status_code == 200
    assert there.get("/profile").status_code == 302


def test_a_new_password_ends_remembered_sessions(session: Session, account: Account, app: Flask) -> None:
    session.commit()
    there, form = app.test_client(), {"email": ADDRESS, "password": world.PASSWORD}
    there.post("/log-in", data=form | {"remember": "y"})
    there.delete_cookie("session")
    assert there.get("/profile").status_code == 200
    account.session_version += 1
    session.commit()
    there.delete_cookie("session")
    assert there.get("/profile").status_code == 302


def test_a_new_password_needs_the_present_one(session: Session, account: Account, logged_in: LogIn) -> None:
    wrong = {"present": "wrong", "password": "a quite new password"}
    assert logged_in(account).post("/profile/password", data=wrong).status_code == 422
    action = sa.select(AuditEntry.action).order_by(AuditEntry.id.desc()).limit(1)
    assert session.scalar(action) == "account:wrong_password"


def test_the_other_devices_can_be_logged_out(account: Account, logged_in: LogIn) -> None:
    here, there = logged_in(account), logged_in(account)
    here.post("/profile/sessions")
    assert (here.get("/profile").status_code, there.get("/profile").status_code) == (200, 302)


def test_the_address_changes_only_by_the_link(session: Session, account: Account, logged_in: LogIn) -> None:
    browser = logged_in(account)
    browser.post("/profile/email", data={"new_email": NEW, "present": world.PASSWORD})
    path = link(session, NEW, "/confirm-email/")
    assert browser.get(path).status_code == 200
    present(session, account)
    assert account.email == ADDRESS
    assert browser.post(path).status_code == 302
    present(session, account)
    assert account.email == NEW
    assert browser.post(path).status_code == 410


def test_the_old_address_is_told_before_and_after(session: Session, account: Account, logged_in: LogIn) -> None:
    browser = logged_in(account)
    browser.post("/profile/email", data={"new_email": NEW, "present": world.PASSWORD})
    assert [NEW in letter.body for letter in letters(session, ADDRESS)] == [True]
    browser.post(link(session, NEW, "/confirm-email/"))
    assert "is now moved@demo.example" in letters(session, ADDRESS)[1].body


def test_a_new_password_kills_the_link_of_a_thief(session: Session, account: Account, logged_in: LogIn) -> None:
    browser = logged_in(account)
    browser.post("/profile/email", data={"new_email": NEW, "present": world.PASSWORD})
    browser.post("/profile/password", data={"present": world.PASSWORD, "password": "a quite new password"})
    assert browser.post(link(session, NEW, "/confirm-email/")).status_code == 410


def test_it_does_not_tell_whether_the_new_address_has_an_account(
    session: Session, account: Account, logged_in: LogIn
) -> None:
    world.account(session, "taken@demo.example")
    browser = logged_in(account)
    answers = [
        shown(browser.post("/profile/email", data={"new_email": to, "present": world.PASSWORD}, follow_redirects=True))
        for to in ("taken@demo.example", "fresh@demo.example")
    ]
    assert answers[0].replace("taken@", "fresh@") == answers[1]
    assert len(letters(session, "taken@demo.example")) == len(letters(session, "fresh@demo.example")) == 1
    assert "/confirm-email/" not in letters(session, "taken@demo.example")[0].body


def test_an_address_taken_meanwhile_is_refused(session: Session, account: Account, logged_in: LogIn) -> None:
    browser = logged_in(account)
    browser.post("/profile/email", data={"new_email": NEW, "present": world.PASSWORD})
    path = link(session, NEW, "/confirm-email/")
    world.account(session, NEW)
    session.commit()
    answer = browser.post(path)
    assert answer.status_code == 422
    assert "belongs to another account" in answer.text


@pytest.mark.parametrize("new_email", [ADDRESS, " MASTER@demo.example", "nothing", ""])
def test_it_refuses_no_change_and_no_address(account: Account, logged_in: LogIn, new_email: str) -> None:
    form = {"new_email": new_email, "present": world.PASSWORD}
    assert logged_in(account).post("/profile/email", data=form).status_code == 422


def test_the_change_of_address_needs_the_password(session: Session, account: Account, logged_in: LogIn) -> None:
    form = {"new_email": NEW, "present": "wrong"}
    assert logged_in(account).post("/profile/email", data=form).status_code == 422
    assert letters(session, NEW) == []


def test_it_says_how_much_reaches_the_present_address(session: Session, account: Account, logged_in: LogIn) -> None:
    owner = world.account(session, "owner@demo.example")
    group, on_call = world.station_group(session, owner), world.user_group(session, owner, "On call", ADDRESS)
    world.grant(session, group, "display", on_call)
    world.grant(session, group, "manage", ADDRESS)
    world.grant(session, group, "manage", "somebody@demo.example")
    page = logged_in(account).get("/profile/email").text
    assert "2 shares that reach you now" in page
    assert "membership in 1 user group" in page
