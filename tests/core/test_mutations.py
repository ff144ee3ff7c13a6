"""The proofs bite: each of these mistakes in the view, in the policy, in the gate and in the rules of giving is made on
purpose, must be seen, and is taken back.

What sees them are the proofs that stand beside this file (every small world, the decisions written by hand), one look
at every loader with every kind of account, and a chain of grants under grants.
"""

import inspect
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import user_groups
from portal.accounts.models import Account
from portal.charging import queries as charging
from portal.core import authz, clock
from portal.core.db import session_factory
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.delivery import queries as delivery
from portal.exports import queries as exports
from portal.licences import queries as licences
from portal.licences.models import Kind
from portal.sharing import extending, limits, operations, shrinking
from portal.sharing.operations import Offer
from portal.stations import queries as stations
from portal.stations.models import Grant, Permission
from tests import test_guards, world
from tests.core import small_world
from tests.core import test_authz as decisions
from tests.core import test_authz_small_worlds as small_worlds
from tests.test_policies import decided_as_a_whole

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

VIEWS = import_module("portal.migrations.versions.0002_standing_and_search")
FIRST_ID = 1_000_000  # of the accounts that look at the loaders: none of the small worlds has it
VISITORS = ("owner", *small_world.ALLOWED, "inert", "stranger")
ENGINES = {"sqlite": "scene", "postgresql": "postgres_scene"}  # with their fixtures: the view's SQL is each engine's
# Loaders of what belongs to a station group, and the row of test_guards.examples() that they load.
SHARED = (
    (stations.station_group, "station_group_id", "station_group:view"),
    (stations.station, "station_id", "station:view"),
    (stations.connector, "connector_id", "station:view"),
    (stations.grant, "grant_id", "station_group:view"),
    (charging.charging_session, "charging_session_id", "session:view"),
)
SOME_ACTIONS = ("station:view", "session:view", "station:edit", "station_group:edit", "station_group:delete")
# Loaders of what belongs to one account.
OWNED = (
    (user_groups.user_group, "user_group_id", "user_group:edit"),
    (user_groups.member, "member_id", "user_group:edit"),
    (charging.driver, "driver_id", "driver:edit"),
    (delivery.destination, "destination_id", "destination:edit"),
    (exports.formatter, "formatter_id", "formatter:edit"),
    (exports.task, "task_id", "task:edit"),
)


@dataclass(frozen=True)
class Scene:
    """All small worlds, and beside them one row of every kind with an account of every kind."""

    session: Session
    engine: str
    ids: dict[str, Any]
    visitors: dict[str, Account]


@pytest.fixture(scope="module")
def scene(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """In one transaction that is never committed; every mistake is made inside a savepoint."""
    path = tmp_path_factory.mktemp("mutations") / "piquet.db"
    shutil.copy(sqlite_template, path)
    yield from _filled(f"sqlite:///{path}")


@pytest.fixture(scope="module")
def postgres_scene(postgres_server: "PostgresServer", postgres_template: str) -> Iterator[Scene]:
    """As `scene`."""
    yield from _filled(postgres_server.create_database(template=postgres_template))


def _filled(url: str) -> Iterator[Scene]:
    sessions = session_factory(url)
    with sessions() as session:
        found: small_worlds.Rows = {}
        for small in small_worlds.WORLDS:
            for model, row in small_worlds.rows(small):
                found.setdefault(model, []).append(row)
        for model in found:
            session.execute(sa.insert(model), found[model])
        if session.get_bind().dialect.name == "postgresql":
            numbers = "SELECT setval(CAST(oid AS regclass), :first) FROM pg_class WHERE relkind = 'S'"
            session.execute(sa.text(numbers), {"first": FIRST_ID})
            session.execute(sa.text("ANALYZE"))
        yield _scene(session)
    sessions.kw["bind"].dispose()


def _scene(session: Session) -> Scene:
    session.execute(sa.insert(Account), [{"id": FIRST_ID, "email": "first@x.example"}])
    visitors = {
        name: world.account(session, f"{name}@mutations.example", *(Kind if name != "inert" else ()))
        for name in VISITORS
    }
    ids = dict(test_guards.examples(session, visitors["owner"]))
    group = stations.station_group(session, visitors["owner"].id, "station_group:view", int(ids["station_group_id"]))
    for name in small_world.ALLOWED:
        world.grant(session, group, name, visitors[name].email)
    world.grant(session, group, "administrate", visitors["inert"].email)
    session.flush()
    return Scene(session, session.get_bind().dialect.name, ids, visitors)


def outcome(load: Callable[..., object], session: Session, account: Account, action: str, row_id: int) -> str:
    try:
        load(session, account.id, action, row_id)
    except NotThere:
        return "not there"
    except NotAllowed:
        return "not allowed"
    return "loaded"


def look_at_the_loaders(scene: Scene) -> None:
    """Every loader with every kind of account says what the requirement says."""
    for name, account in scene.visitors.items():
        held = {"owner": small_world.OWNER, **small_world.ALLOWED}.get(name, frozenset())
        for load, row, sight in SHARED:
            for action in SOME_ACTIONS:
                expected = "loaded" if action in held else "not allowed" if sight in held else "not there"
                found = outcome(load, scene.session, account, action, int(scene.ids[row]))
                assert found == expected, (name, load.__name__, action)
        for load, row, action in OWNED:
            found = outcome(load, scene.session, account, action, int(scene.ids[row]))
            sees = load is exports.task and "export:view" in held  # whoever sees the group's exports may look at it
            assert found == ("loaded" if name == "owner" else "not allowed" if sees else "not there"), (name, load)
        found = outcome(licences.for_operator, scene.session, account, "licence:end", int(scene.ids["licence_id"]))
        assert found == "not there", name


def look_at_the_lists(scene: Scene) -> None:
    """The lists say what the loaders say, and the platform's actions are the operator's."""
    station = stations.Station
    for name, account in scene.visitors.items():
        held = {"owner": small_world.OWNER, **small_world.ALLOWED}.get(name, frozenset())
        for action in ("station:view", "station:edit", "station:delete"):
            condition = stations.visible_stations(account.id, action)
            found = list(scene.session.scalars(sa.select(station.id).where(condition).distinct()))
            assert found == ([scene.ids["station_id"]] if action in held else []), (name, action)
    assert not authz.platform_may("licence:activate", operator=False)
    assert authz.platform_may("licence:activate", operator=True)
    assert authz.platform_may("station:create", operator=False)
    assert not authz.platform_may("station:edit", operator=True)


def refusal(act: Callable[[], object]) -> str:
    """The field that a rule refuses, "rule" when it names none; empty when it was done."""
    try:
        act()
    except NotAllowed:
        return "not allowed"
    except RuleBroken as broken:
        return broken.field or "rule"
    return ""


def look_at_what_is_given(scene: Scene) -> None:
    """Grants under grants reach no further than those they hang under, and shrink and end with them."""
    inside = scene.session.begin_nested()
    try:
        _within_limits(scene)
        _shrinking(scene)
    finally:
        inside.rollback()


def _giver(scene: Scene) -> Callable[..., Grant]:
    group = scene.session.get_one(stations.StationGroup, scene.ids["station_group_id"])

    def give(by: str, role: Permission, to: str, **terms: Any) -> Grant:
        offer = Offer(role, f"{to}@mutations.example", **terms)
        return operations.give(scene.session, scene.visitors[by], group, offer)

    return give


def _within_limits(scene: Scene) -> None:
    session, who, give = scene.session, scene.visitors, _giver(scene)
    week, year = (clock.now() + timedelta(days=days) for days in (7, 365))
    top = session.scalars(sa.select(Grant).filter_by(email=who["administrate"].email)).one()
    assert refusal(lambda: give("manage", Permission.DISPLAY, "new")) == "role"
    assert refusal(lambda: operations.revoke(session, who["manage"], top)) == "not allowed"
    short = Offer(Permission.ADMINISTRATE, ends_at=week, hides_drivers=True)
    top = operations.change(session, who["owner"], top, short)
    assert refusal(lambda: give("administrate", Permission.DISPLAY, "new", ends_at=year)) == "ends_on"
    middle = give("administrate", Permission.ADMINISTRATE, "manage")
    assert (middle.ends_at, middle.hides_drivers, middle.under_grant_id) == (week, True, top.id)
    assert refusal(lambda: operations.revoke(session, who["manage"], top)) == "rule"
    assert refusal(lambda: extending.extend(session, who["administrate"], middle)) == "rule"
    who["owner"].grant_most_days = 30
    session.flush()
    for end in (None, year):
        assert refusal(lambda end=end: give("owner", Permission.DISPLAY, "new", ends_at=end)) == "ends_on"
    who["owner"].grant_most_days = None
    operations.revoke(session, who["owner"], top)


def _shrinking(scene: Scene) -> None:
    session, owner, give = scene.session, scene.visitors["owner"], _giver(scene)
    week = clock.now() + timedelta(days=7)

    def chain() -> tuple[Grant, Grant, Grant]:
        role = Permission.ADMINISTRATE
        top = give("owner", role, "administrate")
        return top, give("administrate", role, "manage"), give("manage", Permission.DISPLAY, "stranger")

    top, middle, low = chain()
    top = operations.change(session, owner, top, Offer(Permission.ADMINISTRATE, ends_at=week, hides_drivers=True))
    assert [(row.ends_at, row.hides_drivers, row.revoked_at) for row in (middle, low)] == [(week, True, None)] * 2
    top = operations.change(session, owner, top, Offer(Permission.MANAGE))
    assert middle.revoked_at
    assert low.revoked_at
    top, middle, low = chain()
    assert operations.revoke(session, owner, top) == 3
    assert low.revoked_at


def prove(scene: Scene) -> None:
    """Everything; AssertionError at the first thing that is not as required."""
    decisions.test_the_decisions_are_those_of_the_requirement()
    decisions.test_the_licences_needed_besides_are_those_of_the_requirement()
    decisions.test_the_fields_are_those_of_the_requirement()
    look_at_the_loaders(scene)
    look_at_the_lists(scene)
    look_at_what_is_given(scene)
    # All of them; on PostgreSQL, where a statement costs ten times as much, the sample that its own proof takes.
    small_worlds.compare(scene.session, small_worlds.WORLDS[:: 1 if scene.engine == "sqlite" else 7])


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_mistake_everything_is_proven(request: pytest.FixtureRequest, engine: str) -> None:
    prove(request.getfixturevalue(ENGINES[engine]))


@contextmanager
def views(scene: Scene, name: str, old: str, new: str) -> Iterator[None]:
    """The three views with one of them changed."""
    texts = {"licensed": VIEWS.LICENSED, "holding": VIEWS.HOLDING, "standing": VIEWS.STANDING}
    assert old in texts[name], "the mistake no longer fits the view"
    texts[name] = texts[name].replace(old, new)
    inside = scene.session.begin_nested()
    for view in reversed(texts):
        scene.session.execute(sa.text(f"DROP VIEW {view}"))
    for text in texts.values():
        words = text.format(now=VIEWS.NOW[scene.engine])
        scene.session.execute(sa.text(words.replace(":", r"\:")))  # those of the formats of times
    try:
        yield
    finally:
        inside.rollback()


BY_ADDRESS = VIEWS.HOLDING.split("UNION ALL")[1]
BY_USER_GROUP = VIEWS.HOLDING.split("UNION ALL")[2]
STARTED, NOT_ENDED = "given.starts_at <= {now}", "(given.ends_at IS NULL OR given.ends_at > {now})"


def both(half: str, old: str, new: str) -> tuple[str, str, str]:
    """A change of one half of `holding` alone: the halves share most of their words."""
    assert old in half, "the mistake no longer fits the view"
    return "holding", half, half.replace(old, new)


OF_THE_ACCOUNT = "EXISTS (SELECT 1 FROM licensed WHERE licensed.account_id = held.account_id)"
OF_THE_OWNER = "EXISTS (SELECT 1 FROM licensed WHERE licensed.account_id = held.owner_id)"
MISTAKES_IN_THE_VIEW = {
    "any licence counts as Authorisation": ("licensed", "kind = 'authorisation' AND", ""),
    "another licence counts": ("licensed", "'authorisation'", "'maintenance'"),
    "a licence counts before it begins": ("licensed", "starts_at <= {now} AND", ""),
    "a licence never ends": ("licensed", "AND (ends_at IS NULL OR ends_at > {now})", ""),
    "a licence without end does not count": ("licensed", "ends_at IS NULL OR ", ""),
    "the owner is an administrator": ("holding", "'owner' AS role", "'administrate' AS role"),
    "the owner of the number's account": (
        "holding",
        "SELECT owner_id AS account_id, id",
        "SELECT id AS account_id, id",
    ),
    "an unverified address counts": both(BY_ADDRESS, "account.verified_at IS NOT NULL AND", ""),
    "a revoked grant counts": both(BY_ADDRESS, "given.revoked_at IS NULL", "1 = 1"),
    "a grant counts before it starts": both(BY_ADDRESS, STARTED, "1 = 1"),
    "a grant never ends": both(BY_ADDRESS, NOT_ENDED, "1 = 1"),
    "a grant with an end never counts": both(BY_ADDRESS, NOT_ENDED, "given.ends_at IS NULL"),
    "the beginning of an address is enough": both(
        BY_ADDRESS, "given.email = account.email", "given.email LIKE account.email || '%'"
    ),
    "the end of an address is enough": both(
        BY_ADDRESS, "given.email = account.email", "given.email LIKE '%' || account.email"
    ),
    "an address is a pattern": both(BY_ADDRESS, "given.email = account.email", "account.email LIKE given.email"),
    "every permission is display": both(BY_ADDRESS, "given.role", "'display'"),
    "a member's unverified address counts": both(BY_USER_GROUP, "account.verified_at IS NOT NULL AND", ""),
    "a user group's revoked grant counts": both(BY_USER_GROUP, "given.revoked_at IS NULL", "1 = 1"),
    "a user group's grant counts before it starts": both(BY_USER_GROUP, STARTED, "1 = 1"),
    "a user group's grant never ends": both(BY_USER_GROUP, NOT_ENDED, "1 = 1"),
    "a member of any user group is in all": both(
        BY_USER_GROUP, "given.user_group_id = member.user_group_id", "given.user_group_id IS NOT NULL"
    ),
    "the holder's licence is not needed": ("standing", OF_THE_ACCOUNT, "1 = 1"),
    "the owner's licence is not needed": ("standing", OF_THE_OWNER, "1 = 1"),
    "one licence of the two is enough": ("standing", "AND EXISTS", "OR EXISTS"),
    "anybody's licence is enough": ("standing", " WHERE licensed.account_id = held.account_id", ""),
    "no share ever acts": ("standing", "THEN 'active'", "THEN 'inactive'"),
}


@pytest.mark.either_engine
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mistake", MISTAKES_IN_THE_VIEW)
def test_a_mistake_in_the_view_is_seen(request: pytest.FixtureRequest, mistake: str, engine: str) -> None:
    scene: Scene = request.getfixturevalue(ENGINES[engine])
    with views(scene, *MISTAKES_IN_THE_VIEW[mistake]), pytest.raises(AssertionError):
        prove(scene)


MISTAKES_IN_THE_POLICY = {
    "administrate does not include manage": ("policy.csv", "g, administrate, manage\n", ""),
    "manage does not include display": ("policy.csv", "g, manage,       display\n", ""),
    "manage includes administrate": ("policy.csv", "g, manage,       display", "g, manage, administrate"),
    "display includes manage": ("policy.csv", "g, manage,       display", "g, display, manage"),
    "a share needs no licence": (
        "policy.csv",
        "p, manage,       active, station:edit",
        "p, manage, any, station:edit",
    ),
    "display edits": ("policy.csv", "p, manage,       active, connector:edit", "p, display, active, connector:edit"),
    "display does not see stations": ("policy.csv", "p, display,      active, station:view\n", ""),
    "manage gives administrate": (
        "policy.csv",
        "p, administrate, active, grant:give_administrate",
        "p, manage, active, grant:give_administrate",
    ),
    "administrate deletes the group": (
        "policy.csv",
        "p, owner, any, station_group:delete",
        "p, administrate, active, station_group:delete\np, owner, any, station_group:delete",
    ),
    "the owner needs the licence": ("policy.csv", "p, owner, any, station:view", "p, owner, active, station:view"),
    "the owner cannot revoke": ("policy.csv", "p, owner, any, grant:revoke\n", ""),
    "everybody activates licences": (
        "policy.csv",
        "p, operator, any, licence:activate",
        "p, account, any, licence:activate",
    ),
    "exporting needs no licence besides": ("policy.csv", "p, auto_export, active, export:create\n", ""),
    "exporting needs another licence": (
        "policy.csv",
        "p, auto_export, active, export:create",
        "p, reports, active, export:create",
    ),
    "a licence that has ended is enough besides": (
        "policy.csv",
        "p, maintenance, active, maintenance:run",
        "p, maintenance, any, maintenance:run",
    ),
    "looking needs a licence besides": (
        "policy.csv",
        "p, reports, active, report:create",
        "p, reports, active, report:create\np, reports, active, session:view",
    ),
    "manage writes the reference": (
        "fields.csv",
        "p, administrate, active, station.reference",
        "p, manage, active, station.reference",
    ),
    "display writes a price": (
        "fields.csv",
        "p, manage, active, connector.price_per_kwh",
        "p, display, active, connector.price_per_kwh",
    ),
    "a field is written without licence": (
        "fields.csv",
        "p, manage, active, connector.metering_code",
        "p, manage, any, connector.metering_code",
    ),
    "manage cannot write the opening times": ("fields.csv", "p, manage, active, connector.opening_times\n", ""),
    "administrate writes less than manage": ("fields.csv", "g, administrate, manage\n", ""),
    "the owner cannot write the reference": ("fields.csv", "p, owner, any, station.reference\n", ""),
    "the model forgets the licence": ("model.conf", ' && (p.licence == "any" || r.licence == p.licence)', ""),
    "the model forgets the role": ("model.conf", "g(r.role, p.role) && ", ""),
    "the model reads the roles backwards": ("model.conf", "g(r.role, p.role)", "g(p.role, r.role)"),
    "what is not denied is allowed": (
        "model.conf",
        "some(where (p.eft == allow))",
        "!some(where (p.eft == deny))",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_IN_THE_POLICY)
def test_a_mistake_in_the_policy_is_seen(
    scene: Scene, mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, old, new = MISTAKES_IN_THE_POLICY[mistake]
    shutil.copytree(authz.POLICIES, tmp_path / "policies")
    file = tmp_path / "policies" / name
    assert old in file.read_text(), "the mistake no longer fits the policy"
    file.write_text(file.read_text().replace(old, new))
    actions, allowed = authz.decide(tmp_path / "policies")
    monkeypatch.setattr(authz, "ACTIONS", actions)
    monkeypatch.setattr(authz, "ALLOWED", allowed)
    fields, writable = authz.decide(tmp_path / "policies", "fields.csv")
    monkeypatch.setattr(authz, "FIELDS", fields)
    monkeypatch.setattr(authz, "WRITABLE", writable)
    with pytest.raises(AssertionError):
        prove(scene)


def test_a_model_that_forgets_the_action_is_seen(tmp_path: Path) -> None:
    """Actions are decided one by one, so it would change nothing; all at once they must be decided alike."""
    shutil.copytree(authz.POLICIES, tmp_path / "policies")
    file = tmp_path / "policies" / "model.conf"
    file.write_text(file.read_text().replace("r.act == p.act && ", ""))
    for name in ("policy.csv", "fields.csv"):
        assert decided_as_a_whole(tmp_path / "policies", name) != authz.decide(tmp_path / "policies", name)[1]


@contextmanager
def rewritten(function: Callable[..., Any], old: str, new: str) -> Iterator[None]:
    """The function with other words in it, for everybody who holds it."""
    assert isinstance(function, FunctionType)
    source = inspect.getsource(function)
    assert old in source, f"the mistake no longer fits {function.__qualname__}"
    names: dict[str, Any] = {}
    exec(source.replace(old, new), function.__globals__, names)
    before, function.__code__ = function.__code__, names[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = before


MISTAKES_IN_THE_GATE: dict[str, tuple[Callable[..., Any], str, str]] = {
    "standings of everybody": (authz.held, "standing.c.account_id == account_id", "sa.true()"),
    "standings on any of many groups": (authz.standings, "standing.c.station_group_id.in_(ids)", "sa.true()"),
    "standings on another group": (authz.standings, '"station_group_id": ids[0]', '"station_group_id": ids[0] - 1'),
    "standings of another account": (authz.standings, '"account_id": account_id', '"account_id": account_id - 1'),
    "the licence is not looked at": (
        authz._pairs,
        "(role, licence, action) in ALLOWED",
        '(role, "active", action) in ALLOWED',
    ),
    "whoever holds anything may": (authz.may, "(s.role, s.licence) in pairs for s in", "True for s in"),
    "whoever holds anything is told why": (authz.why, " if (s.role, s.licence) in pairs", ""),
    "the list shows what is held, not what is allowed": (authz.visible, ", pairs)", ")"),
    "the list of everybody": (authz.visible, "standing.c.account_id == account_id, ", ""),
    "everybody is the operator": (authz.platform_may, "operator and ", ""),
    "any owner may do anything": (stations.actions, "station.owner_id == account_id", "station.owner_id"),
    "what is held counts, not what is allowed": (authz.actions, " if (role, licence) in pairs", ""),
    "an owner is an administrator of his stations": (
        authz.owner_actions,
        '"owner", "inactive"',
        '"administrate", "active"',
    ),
    "at the station of others no group is asked": (
        stations._ask_by_groups,
        "groups_of(session, station_id) or [NO_ROW]",
        "[NO_ROW]",
    ),
    "a station is seen by everybody": (
        stations.station,
        ' or "station:view" not in allowed',
        "",
    ),
    "who sees a station may do anything to it": (stations.station, "raise NotAllowed", "pass"),
    "a connector is loaded past its station": (
        stations.connector,
        "station(session, account_id, action, row.station_id if row else NO_ROW)",
        "session.get(Station, row.station_id if row else NO_ROW)",
    ),
    "a station group is seen by everybody": (stations.station_group, "raise NotThere", "pass"),
    "who sees a group may do anything to it": (stations.station_group, "raise NotAllowed", "pass"),
    "a grant is loaded past its group": (
        stations.grant,
        "station_group(session, account_id, action, row.station_group_id if row else NO_ROW)",
        "session.get(StationGroup, row.station_group_id if row else NO_ROW)",
    ),
    "the list of stations shows everybody's": (
        stations.visible_stations,
        "Station.owner_id == account_id",
        "Station.owner_id > 0",
    ),
    "the list of stations forgets the shared ones": (stations.visible_stations, ".union_all(shared)", ""),
    "a user group is everybody's": (user_groups.user_group, " or row.owner_id != account_id", ""),
    "a driver is everybody's": (charging.driver, " or row.owner_id != account_id", ""),
    "a session is seen by everybody": (charging.charging_session, "raise NotThere", "pass"),
    "any account is asked as the operator": (
        licences.for_operator,
        "operator=reader.is_operator",
        "operator=True",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES_IN_THE_GATE)
def test_a_mistake_in_the_gate_is_seen(scene: Scene, mistake: str) -> None:
    with rewritten(*MISTAKES_IN_THE_GATE[mistake]), pytest.raises((AssertionError, AttributeError, KeyError)):
        prove(scene)


MISTAKES_IN_GIVING: dict[str, tuple[Callable[..., Any], str, str]] = {
    "who holds too little gives": (limits.source, "any(held.grant_id is None", "not any(held.grant_id"),
    "a grant outlives its giver's own": (limits.end_within, "ends_at > last:", "False:"),
    "a grant without end does not take over the giver's": (limits.end_within, "ends_at or last)", "ends_at)"),
    "the owner's maximum binds nobody": (limits._within_most, "if most is None:", "if True:"),
    "what has no end is within the maximum": (limits._within_most, "most is None:", "most is None or ends_at is None:"),
    "who may give nothing may revoke": (limits.may_touch, "raise NotAllowed", "pass"),
    "what one's own hangs under is revoked": (limits.may_touch, "if len(own) == len(held)", "if False"),
    "an extension goes beyond one's own": (extending.longer_end, "(own, above)", "()"),
    "what hangs under a grant lasts longer": (shrinking._fitting, "min(ends, default=None)", "grant.ends_at"),
    "drivers that are hidden are shown below": (shrinking._fitting, " or above.hides_drivers", ""),
    "what may no longer be given stays": (shrinking._fitting, "not in authz.ALLOWED", "is None"),
    "only the next level shrinks": (shrinking.hold_within, "level.append(grant)", "pass"),
    "only the next level ends": (shrinking.end, "while ids:", "for _ in range(2):"),
    "nothing ends with what it hangs under": (shrinking.end, "while ids:", "if ids:"),
}


@pytest.mark.parametrize("mistake", MISTAKES_IN_GIVING)
def test_a_mistake_in_giving_is_seen(scene: Scene, mistake: str) -> None:
    with rewritten(*MISTAKES_IN_GIVING[mistake]), pytest.raises(AssertionError):
        look_at_what_is_given(scene)


def test_at_least_25_mistakes_are_made() -> None:
    assert len(MISTAKES_IN_THE_VIEW) + len(MISTAKES_IN_THE_POLICY) + len(MISTAKES_IN_THE_GATE) >= 25
