"""Monthly reports follow what they are about: with all that an account owns they go to the receiver, as export tasks
do; where a station or a station group goes alone, those about it stop. Nothing is made of what their account may not
see any more.

Reports that were made are documents and stay with the account that they were made for.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import Driver
from portal.core import clock
from portal.core.db import among
from portal.reports.models import Report, ReportSchedule
from portal.stations.models import Station, StationGroup
from portal.transfers.moving import UNSYNCHRONISED
from portal.transfers.things import Held


def coming_schedules(owner_id: int) -> sa.ColumnElement[bool]:
    """The condition that a ReportSchedule goes along when all that the account owns does."""
    table = ReportSchedule
    own = [
        column.in_(sa.select(of.id).where(of.owner_id == owner_id))
        for column, of in (
            (table.station_id, Station),
            (table.station_group_id, StationGroup),
            (table.driver_id, Driver),
        )
    ]
    return sa.and_(table.account_id == owner_id, sa.or_(*own))


def move(session: Session, from_id: int, to_id: int, to_email: str) -> dict[str, int]:
    """Give the monthly reports to the receiver, who is none of their further recipients then, and say how many. Before
    anything else changes its owner."""
    wanted = sa.select(ReportSchedule).where(coming_schedules(from_id), ReportSchedule.stopped_at.is_(None))
    rows = session.scalars(wanted.order_by(ReportSchedule.id).with_for_update()).all()
    for row in rows:
        row.account_id = to_id
        row.recipients = [email for email in row.recipients if email != to_email]
    session.flush()
    return {"schedules": len(rows)}


def follow_drivers(session: Session, same: Mapping[int, int]) -> None:
    """What is about a driver whom the receiver has already is about that one, before the other is deleted."""
    for table in (ReportSchedule, Report):
        about = sa.select(table.driver_id).where(among(session, table.driver_id, same)).distinct()  # type: ignore[arg-type]  # may be NULL
        for driver_id in session.scalars(about).all():
            if driver_id is not None:
                moved = sa.update(table).where(table.driver_id == driver_id).values(driver_id=same[driver_id])
                session.execute(moved, execution_options=UNSYNCHRONISED)


def stop(session: Session, held: Held, to_id: int) -> None:
    """End the monthly reports about what goes over, but the receiver's own."""
    here = sa.or_(
        among(session, ReportSchedule.station_id, held.station_ids),  # type: ignore[arg-type]  # may be NULL
        among(session, ReportSchedule.station_group_id, held.group_ids),  # type: ignore[arg-type]  # may be NULL
    )
    others = sa.update(ReportSchedule).where(here, ReportSchedule.account_id != to_id)
    others = others.where(ReportSchedule.stopped_at.is_(None)).values(stopped_at=clock.now())
    session.execute(others, execution_options=UNSYNCHRONISED)
