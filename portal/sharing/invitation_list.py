"""Invitations to what nobody has opened yet, for who gave it and for the owner; taking one back."""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, authz, clock
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.core.paging import SIZE, Page, offset
from portal.sharing import invitations, operations
from portal.sharing.models import Invitation
from portal.sharing.queries import not_over
from portal.stations.models import Grant, StationGroup


class Pending(NamedTuple):
    """An invitation to what was not opened yet. Of a link that was used it tells nothing: until the first opening all
    addresses look alike."""

    invitation: Invitation
    grant: Grant | None
    member: UserGroupMember | None
    name: str  # of the station group or the user group
    invited_by: str
    is_mine: bool  # invited by the reader

    @property
    def valid_until(self) -> datetime | None:
        """Until when the link that was sent last is good; none when it is too late."""
        expires_at = self.invitation.expires_at
        return expires_at if expires_at and expires_at > clock.now() else None

    @property
    def cannot_resend(self) -> RuleBroken | None:
        return invitations.cannot_resend(self.invitation)


def pending(session: Session, account_id: int, page: int = 1) -> Page[Pending]:
    """What the account has given, as far as it still sees that, and what concerns its property, the newest first; two
    statements."""
    which = _of(account_id)
    total = session.scalar(_joined(sa.func.count(Invitation.id)).where(which)) or 0
    order = sa.desc(Invitation.created_at), sa.desc(Invitation.id)
    rows = session.execute(_rows().where(which).order_by(*order).limit(SIZE).offset(offset(page)))
    return Page([_pending(row, account_id) for row in rows], page, total)


def waiting(session: Session, account_id: int) -> int:
    """How many of the mails wait for the next day of the account."""
    query = _joined(sa.func.count(Invitation.id)).where(_of(account_id))
    return session.scalar(query.where(Invitation.invited_by_id == account_id, Invitation.sent_at.is_(None))) or 0


def invitation(session: Session, account_id: int, action: str, row_id: int) -> Pending:
    """One of them; NotThere for anybody whose list it does not stand in."""
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    row = session.execute(_rows().where(Invitation.id == row_id, _of(account_id))).one_or_none()
    if row is None:
        raise NotThere
    return _pending(row, account_id)


def cancel(session: Session, actor: Account, found: Pending) -> None:
    """End what the invitation tells of: the grant with all that was given under it, or the membership. RuleBroken and
    NotAllowed as in `operations.revoke`."""
    row = found.invitation
    subject, detail = f"invitation/{row.id}", {"email": row.email, "grant": row.grant_id, "member": row.member_id}
    if found.grant is not None:
        operations.revoke(session, actor, found.grant)
        row.cancelled_at = clock.now()
    elif found.member is not None:
        operations.remove_member(session, actor, found.member)  # the invitation goes with the member
    audit.record(session, "invitation:cancel", subject, actor_id=actor.id, owner_id=row.owner_id, **detail)
    session.flush()


def _of(account_id: int) -> sa.ColumnElement[bool]:
    now = clock.now()
    unopened = sa.or_(
        sa.and_(Grant.first_used_at.is_(None), Grant.revoked_at.is_(None), not_over(now), Grant.id.is_not(None)),
        sa.and_(UserGroupMember.first_used_at.is_(None), UserGroupMember.id.is_not(None)),
    )
    given = sa.and_(
        Invitation.invited_by_id == account_id,
        Grant.station_group_id.in_(authz.visible(account_id, "grant:view")),
    )
    return sa.and_(unopened, Invitation.cancelled_at.is_(None), sa.or_(Invitation.owner_id == account_id, given))


def _joined(what: sa.ColumnElement[int]) -> sa.Select[int]:
    return (
        sa.select(what)
        .select_from(Invitation)
        .outerjoin(Grant, Grant.id == Invitation.grant_id)
        .outerjoin(UserGroupMember, UserGroupMember.id == Invitation.member_id)
    )


def _rows() -> sa.Select[Invitation, Grant, UserGroupMember, str, str, str]:
    inviter = aliased(Account)
    # Row by row: joined, PostgreSQL would rather read all user groups where an account has many invitations.
    of_grant = sa.select(StationGroup.name).where(StationGroup.id == Grant.station_group_id).scalar_subquery()
    of_member = sa.select(UserGroup.name).where(UserGroup.id == UserGroupMember.user_group_id).scalar_subquery()
    name = sa.func.coalesce(of_grant, of_member)
    return (
        sa.select(Invitation, Grant, UserGroupMember, name, inviter.name, inviter.email)
        .select_from(Invitation)
        .outerjoin(Grant, Grant.id == Invitation.grant_id)
        .outerjoin(UserGroupMember, UserGroupMember.id == Invitation.member_id)
        .join(inviter, inviter.id == Invitation.invited_by_id)
    )


def _pending(row: "sa.Row[Invitation, Grant, UserGroupMember, str, str, str]", account_id: int) -> Pending:
    found, grant, member, name, inviter_name, inviter_email = row
    return Pending(found, grant, member, name, inviter_name or inviter_email, found.invited_by_id == account_id)
