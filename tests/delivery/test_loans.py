"""Destinations lent by name."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.delivery.loans import DESTINATIONS
from portal.delivery.models import Destination, DestinationLoan
from tests import world

BORROWER = "borrower@demo.example"


@pytest.fixture
def borrower(session: Session) -> Account:
    return world.account(session, BORROWER)


@pytest.fixture
def lent(session: Session, destination: Destination, browser: FlaskClient) -> DestinationLoan:
    session.commit()
    browser.post(f"/exports/destinations/{destination.id}/lend", data={"email": f" {BORROWER.upper()} "})
    loan = session.scalars(sa.select(DestinationLoan)).one()
    session.commit()
    return loan


def end_of(loan: DestinationLoan) -> str:
    return f"/exports/destinations/{loan.destination_id}/loans/{loan.id}/end"


def test_the_borrower_uses_it_by_name_and_learns_nothing_else(
    session: Session, destination: Destination, lent: DestinationLoan, borrower: Account,
    logged_in: Callable[[Account], FlaskClient], owner: Account,
) -> None:  # fmt: skip
    destination.host, destination.username = "secret-host.example", "secret-user"
    session.commit()
    assert DESTINATIONS.usable(session, borrower.id) == [(destination.id, destination.name, owner.email)]
    assert DESTINATIONS.may_use(session, borrower.id, destination.id)
    session.commit()
    browser = logged_in(borrower)
    page = browser.get("/exports/destinations").text
    assert destination.name in page
    assert owner.email in page
    for hidden in ("secret-host", "secret-user", str(destination.host_key_fingerprint)):
        assert hidden not in page
    for path in ("", "/edit", "/log-in", "/host-key", "/test", "/delete"):
        assert browser.get(f"/exports/destinations/{destination.id}{path}").status_code == 404
    for path in ("/edit", "/test", "/lend", "/delete"):
        assert browser.post(f"/exports/destinations/{destination.id}{path}").status_code == 404


def test_it_ends_in_one_click_and_can_begin_again(
    session: Session, destination: Destination, lent: DestinationLoan, borrower: Account, browser: FlaskClient
) -> None:
    session.commit()
    assert BORROWER in browser.get(f"/exports/destinations/{destination.id}").text
    browser.post(end_of(lent))
    assert not DESTINATIONS.may_use(session, borrower.id, destination.id)
    assert DESTINATIONS.usable(session, borrower.id) == []
    session.commit()
    assert browser.post(end_of(lent)).status_code == 302
    browser.post(f"/exports/destinations/{destination.id}/lend", data={"email": BORROWER})
    assert DESTINATIONS.may_use(session, borrower.id, destination.id)
    of_destinations = AuditEntry.action.like("destination.%")
    actions = session.scalars(sa.select(AuditEntry.action).where(of_destinations).order_by(AuditEntry.id)).all()
    assert actions == ["destination.lent", "destination.taken_back", "destination.lent"]


def test_only_a_confirmed_address_borrows(session: Session, lent: DestinationLoan, borrower: Account) -> None:
    borrower.verified_at = None
    session.flush()
    assert not DESTINATIONS.may_use(session, borrower.id, lent.destination_id)


def test_an_ended_loan_and_a_stranger_use_nothing(session: Session, destination: Destination) -> None:
    stranger = world.account(session, "stranger@demo.example")
    assert not DESTINATIONS.may_use(session, stranger.id, destination.id)
    assert DESTINATIONS.usable(session, stranger.id) == []


def test_only_the_owner_lends_and_takes_back(
    session: Session, lent: DestinationLoan, borrower: Account, logged_in: Callable[[Account], FlaskClient]
) -> None:
    session.commit()
    browser = logged_in(borrower)
    assert browser.post(end_of(lent)).status_code == 404
    session.expire_all()
    assert lent.ended_at is None


@pytest.mark.parametrize("email", ["", "nobody", "owner@demo.example", BORROWER])
def test_what_cannot_be_lent_to_is_said(
    session: Session, destination: Destination, lent: DestinationLoan, browser: FlaskClient, email: str
) -> None:
    answer = browser.post(f"/exports/destinations/{destination.id}/lend", data={"email": email})
    assert answer.status_code == 422
    assert 'id="email-error"' in answer.text
    assert len(session.scalars(sa.select(DestinationLoan)).all()) == 1
