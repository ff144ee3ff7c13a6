"""Destinations lent by name: an address uses one without seeing server, user or secret, until the owner ends it."""

from typing import Any

from sqlalchemy.orm import Session

from portal.accounts.emails import normalise
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import RuleBroken
from portal.delivery import queries
from portal.delivery.models import Destination, DestinationLoan


def lend(session: Session, actor: Account, row: Destination, email: str) -> DestinationLoan:
    """Lend a destination to an address, whether it has an account yet or not. RuleBroken."""
    address = normalise(email)
    if address == actor.email:
        raise RuleBroken("email", "This is your own address.")
    if any(loan.email == address for loan in queries.loans(session, row)):
        raise RuleBroken("email", "It is lent to this address already.")
    loan = DestinationLoan(destination_id=row.id, email=address, lent_by_id=actor.id)
    session.add(loan)
    session.flush()
    _record(session, actor, "destination.lent", row, email=address)
    return loan


def end(session: Session, actor: Account, row: Destination, loan: DestinationLoan) -> None:
    """Take a destination back, with effect at the next delivery. Harmless to repeat."""
    if loan.ended_at is None:
        loan.ended_at = clock.now()
        _record(session, actor, "destination.taken_back", row, email=loan.email)


def _record(session: Session, actor: Account, action: str, row: Destination, **detail: Any) -> None:
    subject = f"destination/{row.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, name=row.name, **detail)
