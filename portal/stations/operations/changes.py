"""Writing changes: what was, what is, and who changed it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import NotThere, RuleBroken
from portal.stations.models import Connector, Station, StationGroup

Subject = Station | StationGroup | Connector


def kind(row: Subject) -> str:
    return row.__tablename__


def record(session: Session, action: str, row: Subject, actor: Account, **detail: Any) -> None:
    """An audit entry about the row, to be read by its owner."""
    subject = f"{kind(row)}/{row.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, **detail)


def record_refusal(
    session: Session, kind: str, row_id: int, owner_id: int, actor: Account, fields: Sequence[str]
) -> None:
    """An audit entry about fields of a row that somebody tried to write and may not."""
    action, subject = f"{kind}:edit_refused", f"{kind}/{row_id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=owner_id, fields=list(fields))


def assign(session: Session, action: str, row: Subject, actor: Account, values: Mapping[str, Any]) -> None:
    """Set these columns and record each that changed, as [before, after]; nothing is recorded when none did."""
    changed = {name: [getattr(row, name), value] for name, value in values.items() if getattr(row, name) != value}
    for name, (_before, after) in changed.items():
        setattr(row, name, after)
    if changed:
        record(session, action, row, actor, changed=changed)


def hold_own(session: Session, actor: Account, row: Station | StationGroup) -> None:
    """The row as it is now, kept from others until the transaction ends; NotThere unless it is still the actor's: it
    may have been transferred after the gate let him in."""
    session.refresh(row, with_for_update=True)
    if row.owner_id != actor.id:
        raise NotThere


def write(session: Session) -> None:
    """Send the changes to the database. RuleBroken where somebody else took a unique value at the same instant, after
    the checks found it free; the whole transaction is rolled back then."""
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise RuleBroken("", "Somebody else changed this at the same moment. Look again and save once more.") from None
