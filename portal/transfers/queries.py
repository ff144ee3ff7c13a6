"""Transfers, as giver and receiver may see them. To whom an address belongs, if to anybody, is told to neither."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz
from portal.core.db import LARGEST_ID
from portal.core.errors import NotAllowed, NotThere
from portal.core.paging import SIZE, Page, offset
from portal.sharing.models import Transfer
from portal.transfers import things
from portal.transfers.things import State

RECEIVES = ("transfer:decide",)
GIVES = ("transfer:withdraw",)


@dataclass(frozen=True, slots=True)
class Line:
    """A transfer in the list of one of its sides. Its name is the one that the thing had when it was offered: what it
    is called since is the new owner's."""

    id: int
    kind: str
    name: str
    state: State
    incoming: bool
    other: str  # the address of the other side
    created_at: datetime
    expires_at: datetime


def transfer(session: Session, account_id: int, action: str, row_id: int) -> Transfer:
    """The transfer, for its giver and for the verified holder of the address it is offered to. NotThere for everybody
    else, NotAllowed for what is the other side's to do."""
    row = session.get(Transfer, row_id) if row_id <= LARGEST_ID else None
    account = session.get_one(Account, account_id)
    if row is None or not (row.from_id == account_id or is_receiver(account, row)):
        raise NotThere
    allowed = authz.platform_may(action, operator=False)
    mine = is_receiver(account, row) if action in RECEIVES else row.from_id == account_id
    if not allowed or (action in RECEIVES + GIVES and not mine):
        raise NotAllowed
    return row


def is_receiver(account: Account, row: Transfer) -> bool:
    return account.verified_at is not None and account.email == row.to_email and account.id != row.from_id


def of_account(session: Session, account: Account, page: int = 1) -> Page[Line]:
    """What the account has offered and what is offered to its address: open offers first, then the latest; two
    statements."""
    sides = [sa.select(Transfer.id).where(Transfer.from_id == account.id)]
    if account.verified_at is not None:
        sides.append(sa.select(Transfer.id).where(Transfer.to_email == account.email))
    mine = Transfer.id.in_(sa.union(*sides).subquery().select())
    total = session.scalar(sa.select(sa.func.count()).select_from(Transfer).where(mine)) or 0
    is_open = sa.and_(*things.open_offers())
    rows = session.execute(
        sa.select(Transfer, Account.email)
        .join(Account, Account.id == Transfer.from_id)
        .where(mine)
        .order_by(sa.case((is_open, 0), else_=1), Transfer.created_at.desc(), Transfer.id.desc())
        .limit(SIZE)
        .offset(offset(page))
    )
    return Page([_line(account, row, giver) for row, giver in rows], page, total)


def _line(account: Account, row: Transfer, giver: str) -> Line:
    incoming = row.from_id != account.id
    return Line(
        id=row.id,
        kind=row.kind,
        name=str(row.moved.get("name", "")),
        state=things.state(row),
        incoming=incoming,
        other=giver if incoming else row.to_email,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
