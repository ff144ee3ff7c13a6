"""Giving back what was given to one's own address. Works in the caller's transaction and commits nothing."""

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.core.db import NO_ROW
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.sharing import shrinking, turns
from portal.stations.models import Grant


def own_grant(session: Session, account_id: int, action: str, row_id: int) -> Grant:
    """The grant to the account's own address, while it stands and its station group is open to the account; NotThere
    for every other one."""
    row, account = session.get(Grant, row_id), session.get_one(Account, account_id)
    seen = authz.may(session, account_id, "station_group:view", [row.station_group_id if row else NO_ROW])
    if row is None or not seen or row.email != account.email or _is_over(row):
        raise NotThere
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    return row


def give_back(session: Session, actor: Account, grant: Grant) -> int:
    """End the grant to the actor's address and all that was given under it, at once; says how many ended. Its place in
    the history and the audit log name him. RuleBroken when it has ended already."""
    turns.take(session, [grant.station_group_id])
    session.refresh(grant)
    if grant.email != actor.email:
        raise NotThere
    if _is_over(grant):
        raise RuleBroken("", "This authorisation has ended already.")
    return len(shrinking.end(session, actor, [grant.id], "grant:give_back"))


def _is_over(grant: Grant) -> bool:
    return grant.revoked_at is not None or (grant.ends_at is not None and grant.ends_at <= clock.now())
