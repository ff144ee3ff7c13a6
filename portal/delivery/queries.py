"""Destinations: each seen by its owner alone, and used by name by those whom it is lent to."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account
from portal.core.errors import NotThere
from portal.delivery.models import Destination, DestinationLoan

# The tasks that use destinations stand in a domain above this one, which is asked for their names only.
TASK = sa.table("export_task", sa.column("name", sa.String), sa.column("destination_id", sa.Integer))


class Listed(NamedTuple):
    """A destination and how many tasks deliver to it."""

    destination: Destination
    tasks: int


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


def tasks_of(session: Session, row: Destination) -> Sequence[str]:
    """The names of the tasks that deliver to the destination."""
    used = sa.select(TASK.c.name).where(TASK.c.destination_id == row.id).order_by(TASK.c.name)
    return session.scalars(used).all()


class Usable(NamedTuple):
    """A destination that an account may deliver to: of another one's it learns the name and whose it is."""

    id: int
    name: str
    lent_by: str  # an address, or "" where it is the account's own


def usable(session: Session, account_id: int) -> Sequence[Usable]:
    """What the account may deliver to, its own first, by name."""
    owner = aliased(Account)
    lender = sa.case((Destination.owner_id == account_id, ""), else_=owner.email)
    rows = (
        sa.select(Destination.id, Destination.name, lender)
        .join(owner, owner.id == Destination.owner_id)
        .where(is_usable(account_id))
        .order_by(Destination.owner_id != account_id, Destination.name, Destination.id)
    )
    return [Usable(*row) for row in session.execute(rows)]


def may_use(session: Session, account_id: int, destination_id: int) -> bool:
    """Whether the account may deliver to the destination now: its own, or one that is lent to its address."""
    wanted = sa.select(Destination.id).where(Destination.id == destination_id, is_usable(account_id))
    return session.scalar(wanted) is not None


def is_usable(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that a Destination is the account's own, or lent to its address now."""
    lent = (
        sa.select(DestinationLoan.id)
        .join(Account, Account.email == DestinationLoan.email)
        .where(
            DestinationLoan.destination_id == Destination.id,
            DestinationLoan.ended_at.is_(None),
            Account.id == account_id,
            Account.verified_at.is_not(None),
        )
    )
    return sa.or_(Destination.owner_id == account_id, sa.exists(lent))


def loans(session: Session, row: Destination) -> Sequence[DestinationLoan]:
    """To whom the destination is lent now."""
    present = (DestinationLoan.destination_id == row.id, DestinationLoan.ended_at.is_(None))
    return session.scalars(sa.select(DestinationLoan).where(*present).order_by(DestinationLoan.email)).all()


def loan(session: Session, account_id: int, _action: str, row_id: int) -> DestinationLoan:
    """A loan of one of the account's destinations, ended or not; NotThere for everybody else's."""
    found = session.scalar(
        sa.select(DestinationLoan)
        .join(Destination, Destination.id == DestinationLoan.destination_id)
        .where(DestinationLoan.id == row_id, Destination.owner_id == account_id)
    )
    if found is None:
        raise NotThere
    return found
