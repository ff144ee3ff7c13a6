"""What ends together: a grant with all that was given under it, and what its holders then no longer see."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.sharing.queries import not_over
from portal.stations.models import Grant, StationGroupStation


class Loss(NamedTuple):
    """What ends with a grant: who holds it, and how many stations he does not reach in another way."""

    grant: Grant
    user_group_name: str | None
    stations: int


def under(session: Session, grant_ids: Iterable[int]) -> Sequence[int]:
    """The ids of all that was given under these grants, at any depth, and acts or could act still."""
    child = aliased(Grant)
    tree = sa.select(Grant.id).where(Grant.id.in_(list(grant_ids))).cte("given_under", recursive=True)
    alive = sa.and_(child.revoked_at.is_(None), sa.or_(child.ends_at.is_(None), child.ends_at > clock.now()))
    tree = tree.union(sa.select(child.id).join(tree, child.under_grant_id == tree.c.id).where(alive))
    start = set(grant_ids)
    return [found for found in session.scalars(sa.select(tree.c.id)) if found not in start]


def ending_with(session: Session, grant: Grant) -> Sequence[Loss]:
    """What revoking the grant ends: the grant itself first, then all given under it."""
    return losses(session, [grant.id, *under(session, [grant.id])])


def ending_with_user_group(session: Session, user_group_id: int) -> Sequence[Grant]:
    """What deleting the user group ends: the grants to it, and all given under them."""
    to_it = sa.select(Grant.id).where(
        Grant.user_group_id == user_group_id, Grant.revoked_at.is_(None), not_over(clock.now())
    )
    first = list(session.scalars(to_it))
    return [loss.grant for loss in losses(session, [*first, *under(session, first)])]


def losses_with_user_group(session: Session, user_group_id: int) -> Sequence[Loss]:
    """As `ending_with_user_group`, with the stations that go out of sight."""
    return losses(session, [grant.id for grant in ending_with_user_group(session, user_group_id)])


def given_by_member(session: Session, user_group_id: int, email: str) -> Sequence[int]:
    """As `given_by_members`, for one address."""
    return given_by_members(session, user_group_id, [email])


def given_by_members(session: Session, user_group_id: int, addresses: Iterable[str]) -> Sequence[int]:
    """The ids of the grants that were given under a grant to the user group by who is not in it without these
    addresses: their holders, and who was in it by an address that he has not any more."""
    source = aliased(Grant)
    staying = sa.select(UserGroupMember.email).where(
        UserGroupMember.user_group_id == user_group_id, UserGroupMember.email.not_in(list(addresses))
    )
    return session.scalars(
        sa.select(Grant.id)
        .join(source, source.id == Grant.under_grant_id)
        .join(Account, Account.id == Grant.granted_by_id)
        .where(source.user_group_id == user_group_id, Account.email.not_in(staying), Grant.revoked_at.is_(None))
        .where(not_over(clock.now()))
    ).all()


def losses_with_member(session: Session, user_group_id: int, email: str) -> Sequence[Loss]:
    """What taking the address out of the user group ends besides its own sight."""
    return losses_with_members(session, user_group_id, [email])


def losses_with_members(session: Session, user_group_id: int, addresses: Iterable[str]) -> Sequence[Loss]:
    """As `losses_with_member`, for several addresses."""
    first = list(given_by_members(session, user_group_id, addresses))
    return losses(session, [*first, *under(session, first)])


def losses(session: Session, grant_ids: Sequence[int]) -> Sequence[Loss]:
    """The grants in the order of their ids, each with the stations that its holder then reaches by no other grant to
    him or to a user group he is in."""
    other, here, there = aliased(Grant), aliased(StationGroupStation), aliased(StationGroupStation)
    his_user_groups = (
        sa.select(UserGroupMember.user_group_id).where(UserGroupMember.email == Grant.email).correlate(Grant)
    )
    elsewhere = (
        sa.select(1)
        .select_from(there)
        .join(other, other.station_group_id == there.station_group_id)
        .where(there.station_id == here.station_id, other.id.not_in(grant_ids), other.revoked_at.is_(None))
        .where(other.starts_at <= clock.now(), sa.or_(other.ends_at.is_(None), other.ends_at > clock.now()))
        .where(
            sa.or_(
                other.email == Grant.email,
                other.user_group_id == Grant.user_group_id,
                other.user_group_id.in_(his_user_groups),
            )
        )
        .correlate(Grant, here)
        .exists()
    )
    lost = (
        sa.select(sa.func.count())
        .select_from(here)
        .where(here.station_group_id == Grant.station_group_id, ~elsewhere)
        .correlate(Grant)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Grant, UserGroup.name, lost)
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
        .where(Grant.id.in_(grant_ids))
        .order_by(Grant.id)
    )
    return [Loss(*row) for row in rows]
