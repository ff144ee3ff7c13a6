"""Formatters lent by name: an address uses one as it is, until the owner ends it. Files built by then stay."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.emails import normalise
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import NotThere, RuleBroken
from portal.exports.models import Formatter, FormatterLoan


class Usable(NamedTuple):
    """A formatter that an account may use: of another one's it learns name and format, and whose it is."""

    id: int
    name: str
    format: str
    lent_by: str  # an address, or "" where it is the account's own


def usable(session: Session, account_id: int) -> Sequence[Usable]:
    """What the account may use, its own first, by name."""
    owner = aliased(Account)
    lender = sa.case((Formatter.owner_id == account_id, ""), else_=owner.email)
    rows = (
        sa.select(Formatter.id, Formatter.name, Formatter.format, lender)
        .join(owner, owner.id == Formatter.owner_id)
        .where(is_usable(account_id))
        .order_by(Formatter.owner_id != account_id, Formatter.name, Formatter.id)
    )
    return [Usable(*row) for row in session.execute(rows)]


def may_use(session: Session, account_id: int, formatter_id: int) -> bool:
    """Whether the account may use the formatter now: its own, or one that is lent to its address."""
    wanted = sa.select(Formatter.id).where(Formatter.id == formatter_id, is_usable(account_id))
    return session.scalar(wanted) is not None


def is_usable(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that a Formatter is the account's own, or lent to its address now."""
    lent = (
        sa.select(FormatterLoan.id)
        .join(Account, Account.email == FormatterLoan.email)
        .where(
            FormatterLoan.formatter_id == Formatter.id,
            FormatterLoan.ended_at.is_(None),
            Account.id == account_id,
            Account.verified_at.is_not(None),
        )
    )
    return sa.or_(Formatter.owner_id == account_id, sa.exists(lent))


def loans(session: Session, row: Formatter) -> Sequence[FormatterLoan]:
    """To whom the formatter is lent now."""
    present = (FormatterLoan.formatter_id == row.id, FormatterLoan.ended_at.is_(None))
    return session.scalars(sa.select(FormatterLoan).where(*present).order_by(FormatterLoan.email)).all()


def loan(session: Session, account_id: int, _action: str, row_id: int) -> FormatterLoan:
    """A loan of one of the account's formatters, ended or not; NotThere for everybody else's."""
    of_owner = sa.select(FormatterLoan).join(Formatter, Formatter.id == FormatterLoan.formatter_id)
    found = session.scalar(of_owner.where(FormatterLoan.id == row_id, Formatter.owner_id == account_id))
    if found is None:
        raise NotThere
    return found


def lend(session: Session, actor: Account, row: Formatter, email: str) -> FormatterLoan:
    """Lend a formatter to an address, whether it has an account yet or not. RuleBroken."""
    address = normalise(email)
    if address == actor.email:
        raise RuleBroken("email", "This is your own address.")
    if any(known.email == address for known in loans(session, row)):
        raise RuleBroken("email", "It is lent to this address already.")
    made = FormatterLoan(formatter_id=row.id, email=address, lent_by_id=actor.id)
    session.add(made)
    session.flush()
    _record(session, actor, "formatter.lent", row, email=address)
    return made


def end(session: Session, actor: Account, row: Formatter, lent: FormatterLoan) -> None:
    """Take a formatter back: nothing more is built with it. Harmless to repeat."""
    if lent.ended_at is None:
        lent.ended_at = clock.now()
        _record(session, actor, "formatter.taken_back", row, email=lent.email)


def _record(session: Session, actor: Account, action: str, row: Formatter, **detail: Any) -> None:
    subject = f"formatter/{row.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, name=row.name, **detail)
