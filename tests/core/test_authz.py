"""The gate: consistent at once, the same in every thread, never a full scan, decided by the casbin we pinned."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import metadata
from itertools import product

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.db import reading_only, session_factory
from portal.licences.models import Kind, Licence
from portal.sharing import operations
from portal.stations import queries as stations
from portal.stations.models import Grant, Station, StationGroup, StationGroupStation
from tests import world
from tests.core import small_world
from tests.statements import plan, recorded

MANY = 4000  # accounts, station groups and stations; enough that a planner with a choice takes an index


def test_casbin_is_the_distribution_that_was_measured() -> None:
    assert set(metadata.packages_distributions()["casbin"]) == {"casbin"}
    assert metadata.version("casbin") == "1.43.0"


def test_the_decisions_are_those_of_the_requirement() -> None:
    asked = product(small_world.ALLOWED, authz.LICENCES, sorted(small_world.OWNER))
    for role, licence, action in asked:
        wanted = licence == "active" and action in small_world.ALLOWED[role]
        assert ((role, licence, action) in authz.ALLOWED) == wanted, (role, licence, action)
    for licence in authz.LICENCES:
        assert {act for role, held, act in authz.ALLOWED if (role, held) == ("owner", licence)} == small_world.OWNER


def test_the_licences_needed_besides_are_those_of_the_requirement() -> None:
    assert {act: kind for act in authz.ACTIONS if (kind := authz.licence_for(act))} == small_world.BESIDES
    assert {licence for role, licence, _act in authz.ALLOWED if role in authz.LICENCE_ROLES} == {"active"}


def test_the_fields_are_those_of_the_requirement() -> None:
    for resource in ("station", "connector"):
        for role, licence in product(small_world.ALLOWED, authz.LICENCES):
            wanted = small_world.WRITES[role].get(resource, set()) if licence == "active" else set()
            found = authz.writable([authz.Standing(1, role, licence, 1)], resource)
            assert found == wanted, (role, licence, resource)
        assert authz.owner_writes(resource) == small_world.ALL_WRITES[resource]


def test_an_unknown_action_is_an_error_and_no_answer(session: Session) -> None:
    for ask in (authz.owner_may, lambda act: authz.visible(1, act), lambda act: authz.may(session, 1, act, [1])):
        with pytest.raises(ValueError, match="names no action"):
            ask("station:veiw")


def test_an_explanation_names_the_grant_and_the_line_of_the_policy(session: Session) -> None:
    master, sub = (world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("master", "sub"))
    group = world.station_group(session, master)
    grant = world.grant(session, group, "manage", sub.email)
    world.grant(session, group, "display", world.user_group(session, master, "Piquet", sub.email))
    reasons = authz.why(session, sub.id, group.id, "connector:edit")
    assert reasons == [((group.id, "manage", "active", grant.id), ("manage", "active", "connector:edit"))]


@pytest.mark.parametrize("action", ["station:view", "station:edit", "station:delete", "station_group:edit"])
def test_the_list_of_stations_says_what_the_check_says(session: Session, action: str) -> None:
    master, sub, stranger = (
        world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("master", "sub", "stranger")
    )
    shown, managed, own = (world.station_group(session, owner) for owner in (master, master, sub))
    places = [(shown,), (managed,), (shown, managed), ()]
    all_stations = [world.station(session, master, f"Station {n}", *groups) for n, groups in enumerate(places)]
    all_stations.append(world.station(session, sub, "Own", own))
    world.grant(session, shown, "display", sub.email)
    world.grant(session, managed, "manage", sub.email)
    for account in (master, sub, stranger):
        listed = set(session.scalars(sa.select(Station.id).where(stations.visible_stations(account.id, action))))
        checked = {one.id for one in all_stations if stations.may(session, account.id, action, one)}
        assert listed == checked, account.email


def test_a_revoked_grant_is_dead_at_the_next_statement_of_every_session(session: Session, database_url: str) -> None:
    master, sub = (world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("master", "sub"))
    group = world.station_group(session, master)
    grant = world.grant(session, group, "manage", sub.email)
    session.commit()
    with session_factory(database_url)() as elsewhere:
        for _ in range(20):
            with reading_only():
                assert authz.may(elsewhere, sub.id, "station:edit", [group.id])
            if elsewhere.get_bind().dialect.name == "sqlite":
                elsewhere.rollback()  # there a transaction keeps its snapshot; a request begins a new one
            operations.revoke(session, master, grant)
            session.commit()
            with reading_only():
                assert not authz.may(elsewhere, sub.id, "station:edit", [group.id])
            elsewhere.rollback()
            grant = world.grant(session, group, "manage", sub.email)
            session.commit()
        elsewhere.get_bind().dispose()  # type: ignore[union-attr]  # an engine


def test_eight_threads_agree(session: Session, database_url: str) -> None:
    master, sub = (world.account(session, f"{name}@x.example", Kind.AUTHORISATION) for name in ("master", "sub"))
    groups = [world.station_group(session, master) for _ in range(8)]
    for number, group in enumerate(groups):
        world.grant(session, group, ("display", "manage", "administrate")[number % 3], sub.email)
    session.commit()
    questions = [(act, group.id) for act in sorted(small_world.OWNER) for group in groups]
    sessions = session_factory(database_url)

    def answers(_number: int) -> list[bool]:
        with reading_only(), sessions() as own:
            return [authz.may(own, sub.id, act, [group]) for act, group in questions]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(answers, range(8)))
    sessions.kw["bind"].dispose()
    assert all(each == found[0] for each in found)
    assert sum(found[0]) == 3 * len(small_world.DISPLAY) + 3 * len(small_world.MANAGE) + 2 * len(
        small_world.ADMINISTRATE
    )


@pytest.fixture
def large(session: Session) -> Iterator[Session]:
    """MANY accounts with a licence, a station group with a station, and grants by address and by user group each."""
    now, ids = clock.now(), range(1, MANY + 1)
    keys = [{"id": n, "owner_id": n, "name": f"Name {n}"} for n in ids]
    session.execute(sa.insert(Account), [{"id": n, "email": f"a{n}@x.example", "verified_at": now} for n in ids])
    days = {"kind": "authorisation", "starts_at": now - timedelta(days=1)}
    session.execute(sa.insert(Licence), [{"account_id": n, "activated_by_id": n} | days for n in ids])
    for model in (StationGroup, Station, UserGroup):
        session.execute(sa.insert(model), keys)
    session.execute(
        sa.insert(StationGroupStation), [{"station_group_id": n, "station_id": n, "owner_id": n} for n in ids]
    )
    members = [{"user_group_id": n, "email": f"a{(n * 3 + k) % MANY + 1}@x.example"} for n in ids for k in (0, 1)]
    session.execute(sa.insert(UserGroupMember), members)
    given = [{"station_group_id": n, "owner_id": n, "granted_by_id": n, "role": "manage"} for n in ids]
    to_address = [row | {"email": f"a{row['owner_id'] * 11 % MANY + 1}@x.example"} for row in given]
    session.execute(sa.insert(Grant), to_address)
    session.execute(sa.insert(Grant), [row | {"user_group_id": row["owner_id"]} for row in given])
    session.execute(sa.text("ANALYZE"))
    yield session
    session.rollback()


def plans(session: Session, ask: object) -> list[str]:
    """The plan of every statement that `ask()` sends."""
    with recorded() as sent:
        ask()  # type: ignore[operator]
    return [plan(session, statement) for statement in sent]


# SQLite scans views and co-routines by the name they have in the query; only a scan of a table is one.
FULL_SCAN = re.compile(
    r"Seq Scan on (?!licence)\w+|SCAN (?:account|given|member|licence|station\w*|user_group\w*)(?: |$)", re.MULTILINE
)


@pytest.mark.parametrize("ask", ["check", "list of groups", "explanation", "list of stations"])
def test_neither_a_check_nor_a_list_reads_a_whole_table(large: Session, ask: str) -> None:
    asked = {
        "check": lambda: authz.may(large, 77, "station:edit", [78]),
        "list of groups": lambda: large.scalars(authz.visible(77, "station:edit")).all(),
        "explanation": lambda: authz.why(large, 77, 78, "station:edit"),
        "list of stations": lambda: large.scalars(
            sa.select(Station.id).where(stations.visible_stations(77, "station:view"))
        ).all(),
    }
    found = plans(large, asked[ask])
    assert found
    for line in found:
        assert not FULL_SCAN.search(line), line
