"""Asking for a licence: in one click from every page that shows it missing; pending, withdrawn, declined."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.exports import operations as exports
from portal.licences import queries, requests
from portal.licences.models import Kind, LicenceRequest
from tests import test_policies, world
from tests.statements import recorded
from tests.test_guards import examples

LogIn = Callable[[Account], FlaskClient]
ASK = {"kind": "authorisation", "next": "/shared-with-me"}


@pytest.fixture
def account(session: Session) -> Account:
    return world.account(session, "master@demo.example")


@pytest.fixture
def browser(account: Account, logged_in: LogIn) -> FlaskClient:
    return logged_in(account)


def rows(session: Session) -> list[LicenceRequest]:
    session.commit()
    asked = sa.select(LicenceRequest).order_by(LicenceRequest.id)
    found = list(session.scalars(asked, execution_options={"populate_existing": True}))
    session.commit()
    return found


def test_one_click_asks_and_leads_back(session: Session, browser: FlaskClient) -> None:
    assert browser.post("/licences/request", data=ASK).location == "/shared-with-me"
    (row,) = rows(session)
    assert (row.kind, row.decided_at) == ("authorisation", None)
    page = browser.get("/shared-with-me").text
    assert "is requested since" in page
    assert "Withdraw the request" in page


def test_a_double_click_asks_once(session: Session, browser: FlaskClient) -> None:
    for _ in range(2):
        browser.post("/licences/request", data=ASK | {"message": "Please"})
    assert [row.message for row in rows(session)] == ["Please"]


def test_another_kind_is_another_request(session: Session, browser: FlaskClient) -> None:
    for kind in Kind:
        browser.post("/licences/request", data={"kind": kind.value})
    assert {row.kind for row in rows(session)} == set(Kind)


@pytest.mark.parametrize(
    "wrong", [{"kind": "everything"}, {}, {"kind": "reports", "message": "x" * 1001}, {"kind": ""}], ids=str
)
def test_it_refuses_what_is_none(session: Session, browser: FlaskClient, wrong: dict[str, str]) -> None:
    assert browser.post("/licences/request", data=wrong).location == "/licences"
    assert rows(session) == []


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_it_leads_to_no_other_place(browser: FlaskClient, path: str) -> None:
    assert browser.post("/licences/request", data=ASK | {"next": path}).location == "/licences"


def test_what_is_active_without_end_is_not_asked_for(session: Session, account: Account, browser: FlaskClient) -> None:
    world.licence(session, account, Kind.AUTHORISATION)
    session.commit()
    page = browser.post("/licences/request", data=ASK, follow_redirects=True).text
    assert "active already" in page
    assert rows(session) == []


def test_withdrawing_takes_back_ones_own_only(session: Session, browser: FlaskClient) -> None:
    other = world.account(session, "other@demo.example")
    requests.ask(session, other, Kind.AUTHORISATION)
    session.commit()
    browser.post("/licences/withdraw", data=ASK)
    assert rows(session)[0].decided_at is None
    browser.post("/licences/request", data=ASK)
    browser.post("/licences/withdraw", data=ASK)
    assert [(row.decided_at is None, row.approved) for row in rows(session)] == [(True, None), (False, None)]
    browser.post("/licences/request", data=ASK)
    assert len(rows(session)) == 3


def test_a_declined_request_shows_its_reason_and_the_button(
    session: Session, account: Account, browser: FlaskClient
) -> None:
    asked = requests.ask(session, account, Kind.REPORTS)
    requests.decline(session, world.account(session, "operator@demo.example", operator=True), [asked.id], "Not <yet>")
    session.commit()
    page = browser.get("/licences").text
    assert "Not &lt;yet&gt;" in page
    assert page.count("Request it") == 4


def test_asking_and_deciding_are_recorded_for_the_account(session: Session, account: Account) -> None:
    operator = world.account(session, "operator@demo.example", operator=True)
    asked = requests.ask(session, account, Kind.REPORTS)
    requests.decline(session, operator, [asked.id], "No")
    requests.ask(session, account, Kind.REPORTS)
    requests.withdraw(session, account, Kind.REPORTS)
    session.flush()
    entries = session.scalars(
        sa.select(AuditEntry).where(AuditEntry.owner_id == account.id).order_by(AuditEntry.id)
    ).all()
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("licence:request", account.id),
        ("licence_request.declined", operator.id),
        ("licence:request", account.id),
        ("licence_request.withdrawn", account.id),
    ]


@pytest.mark.parametrize("path", ["/licences", "/shared-with-me", "/exports", "/exports/tasks/new"])
def test_every_page_that_needs_one_says_what_is_missing(browser: FlaskClient, path: str) -> None:
    page = browser.get(path).text
    assert 'action="/licences/request"' in page
    assert f'name="next" value="{path}"' in page


def test_what_waits_for_a_licence_asks_for_it_in_one_click(session: Session, logged_in: LogIn) -> None:
    """On the overview, where others have shared; on "shared by me"; on the pages that say why."""
    master = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    sub = world.account(session, "bare@x.example")
    world.grant(session, world.station_group(session, master), "display", sub.email)
    ids = examples(session, sub)
    browser = logged_in(sub)
    why = f"/station-groups/{ids['station_group_id']}/why?email=piquet@x.example"
    for path in ("/", "/shared-by-me", why):
        assert 'action="/licences/request"' in browser.get(path).text, path
    requests.ask(session, sub, Kind.AUTHORISATION)
    session.commit()
    assert "It is requested since" in browser.get("/").text


def test_the_state_costs_two_statements(session: Session, account: Account, browser: FlaskClient) -> None:
    with recorded() as asked:
        browser.get("/licences")
    assert len(asked) <= 4


def test_a_task_is_not_made_without_the_licence(session: Session, account: Account) -> None:
    with pytest.raises(RuleBroken, match="Auto-export is missing"):
        exports.create(session, account, None)  # type: ignore[arg-type]  # refused before anything of it is looked at


def test_every_action_that_a_licence_gates_is_refused_without_it(session: Session, account: Account) -> None:
    """The policy's last block: each action is asked for in the code, or waits for the part it comes with."""
    gated = {action for action in authz.ACTIONS if authz.licence_for(action)}
    refused = {"export:create", "maintenance:divide", "maintenance:run", "report:create", "report:schedule"}
    assert gated - test_policies.RESERVED.keys() == refused, "add a test of its refusal here or with its part"
    for action in gated:
        kind = Kind(str(authz.licence_for(action)))
        assert queries.lacking(session, account.id, action) == kind
        holder = world.account(session, f"{action.replace(':', '.')}@demo.example", kind)
        assert queries.lacking(session, holder.id, action) is None
    assert queries.lacking(session, account.id, "connector:edit") is None
