"""The demo's maintenance: who receives it, work that is planned and done, a note, by the portal's own rules."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup
from portal.core import clock
from portal.maintenance import operations, recipients, telling
from portal.maintenance.operations import Plan
from portal.stations.models import Station, StationGroup

MAINTAINED_GROUP, PLANNED_STATION, NOTED_STATION = "Bl2", "Bl2-1", "Bl2-2"


def load(session: Session, links: Links, master: Account, piquet: UserGroup) -> None:
    """The on-call team and a technician receive the maintenance of a group; work is planned at two of its stations, and
    done at one. Accounts, stations and the user group must be there. Commits nothing."""
    group = session.scalars(sa.select(StationGroup).filter_by(owner_id=master.id, name=MAINTAINED_GROUP)).one()
    recipients.add(session, master, group, "technician@demo.example display@demo.example", piquet.id)
    planned, noted = _station(session, master, PLANNED_STATION), _station(session, master, NOTED_STATION)
    yearly = operations.plan(session, master, planned, Plan("Yearly inspection", *_morning(master, 4)))
    telling.of_work(session, links, master, yearly, "planned")
    operations.note(session, master, noted, "The plug holder is loose; spare part ordered.")
    fuse = operations.plan(session, master, noted, Plan("Replace the main fuse", *_morning(master, 1)))
    operations.finish(session, master, fuse, "Elektro Nord AS", "Fuse 32 A replaced, all phases measured.")


def _morning(master: Account, days: int) -> tuple[datetime, datetime]:
    """From eight to half past ten, so many days from now."""
    zone = ZoneInfo(master.time_zone)
    day = clock.now().astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(8), zone), datetime.combine(day, time(10, 30), zone)


def _station(session: Session, master: Account, name: str) -> Station:
    return session.scalars(sa.select(Station).filter_by(owner_id=master.id, name=name)).one()
