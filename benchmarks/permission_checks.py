"""Permission checks per second: this design against one enforcer that holds a rule for every grant.

The same world, the same questions, the same `casbin` package. Half of the grants go to user groups, half to single
addresses; the questions are half about groups that the account may see, half about others. Every answer of both is
compared.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import casbin
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.result import Result
from portal import models  # noqa: F401  every table
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock, schema
from portal.core.db import reading_only, session_factory
from portal.licences.models import Kind, Licence
from portal.stations.models import Grant, StationGroup

SIZES = {1_000: ">= 5", 30_000: ">= 100"}
SECONDS = 3.0
MOST_QUESTIONS = 4_000
MEMBERS = 5
ACTION = "connector:edit"

MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, role
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && g(r.sub, p.sub) && g2(p.role, r.act)
"""
ALLOWED_BY = ("manage", "administrate")


@dataclass(frozen=True)
class World:
    """Who was given what: account ids and station group ids with the answer to the one question."""

    accounts: list[int]
    grants: list[tuple[str, int, str]]  # subject ("account/7" or "group/3"), station group, role
    members: dict[int, list[int]]  # user group -> accounts


def run() -> Iterator[Result]:
    for size, demand in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'bench.db'}"
            schema.upgrade(url)
            sessions = session_factory(url)
            with sessions() as session:
                world = _build(session, size)
                session.commit()
            yield _compare(sessions, world, size, demand)
            sessions.kw["bind"].dispose()


def _build(session: Session, size: int) -> World:
    dice, now = random.Random(size), clock.now()
    people = size // 10
    session.execute(sa.insert(Account), [_account(number) for number in range(1, people + 1)])
    session.execute(
        sa.insert(Licence),
        [
            {"account_id": n, "kind": Kind.AUTHORISATION.value, "starts_at": now, "ends_at": None, "activated_by_id": 1}
            for n in range(1, people + 1)
        ],
    )
    groups = [{"id": n, "owner_id": 1, "name": f"Group {n}"} for n in range(1, size // 3 + 1)]
    session.execute(sa.insert(StationGroup), groups)
    user_groups = [{"id": n, "owner_id": 1, "name": f"Team {n}"} for n in range(1, size // 10 + 1)]
    session.execute(sa.insert(UserGroup), user_groups)
    members = {group["id"]: dice.sample(range(2, people + 1), MEMBERS) for group in user_groups}
    session.execute(
        sa.insert(UserGroupMember),
        [{"user_group_id": group, "email": _email(n)} for group, some in members.items() for n in some],
    )
    grants = [_grant(dice, size, people) for _ in range(size)]
    session.execute(sa.insert(Grant), [_grant_row(*grant) for grant in grants])
    return World(list(range(2, people + 1)), grants, members)


def _email(number: int) -> str:
    return f"account{number}@bench.example"


def _account(number: int) -> dict[str, object]:
    return {"id": number, "email": _email(number), "verified_at": clock.now()}


def _grant(dice: random.Random, size: int, people: int) -> tuple[str, int, str]:
    to_group = dice.random() < 0.5
    subject = f"group/{dice.randint(1, size // 10)}" if to_group else f"account/{dice.randint(2, people)}"
    return subject, dice.randint(1, size // 3), dice.choice(("display", "manage", "administrate"))


def _grant_row(subject: str, station_group: int, role: str) -> dict[str, object]:
    kind, _, number = subject.partition("/")
    row = {"station_group_id": station_group, "owner_id": 1, "role": role, "granted_by_id": 1, "under_grant_id": None}
    to = {"user_group_id": int(number), "email": None} if kind == "group" else {"email": _email(int(number))}
    return {"user_group_id": None, **row, **to}


def _enforcer(world: World) -> casbin.Enforcer:
    model = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer = casbin.Enforcer(model)
    enforcer.add_policies(
        [[subject, f"station_group/{group}", role] for subject, group, role in dict.fromkeys(world.grants)]
    )
    pairs = [[f"account/{n}", f"group/{group}"] for group, some in world.members.items() for n in some]
    enforcer.add_grouping_policies(pairs)
    enforcer.add_named_grouping_policies("g2", [[role, ACTION] for role in ALLOWED_BY])
    return enforcer


def _questions(world: World) -> list[tuple[int, int]]:
    """Half about a group that somebody shared with the account, half about any."""
    dice, asked = random.Random(7), []
    while len(asked) < MOST_QUESTIONS:
        subject, group, _ = dice.choice(world.grants)
        kind, _, number = subject.partition("/")
        asked.append((int(number) if kind == "account" else dice.choice(world.members[int(number)]), group))
        asked.append((dice.choice(world.accounts), dice.choice(world.grants)[1]))
    return asked


def _timed(ask: Callable[[int, int], bool], questions: list[tuple[int, int]]) -> tuple[float, list[bool]]:
    """Checks per second within SECONDS, and the answers given."""
    answers: list[bool] = []
    started = time.perf_counter()
    for question in questions:
        answers.append(ask(*question))
        if time.perf_counter() - started > SECONDS:
            break
    return len(answers) / (time.perf_counter() - started), answers


def _compare(sessions: Callable[[], Session], world: World, size: int, demand: str) -> Result:
    enforcer, questions = _enforcer(world), _questions(world)
    with reading_only(), sessions() as session:
        ours, our_answers = _timed(lambda account, group: authz.may(session, account, ACTION, [group]), questions)
    peer, peer_answers = _timed(
        lambda account, group: enforcer.enforce(f"account/{account}", f"station_group/{group}", ACTION), questions
    )
    differing = sum(a != b for a, b in zip(our_answers, peer_answers, strict=False))
    if differing:
        raise AssertionError(f"{differing} answers differ between this design and the peer")
    name = f"permission checks, {size:,} grants"
    return Result(name, "checks/s", ours, "one casbin enforcer with a rule per grant", peer, demand)
