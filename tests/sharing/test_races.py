"""Giving and revoking at the same moment: nothing given away survives what it hangs on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from types import SimpleNamespace

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account, UserGroupMember
from portal.core.db import session_factory
from portal.core.errors import NotAllowed, RuleBroken
from portal.sharing import operations
from portal.sharing.operations import Offer
from portal.stations.models import Grant, Permission, StationGroup
from tests import world

ROUNDS = 15


def survivors(session: Session) -> int:
    """Live grants under a revoked one."""
    under = aliased(Grant)
    joined = sa.select(sa.func.count()).select_from(Grant).join(under, under.id == Grant.under_grant_id)
    return session.scalar(joined.where(Grant.revoked_at.is_(None), under.revoked_at.is_not(None))) or 0


def race(database_url: str, *acts: Callable[[Session], object]) -> None:
    """Do the acts at the same moment, each in a session of its own."""
    sessions, start = session_factory(database_url), Barrier(len(acts))

    def run(act: Callable[[Session], object]) -> None:
        with sessions() as own, suppress(NotAllowed, RuleBroken):
            start.wait()
            act(own)
            own.commit()

    with ThreadPoolExecutor(len(acts)) as threads:
        list(threads.map(run, acts))
    sessions.kw["bind"].dispose()


def test_nothing_is_given_under_a_grant_that_is_being_revoked(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    master, sub, group = place.master.id, place.sub.id, place.group.id
    for number in range(ROUNDS):
        grant = world.grant(session, place.group, "administrate", place.sub.email).id
        session.commit()
        offer = Offer(Permission.DISPLAY, f"a{number}@x.example")
        race(
            database_url,
            lambda own, offer=offer: operations.give(
                own, own.get_one(Account, sub), own.get_one(StationGroup, group), offer
            ),
            lambda own, grant=grant: operations.revoke(own, own.get_one(Account, master), own.get_one(Grant, grant)),
        )
        assert survivors(session) == 0
        session.commit()


def test_nothing_is_given_by_a_member_who_is_being_removed(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    master, sub, group, users = place.master.id, place.sub.id, place.group.id, place.users.id
    world.grant(session, place.group, "administrate", place.users)
    for number in range(ROUNDS):
        session.execute(sa.delete(UserGroupMember))
        session.add(UserGroupMember(user_group_id=users, email="sub@x.example"))
        session.flush()
        member = session.scalars(sa.select(UserGroupMember.id)).one()
        session.commit()
        offer = Offer(Permission.DISPLAY, f"a{number}@x.example")
        race(
            database_url,
            lambda own, offer=offer: operations.give(
                own, own.get_one(Account, sub), own.get_one(StationGroup, group), offer
            ),
            lambda own, member=member: operations.remove_member(
                own, own.get_one(Account, master), own.get_one(UserGroupMember, member)
            ),
        )
        given = sa.select(sa.func.count()).where(Grant.granted_by_id == sub, Grant.revoked_at.is_(None))
        assert session.scalar(given) == 0
        session.commit()
