"""Parts of an export lent by name: an address uses one without seeing what is in it, until the owner ends it.

Destinations and formatters are lent by the same rule, which stands here once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.accounts.emails import normalise
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import NotThere, RuleBroken
from portal.delivery.models import Loan


class Part(Protocol):
    """What can be lent: a row with a name that belongs to one account."""

    id: Any
    owner_id: Any
    name: Any


Lent = TypeVar("Lent", bound=Loan)


class Usable(NamedTuple):
    """A part that an account may use: of another one's it learns the name and whose it is."""

    id: int
    name: str
    lent_by: str  # an address, or "" where it is the account's own


@dataclass(frozen=True)
class Lending(Generic[Lent]):
    """The rule for one kind of part: its table, the table of its loans, and which column of a loan names the part."""

    part: type[Any]
    loan_of: type[Lent]
    names: InstrumentedAttribute[int]

    def usable(self, session: Session, account_id: int) -> Sequence[Usable]:
        """What the account may use, its own first, by name."""
        part, owner = self.part, aliased(Account)
        lender = sa.case((part.owner_id == account_id, ""), else_=owner.email)
        rows = (
            sa.select(part.id, part.name, lender)
            .join(owner, owner.id == part.owner_id)
            .where(self.is_usable(account_id))
            .order_by(part.owner_id != account_id, part.name, part.id)
        )
        return [Usable(*row) for row in session.execute(rows)]

    def may_use(self, session: Session, account_id: int, part_id: int) -> bool:
        """Whether the account may use the part now: its own, or one that is lent to its address."""
        wanted = sa.select(self.part.id).where(self.part.id == part_id, self.is_usable(account_id))
        return session.scalar(wanted) is not None

    def is_usable(self, account_id: int) -> sa.ColumnElement[bool]:
        """The condition that a part is the account's own, or lent to its confirmed address now."""
        loan = self.loan_of
        lent = (
            sa.select(loan.id)
            .join(Account, Account.email == loan.email)
            .where(self.names == self.part.id, loan.ended_at.is_(None))
            .where(Account.id == account_id, Account.verified_at.is_not(None))
        )
        return sa.or_(self.part.owner_id == account_id, sa.exists(lent))

    def loans(self, session: Session, row: Part) -> Sequence[Lent]:
        """To whom the part is lent now."""
        present = (self.names == row.id, self.loan_of.ended_at.is_(None))
        return session.scalars(sa.select(self.loan_of).where(*present).order_by(self.loan_of.email)).all()

    def loan(self, session: Session, account_id: int, _action: str, row_id: int) -> Lent:
        """A loan of one of the account's parts, ended or not; NotThere for everybody else's."""
        of_owner = sa.select(self.loan_of).join(self.part, self.part.id == self.names)
        found = session.scalar(of_owner.where(self.loan_of.id == row_id, self.part.owner_id == account_id))
        if found is None:
            raise NotThere
        return found

    def lend(self, session: Session, actor: Account, row: Part, email: str) -> Lent:
        """Lend a part to an address, whether it has an account yet or not. RuleBroken."""
        address = normalise(email)
        if address == actor.email:
            raise RuleBroken("email", "This is your own address.")
        if any(known.email == address for known in self.loans(session, row)):
            raise RuleBroken("email", "It is lent to this address already.")
        made = self.loan_of()
        setattr(made, self.names.key, row.id)
        made.email, made.lent_by_id = address, actor.id
        session.add(made)
        session.flush()
        self._record(session, actor, "lent", row, address)
        return made

    def end(self, session: Session, actor: Account, row: Part, lent: Lent) -> None:
        """Take a part back: it is used no more from the next use on. Harmless to repeat."""
        if lent.ended_at is None:
            lent.ended_at = clock.now()
            self._record(session, actor, "taken_back", row, lent.email)

    def _record(self, session: Session, actor: Account, what: str, row: Part, email: str) -> None:
        kind = self.part.__tablename__
        told = {"actor_id": actor.id, "owner_id": row.owner_id, "name": row.name, "email": email}
        audit.record(session, f"{kind}.{what}", f"{kind}/{row.id}", **told)
