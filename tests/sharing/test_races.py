"""Giving and revoking at the same moment: nothing given away survives what it hangs on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier
from types import SimpleNamespace

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.db import session_factory
from portal.core.errors import NotAllowed, RuleBroken
from portal.core.mail import MailMessage
from portal.sharing import extending, operations, reminders
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


def acting(account: int, rule: Callable[..., object], grant: int, *values: object) -> Callable[[Session], object]:
    """An act of the account on the grant."""
    return lambda own: rule(own, own.get_one(Account, account), own.get_one(Grant, grant), *values)


def beyond(session: Session) -> int:
    """Live grants that reach further than the live one they hang under."""
    under = aliased(Grant)
    longer = sa.and_(under.ends_at.is_not(None), sa.or_(Grant.ends_at.is_(None), Grant.ends_at > under.ends_at))
    more = sa.or_(longer, sa.and_(under.hides_drivers, sa.not_(Grant.hides_drivers)), under.role != "administrate")
    joined = sa.select(sa.func.count()).select_from(Grant).join(under, under.id == Grant.under_grant_id)
    return session.scalar(joined.where(Grant.revoked_at.is_(None), more)) or 0


def live_for(session: Session, email: str) -> list[Grant]:
    return list(session.scalars(sa.select(Grant).where(Grant.email == email, Grant.revoked_at.is_(None))))


def test_what_is_revoked_during_a_change_stays_revoked(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    for _ in range(ROUNDS):
        grant = world.grant(session, place.group, "manage", place.sub.email).id
        session.commit()
        race(
            database_url,
            acting(place.master.id, operations.revoke, grant),
            acting(place.master.id, operations.change, grant, Offer(Permission.DISPLAY)),
        )
        revoked_first = session.get_one(Grant, grant, populate_existing=True).revoked_at
        left = live_for(session, place.sub.email)
        assert revoked_first
        assert [row.role for row in left] in ([], ["display"])  # the change came first and the revoker was told, or not
        operations.end_all_on(session, place.master, place.group.id)
        session.commit()


def test_two_administrators_change_the_same_grant_and_one_is_told(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    for email in (place.sub.email, place.stranger.email):
        world.grant(session, place.group, "administrate", email)
    for number in range(ROUNDS):
        grant = world.grant(session, place.group, "display", f"a{number}@x.example").id
        session.commit()
        race(
            database_url,
            acting(place.sub.id, operations.change, grant, Offer(Permission.MANAGE)),
            acting(place.stranger.id, operations.change, grant, Offer(Permission.DISPLAY, hides_drivers=True)),
        )
        assert len(live_for(session, f"a{number}@x.example")) == 1
        session.commit()


def test_two_administrators_revoke_each_other_and_one_remains(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    for _ in range(ROUNDS):
        mine = world.grant(session, place.group, "administrate", place.sub.email).id
        theirs = world.grant(session, place.group, "administrate", place.stranger.email).id
        session.commit()
        race(
            database_url,
            acting(place.sub.id, operations.revoke, theirs),
            acting(place.stranger.id, operations.revoke, mine),
        )
        left = live_for(session, place.sub.email) + live_for(session, place.stranger.email)
        assert len(left) == 1
        operations.end_all_on(session, place.master, place.group.id)
        session.commit()


def test_who_gives_while_his_grant_shrinks_gives_no_more_than_is_left(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    sub, group = place.sub.id, place.group.id
    for number in range(ROUNDS):
        grant = world.grant(session, place.group, "administrate", place.sub.email).id
        session.commit()
        until = clock.now() + timedelta(days=3)
        shorter = Offer(Permission.ADMINISTRATE, ends_at=until, hides_drivers=True)
        offer = Offer(Permission.DISPLAY, f"a{number}@x.example")
        race(
            database_url,
            acting(place.master.id, operations.change, grant, shorter),
            lambda own, offer=offer: operations.give(
                own, own.get_one(Account, sub), own.get_one(StationGroup, group), offer
            ),
        )
        assert (beyond(session), survivors(session)) == (0, 0)
        assert [(row.ends_at, row.hides_drivers) for row in live_for(session, offer.email)] == [(until, True)]
        operations.end_all_on(session, place.master, group)
        session.commit()


def test_an_extension_during_a_shrink_reaches_no_further(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    for number in range(ROUNDS):
        grant = world.grant(session, place.group, "administrate", place.sub.email).id
        week = clock.now() + timedelta(days=7)
        offer = Offer(Permission.DISPLAY, f"a{number}@x.example", ends_at=week)
        child = operations.give(session, place.sub, place.group, offer).id
        session.commit()
        shorter = Offer(Permission.ADMINISTRATE, ends_at=week + timedelta(days=1))
        race(
            database_url,
            acting(place.master.id, operations.change, grant, shorter),
            acting(place.master.id, extending.extend, child),
        )
        assert (beyond(session), survivors(session)) == (0, 0)
        session.commit()


def test_two_extensions_at_once_both_count(session: Session, place: SimpleNamespace, database_url: str) -> None:
    grant = world.grant(session, place.group, "display", "a@x.example", ends_at=clock.now() + timedelta(days=7))
    session.commit()
    race(database_url, *[acting(place.master.id, extending.extend, grant.id)] * 2)
    session.refresh(grant)
    assert grant.ends_at
    assert timedelta(days=26) < grant.ends_at - grant.starts_at < timedelta(days=31)


def test_a_grant_to_a_user_group_whose_member_leaves_lets_him_nowhere(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    """He gives on by what the group gets just then: nothing of it survives his leaving."""
    master, sub, group, users = place.master.id, place.sub.id, place.group.id, place.users.id
    for number in range(ROUNDS):
        session.execute(sa.delete(UserGroupMember))
        session.add(UserGroupMember(user_group_id=users, email="sub@x.example"))
        session.flush()
        member = session.scalars(sa.select(UserGroupMember.id)).one()
        session.commit()
        to_users = Offer(Permission.ADMINISTRATE, user_group_id=users)
        onward = Offer(Permission.DISPLAY, f"a{number}@x.example")
        race(
            database_url,
            lambda own, to_users=to_users: operations.give(
                own, own.get_one(Account, master), own.get_one(StationGroup, group), to_users
            ),
            lambda own, onward=onward: operations.give(
                own, own.get_one(Account, sub), own.get_one(StationGroup, group), onward
            ),
            lambda own, member=member: operations.remove_member(
                own, own.get_one(Account, master), own.get_one(UserGroupMember, member)
            ),
        )
        assert live_for(session, onward.email) == []
        assert not authz.may(session, sub, "station:view", [group])
        operations.end_all_on(session, place.master, group)
        session.commit()


def test_nothing_is_granted_to_a_user_group_that_is_being_deleted(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    master, group = place.master.id, place.group.id
    for number in range(ROUNDS):
        users = world.user_group(session, place.master, f"Users {number}", "sub@x.example").id
        session.commit()
        offer = Offer(Permission.DISPLAY, user_group_id=users)
        race(
            database_url,
            lambda own, offer=offer: operations.give(
                own, own.get_one(Account, master), own.get_one(StationGroup, group), offer
            ),
            lambda own, users=users: operations.delete_user_group(
                own, own.get_one(Account, master), own.get_one(UserGroup, users)
            ),
        )
        assert session.scalars(sa.select(Grant.id)).all() == []
        assert not authz.may(session, place.sub.id, "station:view", [group])
        session.commit()


def test_two_schedulers_announce_an_end_once(session: Session, place: SimpleNamespace, database_url: str) -> None:
    now, links = clock.now(), Links("key", "http://piquet.example")
    for number in range(ROUNDS):
        fields = {"starts_at": now - timedelta(days=30), "ends_at": now + timedelta(days=3)}
        world.grant(session, place.group, "display", f"a{number}@x.example", **fields)
    session.commit()
    race(database_url, *[lambda own: reminders.remind_of_ends(own, links)] * 2)
    sent = session.scalars(sa.select(MailMessage.recipient)).all()
    assert len([address for address in sent if address.startswith("a")]) == ROUNDS == len(set(sent)) - 1
