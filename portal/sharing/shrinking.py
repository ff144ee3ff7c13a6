"""What hangs under a grant ends with it, and shrinks with it. Everything works in the caller's transaction and turn.

A grant that was given under another one lasts no longer than that one, shows no drivers that that one hides, and is of
a permission that the other one may give. Where the upper one loses some of this, the lower one is made to fit: its end
is moved forward, its drivers are hidden; where it cannot stand any more it ends.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, authz, clock
from portal.sharing import endings, invitations, queries
from portal.sharing.terms import Terms
from portal.stations.models import Grant, Permission

GIVE = {
    Permission.DISPLAY: "grant:give_display",
    Permission.MANAGE: "grant:give_manage",
    Permission.ADMINISTRATE: "grant:give_administrate",
}


class Effect(NamedTuple):
    """What became of a grant under another one."""

    grant_id: int
    who: str
    before: Terms
    after: Terms | None  # none: it ended
    stations: int  # that its holder does not see any more

    @property
    def ends(self) -> bool:
        return self.after is None


def end(
    session: Session, actor: Account, grant_ids: Iterable[int], action: str = "grant:revoke", **detail: object
) -> list[Grant]:
    """Revoke these and, level by level, what was given under them; returns what ended, each of it in the audit log
    with `detail`: these as the action, what was under them as revoked."""
    ended: list[Grant] = []
    ids = list(grant_ids)
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
            record(session, actor, action, grant, **detail)
        ended += rows
        ids, action = [grant.id for grant in _live_under(session, ids)], "grant:revoke"
    return ended


def hold_within(session: Session, actor: Account, upper: Sequence[Grant]) -> list[Effect]:
    """Make everything under these grants fit into them; returns what ended or shrank."""
    shrunk: dict[int, tuple[Terms, Terms]] = {}
    ended: dict[int, Terms] = {}
    level = list(upper)
    while level:
        above = {grant.id: grant for grant in level}
        level = []
        for grant in _live_under(session, above):
            before, after = Terms.of(grant), _fitting(grant, above[grant.under_grant_id or 0])
            if after is None:
                ended |= {row.id: Terms.of(row) for row in end(session, actor, [grant.id])}
            elif after != before:
                change_in_place(session, actor, "grant:change", grant, after)
                invitations.change(session, actor, grant, grant)
                shrunk[grant.id] = (before, after)
                level.append(grant)
    return _effects(session, shrunk, ended)


def change_in_place(session: Session, actor: Account, action: str, grant: Grant, after: Terms) -> None:
    """Give the grant another end, and hide its drivers; the audit log gets both states. A moved end is announced
    anew."""
    before = Terms.of(grant)
    if after.ends_at != before.ends_at:
        grant.reminded_at = None
    grant.ends_at, grant.hides_drivers = after.ends_at, after.hides_drivers
    session.flush()
    record(session, actor, action, grant, before=before.kept(), after=after.kept())


def record(session: Session, actor: Account, action: str, grant: Grant, **detail: object) -> None:
    """An entry about the grant in the audit log, for the owner of the station group."""
    audit.record(
        session,
        action,
        f"station_group/{grant.station_group_id}",
        actor_id=actor.id,
        owner_id=grant.owner_id,
        grant=grant.id,
        email=grant.email,
        user_group=grant.user_group_id,
        under=grant.under_grant_id,
        **Terms.of(grant).kept(),
        **detail,
    )


def _live_under(session: Session, grant_ids: Iterable[int]) -> Sequence[Grant]:
    """What hangs directly under these and has not ended, as the database has it now."""
    live = sa.select(Grant).where(Grant.under_grant_id.in_(list(grant_ids)), Grant.revoked_at.is_(None))
    fresh = live.where(queries.not_over(clock.now())).order_by(Grant.id).execution_options(populate_existing=True)
    return session.scalars(fresh).all()


def _fitting(grant: Grant, above: Grant) -> Terms | None:
    """The most of the grant's terms that fits under the other one; none when nothing does."""
    if (above.role, "active", GIVE[Permission(grant.role)]) not in authz.ALLOWED:
        return None
    ends = [end for end in (grant.ends_at, above.ends_at) if end is not None]
    ends_at = min(ends, default=None)
    if ends_at is not None and ends_at <= grant.starts_at:
        return None
    return Terms(grant.role, grant.starts_at, ends_at, grant.hides_drivers or above.hides_drivers)


def _effects(session: Session, shrunk: dict[int, tuple[Terms, Terms]], ended: dict[int, Terms]) -> list[Effect]:
    effects = []
    for grant, user_group_name, stations in endings.losses(session, list(ended)):
        effects.append(Effect(grant.id, user_group_name or grant.email or "", ended[grant.id], None, stations))
    for grant, user_group_name, _stations in endings.losses(session, [row for row in shrunk if row not in ended]):
        effects.append(Effect(grant.id, user_group_name or grant.email or "", *shrunk[grant.id], 0))
    return effects
