"""The links of invitations: used once, to log in or to register with the address they were sent to.

Nothing commits. DeadLink for a link that was used, replaced, is too old, or tells of what has ended; which of them is
not told.
"""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import operations as accounts
from portal.accounts import queries
from portal.accounts.links import DeadLink
from portal.accounts.models import Account
from portal.core import audit, authz, clock
from portal.sharing.invitations import acts, hashed
from portal.sharing.models import Invitation
from portal.stations.models import Grant


class Opened(NamedTuple):
    """A link that is good, as the page behind it shows it: nothing that the giver typed."""

    invitation: Invitation
    grant: Grant | None  # none: a membership in a user group
    giver: str


def opened(session: Session, token: str) -> Opened:
    """What the link is about. Changes nothing."""
    return _good(session, token)


def used(session: Session, token: str) -> tuple[Opened, Account | None]:
    """Use the link up, where its address has a verified account: that one. None where it has none: the link stays
    good until `register` uses it."""
    found = _good(session, token, locked=True)
    account = queries.by_email(session, found.invitation.email)
    if account is None or account.verified_at is None:
        return found, None
    _use_up(session, found.invitation, account)
    return found, account


def register(session: Session, token: str, name: str, password: str, language: str) -> tuple[Opened, Account | None]:
    """Open an account for the address of the link, confirmed, for the link came by mail to it; the link is used up.
    None where a confirmed account has the address by now. RuleBroken: name, password."""
    found = _good(session, token, locked=True)
    account = accounts.register_confirmed(session, found.invitation.email, name, password, language)
    if account is not None:
        _use_up(session, found.invitation, account)
    return found, account


def station_group_to_open(session: Session, account: Account, found: Opened) -> int | None:
    """The station group that the link leads to, when the account may see it by now."""
    if found.grant is None:
        return None
    group_id = found.grant.station_group_id
    return group_id if authz.may(session, account.id, "station_group:view", [group_id]) else None


def _good(session: Session, token: str, *, locked: bool = False) -> Opened:
    now = clock.now()
    query = (
        sa.select(Invitation, Grant, Account.email)
        .outerjoin(Grant, Grant.id == Invitation.grant_id)
        .join(Account, Account.id == Invitation.invited_by_id)
        .where(Invitation.token_hash == hashed(token), Invitation.link_used_at.is_(None))
        .where(Invitation.cancelled_at.is_(None), Invitation.expires_at > now, acts(now))
        .execution_options(populate_existing=True)
    )
    row = session.execute(query.with_for_update(of=Invitation) if locked else query).one_or_none()
    if row is None:
        raise DeadLink
    return Opened(*row)


def _use_up(session: Session, invitation: Invitation, account: Account) -> None:
    invitation.link_used_at = clock.now()
    session.flush()
    # For the invited alone: it would tell the giver that the address has an account before anything is in use.
    mine = {"actor_id": account.id, "owner_id": account.id}
    audit.record(session, "invitation:open", f"invitation/{invitation.id}", email=account.email, **mine)
