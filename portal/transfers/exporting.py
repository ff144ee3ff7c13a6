"""Exports go with all that an account owns: its tasks on what goes over, with their history, and the destinations and
formatters. Whom these are lent to keeps them; secrets stay sealed.

A task on a station group of somebody else stays: the right to export that is the giver's alone, and what its runs say
is not the receiver's to read. What only such tasks use stays with them.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.core import clock
from portal.core.db import among
from portal.delivery.models import Destination, DestinationLoan
from portal.exports.models import ExportTask, Formatter, FormatterLoan
from portal.stations.models import StationGroup
from portal.transfers.moving import UNSYNCHRONISED, Part, free_names

# Each part of an export, with the columns by which a task and a loan name it.
PARTS: tuple[tuple[type[Part], InstrumentedAttribute[int], InstrumentedAttribute[int]], ...] = (
    (Destination, ExportTask.destination_id, DestinationLoan.destination_id),
    (Formatter, ExportTask.formatter_id, FormatterLoan.formatter_id),
)


def coming_tasks(owner_id: int) -> sa.ColumnElement[bool]:
    """The condition that an ExportTask goes along when all that the account owns does."""
    own = sa.select(StationGroup.id).where(StationGroup.owner_id == owner_id)
    return sa.and_(ExportTask.owner_id == owner_id, ExportTask.station_group_id.in_(own))


def staying_tasks(owner_id: int) -> sa.ColumnElement[bool]:
    """The condition that an ExportTask of the account stays with it."""
    return sa.and_(ExportTask.owner_id == owner_id, ~coming_tasks(owner_id))


def coming(part: type[Part], used_as: InstrumentedAttribute[int], owner_id: int) -> sa.ColumnElement[bool]:
    """The condition that a destination or formatter of the account goes along."""
    goes, stays = (
        sa.select(ExportTask.id).where(used_as == part.id, which).correlate(part).exists()
        for which in (coming_tasks(owner_id), staying_tasks(owner_id))
    )
    return sa.and_(part.owner_id == owner_id, sa.or_(goes, ~stays))


def move(session: Session, from_id: int, to_id: int, to_email: str) -> dict[str, int]:
    """Give them to the receiver, those whose name he uses already with a number behind it; says how many of each.
    Before the station groups change their owner. What was lent to the receiver is his own now."""
    ids: dict[type[Part | ExportTask], Sequence[int]] = {}
    for part, used_as, lent_as in PARTS:
        mine = sa.select(part.id).where(coming(part, used_as, from_id)).order_by(part.id).with_for_update()
        ids[part] = session.scalars(mine).all()
        loan = lent_as.class_
        his = (among(session, lent_as, ids[part]), loan.email == to_email, loan.ended_at.is_(None))
        _update(session, sa.update(loan).where(*his).values(ended_at=clock.now()))
    wanted = sa.select(ExportTask.id).where(coming_tasks(from_id)).order_by(ExportTask.id).with_for_update()
    ids[ExportTask] = session.scalars(wanted).all()
    for table, coming_ids in ids.items():
        free_names(session, table, table.name, coming_ids, to_id)
        _update(session, sa.update(table).where(among(session, table.id, coming_ids)).values(owner_id=to_id))
    return {f"{table.__tablename__.removeprefix('export_')}s": len(found) for table, found in ids.items()}


def _update(session: Session, statement: sa.Update) -> None:
    session.execute(statement, execution_options=UNSYNCHRONISED)
