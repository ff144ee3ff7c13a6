"""Giving, changing and revoking grants. Every function works in the caller's transaction and commits nothing.

A grant given by somebody who holds the station group by a grant himself hangs under that one and ends with it. The
giver locks the grant he gives under, the revoker changes it before he looks for what hangs under it: whichever comes
second sees the first, and nothing given away survives its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import emails, user_groups
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, authz, clock
from portal.core.errors import NotAllowed, RuleBroken
from portal.sharing import endings, queries
from portal.stations.models import Grant, Permission, StationGroup

GIVE = {
    Permission.DISPLAY: "grant:give_display",
    Permission.MANAGE: "grant:give_manage",
    Permission.ADMINISTRATE: "grant:give_administrate",
}
USE_RECORDED_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be given, and to whom: one e-mail address or a user group. `ends_at` is an instant, none: no end."""

    role: Permission
    email: str = ""
    user_group_id: int | None = None
    ends_at: datetime | None = None
    hides_drivers: bool = False


def give(session: Session, actor: Account, group: StationGroup, offer: Offer) -> Grant:
    """Open the station group to the offer's recipient, whether or not the address has an account.

    Without an end the grant ends with the one it is given under, if any. RuleBroken: role (more than the actor's own),
    email (none, his own, the owner's), user_group (not the owner's), ends_on (past, or later than his own), or none of
    these when the recipient holds the same already.
    """
    return _give(session, actor, group, offer, instead_of=None)


def change(session: Session, actor: Account, grant: Grant, offer: Offer) -> Grant:
    """Give the same recipient something else instead: the old grant is revoked and stays in the history. What was
    given under it moves under the new one as far as that reaches, and ends otherwise. RuleBroken as in `give`."""
    _may_end(session, actor, grant)
    group = session.get_one(StationGroup, grant.station_group_id)
    same_recipient = replace(offer, email=grant.email or "", user_group_id=grant.user_group_id)
    new = _give(session, actor, group, same_recipient, instead_of=grant)
    if new.role == Permission.ADMINISTRATE:
        _move_under(session, grant, new)
    _end(session, actor, [grant.id])
    return new


def revoke(session: Session, actor: Account, grant: Grant) -> int:
    """End the grant and all that was given under it, at once; says how many ended. RuleBroken when it has ended
    already or the actor's own hangs under it; NotAllowed when it is more than he may give."""
    _may_end(session, actor, grant)
    return _end(session, actor, [grant.id])


def delete_user_group(session: Session, actor: Account, group: UserGroup) -> None:
    """Delete the user group, and with it everything granted to it and given under that."""
    ended = endings.ending_with_user_group(session, group.id)
    _end(session, actor, [grant.id for grant in ended])
    user_groups.delete(session, actor, group)


def remove_member(session: Session, actor: Account, member: UserGroupMember) -> int:
    """Take the address out of its user group and end what its holder gave away by the group's grants; says how many
    grants ended."""
    session.execute(  # whoever is giving under one of these just now is waited for, and seen below
        sa.select(Grant.id).where(Grant.user_group_id == member.user_group_id).with_for_update()
    )
    group_id, email = member.user_group_id, member.email
    user_groups.remove_member(session, actor, member)
    return _end(session, actor, endings.given_by_member(session, group_id, email))


def use_is_due(session: Session, account_id: int, station_group_ids: Sequence[int]) -> bool:
    """Whether `used` would write something; reads only."""
    since = clock.now() - USE_RECORDED_EVERY
    return queries.use_to_record(session, account_id, station_group_ids, since) is not None


def used(session: Session, account_id: int, station_group_ids: Sequence[int]) -> bool:
    """Note that the account has opened one of these station groups: on the grant that lets it in, at most once a day.
    Says whether anything was written."""
    grant_id = queries.use_to_record(session, account_id, station_group_ids, clock.now() - USE_RECORDED_EVERY)
    if grant_id is None:
        return False
    now = clock.now()
    session.execute(
        sa.update(Grant)
        .where(Grant.id == grant_id)
        .values(last_used_at=now, first_used_at=sa.func.coalesce(Grant.first_used_at, now))
    )
    return True


def _give(session: Session, actor: Account, group: StationGroup, offer: Offer, instead_of: Grant | None) -> Grant:
    under = _source(session, actor, group, offer.role, instead_of)
    email = _recipient(session, actor, group, offer)
    ends_at = _end_within(actor, offer.ends_at, under)
    grant = Grant(
        station_group_id=group.id,
        owner_id=group.owner_id,
        role=offer.role.value,
        email=email,
        user_group_id=offer.user_group_id,
        granted_by_id=actor.id,
        under_grant_id=under.id if under else None,
        ends_at=ends_at,
        hides_drivers=offer.hides_drivers or bool(under and under.hides_drivers),
    )
    if queries.has_twin(session, grant):
        raise RuleBroken("", "This authorisation exists already, with the same permission and the same end.")
    session.add(grant)
    session.flush()
    _record(session, actor, GIVE[offer.role], grant)
    return grant


def _source(
    session: Session, actor: Account, group: StationGroup, role: Permission, instead_of: Grant | None
) -> Grant | None:
    """The actor's own grant that he gives under, the one that lasts longest; none when the group is his."""
    action = GIVE[role]
    allowing = [held for held, _line in authz.why(session, actor.id, group.id, action)]
    if any(held.grant_id is None for held in allowing):
        return None
    spared = {instead_of.id} | set(endings.under(session, [instead_of.id])) if instead_of else set()
    ids = [held.grant_id for held in allowing if held.grant_id not in spared]
    if not ids:
        raise RuleBroken("role", "You can give at most the permission that you hold yourself.")
    own = session.scalars(
        sa.select(Grant).where(Grant.id.in_(ids)).with_for_update(read=True).execution_options(populate_existing=True)
    ).all()
    # Asked again: behind the lock nobody can revoke what the answer rests on.
    still = {held.grant_id for held, _line in authz.why(session, actor.id, group.id, action)}
    own = [grant for grant in own if grant.id in still]
    if not own:
        raise NotAllowed
    return max(
        own, key=lambda grant: (grant.ends_at is None, grant.ends_at or grant.granted_at, not grant.hides_drivers)
    )


def _recipient(session: Session, actor: Account, group: StationGroup, offer: Offer) -> str | None:
    """The normalised address, or none for a user group of the station group's owner."""
    if offer.user_group_id is not None:
        found = session.get(UserGroup, offer.user_group_id)
        if found is None or found.owner_id != group.owner_id:
            raise RuleBroken("user_group", "Choose one of the user groups.")
        return None
    email = emails.normalise(offer.email)
    if email == actor.email:
        raise RuleBroken("email", "This is your own address: you cannot give an authorisation to yourself.")
    if email == session.get_one(Account, group.owner_id).email:
        raise RuleBroken("email", "This is the owner of the station group, who has every right already.")
    return email


def _end_within(actor: Account, ends_at: datetime | None, under: Grant | None) -> datetime | None:
    if ends_at is not None and ends_at <= clock.now():
        raise RuleBroken("ends_on", "Choose today or a later day.")
    last = under.ends_at if under else None
    if ends_at is None or last is None or ends_at <= last:
        return ends_at or last
    day = (last - timedelta(microseconds=1)).astimezone(ZoneInfo(actor.time_zone)).date()
    raise RuleBroken("ends_on", "Your own permission ends on %(day)s: choose that day or an earlier one.", day=day)


def _may_end(session: Session, actor: Account, grant: Grant) -> None:
    if grant.revoked_at is not None or (grant.ends_at is not None and grant.ends_at <= clock.now()):
        raise RuleBroken("", "This authorisation has ended already.")
    held = [held for held, _line in authz.why(session, actor.id, grant.station_group_id, GIVE[Permission(grant.role)])]
    if not held:
        raise NotAllowed
    own = [standing.grant_id for standing in held if standing.grant_id is not None]
    if len(own) == len(held) and set(own) <= set(endings.under(session, [grant.id])):
        raise RuleBroken("", "Your own permission was given under this one. Ask the owner of the station group.")


def _move_under(session: Session, old: Grant, new: Grant) -> None:
    reaches = sa.true() if new.ends_at is None else sa.and_(Grant.ends_at.is_not(None), Grant.ends_at <= new.ends_at)
    hidden = Grant.hides_drivers if new.hides_drivers else sa.true()
    session.execute(
        sa.update(Grant)
        .where(Grant.under_grant_id == old.id, Grant.id != new.id, Grant.revoked_at.is_(None), reaches, hidden)
        .values(under_grant_id=new.id)
    )


def _end(session: Session, actor: Account, grant_ids: Sequence[int]) -> int:
    """Revoke these and, level by level, what was given under them."""
    ended, ids = 0, list(grant_ids)
    while ids:
        now = clock.now()
        rows = session.scalars(
            sa.update(Grant)
            .where(Grant.id.in_(ids), Grant.revoked_at.is_(None), queries.not_over(now))
            .values(revoked_at=now, revoked_by_id=actor.id)
            .returning(Grant)
            .execution_options(populate_existing=True)
        ).all()
        for grant in rows:
            _record(session, actor, "grant:revoke", grant)
        ended += len(rows)
        children = sa.select(Grant.id).where(Grant.under_grant_id.in_(ids), Grant.revoked_at.is_(None))
        ids = list(session.scalars(children.where(queries.not_over(now))))
    return ended


def _record(session: Session, actor: Account, action: str, grant: Grant) -> None:
    audit.record(
        session,
        action,
        f"station_group/{grant.station_group_id}",
        actor_id=actor.id,
        owner_id=grant.owner_id,
        grant=grant.id,
        role=grant.role,
        email=grant.email,
        user_group=grant.user_group_id,
        until=grant.ends_at.isoformat() if grant.ends_at else None,
        hides_drivers=grant.hides_drivers,
        under=grant.under_grant_id,
    )
