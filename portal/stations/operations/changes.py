"""Writing changes: what was, what is, and who changed it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import NotThere, RuleBroken
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation

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


def hold(session: Session, station: Station) -> None:
    """The station as it is now, kept from other changes until the transaction ends, and with it what is granted on its
    groups: whoever revokes at this moment waits, and what was revoked before is seen from here on. NotThere when the
    station is gone. Locked in the order of `sharing.turns`: station groups, then what is in them."""
    inside = sa.select(StationGroupStation.station_group_id).where(StationGroupStation.station_id == station.id)
    groups = sa.select(StationGroup.id).where(StationGroup.id.in_(inside)).order_by(StationGroup.id)
    session.execute(groups.with_for_update(read=True)).all()
    refresh(session, station)


def refresh(session: Session, row: Subject) -> None:
    """The row as it is now, kept from other changes until the transaction ends. NotThere when it is gone."""
    try:
        session.refresh(row, with_for_update={"key_share": True})
    except InvalidRequestError:
        raise NotThere from None


def version(values: object) -> str:
    """A text that changes when what a page was filled from does."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


class Meanwhile(RuleBroken):
    """Somebody else saved since the page was opened: saving it would undo that. `fields`: where what was sent differs
    from what stands."""

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(
            "", "Somebody else changed this meanwhile. Compare what differs from what is stored, and save once more."
        )
        self.fields = tuple(fields)


def must_be_seen(seen: str, present: object, differing: Sequence[str]) -> None:
    """Meanwhile when something would be changed that is not as it was `seen`; empty: whatever it is."""
    if seen and differing and seen != version(present):
        raise Meanwhile(differing)


def write(session: Session) -> None:
    """Send the changes to the database. RuleBroken where somebody else took a unique value at the same instant, after
    the checks found it free; the whole transaction is rolled back then."""
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise RuleBroken("", "Somebody else changed this at the same moment. Look again and save once more.") from None
