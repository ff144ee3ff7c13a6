"""The operator's pages: accounts and their licences."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind, Licence
from tests import world
from tests.accounts.post import present
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
DAYS = {"kind": "auto_export", "first_day": "2026-01-01", "last_day": ""}


@pytest.fixture
def account(session: Session) -> Account:
    return world.account(session, "master@demo.example", Kind.AUTHORISATION)


@pytest.fixture
def browser(session: Session, account: Account, logged_in: LogIn) -> FlaskClient:
    return logged_in(world.account(session, "operator@demo.example", operator=True))


def licences(session: Session) -> list[Licence]:
    session.commit()
    rows = list(session.scalars(sa.select(Licence).order_by(Licence.id), execution_options={"populate_existing": True}))
    session.commit()
    return rows


def test_it_lists_accounts_with_their_licences(browser: FlaskClient) -> None:
    page = browser.get("/operator/accounts").text
    assert "master@demo.example" in page
    assert "Authorisation" in page


@pytest.mark.parametrize("query", ["ster@dem", "MASTER", "  master ", "Master"])
def test_it_finds_a_part_of_address_or_name(browser: FlaskClient, query: str) -> None:
    page = browser.get("/operator/accounts", query_string={"q": query}).text
    assert "master@demo.example" in page
    assert "/operator/accounts/2" not in page


@pytest.mark.parametrize("query", ["%", "_", "\\", "m%r", "'; DROP TABLE account; --"])
def test_signs_of_the_database_are_letters_like_others(browser: FlaskClient, query: str) -> None:
    assert "No account fits" in browser.get("/operator/accounts", query_string={"q": query}).text


@pytest.mark.parametrize(
    ("licence", "shown"), [("", 2), ("authorisation", 1), ("reports", 0), ("none", 1), ("made up", 2)]
)
def test_it_filters_by_licence(browser: FlaskClient, licence: str, shown: int) -> None:
    page = browser.get("/operator/accounts", query_string={"licence": licence}).text
    assert page.count('href="/operator/accounts/') == shown


def test_a_page_costs_the_same_with_many_accounts(session: Session, browser: FlaskClient) -> None:
    with recorded() as few:
        browser.get("/operator/accounts")
    for number in range(120):
        session.add(Account(email=f"a{number:03}@many.example", name=""))
    session.commit()
    with recorded() as many:
        page = browser.get("/operator/accounts?page=2&q=many").text
    assert "a050@many.example" in page
    assert "Page 2 of 3" in page
    assert len(many) == len(few) <= 8


@pytest.mark.parametrize("page", ["0", "-1", "99999", "x"])
def test_an_odd_page_number_is_no_error(browser: FlaskClient, page: str) -> None:
    assert browser.get(f"/operator/accounts?page={page}").status_code == 200


def test_every_page_is_about_the_chosen_account(session: Session, account: Account, browser: FlaskClient) -> None:
    (row,) = licences(session)
    here = f"/operator/accounts/{account.id}"
    shown = browser.get(here).text.split("<main")[1]
    assert account.email in shown
    assert "operator@demo.example" not in shown
    assert f'action="{here}/licences/new"' in browser.get(f"{here}/licences/new").text
    assert account.email in browser.get(f"/operator/licences/{row.id}/end").text.split("<main")[1]


def test_it_activates_a_licence(session: Session, account: Account, browser: FlaskClient) -> None:
    path = f"/operator/accounts/{account.id}/licences/new"
    assert browser.get(f"{path}?kind=reports").status_code == 200
    assert browser.post(path, data=DAYS).location == f"/operator/accounts/{account.id}"
    assert [row.kind for row in licences(session)] == ["authorisation", "auto_export"]
    assert browser.get(f"/operator/accounts/{account.id}").text.count("without end") >= 2


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "everything"}, {"first_day": ""}, {"first_day": "soon"}, {"last_day": "2025-12-31"},
     {"kind": "authorisation"}, {"first_day": "0001-01-01"}, {"first_day": "9999-12-31", "last_day": "9999-12-31"}],
)  # fmt: skip
def test_it_refuses_what_is_wrong_and_keeps_what_was_typed(
    session: Session, account: Account, browser: FlaskClient, wrong: dict[str, str]
) -> None:
    answer = browser.post(f"/operator/accounts/{account.id}/licences/new", data=DAYS | {"last_day": ""} | wrong)
    if wrong == {"kind": "authorisation"}:
        assert "in some of these days already" in answer.text
    assert answer.status_code == 422
    assert len(licences(session)) == 1


def test_ending_says_first_what_becomes_inert(session: Session, account: Account, browser: FlaskClient) -> None:
    world.grant(session, world.station_group(session, account), "display", "operator@demo.example")
    session.commit()
    (row,) = licences(session)
    page = browser.get(f"/operator/licences/{row.id}/end").text
    assert "1 station group that the account shares is no longer open" in page
    assert "0 station groups shared with the account" in page
    assert "Nothing is deleted" in page
    assert licences(session)[0].ends_at is None


def test_it_ends_now(session: Session, account: Account, browser: FlaskClient) -> None:
    (row,) = licences(session)
    answer = browser.post(f"/operator/licences/{row.id}/end", data={"when": "now"})
    assert answer.location == f"/operator/accounts/{account.id}"
    assert licences(session)[0].ends_at is not None


def test_it_ends_after_a_day(session: Session, browser: FlaskClient) -> None:
    (row,) = licences(session)
    browser.post(f"/operator/licences/{row.id}/end", data={"when": "day", "last_day": "2099-12-31"})
    assert str(licences(session)[0].ends_at) == "2099-12-31 23:00:00+00:00"


@pytest.mark.parametrize("form", [{"when": "day"}, {"when": "day", "last_day": "2020-01-01"}, {"when": "never"}])
def test_it_refuses_no_day_and_a_past_day(session: Session, browser: FlaskClient, form: dict[str, str]) -> None:
    (row,) = licences(session)
    assert browser.post(f"/operator/licences/{row.id}/end", data=form).status_code == 422
    assert licences(session)[0].ends_at is None


PAGES = (
    ("GET", "/operator/accounts"),
    ("GET", "/operator/accounts/{account}"),
    ("GET", "/operator/accounts/{account}/licences/new"),
    ("POST", "/operator/accounts/{account}/licences/new"),
    ("GET", "/operator/licences/{licence}/end"),
    ("POST", "/operator/licences/{licence}/end"),
    ("GET", "/operator/requests"),
    ("GET", "/operator/requests/approve?request=1"),
    ("POST", "/operator/requests/approve"),
    ("POST", "/operator/requests/decline"),
    ("GET", "/operator/licences/list"),
    ("POST", "/operator/licences/list"),
    ("POST", "/operator/licences/list/activate"),
    ("GET", "/operator/mail"),
    ("GET", "/operator/mail/1"),
    ("POST", "/operator/mail/1/try-again"),
)


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_nobody_else_finds_the_operators_pages(
    session: Session, account: Account, logged_in: LogIn, client: FlaskClient, method: str, path: str
) -> None:
    browser = logged_in(account)
    (row,) = licences(session)
    found = path.format(account=account.id, licence=row.id)
    answer = browser.open(found, method=method, data=DAYS | {"when": "now"})
    missing = browser.open("/nothing/here", method="GET")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "There is nothing here" in missing.text
    assert client.open(found, method=method).location.startswith("/log-in")
    assert [(one.id, one.ends_at) for one in licences(session)] == [(row.id, None)]


@pytest.mark.parametrize("path", ["/operator/accounts/999", "/operator/licences/999/end", "/operator/mail/999"])
def test_what_is_not_there_is_not_found(browser: FlaskClient, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_an_operator_who_is_none_any_more_loses_the_pages(
    session: Session, browser: FlaskClient, account: Account
) -> None:
    operator = session.scalars(sa.select(Account).where(Account.is_operator)).one()
    operator.is_operator = False
    present(session, operator)
    assert browser.get("/operator/accounts").status_code == 404


def test_commands_grant_and_end(app: Flask, session: Session, account: Account, browser: FlaskClient) -> None:
    run = app.test_cli_runner().invoke
    granted = run(args=["licence", "grant", account.email, "reports", "--from", "2026-01-01"])
    assert granted.exit_code == 0, granted.output
    assert run(args=["licence", "grant", account.email, "reports"]).exit_code == 1
    assert run(args=["licence", "end", account.email, "reports"]).exit_code == 0
    assert "no such licence" in run(args=["licence", "end", account.email, "reports"]).output
    assert [row.kind for row in licences(session)] == ["authorisation", "reports"]


def test_commands_name_what_is_missing(app: Flask, session: Session) -> None:
    run = app.test_cli_runner().invoke
    assert "no operator yet" in run(args=["licence", "grant", "a@demo.example", "reports"]).output
    world.account(session, "operator@demo.example", operator=True)
    session.commit()
    assert "no account a@demo.example" in run(args=["licence", "grant", "a@demo.example", "reports"]).output
    assert run(args=["licence", "grant", "a@demo.example", "everything"]).exit_code == 2
