"""Who was given something confirms that he still needs it: on the grant to his address, or on his membership where a
user group holds the grant. Works in the caller's transaction and commits nothing.

What was confirmed before a grant was given says nothing about it. To confirm is to use: whoever is told of a
confirmation is told of a first use as well.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import authz, clock
from portal.sharing import reviews
from portal.sharing.queries import not_over
from portal.stations.models import Grant


def confirm(session: Session, actor: Account, grant_ids: Collection[int]) -> int:
    """Note that the actor still needs what these grants open to him, and that he uses them; says how many there were.
    One that does not let him in is passed by. By a user group he confirms all that it holds."""
    open_to_him = _open_to(session, actor, grant_ids)
    ids = [grant.id for grant in open_to_him]
    users = {grant.user_group_id for grant in open_to_him if grant.user_group_id is not None}
    now, member = clock.now(), UserGroupMember
    needed = {"needed_at": now, "needed_by_id": actor.id}
    # The membership before the grant, as the note of use takes them.
    for row, which, values in (
        (member, sa.and_(member.user_group_id.in_(users), member.email == actor.email), needed),
        (Grant, sa.and_(Grant.id.in_(ids), Grant.email == actor.email), needed),
        (Grant, sa.and_(Grant.id.in_(ids), Grant.user_group_id.is_not(None)), {}),
    ):
        session.execute(
            sa.update(row)
            .where(which)
            .values(last_used_at=now, first_used_at=sa.func.coalesce(row.first_used_at, now), **values)
            .execution_options(synchronize_session=False)
        )
    for grant in open_to_him:
        reviews.record(session, actor, "grant:confirm_need", grant)
    return len(open_to_him)


def _open_to(session: Session, actor: Account, grant_ids: Collection[int]) -> Sequence[Grant]:
    held = authz.standing.c
    seen = authz.visible(actor.id, "station_group:view").where(held.grant_id.in_(grant_ids))
    stands = sa.and_(Grant.revoked_at.is_(None), not_over(clock.now()))
    found = sa.select(Grant).where(Grant.id.in_(seen.with_only_columns(held.grant_id)), stands)
    return session.scalars(found.order_by(Grant.id)).all()
