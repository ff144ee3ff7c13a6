"""The pages of transfers: offer, see, accept, decline, withdraw."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.core.mail import MailMessage
from portal.delivery.loans import DESTINATIONS
from portal.sharing.models import Transfer
from portal.stations.models import Station
from portal.transfers import operations, things
from tests import world
from tests.statements import recorded
from tests.transfers.test_operations import a_task
from tests.world import PASSWORD

LogIn = Callable[[Account], FlaskClient]


@pytest.fixture
def giver(place: SimpleNamespace, logged_in: LogIn) -> FlaskClient:
    return logged_in(place.giver)


@pytest.fixture
def receiver(place: SimpleNamespace, logged_in: LogIn) -> FlaskClient:
    return logged_in(place.receiver)


def mails(session: Session) -> list[tuple[str, str, str]]:
    columns = (MailMessage.recipient, MailMessage.subject, MailMessage.body)
    return [tuple(row) for row in session.execute(sa.select(*columns).order_by(MailMessage.id))]


def offer(session: Session, place: SimpleNamespace, to: str = "receiver@x.example") -> str:
    """The address of the page of an offer of the group."""
    row = operations.offer(session, place.giver, things.of_group(place.group), to, "With <b>love</b>")
    session.commit()
    return f"/transfers/{row.id}"


def test_a_station_is_offered_from_its_page(session: Session, place: SimpleNamespace, giver: FlaskClient) -> None:
    url = f"/stations/{place.a.id}/transfer"
    assert url in giver.get(f"/stations/{place.a.id}").text
    page = giver.get(url).text
    assert "2 connectors" in page
    assert "3 charging sessions" in page
    assert "leave 2 other groups" in page
    answer = giver.post(url, data={"email": "receiver@x.example", "message": "Yours"}, follow_redirects=True)
    assert "The offer is on its way to receiver@x.example" in answer.text
    assert "offered to receiver@x.example already" in giver.get(url).text


def test_the_same_mail_goes_out_whether_or_not_there_is_an_account(
    session: Session, place: SimpleNamespace, giver: FlaskClient
) -> None:
    for station, to in ((place.a, "receiver@x.example"), (place.b, "nobody@x.example")):
        giver.post(f"/stations/{station.id}/transfer", data={"email": to, "message": "typed by the giver"})
    (first, *one), (second, *two) = mails(session)
    assert (first, second) == ("receiver@x.example", "nobody@x.example")
    assert one == two
    assert "http://piquet.example/transfers\n" in one[1]
    assert "typed by the giver" not in one[1]


def test_the_receiver_sees_what_goes_over_and_accepts(
    session: Session, place: SimpleNamespace, receiver: FlaskClient
) -> None:
    url = offer(session, place)
    assert url in receiver.get("/transfers").text
    page = receiver.get(url).text
    assert "With &lt;b&gt;love" in page
    assert "2 stations: A, B" in page
    assert "4 charging sessions" in page
    answer = receiver.post(f"{url}/accept", follow_redirects=True)
    assert "Lugano Centro belongs to you now." in answer.text
    assert answer.request.path == f"/station-groups/{place.group.id}"
    assert mails(session)[-1][0] == "giver@x.example"


def test_both_sides_read_what_becomes_of_the_exports(
    session: Session, place: SimpleNamespace, giver: FlaskClient, receiver: FlaskClient
) -> None:
    task = a_task(session, place, place.giver)
    DESTINATIONS.lend(session, place.giver, task.destination, "sub@x.example")
    session.commit()
    group_page = giver.get(f"/station-groups/{place.group.id}/transfer").text
    assert "1 export task on what goes over stops. Nothing more is delivered" in group_page
    data = {"email": "receiver@x.example", "present": PASSWORD}
    url = giver.post("/profile/transfer", data=data).location
    for page in (giver.get("/profile/transfer").text, receiver.get(url).text):
        assert "1 export task with its history and files" in page
        assert "1 destination, 1 formatter" in page
        assert "What is lent to 1 address stays lent." in page
        assert "on what goes over stop" not in page
    receiver.post(f"{url}/accept")
    assert receiver.get(f"/exports/tasks/{task.id}").status_code == 200
    assert giver.get(f"/exports/tasks/{task.id}").status_code == 404


def test_the_giver_sees_the_end_and_no_more(
    session: Session, place: SimpleNamespace, giver: FlaskClient, receiver: FlaskClient
) -> None:
    url = offer(session, place)
    receiver.post(f"{url}/accept")
    receiver.post(f"/station-groups/{place.group.id}/edit", data={"name": "A new name"})
    page = giver.get(url).text
    assert "What went over" in page
    assert "A new name" not in page + giver.get("/transfers").text
    assert giver.get(f"/station-groups/{place.group.id}").status_code == 404
    assert giver.get(f"/stations/{place.a.id}").status_code == 404


def test_declining_and_withdrawing_change_nothing(
    session: Session, place: SimpleNamespace, giver: FlaskClient, receiver: FlaskClient
) -> None:
    first = offer(session, place)
    assert "Nothing has changed" in receiver.post(f"{first}/decline", follow_redirects=True).text
    second = offer(session, place)
    assert "withdrawn" in giver.post(f"{second}/withdraw", follow_redirects=True).text
    assert receiver.post(f"{second}/accept").status_code == 422
    assert receiver.post(f"{first}/decline").status_code == 422
    assert {row.owner_id for row in session.scalars(sa.select(Station))} == {place.giver.id}


def test_each_side_does_only_what_is_its_own(
    session: Session, place: SimpleNamespace, giver: FlaskClient, receiver: FlaskClient
) -> None:
    url = offer(session, place)
    assert [giver.post(f"{url}/{verb}").status_code for verb in ("accept", "decline")] == [403, 403]
    assert receiver.post(f"{url}/withdraw").status_code == 403


def test_who_is_not_meant_sees_nothing(
    session: Session, place: SimpleNamespace, logged_in: LogIn, client: FlaskClient
) -> None:
    url, sub = offer(session, place), logged_in(place.sub)
    assert sub.get(url).status_code == sub.post(f"{url}/accept").status_code == 404
    assert url not in sub.get("/transfers").text


def test_what_keeps_it_from_being_accepted_is_said(
    session: Session, place: SimpleNamespace, receiver: FlaskClient
) -> None:
    place.a.reference = world.station(session, place.receiver).reference = "BOX-1"
    url = offer(session, place)
    answer = receiver.post(f"{url}/accept")
    assert answer.status_code == 422
    assert "BOX-1" in answer.text
    assert session.get_one(Transfer, int(url.rpartition("/")[2])).state == "offered"


def test_everything_is_offered_with_the_password(session: Session, place: SimpleNamespace, giver: FlaskClient) -> None:
    assert "/profile/transfer" in giver.get("/profile").text
    wrong = giver.post("/profile/transfer", data={"email": "receiver@x.example", "present": "wrong"})
    assert wrong.status_code == 422
    assert session.scalar(sa.select(sa.func.count()).where(AuditEntry.action == "account:wrong_password")) == 1
    session.rollback()
    right = giver.post("/profile/transfer", data={"email": "receiver@x.example", "present": PASSWORD})
    assert right.status_code == 302
    row = session.scalars(sa.select(Transfer)).one()
    assert (row.kind, row.from_id) == ("account", place.giver.id)


def test_whoever_registers_later_finds_the_offer(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    url = offer(session, place, "new@x.example")
    new = logged_in(world.account(session, "new@x.example"))
    assert url in new.get("/transfers").text
    assert new.post(f"{url}/accept").status_code == 302


def test_a_page_costs_few_statements(
    session: Session, place: SimpleNamespace, giver: FlaskClient, receiver: FlaskClient
) -> None:
    url = offer(session, place)
    for browser in (giver, receiver):
        for page in (url, "/transfers"):
            with recorded() as statements:
                assert browser.get(page).status_code == 200
            assert len(statements) <= 12
    for page in (f"/stations/{place.a.id}/transfer", "/profile/transfer"):
        with recorded() as statements:
            assert giver.get(page).status_code == 200
        assert len(statements) <= 12
