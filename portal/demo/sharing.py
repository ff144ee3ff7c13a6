"""The demo's sharing: grants of every kind, invitations, an offer and requests, made by the portal's own rules, so
that audit log and mails say of them what they say of everybody's."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries
from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup
from portal.core import clock, letters
from portal.demo import admitting, maintenance
from portal.licences import requests, telling
from portal.licences.models import Kind
from portal.sharing import invitations, memberships, operations
from portal.sharing.models import Invitation
from portal.sharing.operations import Offer
from portal.sharing.terms import begin_of, end_of
from portal.stations.models import Permission, Station, StationGroup
from portal.transfers import operations as transfers
from portal.transfers import things

OFFERED_STATION = "Bl7-1"


def load(session: Session, links: Links) -> None:
    """Beside the plain shares: an end, a plan, a revocation, hidden drivers, two invitations that nobody has opened,
    one of them of yesterday, an offered station, a request for a licence that waits and one that was declined.
    Accounts, stations and the user group must be there. Commits nothing."""
    master, stranger = _account(session, "master"), _account(session, "stranger")
    _grants(session, master)
    memberships.add(session, master, _piquet(session, master), ["piquet3@demo.example"])
    invitations.send_waiting(session, links, master.id)
    _sent_yesterday(session, "caretaker@demo.example")
    admitting.load(session, links, master, _piquet(session, master))
    maintenance.load(session, links, master, _piquet(session, master))
    _offer(session, links, master, stranger)
    _requests(session, links, stranger, _account(session, "operator"))


def _grants(session: Session, master: Account) -> None:
    zone = ZoneInfo(master.time_zone)
    today = clock.now().astimezone(zone).date()
    monday = today + timedelta(days=7 - today.weekday())

    def give(garage: str, role: Permission, **offered: object) -> None:
        operations.give(session, master, _group(session, master, garage), Offer(role, **offered))  # type: ignore[arg-type]

    give("UT7", Permission.DISPLAY, email="caretaker@demo.example")
    give("SR2", Permission.MANAGE, email="contractor@demo.example", ends_at=end_of(_in_a_week(today), zone))
    week = {"starts_at": begin_of(monday, zone), "ends_at": end_of(_in_a_week(monday), zone)}
    give("MS1", Permission.MANAGE, user_group_id=_piquet(session, master).id, **week)
    give("AsO8", Permission.DISPLAY, email="manage@demo.example", hides_drivers=True)
    former = Offer(Permission.MANAGE, "electrician@demo.example")
    operations.revoke(session, master, operations.give(session, master, _group(session, master, "Ris"), former))


def _sent_yesterday(session: Session, email: str) -> None:
    """So that the demo has an invitation that may be sent again."""
    sent = sa.select(Invitation).where(Invitation.email == email)
    row = session.scalars(sent).one()
    row.created_at = row.sent_at = clock.now() - timedelta(days=1)


def _in_a_week(day: date) -> date:
    """The last of seven days."""
    return day + timedelta(days=6)


def _offer(session: Session, links: Links, master: Account, stranger: Account) -> None:
    station = session.scalars(sa.select(Station).filter_by(owner_id=master.id, name=OFFERED_STATION)).one()
    message = "You take over garage Bl7: this is its charge point."
    row = transfers.offer(session, master, things.of_station(station), stranger.email, message)
    told = {"giver": master.email, "kind": row.kind, "days": transfers.VALID.days, "page": links.page("/transfers")}
    letters.post(session, stranger.email, stranger.language, "transfer_offered", **told)


def _requests(session: Session, links: Links, stranger: Account, operator: Account) -> None:
    early = requests.ask(session, stranger, Kind.AUTO_EXPORT, "Our utility would like to have monthly files.")
    reason = "There are no stations in your account yet. Ask again once there are."
    telling.of_decline(session, links, requests.decline(session, operator, [early.id], reason))
    requests.ask(session, stranger, Kind.AUTHORISATION, "I take over a charge point and want to share it.")


def _account(session: Session, name: str) -> Account:
    found = queries.by_email(session, f"{name}@demo.example")
    if found is None:
        raise LookupError(f"the demo's account {name} is missing")
    return found


def _group(session: Session, master: Account, garage: str) -> StationGroup:
    return session.scalars(sa.select(StationGroup).filter_by(owner_id=master.id, name=garage)).one()


def _piquet(session: Session, master: Account) -> UserGroup:
    return session.scalars(sa.select(UserGroup).filter_by(owner_id=master.id, name="Piquet")).one()
