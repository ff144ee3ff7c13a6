"""Who receives maintenance: entered by the owner by hand, apart from what he shares. Nothing here commits.

The owner divides, with the licence Maintenance. Receiving opens nothing, and is not asked whether the address has an
account, so that nothing about it can be told.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import user_groups
from portal.accounts.models import Account, UserGroup
from portal.core import audit
from portal.core.errors import NotAllowed, RuleBroken
from portal.licences import queries as licences
from portal.maintenance.models import MaintenanceRecipient
from portal.sharing.queries import receives_maintenance
from portal.stations.models import Grant, Station, StationGroup


def add(
    session: Session, actor: Account, place: Station | StationGroup, text: str, user_group_id: int | None = None
) -> int:
    """Enter every address of the pasted text, and the user group, for the actor's own station or station group; says
    how many were new. RuleBroken, and nothing was written: emails, user_group, or none of these without the licence."""
    _must_divide(session, actor, place.owner_id)
    if not text.strip() and user_group_id is None:
        raise RuleBroken("emails", "Choose a user group or enter an e-mail address.")
    emails = user_groups.addresses(text) if text.strip() else []
    if user_group_id is not None:
        _own_user_group(session, actor, user_group_id)
    return len(_enter(session, actor, place, emails, user_group_id))


def add_of_grant(session: Session, actor: Account, group: StationGroup, grant: Grant) -> bool:
    """Enter whom the grant is given to for its station group; False where he receives its maintenance already.
    RuleBroken without the licence."""
    _must_divide(session, actor, group.owner_id)
    if session.scalar(sa.select(Grant.id).where(Grant.id == grant.id, receives_maintenance())) is not None:
        return False
    return bool(_enter(session, actor, group, [grant.email] if grant.email else [], grant.user_group_id))


def remove(session: Session, actor: Account, recipient: MaintenanceRecipient) -> None:
    """Let the recipient receive nothing more here; mails that have not left yet are not sent. It needs no licence: what
    is open to others can be closed at any time."""
    if recipient.owner_id != actor.id:
        raise NotAllowed
    _record(session, actor, "maintenance:remove_recipient", _subject(recipient), recipient)
    session.delete(recipient)
    session.flush()


def _must_divide(session: Session, actor: Account, owner_id: int) -> None:
    if owner_id != actor.id:
        raise NotAllowed
    if licences.lacking(session, actor.id, "maintenance:divide"):
        raise RuleBroken("", "The licence Maintenance is missing: request it first.")


def _own_user_group(session: Session, actor: Account, user_group_id: int) -> None:
    mine = sa.select(UserGroup.id).where(UserGroup.id == user_group_id, UserGroup.owner_id == actor.id)
    if session.scalar(mine) is None:
        raise RuleBroken("user_group", "This user group no longer exists.")


def _enter(
    session: Session,
    actor: Account,
    place: Station | StationGroup,
    emails: Sequence[str | None],
    user_group_id: int | None,
) -> list[MaintenanceRecipient]:
    """New rows for those who are not entered here yet."""
    session.refresh(place, with_for_update={"key_share": True})  # of two who enter the same at once one comes second
    if place.owner_id != actor.id:  # somebody else took it over this very moment
        raise NotAllowed
    of = {"station_id": place.id} if isinstance(place, Station) else {"station_group_id": place.id}
    present = sa.select(MaintenanceRecipient.email, MaintenanceRecipient.user_group_id).filter_by(**of)
    there = {tuple(row) for row in session.execute(present)}
    wanted = [(None, user_group_id)] if user_group_id is not None else []
    new = [one for one in [*wanted, *((email, None) for email in emails)] if one not in there]
    rows = [
        MaintenanceRecipient(owner_id=actor.id, email=email, user_group_id=users, added_by_id=actor.id, **of)
        for email, users in new
    ]
    session.add_all(rows)
    session.flush()
    for row in rows:
        _record(session, actor, "maintenance:add_recipient", _subject(row), row)
    return rows


def _subject(row: MaintenanceRecipient) -> str:
    return f"station/{row.station_id}" if row.station_id else f"station_group/{row.station_group_id}"


def _record(session: Session, actor: Account, action: str, subject: str, row: MaintenanceRecipient) -> None:
    whom = {"email": row.email} if row.email else {"user_group": row.user_group_id}
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, **whom)
