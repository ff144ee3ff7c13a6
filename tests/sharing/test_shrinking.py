"""What hangs under a grant shrinks with it where it can stand, ends where it cannot, and is told before."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz, clock
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.sharing import operations
from portal.sharing.operations import Offer
from portal.stations.models import Grant, Permission
from tests import world

DISPLAY, MANAGE, ADMINISTRATE = Permission.DISPLAY, Permission.MANAGE, Permission.ADMINISTRATE
WEEK = timedelta(days=7)


@pytest.fixture
def chain(session: Session, place: SimpleNamespace) -> SimpleNamespace:
    """master → sub (top) → third (middle) → stranger (bottom)."""
    third = world.account(session, "third@x.example", Kind.AUTHORISATION)
    top = operations.give(session, place.master, place.group, Offer(ADMINISTRATE, place.sub.email))
    middle = operations.give(session, place.sub, place.group, Offer(ADMINISTRATE, third.email))
    bottom = operations.give(session, third, place.group, Offer(MANAGE, place.stranger.email))
    return SimpleNamespace(third=third, top=top, middle=middle, bottom=bottom)


def test_a_shorter_end_shortens_everything_below(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    until = clock.now() + WEEK
    operations.change(session, place.master, chain.top, Offer(ADMINISTRATE, ends_at=until))
    assert [(row.ends_at, row.revoked_at) for row in (chain.middle, chain.bottom)] == [(until, None)] * 2
    assert authz.may(session, place.stranger.id, "station:edit", [place.group.id])


def test_hidden_drivers_are_hidden_below(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    operations.change(session, place.master, chain.top, Offer(ADMINISTRATE, hides_drivers=True))
    assert chain.middle.hides_drivers
    assert chain.bottom.hides_drivers


def test_a_lower_permission_ends_everything_below(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    done = operations.change_all(session, place.master, [chain.top], lambda _grant: Offer(MANAGE))
    assert [(row.who, row.ends, row.stations) for row in done.effects] == [
        ("third@x.example", True, 2),
        ("stranger@x.example", True, 2),
    ]
    assert not authz.may(session, place.stranger.id, "station:view", [place.group.id])


def test_what_begins_after_the_new_end_ends(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    offer = Offer(DISPLAY, "later@x.example", starts_at=clock.now() + 2 * WEEK)
    planned = operations.give(session, place.sub, place.group, offer)
    operations.change(session, place.master, chain.top, Offer(ADMINISTRATE, ends_at=clock.now() + WEEK))
    assert planned.revoked_at
    assert chain.bottom.revoked_at is None


def test_what_ends_sooner_is_left_alone(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    soon = clock.now() + WEEK / 2
    short = operations.give(session, place.sub, place.group, Offer(DISPLAY, "short@x.example", ends_at=soon))
    done = operations.change_all(
        session, place.master, [chain.top], lambda _grant: Offer(ADMINISTRATE, ends_at=clock.now() + WEEK)
    )
    assert short.ends_at == soon
    assert short.id not in {row.grant_id for row in done.effects}


def test_every_consequence_is_audited_with_before_and_after(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    until = clock.now() + WEEK
    operations.change(session, place.master, chain.top, Offer(ADMINISTRATE, ends_at=until))
    entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "grant:change")).all()
    assert {entry.detail["grant"] for entry in entries} == {chain.middle.id, chain.bottom.id}
    for entry in entries:
        assert (entry.detail["before"]["until"], entry.detail["after"]["until"]) == (None, until.isoformat())
        assert (entry.actor_id, entry.owner_id) == (place.master.id, place.master.id)


def test_a_change_keeps_the_use(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    chain.top.first_used_at = clock.now()
    new = operations.change(session, place.master, chain.top, Offer(MANAGE))
    assert new.first_used_at == chain.top.first_used_at


def test_many_are_changed_at_once_and_what_is_so_already_is_left(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    beside = operations.give(session, place.master, place.group, Offer(DISPLAY, "beside@x.example"))
    chosen = [beside, chain.bottom, chain.top]
    done = operations.change_all(session, place.master, chosen, lambda _grant: Offer(DISPLAY))
    assert [(row.who, row.after.role) for row in done.changes if row.after] == [("sub@x.example", "display")]
    assert {row.who for row in done.effects} == {"third@x.example", "stranger@x.example"}
    assert beside.revoked_at is None


def test_upper_and_lower_grants_are_changed_together(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    until = clock.now() + WEEK

    def offer(grant: Grant) -> Offer:
        return Offer(Permission(grant.role), ends_at=until)

    done = operations.change_all(session, place.master, [chain.bottom, chain.middle, chain.top], offer)
    live = session.scalars(sa.select(Grant).where(Grant.revoked_at.is_(None))).all()
    assert {(row.email, row.role, row.ends_at) for row in live} == {
        ("sub@x.example", "administrate", until),
        ("third@x.example", "administrate", until),
        ("stranger@x.example", "manage", until),
    }
    assert done.effects == []


def test_one_refusal_names_its_grant(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    beside = operations.give(session, place.master, place.group, Offer(DISPLAY, "beside@x.example"))
    with pytest.raises(operations.RefusedFor) as refused:
        operations.change_all(session, chain.third, [beside, chain.top], lambda _grant: Offer(MANAGE))
    assert refused.value.grant is chain.top


def test_many_are_revoked_or_none(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    beside = operations.give(session, place.master, place.group, Offer(DISPLAY, "beside@x.example"))
    with pytest.raises(operations.RefusedFor):
        operations.revoke_all(session, chain.third, [beside, chain.top])
    assert beside.revoked_at is None
    assert operations.revoke_all(session, place.master, [beside, chain.middle, chain.top]) == 4


def test_all_on_a_station_group_end_at_once(session: Session, place: SimpleNamespace, chain: SimpleNamespace) -> None:
    operations.give(session, place.master, place.group, Offer(DISPLAY, "p@x.example", starts_at=clock.now() + WEEK))
    other = world.grant(session, world.station_group(session, place.master), "display", place.sub.email)
    assert operations.end_all_on(session, place.master, place.group.id) == 4
    assert session.scalars(sa.select(Grant).where(Grant.revoked_at.is_(None))).all() == [other]
    assert len(session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "grant:revoke")).all()) == 4


def test_who_saw_another_state_changes_nothing(
    session: Session, place: SimpleNamespace, chain: SimpleNamespace
) -> None:
    seen = operations.version(chain.bottom)
    operations.change(session, place.master, chain.top, Offer(ADMINISTRATE, ends_at=clock.now() + WEEK))
    with pytest.raises(RuleBroken, match="changed meanwhile"):
        operations.change(session, place.master, chain.bottom, Offer(DISPLAY, seen=seen))
