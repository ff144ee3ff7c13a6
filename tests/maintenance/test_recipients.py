"""Who receives maintenance: entered by the owner, by hand, apart from the share."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.core.errors import NotAllowed, RuleBroken
from portal.licences.models import Kind, Licence
from portal.maintenance import queries, recipients
from portal.maintenance.models import MaintenanceRecipient
from portal.stations.models import Grant
from tests import world

Browser = Callable[[Account], FlaskClient]


def entered(session: Session) -> list[tuple[int | None, int | None, int | None, str | None]]:
    row = MaintenanceRecipient
    query = sa.select(row.station_id, row.station_group_id, row.user_group_id, row.email).order_by(row.id)
    found = [tuple(one) for one in session.execute(query)]
    session.commit()
    return found


def ids(session: Session) -> list[int]:
    """Of all recipients; the session lets others write."""
    found = list(session.scalars(sa.select(MaintenanceRecipient.id).order_by(MaintenanceRecipient.id)))
    session.commit()
    return found


def received(session: Session, place: SimpleNamespace) -> list[str]:
    return sorted(session.scalars(sa.select(queries.addresses(place.station))))


def add_url(place: SimpleNamespace) -> str:
    return f"/station-groups/{place.group.id}/maintenance/recipients/add"


def test_the_owner_enters_addresses_and_a_user_group(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    data = {"emails": "A@x.example; b@x.example", "user_group": str(place.users.id)}
    answer = owner.post(add_url(place), data=data, follow_redirects=True)
    assert "3 recipients are added." in answer.text
    assert all(text in answer.text for text in ("Piquet", "1 address", "a@<wbr>x", "b@<wbr>x"))
    assert received(session, place) == ["a@x.example", "b@x.example", "piquet@x.example"]
    assert entered(session)[0] == (None, place.group.id, place.users.id, None)


def test_a_station_has_its_own_besides_those_of_its_groups(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    owner.post(add_url(place), data={"emails": "group@x.example"})
    page = f"/stations/{place.station.id}/maintenance"
    answer = owner.post(f"{page}/recipients/add", data={"emails": "station@x.example"}, follow_redirects=True)
    assert "through the group Centro" in answer.text
    assert received(session, place) == ["group@x.example", "station@x.example"]
    other = world.station(session, place.owner, "Elsewhere")
    assert list(session.scalars(sa.select(queries.addresses(other)))) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Choose a user group or enter an e-mail address."),
        ({"emails": "  \n "}, "Choose a user group or enter an e-mail address."),
        ({"emails": "first last@x.example"}, "Not an e-mail address: “first”"),
        ({"emails": "ä@x.example, b@x.example"}, "Not an e-mail address: “ä@x.example”"),
        ({"emails": "b@x.example", "user_group": "4711"}, "Not a valid choice"),
        ({"emails": "b@x.example", "user_group": "\u2028x"}, "Not a valid choice"),
        ({"emails": "x" * 200_001}, "Field cannot be longer than 200000 characters."),
    ],
)
def test_a_wrong_entry_is_refused_at_its_field_and_kept(
    session: Session, place: SimpleNamespace, owner: FlaskClient, typed: dict[str, str], said: str
) -> None:
    answer = owner.post(add_url(place), data=typed)
    assert answer.status_code == 422
    assert said in answer.text
    assert typed.get("emails", "").strip() in answer.text
    assert entered(session) == []


def test_nobody_is_entered_twice(session: Session, place: SimpleNamespace) -> None:
    assert recipients.add(session, place.owner, place.group, "a@x.example", place.users.id) == 2
    assert recipients.add(session, place.owner, place.group, "A@x.example b@x.example", place.users.id) == 1
    assert recipients.add(session, place.owner, place.station, "a@x.example") == 1, "another place"


def test_the_user_group_of_somebody_else_is_none(session: Session, place: SimpleNamespace) -> None:
    foreign = world.user_group(session, place.stranger, "Theirs", "x@x.example")
    with pytest.raises(RuleBroken, match="no longer exists"):
        recipients.add(session, place.owner, place.group, "", foreign.id)


def test_who_only_manages_divides_nothing(session: Session, place: SimpleNamespace) -> None:
    with pytest.raises(NotAllowed):
        recipients.add(session, place.technician, place.group, "a@x.example")
    recipients.add(session, place.owner, place.group, "a@x.example")
    with pytest.raises(NotAllowed):
        recipients.remove(session, place.technician, session.scalars(sa.select(MaintenanceRecipient)).one())


def test_without_the_licence_it_is_said_what_it_unlocks_and_nothing_is_added(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    recipients.add(session, place.owner, place.group, "before@x.example")
    session.execute(sa.delete(Licence).where(Licence.account_id == place.owner.id, Licence.kind == "maintenance"))
    session.commit()
    for page in ("/maintenance", "/maintenance/recipients", add_url(place)):
        text = owner.get(page).text
        assert "The licence “Maintenance” is missing" in text, page
        assert 'name="kind" value="maintenance"' in text, page
    answer = owner.post(add_url(place), data={"emails": "a@x.example"})
    assert answer.status_code == 422
    assert "The licence Maintenance is missing: request it first." in answer.text
    (row_id,) = ids(session)
    owner.post(f"/maintenance/recipients/{row_id}/remove")
    assert entered(session) == [], "what is open to others can be closed without it"


def test_removing_leads_back_to_where_it_was_done(session: Session, place: SimpleNamespace, owner: FlaskClient) -> None:
    recipients.add(session, place.owner, place.group, "a@x.example b@x.example")
    session.commit()
    first, second = ids(session)
    assert owner.post(f"/maintenance/recipients/{first}/remove").location == "/maintenance/recipients"
    there = owner.post(f"/maintenance/recipients/{second}/remove", data={"back": "place"})
    assert there.location == f"/station-groups/{place.group.id}/maintenance"
    assert entered(session) == []


def test_the_list_is_searched_and_shows_only_what_is_ones_own(
    session: Session, place: SimpleNamespace, owner: FlaskClient, logged_in: Browser
) -> None:
    recipients.add(session, place.owner, place.group, "a@x.example", place.users.id)
    recipients.add(session, place.owner, place.station, "b@x.example")
    theirs = world.station_group(session, place.stranger, "Theirs")
    recipients.add(session, place.stranger, theirs, "foreign@x.example")
    session.commit()
    every = owner.get("/maintenance/recipients").text
    assert all(text in every for text in ("a@<wbr>x", "b@<wbr>x", "Piquet"))
    assert "foreign" not in every
    assert "Theirs" not in every
    found = owner.get("/maintenance/recipients?q=GARAGE").text
    assert "b@<wbr>x" in found
    assert "a@<wbr>x" not in found
    assert "Nobody fits" in owner.get("/maintenance/recipients?q=100%25").text


def test_the_list_leads_to_the_form_of_a_group(place: SimpleNamespace, owner: FlaskClient) -> None:
    assert owner.get(f"/maintenance/recipients/add?group={place.group.id}").location == add_url(place)
    assert owner.get("/maintenance/recipients/add?group=x").location == "/maintenance/recipients"


def test_who_manages_does_not_see_who_receives_it(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    recipients.add(session, place.owner, place.group, "secret@x.example")
    browser = logged_in(place.technician)
    for page in (f"/stations/{place.station.id}/maintenance", f"/station-groups/{place.group.id}/maintenance"):
        assert "secret" not in browser.get(page).text


def test_the_page_of_the_share_says_it_and_adds_with_one_click(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    world.grant(session, place.group, "display", place.users)
    session.commit()
    share = f"/station-groups/{place.group.id}/sharing"
    assert owner.get(share).text.count("Add to maintenance") == 3
    grants = {grant.email: grant.id for grant in session.scalars(sa.select(Grant))}
    session.commit()
    answer = owner.post(f"/grants/{grants['guest@x.example']}/maintenance", follow_redirects=True)
    assert "1 recipient is added." in answer.text
    assert answer.text.count("Receives the maintenance") == 1
    owner.post(f"/grants/{grants[None]}/maintenance")
    assert owner.get(share).text.count("Receives the maintenance") == 2
    again = owner.post(f"/grants/{grants[None]}/maintenance", follow_redirects=True)
    assert "They receive it already" in again.text
    assert len(entered(session)) == 2


def test_who_receives_it_in_a_user_group_is_not_offered_again(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    world.grant(session, place.group, "display", "piquet@x.example")
    recipients.add(session, place.owner, place.group, "", place.users.id)
    session.commit()
    text = owner.get(f"/station-groups/{place.group.id}/sharing").text
    assert (text.count("Receives the maintenance"), text.count("Add to maintenance")) == (1, 2)


def test_an_administrator_reads_it_on_the_page_of_the_share_and_adds_nobody(
    session: Session, place: SimpleNamespace, logged_in: Browser
) -> None:
    administrator = world.account(session, "admin@x.example", *Kind)
    world.grant(session, place.group, "administrate", "admin@x.example")
    recipients.add(session, place.owner, place.group, "guest@x.example")
    text = logged_in(administrator).get(f"/station-groups/{place.group.id}/sharing").text
    assert (text.count("Receives the maintenance"), text.count("Add to maintenance")) == (1, 0)


def test_it_is_told_in_the_audit_log(session: Session, place: SimpleNamespace, owner: FlaskClient) -> None:
    recipients.add(session, place.owner, place.group, "a@x.example", place.users.id)
    recipients.remove(session, place.owner, session.scalars(sa.select(MaintenanceRecipient)).first())  # type: ignore[arg-type]  # there are two
    session.commit()
    assert [row.subject for row in session.scalars(sa.select(AuditEntry).filter_by(action="maintenance:add_recipient"))]
    text = owner.get("/audit?kind=maintenance").text
    assert "Entered a@x.example to receive the maintenance of Centro" in text
    assert "Let Piquet no longer receive the maintenance of Centro" in text


def test_what_goes_takes_its_recipients_along(session: Session, place: SimpleNamespace, owner: FlaskClient) -> None:
    recipients.add(session, place.owner, place.group, "a@x.example", place.users.id)
    recipients.add(session, place.owner, place.station, "b@x.example")
    session.commit()
    owner.post(f"/user-groups/{place.users.id}/delete")
    assert [row[3] for row in entered(session)] == ["a@x.example", "b@x.example"]
    owner.post(f"/station-groups/{place.group.id}/delete", data={"name": "Centro"})
    assert [row[3] for row in entered(session)] == ["b@x.example"]
