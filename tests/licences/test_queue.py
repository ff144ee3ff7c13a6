"""The operator's queue: who asks for what, approving and declining, many at once."""

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.core.errors import RuleBroken
from portal.core.mail import MailMessage
from portal.licences import operations, requests
from portal.licences.models import Kind, Licence, LicenceRequest
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
HERE = "/operator/requests"


@pytest.fixture
def operator(session: Session) -> Account:
    return world.account(session, "operator@demo.example", operator=True)


@pytest.fixture
def browser(operator: Account, logged_in: LogIn) -> FlaskClient:
    return logged_in(operator)


def asked(session: Session, *names: str, kind: Kind = Kind.AUTHORISATION) -> list[int]:
    """Requests of new accounts."""
    ids = [requests.ask(session, world.account(session, f"{name}@demo.example"), kind).id for name in names]
    session.commit()
    return ids


def licences(session: Session) -> Sequence[Licence]:
    session.commit()
    found = session.scalars(sa.select(Licence).order_by(Licence.id)).all()
    session.commit()
    return found


def letters_of(session: Session) -> list[tuple[str, str]]:
    session.commit()
    found = session.execute(sa.select(MailMessage.recipient, MailMessage.subject).order_by(MailMessage.id)).all()
    session.commit()
    return [(row[0], row[1]) for row in found]


def approval(*ids: int, **other: str) -> dict[str, object]:
    return {"request": [str(row_id) for row_id in ids], "first_day": "2026-01-01", "last_day": "", **other}


def test_it_lists_open_requests_oldest_first_with_what_waits(session: Session, browser: FlaskClient) -> None:
    first, second = asked(session, "early", "late")
    early = session.get_one(Account, session.get_one(LicenceRequest, first).account_id)
    world.licence(session, early, Kind.REPORTS)
    world.grant(session, world.station_group(session, early), "display", "late@demo.example")
    session.get_one(LicenceRequest, second).message = "For <our> garage"
    session.commit()
    page = browser.get(HERE).text
    assert page.index("early@demo.example") < page.index("late@demo.example")
    assert "1 group shared by it" in page
    assert "1 group shared with it" in page
    assert "For &lt;our&gt; garage" in page


def test_the_number_of_open_requests_stands_in_the_side_bar(session: Session, browser: FlaskClient) -> None:
    assert '<span class="count">' not in browser.get("/operator/accounts").text
    asked(session, "one", "two")
    assert '<span class="count">2</span>' in browser.get("/operator/accounts").text


def test_a_page_costs_the_same_with_many_requests(session: Session, browser: FlaskClient) -> None:
    asked(session, "one")
    with recorded() as few:
        browser.get(HERE)
    asked(session, *(f"a{number}" for number in range(30)))
    with recorded() as many:
        assert "Page 1 of 2" in browser.get(HERE).text
    assert len(many) == len(few) <= 12


def test_approving_activates_tells_and_opens_the_share(
    session: Session, operator: Account, browser: FlaskClient
) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    world.grant(session, group, "display", "sub@demo.example")
    (row_id,) = asked(session, "sub")
    sub = session.scalars(sa.select(Account).where(Account.email == "sub@demo.example")).one()
    sub.language = "de"
    session.commit()
    assert not authz.may(session, sub.id, "station_group:view", [group.id])
    session.commit()
    assert browser.get(f"{HERE}/approve?request={row_id}").status_code == 200
    assert browser.post(f"{HERE}/approve", data=approval(row_id)).location == HERE
    session.expire_all()
    assert authz.may(session, sub.id, "station_group:view", [group.id])
    row = session.get_one(LicenceRequest, row_id)
    assert (row.approved, row.decided_by_id, row.licence_id) == (True, operator.id, licences(session)[-1].id)
    assert [to for to, _subject in letters_of(session)] == ["sub@demo.example"]
    assert "1 settled request" in browser.get(HERE).text


def test_many_are_approved_for_the_same_days(session: Session, browser: FlaskClient) -> None:
    ids = asked(session, "one", "two", "three")
    browser.post(f"{HERE}/approve", data=approval(*ids[:2], first_day="2026-02-01", last_day="2099-12-31"))
    assert {str(row.ends_at) for row in licences(session)} == {"2099-12-31 23:00:00+00:00"}
    assert len(licences(session)) == len(letters_of(session)) == 2
    page = browser.get(HERE).text
    assert page.count('name="request"') == 1


def test_one_that_overlaps_keeps_all_back_and_is_named_at_its_day(session: Session, browser: FlaskClient) -> None:
    ids = asked(session, "one", "two")
    two = session.scalars(sa.select(Account).where(Account.email == "two@demo.example")).one()
    world.licence(session, two, Kind.AUTHORISATION, days=5)
    session.commit()
    answer = browser.post(f"{HERE}/approve", data=approval(*ids))
    assert answer.status_code == 422
    assert 'id="first_day-error"' in answer.text
    assert "two@demo.example has the licence Authorisation" in answer.text
    assert len(licences(session)) == 1
    assert letters_of(session) == []


def test_a_single_one_is_proposed_for_the_day_after_the_present_licence(session: Session, browser: FlaskClient) -> None:
    (row_id,) = asked(session, "one")
    one = session.scalars(sa.select(Account).where(Account.email == "one@demo.example")).one()
    held = world.licence(session, one, Kind.AUTHORISATION, days=5)
    session.commit()
    assert held.ends_at is not None
    day = held.ends_at.astimezone(operations.ZoneInfo("Europe/Zurich")).date()
    assert f'value="{day}"' in browser.get(f"{HERE}/approve?request={row_id}").text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"first_day": ""}, "first_day"), ({"last_day": "9999-12-31"}, "last_day"),
     ({"last_day": "2025-01-01"}, "last_day"),
     ({"first_day": "1999-01-01"}, "first_day")],
)  # fmt: skip
def test_wrong_days_are_refused_at_their_field(
    session: Session, browser: FlaskClient, wrong: dict[str, str], field: str
) -> None:
    answer = browser.post(f"{HERE}/approve", data=approval(*asked(session, "one"), **wrong))
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert not licences(session)


def test_declining_needs_a_reason_and_tells_it(session: Session, browser: FlaskClient) -> None:
    ids = asked(session, "one", "two")
    without = browser.post(f"{HERE}/decline", data={"request": ids, "reason": " "})
    assert without.status_code == 422
    browser.post(f"{HERE}/decline", data={"request": ids, "reason": "No contract yet."})
    session.expire_all()
    assert {session.get_one(LicenceRequest, row_id).approved for row_id in ids} == {False}
    assert [to for to, _subject in letters_of(session)] == ["one@demo.example", "two@demo.example"]
    assert "No contract yet." in session.scalars(sa.select(MailMessage.body)).all()[0]


@pytest.mark.parametrize("act", ["approve", "decline"])
def test_a_decision_is_made_once(session: Session, browser: FlaskClient, act: str) -> None:
    ids = asked(session, "one")
    data = approval(*ids, reason="No")
    for _ in range(2):
        assert browser.post(f"{HERE}/{act}", data=data).location == HERE
    assert len(letters_of(session)) == 1


def test_of_two_operators_the_second_one_finds_it_decided(session: Session, operator: Account) -> None:
    (row_id,) = asked(session, "one")
    requests.decline(session, operator, [row_id], "No")
    session.flush()
    for decide in (
        lambda: requests.decline(session, operator, [row_id], "Still no"),
        lambda: requests.approve(session, operator, [row_id], clock.now().date(), None),
    ):
        with pytest.raises(RuleBroken, match="decided or withdrawn already"):
            decide()
    assert session.get_one(LicenceRequest, row_id).reason == "No"


@pytest.mark.parametrize("ticked", ["", "x", "-1", "99999999999999999999", "1000003", "²"])
def test_nothing_that_is_open_leads_back_to_the_list(browser: FlaskClient, ticked: str) -> None:
    for act in ("approve", "decline"):
        assert browser.get(f"{HERE}/{act}", query_string={"request": ticked}).location == HERE


def test_an_activation_by_hand_settles_the_request(session: Session, operator: Account) -> None:
    (row_id,) = asked(session, "one")
    row = session.get_one(LicenceRequest, row_id)
    account = session.get_one(Account, row.account_id)
    operations.activate(session, operator, account, Kind.REPORTS, clock.now().date(), None)
    assert row.decided_at is None
    operations.activate(session, operator, account, Kind.AUTHORISATION, clock.now().date(), None)
    assert row.approved is True


def test_a_share_sleeps_while_the_licence_has_ended_and_wakes_with_the_next(
    session: Session, operator: Account, browser: FlaskClient, logged_in: LogIn
) -> None:
    """Through the pages of three people; nothing is deleted."""
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    sub = world.account(session, "sub@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Garage")
    world.grant(session, group, "display", sub.email)
    station = world.station(session, owner, "Box", group)
    reader, giver, page = logged_in(sub), logged_in(owner), f"/stations/{station.id}"
    assert reader.get(page).status_code == 200
    session.commit()
    held = session.scalars(sa.select(Licence).where(Licence.account_id == sub.id)).one()
    session.commit()
    browser.post(f"/operator/licences/{held.id}/end", data={"when": "now"})
    assert reader.get(page).status_code == 404
    assert "The licence “Authorisation” is missing" in reader.get("/shared-with-me").text
    assert "Without effect" in giver.get(f"/station-groups/{group.id}/sharing").text
    reader.post("/licences/request", data={"kind": "authorisation"})
    row_id = session.scalars(sa.select(LicenceRequest.id)).one()
    session.commit()
    today = clock.now().astimezone(operations.ZoneInfo("Europe/Zurich")).date()
    browser.post(f"{HERE}/approve", data=approval(row_id, first_day=today.isoformat()))
    assert reader.get(page).status_code == 200
    assert len(licences(session)) == 3
