"""The rules of grants: nobody gives more than he has, and nothing outlives what it hangs on."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz, clock
from portal.core.audit import AuditEntry
from portal.core.errors import NotAllowed, RuleBroken
from portal.licences.models import Kind
from portal.sharing import endings, operations
from portal.sharing.operations import Offer
from portal.stations.models import Grant, Permission
from tests import world

DISPLAY, MANAGE, ADMINISTRATE = Permission.DISPLAY, Permission.MANAGE, Permission.ADMINISTRATE


def administrator(session: Session, place: SimpleNamespace, **fields: object) -> Grant:
    return world.grant(session, place.group, "administrate", place.sub.email, **fields)


def test_a_grant_acts_at_once(session: Session, place: SimpleNamespace) -> None:
    assert not authz.may(session, place.sub.id, "connector:edit", [place.group.id])
    operations.give(session, place.master, place.group, Offer(MANAGE, " Sub@X.example "))
    assert authz.may(session, place.sub.id, "connector:edit", [place.group.id])
    assert not authz.may(session, place.sub.id, "grant:view", [place.group.id])


def test_a_later_member_needs_no_new_grant(session: Session, place: SimpleNamespace) -> None:
    operations.give(session, place.master, place.group, Offer(DISPLAY, user_group_id=place.users.id))
    later = world.account(session, "later@x.example", Kind.AUTHORISATION)
    assert not authz.may(session, later.id, "station:view", [place.group.id])
    place.users.members.append(type(place.users.members[0])(email=later.email))
    session.flush()
    assert authz.may(session, later.id, "station:view", [place.group.id])


@pytest.mark.parametrize("to", ["display", "manage"])
def test_who_does_not_administrate_gives_nothing(session: Session, place: SimpleNamespace, to: str) -> None:
    world.grant(session, place.group, to, place.sub.email)
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, place.sub, place.group, Offer(DISPLAY, "third@x.example"))
    assert broken.value.field == "role"


def test_what_an_administrator_gives_hangs_under_his_own_grant(session: Session, place: SimpleNamespace) -> None:
    own = administrator(session, place)
    given = operations.give(session, place.sub, place.group, Offer(ADMINISTRATE, "third@x.example"))
    assert (given.under_grant_id, given.granted_by_id, given.owner_id) == (own.id, place.sub.id, place.master.id)


def test_it_ends_at_the_latest_with_the_grant_it_was_given_under(session: Session, place: SimpleNamespace) -> None:
    own = administrator(session, place, ends_at=clock.now() + timedelta(days=30))
    assert operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example")).ends_at == own.ends_at
    later = clock.now() + timedelta(days=31)
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, place.sub, place.group, Offer(DISPLAY, "b@x.example", ends_at=later))
    assert broken.value.field == "ends_on"


def test_who_sees_no_drivers_shows_none(session: Session, place: SimpleNamespace) -> None:
    administrator(session, place, hides_drivers=True)
    assert operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example")).hides_drivers


@pytest.mark.parametrize(
    ("who", "email"),
    [
        ("sub", "sub@x.example"),
        ("sub", "MASTER@x.example"),
        ("master", "master@x.example"),
        ("master", "no address"),
        ("master", ""),
    ],
)
def test_some_addresses_get_nothing(session: Session, place: SimpleNamespace, who: str, email: str) -> None:
    administrator(session, place)
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, getattr(place, who), place.group, Offer(DISPLAY, email))
    assert broken.value.field == "email"


def test_only_user_groups_of_the_owner_get_something(session: Session, place: SimpleNamespace) -> None:
    administrator(session, place)
    own = world.user_group(session, place.sub, "Own", "sub@x.example")
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, place.sub, place.group, Offer(DISPLAY, user_group_id=own.id))
    assert broken.value.field == "user_group"
    assert operations.give(session, place.sub, place.group, Offer(DISPLAY, user_group_id=place.users.id))


def test_the_past_is_no_end(session: Session, place: SimpleNamespace) -> None:
    with pytest.raises(RuleBroken) as broken:
        operations.give(session, place.master, place.group, Offer(DISPLAY, "a@x.example", ends_at=clock.now()))
    assert broken.value.field == "ends_on"


def test_the_same_is_not_given_twice_but_another_permission_is(session: Session, place: SimpleNamespace) -> None:
    operations.give(session, place.master, place.group, Offer(DISPLAY, "a@x.example"))
    operations.give(session, place.master, place.group, Offer(MANAGE, "a@x.example"))
    with pytest.raises(RuleBroken, match="exists already"):
        operations.give(session, place.master, place.group, Offer(DISPLAY, "a@x.example"))


def test_revoking_ends_all_that_was_given_under_it(session: Session, place: SimpleNamespace) -> None:
    top = administrator(session, place)
    third = world.account(session, "third@x.example", Kind.AUTHORISATION)
    middle = operations.give(session, place.sub, place.group, Offer(ADMINISTRATE, third.email))
    operations.give(session, third, place.group, Offer(DISPLAY, place.stranger.email))
    beside = operations.give(session, place.master, place.group, Offer(DISPLAY, "other@x.example"))
    assert authz.may(session, place.stranger.id, "station:view", [place.group.id])
    assert operations.revoke(session, place.master, top) == 3
    assert not authz.may(session, place.stranger.id, "station:view", [place.group.id])
    session.refresh(middle)
    assert (middle.revoked_by_id, beside.revoked_at) == (place.master.id, None)


def test_an_administrator_revokes_what_others_got_but_not_what_he_hangs_on(
    session: Session, place: SimpleNamespace
) -> None:
    top = administrator(session, place)
    third = world.account(session, "third@x.example", Kind.AUTHORISATION)
    operations.give(session, place.sub, place.group, Offer(ADMINISTRATE, third.email))
    beside = operations.give(session, place.master, place.group, Offer(MANAGE, "other@x.example"))
    assert operations.revoke(session, third, beside) == 1
    with pytest.raises(RuleBroken, match="given under this one"):
        operations.revoke(session, third, top)


def test_who_only_manages_revokes_nothing(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "manage", place.sub.email)
    beside = world.grant(session, place.group, "display", "other@x.example")
    with pytest.raises(NotAllowed):
        operations.revoke(session, place.sub, beside)


def test_a_change_keeps_the_old_grant_as_history(session: Session, place: SimpleNamespace) -> None:
    old = world.grant(session, place.group, "manage", place.sub.email)
    new = operations.change(session, place.master, old, Offer(DISPLAY))
    session.refresh(old)
    assert (new.email, new.role, new.revoked_at) == (place.sub.email, "display", None)
    assert old.revoked_at
    assert not authz.may(session, place.sub.id, "station:edit", [place.group.id])


def test_a_change_takes_along_what_was_given_under_it_and_shortens_it(session: Session, place: SimpleNamespace) -> None:
    old = administrator(session, place)
    week = clock.now() + timedelta(days=7)
    short = operations.give(session, place.sub, place.group, Offer(DISPLAY, "short@x.example", ends_at=week))
    long = operations.give(session, place.sub, place.group, Offer(DISPLAY, "long@x.example"))
    new = operations.change(session, place.master, old, Offer(ADMINISTRATE, ends_at=week + timedelta(days=1)))
    session.refresh(short)
    session.refresh(long)
    assert (short.revoked_at, short.under_grant_id, short.ends_at) == (None, new.id, week)
    assert (long.revoked_at, long.under_grant_id, long.ends_at) == (None, new.id, new.ends_at)


def test_a_lesser_permission_ends_what_was_given_under_the_greater(session: Session, place: SimpleNamespace) -> None:
    old = administrator(session, place)
    given = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    operations.change(session, place.master, old, Offer(MANAGE))
    session.refresh(given)
    assert given.revoked_at


def test_nobody_changes_his_own_permission(session: Session, place: SimpleNamespace) -> None:
    to_users = world.grant(session, place.group, "administrate", place.users, ends_at=clock.now() + timedelta(days=2))
    with pytest.raises(RuleBroken):
        operations.change(session, place.sub, to_users, Offer(ADMINISTRATE))
    own = administrator(session, place, ends_at=clock.now() + timedelta(days=1))
    with pytest.raises(RuleBroken):
        operations.change(session, place.sub, own, Offer(ADMINISTRATE))


def test_who_leaves_the_user_group_takes_along_what_he_gave(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.users)
    given = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    assert operations.remove_member(session, place.master, place.users.members[0]) == 1
    session.refresh(given)
    assert given.revoked_at


def test_who_changed_his_address_since_takes_along_what_he_gave(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.users)
    given = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    place.sub.email = "married@x.example"
    session.flush()
    losses = endings.losses_with_member(session, place.users.id, "sub@x.example")
    assert [loss.grant.id for loss in losses] == [given.id]
    assert operations.remove_member(session, place.master, place.users.members[0]) == 1
    session.refresh(given)
    assert given.revoked_at


def test_who_stays_in_the_user_group_keeps_what_he_gave(session: Session, place: SimpleNamespace) -> None:
    users = world.user_group(session, place.master, "Day", "sub@x.example", "stranger@x.example")
    world.grant(session, place.group, "administrate", users)
    given = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    leaving = next(member for member in users.members if member.email == "stranger@x.example")
    assert operations.remove_member(session, place.master, leaving) == 0
    session.refresh(given)
    assert not given.revoked_at


def test_deleting_the_user_group_ends_what_was_granted_to_it(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "administrate", place.users)
    operations.give(session, place.sub, place.group, Offer(DISPLAY, place.stranger.email))
    operations.delete_user_group(session, place.master, place.users)
    for account in (place.sub, place.stranger):
        assert not authz.may(session, account.id, "station:view", [place.group.id])


def test_the_losses_count_what_stays_visible_in_another_way(session: Session, place: SimpleNamespace) -> None:
    top = administrator(session, place)
    child = operations.give(session, place.sub, place.group, Offer(DISPLAY, "a@x.example"))
    other = world.station_group(session, place.master, "Other")
    world.station(session, place.master, "Third", other)
    session.execute(
        sa.insert(sa.table("station_group_station", *map(sa.column, ("station_group_id", "station_id", "owner_id")))),
        {"station_group_id": other.id, "station_id": place.stations[0].id, "owner_id": place.master.id},
    )
    world.grant(session, other, "display", place.users)
    losses = {loss.grant.id: loss.stations for loss in endings.ending_with(session, top)}
    assert losses == {top.id: 1, child.id: 2}


def test_everything_is_audited_for_the_owner(session: Session, place: SimpleNamespace) -> None:
    administrator(session, place)
    given = operations.give(session, place.sub, place.group, Offer(MANAGE, "a@x.example"))
    operations.revoke(session, place.master, given)
    entries = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.actor_id) for entry in entries] == [
        ("grant:give_manage", place.sub.id),
        ("grant:revoke", place.master.id),
    ]
    assert all(entry.owner_id == place.master.id and entry.detail["email"] == "a@x.example" for entry in entries)
