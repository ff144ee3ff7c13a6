"""Every small world: licences, grants by address and by user group, foreign grants, other groups, dates, ownership and
unverified addresses in all combinations, each compared with the rule written by hand in small_world."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, product
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.licences.models import Licence
from portal.stations.models import Grant, StationGroup
from tests.core import small_world
from tests.core.small_world import Reach

NOW = clock.now()
DAY = timedelta(days=1)
# Name of a licence's state -> (kind, starts, ends); none: no licence at all.
LICENCES: dict[str, tuple[str, datetime, datetime | None] | None] = {
    "active": ("authorisation", NOW - DAY, None),
    "none": None,
    "ended": ("authorisation", NOW - 9 * DAY, NOW - timedelta(seconds=5)),
    "not started": ("authorisation", NOW + DAY, None),
    "another kind": ("maintenance", NOW - DAY, None),
}
PAIRS = [
    *sorted({("active", state) for state in LICENCES} | {(state, "active") for state in LICENCES}),
    ("none", "none"),
]
BY_ADDRESS = ("", "display", "manage", "administrate", "expired", "revoked", "not started", "near miss")
BY_USER_GROUP = ("", "display", "manage", "administrate", "expired", "revoked", "not started", "left")
DATES: dict[str, dict[str, datetime]] = {
    "expired": {"ends_at": NOW - timedelta(seconds=5)},
    "revoked": {"revoked_at": NOW - timedelta(seconds=5)},
    "not started": {"starts_at": NOW + DAY},
}
# who asks, is there a grant to a user group he is not in, does he hold another group of the same owner
ASKERS = [("grantee", *extras) for extras in product((False, True), repeat=2)] + [
    ("owner", True, True),
    ("unverified", True, True),
]
TIERS = ("station_group:view", "connector:edit", "station_group:edit", "station_group:delete")
ACTIONS = sorted(small_world.OWNER)


@dataclass(frozen=True)
class World:
    number: int
    licences: tuple[str, str]  # the owner's, the grantee's
    by_address: str
    by_user_group: str
    asker: str
    foreign: bool
    second: bool

    @property
    def owner(self) -> int:
        return self.number * 2

    @property
    def grantee(self) -> int:
        return self.number * 2 + 1

    @property
    def account(self) -> int:
        return self.owner if self.asker == "owner" else self.grantee

    @property
    def address(self) -> str:
        return f"a{self.number}@x.example"

    def expected(self) -> dict[int, frozenset[str]]:
        """Actions by station group: the one in question and the other one of the same owner."""
        known = {
            "owns": self.asker == "owner",
            "verified": self.asker != "unverified",
            "both_licensed": self.licences == ("active", "active"),
        }
        here = [
            Reach(
                role=self.by_address if self.by_address in small_world.ALLOWED else "administrate",
                reaches_the_address=self.by_address not in ("", "near miss"),
                current=self.by_address not in DATES,
            ),
            Reach(
                role=self.by_user_group if self.by_user_group in small_world.ALLOWED else "administrate",
                reaches_the_address=self.by_user_group not in ("", "left"),
                current=self.by_user_group not in DATES,
            ),
            Reach("administrate", reaches_the_address=False),
        ]
        there = [Reach("administrate", to_this_group=self.second)]
        return {
            self.owner: small_world.allowed(reaches=here, **known),
            self.grantee: small_world.allowed(reaches=there, **known),
        }


WORLDS = [
    World(number, *rest, *asker)
    for number, (*rest, asker) in zip(count(1), product(PAIRS, BY_ADDRESS, BY_USER_GROUP, ASKERS), strict=False)
]
Rows = dict[type, list[dict[str, Any]]]


def rows(world: World) -> Iterator[tuple[type, dict[str, Any]]]:
    """The world as rows; its station groups have the numbers of its two accounts, so that no number repeats."""
    verified = None if world.asker == "unverified" else NOW
    yield Account, {"id": world.owner, "email": f"owner{world.number}@x.example", "verified_at": NOW}
    yield Account, {"id": world.grantee, "email": world.address, "verified_at": verified}
    for account, state in zip((world.owner, world.grantee), world.licences, strict=True):
        if held := LICENCES[state]:
            kind, starts, ends = held
            keys = {"kind": kind, "starts_at": starts, "ends_at": ends, "activated_by_id": account}
            yield Licence, {"account_id": account, **keys}
    for group in (world.owner, world.grantee):
        yield StationGroup, {"id": group, "owner_id": world.owner, "name": f"Group {group}"}
        yield UserGroup, {"id": group, "owner_id": world.owner, "name": f"Users {group}"}
    if world.by_user_group != "left":
        yield UserGroupMember, {"user_group_id": world.owner, "email": world.address}
    yield UserGroupMember, {"user_group_id": world.grantee, "email": f"a{world.number}@x.example.example"}
    if world.by_address:
        address = near_miss(world.number) if world.by_address == "near miss" else world.address
        yield grant(world, world.by_address, email=address)
    if world.by_user_group:
        yield grant(world, world.by_user_group, user_group_id=world.owner)
    if world.foreign:
        yield grant(world, "administrate", user_group_id=world.grantee)
    if world.second:
        yield grant(world, "administrate", email=world.address, station_group_id=world.grantee)


def near_miss(number: int) -> str:
    """An address that is not the grantee's: longer, shorter, or equal to what takes _ for any letter."""
    address = f"a{number}@x.example"
    return (f"x{address}", f"{address}.example", address[:-1], address.replace("@x", "@_"))[number % 4]


def grant(world: World, kind: str, **fields: object) -> tuple[type, dict[str, Any]]:
    nothing: dict[str, Any] = {
        "email": None,
        "user_group_id": None,
        "ends_at": None,
        "revoked_at": None,
        "starts_at": NOW - 2 * DAY,
    }
    role = kind if kind in small_world.ALLOWED else "administrate"
    keys = {"station_group_id": world.owner, "owner_id": world.owner, "granted_by_id": world.owner, "role": role}
    if world.number % 2:
        nothing["ends_at"] = NOW + DAY  # an end that has not come changes nothing
    return Grant, nothing | keys | DATES.get(kind, {}) | fields


@pytest.fixture
def worlds(session: Session) -> Session:
    """All worlds side by side in one database, in one transaction that is never committed."""
    found: Rows = {}
    for world in WORLDS:
        for model, row in rows(world):
            found.setdefault(model, []).append(row)
    for model in (Account, Licence, StationGroup, UserGroup, UserGroupMember, Grant):
        session.execute(sa.insert(model), found[model])
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("ANALYZE"))
    return session


def compare(session: Session, some: list[World]) -> None:
    for world in some:
        expected = world.expected()
        mixed = ACTIONS[world.number % len(ACTIONS)]
        for action in (*TIERS, mixed):
            explained = authz.why(session, world.account, world.owner, action)
            assert bool(explained) == (action in expected[world.owner]), (world, action)
        for action in (TIERS[world.number % len(TIERS)], mixed):
            listed = sorted(session.scalars(authz.visible(world.account, action)).unique())
            assert listed == [group for group, actions in expected.items() if action in actions], (world, action)
        assert authz.may(session, world.account, mixed, [world.owner]) == (mixed in expected[world.owner]), world
        # Asked of several groups at once it is another statement; of the second one alone as well.
        both = authz.may(session, world.account, mixed, [world.owner, world.grantee])
        assert both == any(mixed in actions for actions in expected.values()), world
        several = {held.station_group_id for held in authz.standings(session, world.account, [world.grantee, 0])}
        assert several <= {world.grantee}, world


def test_check_list_and_explanation_say_what_the_requirement_says(worlds: Session) -> None:
    # The view is one text for both databases; a statement on PostgreSQL costs ten times as much, so it gets a sample
    # here (7 divides none of the dimensions) and all of them in the long proofs.
    compare(worlds, WORLDS if worlds.get_bind().dialect.name == "sqlite" else WORLDS[::7])


@pytest.mark.deep
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_agrees_in_every_world(worlds: Session) -> None:
    compare(worlds, WORLDS)
