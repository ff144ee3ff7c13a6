"""Why somebody sees something, and why not: the answer agrees with the gate, and tells nothing about accounts."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroupMember
from portal.core import authz, clock
from portal.licences import queries as licences
from portal.licences.models import Kind, Licence
from portal.sharing import operations, why
from portal.stations import operations as station_operations
from portal.stations import queries as stations
from portal.stations.models import Station, StationGroup
from tests import world

ROLES = ("display", "manage", "administrate")
DAY = timedelta(days=1)
# ended, not begun, revoked, standing: as fields of a grant
TERMS = (
    {"ends_at": -DAY},
    {"starts_at": DAY},
    {"revoked_at": -DAY},
    {},
    {},
    {"ends_at": DAY},
)
one_grant = st.tuples(st.integers(0, 1), st.sampled_from(ROLES), st.booleans(), st.sampled_from(TERMS))


def kinds(explanation: why.Explanation) -> set[str]:
    return {m.kind for path in (*explanation.blocked, *explanation.gone) for m in path.missing}


def at_station(
    session: Session, reader_id: int, station: Station, email: str, action: str = "station:view"
) -> why.Explanation:
    here = why.groups_to_explain(session, reader_id, station)
    return why.explain_station(session, reader_id, station, here, email, action)


def one_of_each_kind() -> list[str]:
    """An action for every set of standings that some action is allowed to: the policy tells them apart by nothing
    else."""
    kinds_of: dict[frozenset, str] = {}
    for action in sorted(authz.ACTIONS):
        kinds_of.setdefault(frozenset(key[:2] for key in authz.ALLOWED if key[2] == action), action)
    return list(kinds_of.values())


@pytest.mark.either_engine
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    grants=st.lists(one_grant, max_size=5),
    member=st.booleans(),
    verified=st.booleans(),
    licensed=st.tuples(st.booleans(), st.booleans()),
    besides=st.sets(st.sampled_from((Kind.AUTO_EXPORT, Kind.MAINTENANCE, Kind.REPORTS))),
    inside=st.sets(st.integers(0, 1)),
)
def test_the_answer_is_that_of_the_gate_for_every_action(
    session: Session,
    grants: list[tuple[int, str, bool, dict[str, timedelta]]],
    member: bool,
    verified: bool,
    licensed: tuple[bool, bool],
    besides: set[Kind],
    inside: set[int],
) -> None:
    now = clock.now()
    owner, sub = (
        world.account(session, name, *([Kind.AUTHORISATION] if has else []), *besides)
        for name, has in zip(("master@x.example", "sub@x.example"), licensed, strict=True)
    )
    sub.verified_at = now if verified else None
    groups = [world.station_group(session, owner) for _ in range(2)]
    users = world.user_group(session, owner, "Piquet", *(["sub@x.example"] if member else []))
    station = world.station(session, owner, "", *(groups[n] for n in sorted(inside)))
    for number, role, to_users, terms in grants:
        fields = {name: now + delta for name, delta in terms.items()}
        world.grant(session, groups[number], role, users if to_users else sub.email, **fields)
    try:
        for account in (owner, sub):
            agree(session, owner, account, groups, station)
    finally:
        session.rollback()


def agree(session: Session, owner: Account, account: Account, groups: list[StationGroup], station: Station) -> None:
    for action in one_of_each_kind():
        able = licences.lacking(session, account.id, action) is None
        for group in groups:
            told = why.explain(session, owner.id, group, account.email, action)
            decided = authz.why(session, account.id, group.id, action) if able else []
            assert told.allowed == (able and authz.may(session, account.id, action, [group.id]))
            assert [(p.role, p.grant.id if p.grant else None, p.line) for p in told.paths] == [
                (held.role, held.grant_id, line) for held, line in sorted(decided, key=order_of(told))
            ]
        told = at_station(session, owner.id, station, account.email, action)
        assert told.allowed == (able and stations.may(session, account.id, action, station)), action


def order_of(told: why.Explanation) -> Callable[[tuple], int]:
    """The gate's paths in the order of the explanation's; one that is not explained comes last."""
    ids = [path.grant.id if path.grant else None for path in told.paths]
    return lambda found: ids.index(found[0].grant_id) if found[0].grant_id in ids else len(ids)


def test_a_path_says_who_gave_it_through_what_and_until_when(session: Session, place: SimpleNamespace) -> None:
    until = clock.now() + DAY
    world.grant(session, place.group, "manage", place.users, ends_at=until)
    path = why.explain(session, place.master.id, place.group, "sub@x.example", "connector:edit").paths[0]
    assert (path.user_group_name, path.role, path.given_by, path.owner_name) == ("Piquet", "manage", "Master", "Master")
    assert path.grant.ends_at == until
    assert path.member_since is not None
    assert path.line == ("manage", "active", "connector:edit")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"revoked_at": -DAY}, "revoked"),
        ({"ends_at": -DAY}, "ended"),
        ({"starts_at": DAY}, "not_begun"),
        ({}, "weaker"),
    ],
)
def test_what_is_missing_is_named(session: Session, place: SimpleNamespace, fields: dict, kind: str) -> None:
    world.grant(session, place.group, "display", "sub@x.example", **{k: clock.now() + d for k, d in fields.items()})
    told = why.explain(session, place.master.id, place.group, "sub@x.example", "connector:edit")
    assert not told.allowed
    assert kind in kinds(told)


def test_this_sides_licence_is_named_and_the_other_sides_is_not(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", "sub@x.example")
    for licence in session.scalars(sa.select(Licence)):
        licence.ends_at = clock.now() - timedelta(seconds=1)
    told = why.explain(session, place.master.id, place.group, "sub@x.example")
    assert told.waits_for == {"licence", "other_side"}


def test_who_was_taken_out_of_the_user_group_is_told_so(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", place.users)
    operations.remove_member(session, place.master, session.scalars(sa.select(UserGroupMember)).one())
    session.flush()
    told = why.explain(session, place.master.id, place.group, "sub@x.example")
    missing = told.gone[0].missing[0]
    assert (missing.kind, missing.by, told.gone[0].user_group_name) == ("left", "Master", "Piquet")
    assert not why.explain(session, place.master.id, place.group, "other@x.example").gone


def test_a_station_that_left_the_group_is_told_of(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", "sub@x.example")
    station_operations.remove_station(session, place.master, place.group, place.stations[0])
    session.flush()
    told = at_station(session, place.master.id, place.stations[0], "sub@x.example")
    assert (told.allowed, told.gone[0].missing[0].kind, told.gone[0].missing[0].by) == (False, "taken_out", "Master")


def test_a_station_in_no_group_of_his_is_told_of(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "display", "sub@x.example")
    alone = world.station(session, place.master, "Alone")
    told = at_station(session, place.master.id, alone, "sub@x.example")
    assert kinds(told) == {"elsewhere"}


def test_an_administrator_learns_of_his_groups_only(session: Session, place: SimpleNamespace) -> None:
    other = world.station_group(session, place.master, "Hidden group")
    station = world.station(session, place.master, "Both", place.group, other)
    world.grant(session, place.group, "administrate", "sub@x.example")
    world.grant(session, other, "display", "stranger@x.example")
    told = at_station(session, place.sub.id, station, "stranger@x.example")
    assert told.partial
    assert not [*told.paths, *told.blocked, *told.gone]
    assert at_station(session, place.master.id, station, "stranger@x.example").allowed
