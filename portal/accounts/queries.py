"""Accounts, as rows."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import authz
from portal.core.errors import NotThere


class Reach(NamedTuple):
    """What reaches an account by its address: grants that are in force, and memberships in user groups."""

    grants: int
    memberships: int


def shown_name(account: type[Account] = Account) -> sa.ColumnElement[str]:
    """What others read of an account: its name, or its address where it has none. NULL for no account."""
    return sa.func.coalesce(sa.func.nullif(account.name, ""), account.email)


def by_email(session: Session, email: str) -> Account | None:
    """The account with this normalised address."""
    return session.scalar(sa.select(Account).where(Account.email == email))


def by_id(session: Session, account_id: int) -> Account | None:
    return session.get(Account, account_id)


def locked(session: Session, account_id: int) -> Account | None:
    """The account as it is now; nobody else changes it until this transaction ends."""
    return session.get(Account, account_id, with_for_update=True, populate_existing=True)


def operator_exists(session: Session) -> bool:
    return session.scalar(sa.select(Account.id).where(Account.is_operator).limit(1)) is not None


def first_operator(session: Session) -> Account | None:
    """The operator in whose name the command line acts."""
    return session.scalar(sa.select(Account).where(Account.is_operator).order_by(Account.id).limit(1))


def for_operator(session: Session, account_id: int, action: str, row_id: int) -> Account:
    """Any account, for the platform's operator; NotThere for everybody else."""
    reader = by_id(session, account_id)
    if reader is None or not authz.platform_may(action, operator=reader.is_operator):
        raise NotThere
    row = by_id(session, row_id)
    if row is None:
        raise NotThere
    return row


def reach(session: Session, account: Account) -> Reach:
    """How much comes to the account by its present address and stays behind when the address changes."""
    view = authz.standing
    grants = sa.select(sa.func.count(view.c.grant_id.distinct())).where(view.c.account_id == account.id)
    members = sa.select(sa.func.count()).where(UserGroupMember.email == account.email)
    return Reach(session.scalar(grants) or 0, session.scalar(members) or 0)
