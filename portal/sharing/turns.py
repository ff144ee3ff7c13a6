"""Who writes grants takes turns: what one decides, the next one sees.

Every change of grants on a station group holds that station group's lock until it commits, so that whatever it read of
rights, ends and what hangs under what is still so when it writes. Rows are locked in one order everywhere, lest two
wait for each other: user group, members, station groups, each by id. On SQLite a writing transaction is alone anyway.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.stations.models import StationGroup


def take(session: Session, station_group_ids: Iterable[int]) -> None:
    """Wait until nobody else writes grants on these station groups, and keep others waiting."""
    ids = sorted(set(station_group_ids))
    locked = sa.select(StationGroup.id).where(StationGroup.id.in_(ids)).order_by(StationGroup.id)
    session.execute(locked.with_for_update(key_share=True)).all()


def take_to_give(
    session: Session, actor: Account, station_group_ids: Iterable[int], user_group_id: int | None = None
) -> None:
    """As `take`; besides, the actor stays in the user groups he is in, by whose grants he may give, and the user group
    that is to get something stays."""
    if user_group_id is not None:
        there = sa.select(UserGroup.id).where(UserGroup.id == user_group_id)
        session.execute(there.with_for_update(read=True, key_share=True)).all()
    mine = sa.select(UserGroupMember.id).where(UserGroupMember.email == actor.email).order_by(UserGroupMember.id)
    session.execute(mine.with_for_update(read=True)).all()
    take(session, station_group_ids)


def hold_member(session: Session, member_id: int) -> bool:
    """Keep the member from giving anything by his user group's grants; says whether he is still there."""
    one = sa.select(UserGroupMember.id).where(UserGroupMember.id == member_id)
    return session.scalar(one.with_for_update()) is not None


def hold_user_group(session: Session, user_group_id: int) -> None:
    """Keep others from granting anything to the user group, and its members from giving by its grants."""
    session.execute(sa.select(UserGroup.id).where(UserGroup.id == user_group_id).with_for_update()).all()
    inside = sa.select(UserGroupMember.id).where(UserGroupMember.user_group_id == user_group_id)
    session.execute(inside.order_by(UserGroupMember.id).with_for_update()).all()
