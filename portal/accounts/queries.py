"""Accounts and user groups, as rows."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account


def by_email(session: Session, email: str) -> Account | None:
    """The account with this normalised address."""
    return session.scalar(sa.select(Account).where(Account.email == email))


def by_id(session: Session, account_id: int) -> Account | None:
    return session.get(Account, account_id)
