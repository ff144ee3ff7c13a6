"""Destinations: each seen by its owner alone, and used by name by those whom it is lent to."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.errors import NotThere
from portal.delivery.models import Destination

# The tasks that use destinations stand in a domain above this one, which is asked for their names only.
TASK = sa.table(
    "export_task",
    sa.column("id", sa.Integer),
    sa.column("name", sa.String),
    sa.column("owner_id", sa.Integer),
    sa.column("destination_id", sa.Integer),
)


class Listed(NamedTuple):
    """A destination and how many tasks deliver to it."""

    destination: Destination
    tasks: int


class Use(NamedTuple):
    """A task that delivers to a destination. Whoever borrows it has tasks that its owner knows by name alone."""

    id: int
    name: str
    is_own: bool


def destination(session: Session, account_id: int, _action: str, row_id: int) -> Destination:
    """The account's destination; NotThere for everybody else's."""
    row = session.scalar(sa.select(Destination).where(Destination.id == row_id, Destination.owner_id == account_id))
    if row is None:
        raise NotThere
    return row


def destinations(session: Session, account_id: int) -> Sequence[Listed]:
    """The account's destinations by name."""
    used = sa.select(sa.func.count()).where(TASK.c.destination_id == Destination.id).scalar_subquery()
    rows = sa.select(Destination, used).where(Destination.owner_id == account_id).order_by(Destination.name)
    return [Listed(row, tasks) for row, tasks in session.execute(rows)]


def tasks_of(session: Session, row: Destination) -> Sequence[Use]:
    """The tasks that deliver to the destination, by name."""
    is_own = (TASK.c.owner_id == row.owner_id).label("is_own")
    used = sa.select(TASK.c.id, TASK.c.name, is_own).where(TASK.c.destination_id == row.id).order_by(TASK.c.name)
    return [Use(*found) for found in session.execute(used)]
