"""Giving, changing and revoking grants. Every function works in the caller's transaction and commits nothing.

Who administrates a station group by a grant may do all of this on it too, to grants of anybody, up to the permission
that he may give: but never longer than his own grant lasts, never with drivers that his own hides, never beyond the
owner's maximum, never to the grants that his own hangs under (he would change himself), and nothing against the owner.
What he gives hangs under his own grant, ends with it and shrinks with it (`shrinking`).

Every function takes its turn first (`turns`): of two who act at once the second sees what the first did.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts import emails, user_groups
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.core.errors import NotThere, RuleBroken
from portal.sharing import endings, invitations, limits, queries, shrinking, turns, uses
from portal.sharing.shrinking import GIVE, Effect
from portal.sharing.terms import Terms
from portal.stations.models import Grant, Permission, StationGroup
from portal.stations.operations import changes
from portal.stations.operations import groups as station_groups

USE_RECORDED_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be given, and to whom: one e-mail address or a user group. `starts_at` and `ends_at` are instants;
    none: at once, and no end. `seen`: the `version` of the grant to be changed as its changer saw it, empty: any."""

    role: Permission
    email: str = ""
    user_group_id: int | None = None
    ends_at: datetime | None = None
    hides_drivers: bool = False
    starts_at: datetime | None = None
    seen: str = ""


class Done(NamedTuple):
    """What a change did: the grants that stand instead, what they were and are, and what became of those under them."""

    grants: list[Grant]
    changes: list[Effect]
    effects: list[Effect]

    @property
    def all(self) -> list[Effect]:
        return self.changes + self.effects


class RefusedFor(RuleBroken):
    """A rule that refuses what was asked for many grants, because of this one."""

    def __init__(self, grant: Grant, broken: RuleBroken) -> None:
        super().__init__(broken.field, broken.message, **broken.params)
        self.grant = grant


def version(grant: Grant) -> str:
    """A text that changes when the grant's terms do."""
    return hashlib.sha256(repr(Terms.of(grant).kept()).encode()).hexdigest()[:16]


def give(session: Session, actor: Account, group: StationGroup, offer: Offer) -> Grant:
    """Open the station group to the offer's recipient, whether or not the address has an account.

    Without an end the grant ends with the one it is given under, if any. RuleBroken: role (more than the actor's own),
    email (none, his own, the owner's), user_group (not the owner's), starts_on (past, or not before the end), ends_on
    (past, later than his own, or beyond the owner's maximum), or none of these when the recipient holds the same
    already.
    """
    turns.take_to_give(session, actor, [group.id], offer.user_group_id)
    return _give(session, actor, group, offer, instead_of=None)


def change(session: Session, actor: Account, grant: Grant, offer: Offer) -> Grant:
    """As `change_all`, for one grant."""
    return change_all(session, actor, [grant], lambda _grant: offer).grants[0]


def change_all(session: Session, actor: Account, grants: Sequence[Grant], offer_for: Callable[[Grant], Offer]) -> Done:
    """Give the same recipients something else instead: the old grants are revoked and stay in the history. What was
    given under one moves under the new one and shrinks as far as that reaches, or ends.

    `offer_for` is asked for each grant as it stands once nobody else can change it; its recipient is ignored, and so
    is its start when the grant has begun. Of several grants those that are so already are left as they are, and those
    that end by the change of another one are passed over. RuleBroken as in `give`, RefusedFor when they are several.
    """
    turns.take_to_give(session, actor, [grant.station_group_id for grant in grants])
    several = len(grants) > 1
    done: list[Grant] = []
    changes: list[Effect] = []
    effects: dict[int, Effect] = {}
    for grant in _upper_first(session, grants):
        if grant.id in effects and effects[grant.id].ends:
            continue
        before = Terms.of(grant)
        try:
            new, became = _change(session, actor, grant, offer_for(grant), several)
        except RuleBroken as broken:
            raise RefusedFor(grant, broken) if several else broken from None
        if new is not None:
            done.append(new)
            changes.append(Effect(grant.id, queries.recipient(session, grant), before, Terms.of(new), 0))
        effects |= {effect.grant_id: effect for effect in became}
    chosen = {grant.id for grant in grants}
    return Done(done, changes, [row for row in effects.values() if row.ends or row.grant_id not in chosen])


def revoke(session: Session, actor: Account, grant: Grant) -> int:
    """As `revoke_all`, for one grant."""
    return revoke_all(session, actor, [grant])


def revoke_all(session: Session, actor: Account, grants: Sequence[Grant]) -> int:
    """End the grants and all that was given under them, at once; says how many ended. RuleBroken when one has ended
    already or the actor's own hangs under it; NotAllowed when one is more than he may give."""
    turns.take(session, [grant.station_group_id for grant in grants])
    for grant in grants:
        session.refresh(grant)
        try:
            limits.may_touch(session, actor, grant)
        except RuleBroken as broken:
            raise RefusedFor(grant, broken) if len(grants) > 1 else broken from None
    return len(shrinking.end(session, actor, [grant.id for grant in grants]))


def end_all_on(session: Session, actor: Account, station_group_id: int) -> int:
    """End every grant on the station group, planned ones too; says how many. Whether the actor may is the caller's
    to ask: this is for a station group that changes hands or is deleted, so the audit log keeps its name."""
    turns.take(session, [station_group_id])
    name = session.scalar(sa.select(StationGroup.name).where(StationGroup.id == station_group_id))
    live = sa.select(Grant.id).where(
        Grant.station_group_id == station_group_id, Grant.revoked_at.is_(None), queries.not_over(clock.now())
    )
    return len(shrinking.end(session, actor, session.scalars(live).all(), name=name))


def delete_station_group(session: Session, actor: Account, group: StationGroup) -> None:
    """Delete the actor's station group: every grant on it ends, its export tasks go with it, its stations stay.
    NotThere when it has become somebody else's meanwhile."""
    changes.hold_own(session, actor, group)
    end_all_on(session, actor, group.id)
    station_groups.delete_group(session, actor, group)


def delete_user_group(session: Session, actor: Account, group: UserGroup) -> None:
    """Delete the user group, and with it everything granted to it and given under that."""
    turns.hold_user_group(session, group.id)
    ending = endings.ending_with_user_group(session, group.id)
    turns.take(session, [grant.station_group_id for grant in ending])
    ending = endings.ending_with_user_group(session, group.id)
    shrinking.end(session, actor, [grant.id for grant in ending])
    user_groups.delete(session, actor, group)


def remove_member(session: Session, actor: Account, member: UserGroupMember) -> int:
    """Take the address out of its user group and end what its holder gave away by the group's grants; says how many
    grants ended. NotThere when he has left meanwhile."""
    group_id, email = member.user_group_id, member.email
    if not turns.hold_member(session, member.id):
        raise NotThere
    given = endings.given_by_member(session, group_id, email)
    turns.take(session, session.scalars(sa.select(Grant.station_group_id).where(Grant.id.in_(given))))
    user_groups.remove_member(session, actor, member)
    return len(shrinking.end(session, actor, endings.given_by_member(session, group_id, email)))


def unnoted_use(session: Session, account_id: int, named: Mapping[str, int]) -> int | None:
    """The grant that `used` has to note when the account opens what these arguments of an address lead to: the one
    that lets it in, when its last use, or that of the account's membership in its user group, is a day old. Reads
    only."""
    return uses.unnoted(session, account_id, named, clock.now() - USE_RECORDED_EVERY)


def used(session: Session, account_id: int, grant_id: int) -> None:
    """Note that the account has opened what this grant lets it into: on the grant, and on its membership in the grant's
    user group where that is due; harmless when others note the same meanwhile. Waits for nobody: a row that somebody
    else is changing is left for the next time."""
    now = clock.now()
    user_group_id = _note(session, Grant, sa.select(Grant.id).where(Grant.id == grant_id), now, Grant.user_group_id)
    if user_group_id is not None:
        member = queries.memberships_to_note(account_id, now - USE_RECORDED_EVERY)
        inside = UserGroupMember.user_group_id == user_group_id
        _note(session, UserGroupMember, member.where(inside), now, UserGroupMember.id)


def _note(
    session: Session,
    row: type[Grant] | type[UserGroupMember],
    which: sa.Select[int],
    now: datetime,
    told: InstrumentedAttribute[Any],
) -> int | None:
    noted = (
        sa.update(row)
        .where(row.id.in_(which.with_for_update(of=row, skip_locked=True)))
        .values(last_used_at=now, first_used_at=sa.func.coalesce(row.first_used_at, now))
        .returning(told)
        .execution_options(synchronize_session=False)
    )
    found: int | None = session.scalar(noted)
    return found


def _give(session: Session, actor: Account, group: StationGroup, offer: Offer, instead_of: Grant | None) -> Grant:
    under = limits.source(session, actor, group.id, offer.role, instead_of)
    email = _recipient(session, actor, group, offer)
    now = clock.now()
    limits.check_days(now, offer.starts_at, offer.ends_at)
    grant = Grant(
        station_group_id=group.id,
        owner_id=group.owner_id,
        role=offer.role.value,
        email=email,
        user_group_id=offer.user_group_id,
        granted_by_id=actor.id,
        granted_at=now,
        under_grant_id=under.id if under else None,
        starts_at=offer.starts_at or now,
        ends_at=offer.ends_at,
        hides_drivers=offer.hides_drivers or bool(under and under.hides_drivers),
    )
    grant.ends_at = limits.end_within(session, actor, grant, under)
    if instead_of is not None:
        grant.first_used_at, grant.last_used_at = instead_of.first_used_at, instead_of.last_used_at
    if queries.has_twin(session, grant):
        raise RuleBroken("", "This authorisation exists already, with the same permission and the same end.")
    session.add(grant)
    session.flush()
    shrinking.record(session, actor, GIVE[offer.role], grant)
    if instead_of is None:
        invitations.invite(session, actor, grant)
    else:
        invitations.change(session, actor, instead_of, grant)
    return grant


def _change(
    session: Session, actor: Account, grant: Grant, offer: Offer, several: bool
) -> tuple[Grant | None, list[Effect]]:
    """The grant given instead, none when the offer is what the grant is; and what became of those under it."""
    limits.may_touch(session, actor, grant)
    if offer.seen and offer.seen != version(grant):
        raise RuleBroken("", "This authorisation was changed meanwhile. Look at it again.")
    begun = grant.starts_at <= clock.now()
    offer = replace(
        offer,
        email=grant.email or "",
        user_group_id=grant.user_group_id,
        starts_at=None if begun else offer.starts_at,
    )
    starts_at = grant.starts_at if begun else offer.starts_at
    if several and Terms(offer.role, starts_at or clock.now(), offer.ends_at, offer.hides_drivers) == Terms.of(grant):
        return None, []
    group = session.get_one(StationGroup, grant.station_group_id)
    new = _give(session, actor, group, offer, instead_of=grant)
    session.execute(
        sa.update(Grant)
        .where(Grant.under_grant_id == grant.id, Grant.id != new.id, Grant.revoked_at.is_(None))
        .where(queries.not_over(clock.now()))
        .values(under_grant_id=new.id)
    )
    effects = shrinking.hold_within(session, actor, [new])
    shrinking.end(session, actor, [grant.id])
    return new, effects


def _upper_first(session: Session, grants: Sequence[Grant]) -> list[Grant]:
    """The grants as they stand now, each after those it hangs under."""
    for grant in grants:
        session.refresh(grant)
    above = {grant.id: grant.under_grant_id for grant in grants}
    while missing := {upper for upper in above.values() if upper is not None} - above.keys():
        rows = session.execute(sa.select(Grant.id, Grant.under_grant_id).where(Grant.id.in_(missing)))
        above |= {row.id: row.under_grant_id for row in rows}

    def depth(grant_id: int | None) -> int:
        return 0 if grant_id is None else 1 + depth(above[grant_id])

    return sorted(grants, key=lambda grant: (depth(grant.id), grant.id))


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
