"""Invitations: the mail that tells an address of a grant or a membership. Nothing commits.

What is told of acts by itself, and nothing has to be accepted. `invite` and `change` write what is to be told in the
transaction that causes it; `send_waiting` puts it into the outbox, right after by the page or a minute later by the
scheduler. Whether an address has an account only decides the language of the letter: the work is the same.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date
from sqlalchemy.orm import Session, aliased

from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, clock, letters, mail
from portal.core.errors import RuleBroken
from portal.sharing.models import Invitation
from portal.sharing.queries import not_over
from portal.stations.models import Grant

LINK_LASTS = timedelta(days=7)
MOST_A_DAY = 200  # mails of one inviter in 24 hours
RESEND_AFTER = timedelta(hours=1)
MOST_RESENDS = 5
MOST_IN_ONE_TURN = 500  # of the scheduler, which holds one transaction over them


class _Due(NamedTuple):
    """An invitation whose mail waits, with what the mail tells."""

    invitation: Invitation
    grant: Grant | None
    inviter: str
    language: str  # of the owner
    time_zone: str


def hashed(token: str) -> str:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def acts(now: datetime) -> sa.ColumnElement[bool]:
    """The condition that what an invitation tells of is still there, for a query that joins its grant from outside."""
    return sa.or_(Invitation.grant_id.is_(None), sa.and_(Grant.revoked_at.is_(None), not_over(now)))


def invite(session: Session, actor: Account, given: Grant | UserGroupMember) -> None:
    """Let a mail tell the address of what was given to it just now. A grant to a user group tells nobody, and nobody
    is told of what he gave to himself."""
    invite_all(session, actor, [given])


def invite_all(session: Session, actor: Account, given: Sequence[Grant | UserGroupMember]) -> None:
    """As `invite`, for many at once."""
    rows = [_values(session, actor, one) for one in given if one.email and one.email != actor.email]
    if rows:
        session.execute(sa.insert(Invitation), rows)


def change(session: Session, actor: Account, old: Grant, new: Grant) -> None:
    """Let a short notice tell the address that `new` stands in the place of `old`. A link that was sent goes on
    working; an invitation that has not left yet tells of `new` alone."""
    if not new.email or new.email == actor.email:
        return
    told = sa.select(Invitation).where(Invitation.grant_id == old.id, Invitation.cancelled_at.is_(None))
    row = session.scalar(told.order_by(Invitation.id.desc()).limit(1))
    if row is None:  # given before there were invitations: a notice is due, without a link
        row = Invitation(**_values(session, actor, new))
        row.token_hash, row.link_used_at, row.sends = hashed(secrets.token_urlsafe(32)), clock.now(), 1
        session.add(row)
    row.grant_id, row.invited_by_id, row.sent_at = new.id, actor.id, None
    session.flush()


def send_waiting(session: Session, to: Links, inviter_id: int, most: int = MOST_A_DAY) -> int:
    """Put the waiting mails of the inviter into the outbox, `most` of them and as far as his day allows; says how
    many go on waiting."""
    locked = sa.select(Account.id).where(Account.id == inviter_id)
    session.execute(locked.with_for_update(key_share=True))  # else two requests would both use the rest of the day
    due = _due(session, inviter_id, max(0, min(most, MOST_A_DAY - _sent_in_a_day(session, inviter_id))))
    known = _known(session, [one.invitation.email for one in due])
    for one in due:
        _send(session, to, one, *known.get(one.invitation.email, (one.language, one.time_zone)))
    session.flush()
    return session.scalar(_waiting(sa.func.count(Invitation.id), inviter_id)) or 0


def send_all_waiting(session: Session, to: Links) -> int:
    """A chore: the mails that wait of every inviter, as far as his day allows. What has ended meanwhile is told to
    nobody. Says how many left."""
    now, sent = clock.now(), 0
    waits = sa.and_(Invitation.sent_at.is_(None), Invitation.cancelled_at.is_(None))
    ended = sa.select(Grant.id).where(~sa.and_(Grant.revoked_at.is_(None), not_over(now)))
    session.execute(sa.update(Invitation).where(waits, Invitation.grant_id.in_(ended)).values(cancelled_at=now))
    inviters = sa.select(Invitation.invited_by_id).where(waits).distinct().order_by(Invitation.invited_by_id)
    for inviter_id in session.scalars(inviters).all():
        before = session.scalar(_waiting(sa.func.count(Invitation.id), inviter_id)) or 0
        sent += before - send_waiting(session, to, inviter_id, MOST_IN_ONE_TURN - sent)
        if sent >= MOST_IN_ONE_TURN:
            break
    return sent


def resend(session: Session, to: Links, actor: Account, invitation: Invitation) -> int:
    """Make the old link dead and send a new one; says how many mails of the inviter wait. RuleBroken when the mail
    waits already, was sent within the hour, or too often."""
    row = session.get_one(Invitation, invitation.id, with_for_update=True, populate_existing=True)
    broken = cannot_resend(row)
    if broken:
        raise broken
    row.token_hash = row.sent_at = row.link_used_at = None
    _record(session, "invitation:resend", actor.id, row)
    session.flush()
    return send_waiting(session, to, row.invited_by_id)


def cannot_resend(row: Invitation) -> RuleBroken | None:
    """Why the invitation cannot be sent again now, if so."""
    if row.sent_at is None:
        return RuleBroken("", "The mail waits to be sent already.")
    if row.sends > MOST_RESENDS:
        return RuleBroken("", "It was sent again %(most)s times: that is the most.", most=MOST_RESENDS)
    if row.sent_at > clock.now() - RESEND_AFTER:
        return RuleBroken("", "It was sent less than an hour ago. Try again later.")
    return None


def _values(session: Session, actor: Account, given: Grant | UserGroupMember) -> dict[str, str | int | None]:
    told = {"email": given.email, "invited_by_id": actor.id}
    if isinstance(given, Grant):
        return told | {"owner_id": given.owner_id, "grant_id": given.id}
    owner_id = session.get_one(UserGroup, given.user_group_id).owner_id
    return told | {"owner_id": owner_id, "member_id": given.id}


def _sent_in_a_day(session: Session, inviter_id: int) -> int:
    """Counted in the audit log, from which nothing can be taken away by removing an address and adding it again."""
    since = clock.now() - timedelta(days=1)
    sent = sa.select(sa.func.count(audit.AuditEntry.id)).where(
        audit.AuditEntry.actor_id == inviter_id,
        audit.AuditEntry.at > since,
        audit.AuditEntry.action == "invitation:send",
    )
    return session.scalar(sent) or 0


def _waiting(what: sa.SQLColumnExpression[int], inviter_id: int) -> sa.Select[int]:
    return (
        sa.select(what)
        .outerjoin(Grant, Grant.id == Invitation.grant_id)
        .where(Invitation.invited_by_id == inviter_id, Invitation.sent_at.is_(None))
        .where(Invitation.cancelled_at.is_(None), acts(clock.now()))
    )


def _due(session: Session, inviter_id: int, most: int) -> Sequence[_Due]:
    """The oldest that wait, taken: what another transaction is changing just now is left to the next turn."""
    ids = _waiting(Invitation.id, inviter_id).order_by(Invitation.id).limit(most)
    inviter, owner = aliased(Account), aliased(Account)
    rows = session.execute(
        sa.select(Invitation, Grant, inviter.email, owner.language, owner.time_zone)
        .outerjoin(Grant, Grant.id == Invitation.grant_id)
        .join(inviter, inviter.id == Invitation.invited_by_id)
        .join(owner, owner.id == Invitation.owner_id)
        .where(Invitation.id.in_(ids))
        .order_by(Invitation.id)
        .with_for_update(of=Invitation, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return [_Due(*row) for row in rows]


def _known(session: Session, addresses: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Language and time zone of those who have an account."""
    rows = session.execute(
        sa.select(Account.email, Account.language, Account.time_zone).where(Account.email.in_(addresses))
    )
    return {email: (language, time_zone) for email, language, time_zone in rows}


def _send(session: Session, to: Links, one: _Due, language: str, time_zone: str) -> None:
    row, now, zone = one.invitation, clock.now(), ZoneInfo(time_zone)
    told = {"giver": one.inviter, **_terms(one.grant, language, zone), "page": to.page("/shared-with-me")}
    if row.sends and row.token_hash:
        letter = letters.post(session, row.email, language, "grant_changed", **told)
    else:
        token = secrets.token_urlsafe(32)
        row.token_hash, row.expires_at, row.link_used_at = hashed(token), now + LINK_LASTS, None
        row.sends += 1
        valid = format_date(row.expires_at.astimezone(zone).date(), "long", locale=language)
        name = "invitation_to_grant" if one.grant else "invitation_to_user_group"
        at = to.page(f"/invitation/{token}")
        letter = letters.post(session, row.email, language, name, link=at, valid=valid, **told)
    mail.judge_at_sending(letter, "invitation", [row.id])
    row.sent_at = now
    _record(session, "invitation:send", row.invited_by_id, row)


def still_invites(session: Session, recipient: str, ids: Sequence[int]) -> bool:
    """Whether what these invitations tell the address of is there to be used: judges their letters."""
    told = sa.select(sa.func.count()).select_from(Invitation).outerjoin(Grant, Grant.id == Invitation.grant_id)
    told = told.where(Invitation.id.in_(ids), Invitation.email == recipient, Invitation.cancelled_at.is_(None))
    stands = sa.and_(Grant.revoked_at.is_(None), not_over(clock.now()))
    return session.scalar(told.where(sa.or_(Invitation.grant_id.is_(None), stands))) == len(ids)


def _terms(grant: Grant | None, language: str, zone: ZoneInfo) -> dict[str, str]:
    """Permission, first and last day of a grant, as its letter says them; none of a membership."""
    if grant is None:
        return {}

    def day(instant: datetime) -> str:
        return str(format_date(instant.astimezone(zone).date(), "long", locale=language))

    first = day(grant.starts_at) if grant.starts_at > clock.now() else ""
    last = day(grant.ends_at - timedelta(microseconds=1)) if grant.ends_at else ""
    return {"role": grant.role, "first_day": first, "last_day": last}


def _record(session: Session, action: str, actor_id: int, row: Invitation) -> None:
    subject = f"invitation/{row.id}"
    detail = {"email": row.email, "grant": row.grant_id, "member": row.member_id}
    audit.record(session, action, subject, actor_id=actor_id, owner_id=row.owner_id, **detail)
