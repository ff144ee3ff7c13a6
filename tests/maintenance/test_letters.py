"""Letters about planned work: to whom, in which language, and that they are judged again before they leave."""

import re
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import UserGroupMember
from portal.core import mail
from portal.core.mail import MailMessage
from portal.licences.models import Licence
from portal.maintenance import recipients
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.stations.models import StationGroupStation
from tests import world

WORK = {"text": "Change the fuse", "starts_at": "2098-07-01T08:00", "ends_at": "2098-07-01T10:30"}


def letters(session: Session) -> dict[str, MailMessage]:
    """By recipient, taken out of the outbox."""
    found = session.scalars(sa.select(MailMessage).order_by(MailMessage.id)).all()
    for message in found:
        session.delete(message)
    session.commit()
    return {message.recipient: message for message in found}


def plan(session: Session, place: SimpleNamespace, owner: FlaskClient) -> int:
    assert owner.post(f"/stations/{place.station.id}/maintenance/plan", data=WORK).status_code == 302
    number = session.scalars(sa.select(MaintenanceEntry.id)).one()
    session.commit()
    return number


@pytest.fixture
def receiving(session: Session, place: SimpleNamespace) -> SimpleNamespace:
    """guest (confirmed, German, in London), piquet (no account) and the owner himself receive the maintenance."""
    place.guest.language, place.guest.time_zone = "de", "Europe/London"
    recipients.add(session, place.owner, place.group, "guest@x.example owner@x.example", place.users.id)
    session.commit()
    return place


def test_every_step_is_told_to_every_recipient_but_the_actor(
    session: Session, receiving: SimpleNamespace, owner: FlaskClient
) -> None:
    number = plan(session, receiving, owner)
    assert letters(session).keys() == {"guest@x.example", "piquet@x.example"}
    owner.post(f"/maintenance/{number}/move", data=WORK | {"ends_at": "2098-07-02T10:30"})
    moved = letters(session)["guest@x.example"]
    assert "07:00" in moved.body
    owner.post(f"/maintenance/{number}/move", data=WORK | {"ends_at": "2098-07-02T10:30"})
    assert letters(session) == {}, "nothing has changed"
    owner.post(f"/maintenance/{number}/done", data={"done_by": "Elektro Rossi SA", "remark": "16 A"})
    done = letters(session)["guest@x.example"]
    assert "Elektro Rossi SA" in done.body
    assert "16 A" in done.body


def test_a_call_off_is_told(session: Session, receiving: SimpleNamespace, owner: FlaskClient) -> None:
    number = plan(session, receiving, owner)
    letters(session)
    owner.post(f"/maintenance/{number}/cancel")
    assert "called off" in letters(session)["piquet@x.example"].body


def test_a_confirmed_reader_has_it_in_his_language_and_time(
    session: Session, receiving: SimpleNamespace, owner: FlaskClient
) -> None:
    plan(session, receiving, owner)
    told = letters(session)["guest@x.example"]
    assert "Garage" in told.subject
    assert "1. Juli 2098, 07:00" in told.body
    assert "Change the fuse" in told.body
    assert f"http://piquet.example/stations/{receiving.station.id}/maintenance" in told.body


@pytest.mark.parametrize("has_account", [True, False])
def test_what_people_typed_does_not_go_to_an_address_that_nobody_has_confirmed(
    session: Session, receiving: SimpleNamespace, owner: FlaskClient, has_account: bool
) -> None:
    if has_account:
        world.account(session, "piquet@x.example", verified=False)
        session.commit()
    plan(session, receiving, owner)
    message = letters(session)["piquet@x.example"]
    assert "owner@x.example" in message.subject
    assert "1 July 2098, 08:00" in message.body
    assert not re.search("Garage|fuse", message.subject + message.body)


def test_without_the_owners_licence_nobody_is_told(
    session: Session, receiving: SimpleNamespace, owner: FlaskClient, logged_in: object
) -> None:
    of_owner = sa.delete(Licence).where(Licence.account_id == receiving.owner.id, Licence.kind == "maintenance")
    session.execute(of_owner)
    technician = logged_in(receiving.technician)  # type: ignore[operator]  # a fixture that is a function
    plan(session, receiving, technician)
    assert letters(session) == {}


def leave_group(session: Session, place: SimpleNamespace) -> None:
    session.execute(sa.delete(UserGroupMember).where(UserGroupMember.email == "piquet@x.example"))
    recipients.remove(
        session, place.owner, session.scalars(sa.select(MaintenanceRecipient).filter_by(email="guest@x.example")).one()
    )


def move_station_out(session: Session, place: SimpleNamespace) -> None:
    session.execute(sa.delete(StationGroupStation).where(StationGroupStation.station_id == place.station.id))


def end_licence(session: Session, place: SimpleNamespace) -> None:
    session.execute(sa.delete(Licence).where(Licence.account_id == place.owner.id, Licence.kind == "maintenance"))


@pytest.mark.parametrize("change", [leave_group, move_station_out, end_licence])
def test_a_letter_that_waits_is_judged_again_before_it_leaves(
    session: Session,
    sessions: sessionmaker[Session],
    receiving: SimpleNamespace,
    owner: FlaskClient,
    tmp_path: object,
    change: object,
) -> None:
    plan(session, receiving, owner)
    change(session, receiving)  # type: ignore[operator]  # one of the functions above
    mail.post(session, "somebody@x.example", "Another", "mail")
    session.commit()
    assert mail.send_due(sessions, f"folder://{tmp_path}", "Piquet <piquet@x.example>") == 1
    withheld = sa.select(MailMessage.recipient).where(MailMessage.withheld_at.is_not(None))
    assert sorted(session.scalars(withheld)) == ["guest@x.example", "piquet@x.example"]


def test_it_leaves_where_nothing_has_changed(
    session: Session, sessions: sessionmaker[Session], receiving: SimpleNamespace, owner: FlaskClient, tmp_path: object
) -> None:
    plan(session, receiving, owner)
    assert mail.send_due(sessions, f"folder://{tmp_path}", "Piquet <piquet@x.example>") == 2


def test_what_was_written_for_a_confirmed_reader_does_not_leave_to_another(
    session: Session, sessions: sessionmaker[Session], receiving: SimpleNamespace, owner: FlaskClient, tmp_path: object
) -> None:
    plan(session, receiving, owner)
    receiving.guest.verified_at = None
    session.commit()
    assert mail.send_due(sessions, f"folder://{tmp_path}", "Piquet <piquet@x.example>") == 1
    assert session.scalars(sa.select(MailMessage.recipient).filter_by(sent_at=None)).all() == ["guest@x.example"]
