"""One check in the large world, against the bare query on the same connection and against one casbin enforcer.

The enforcer holds the grants of the same world that act, and the memberships of their user groups. Its answers and
ours are compared. Half of the questions are about a group that somebody shared with the account, half about any.
"""

import random
import time
from collections.abc import Iterator

import casbin
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks import worlds
from benchmarks.clocked import in_turns
from benchmarks.permission_checks import ACTION, ALLOWED_BY, MODEL
from benchmarks.result import Result
from portal.core import authz
from portal.core.db import reading_only, session_factory

QUESTIONS, ASKED_OF_THE_PEER = 2_000, 12
BARE = sa.text("SELECT role, licence FROM standing WHERE account_id = :account AND station_group_id = :station_group")
# Asked once for each engine; only what acts, so that both give the same answers.
GRANTS = """
SELECT coalesce('group/' || given.user_group_id, 'account/' || account.id) AS subject,
       given.station_group_id, given.role
FROM station_group_grant AS given LEFT JOIN account ON account.email = given.email
WHERE given.revoked_at IS NULL AND given.starts_at <= CURRENT_TIMESTAMP
AND (given.ends_at IS NULL OR given.ends_at > CURRENT_TIMESTAMP)
"""
MEMBERS = """
SELECT account.id, member.user_group_id FROM user_group_member AS member JOIN account ON account.email = member.email
WHERE account.verified_at IS NOT NULL
"""
Question = tuple[int, int]


def run() -> Iterator[Result]:
    for engine in worlds.ENGINES:
        sessions = session_factory(worlds.url(engine, worlds.FULL))
        with reading_only(), sessions() as session:
            yield from _compare(session, engine)
        sessions.kw["bind"].dispose()


def _compare(session: Session, engine: str) -> Iterator[Result]:
    grants = [tuple(row) for row in session.execute(sa.text(GRANTS)) if row[0]]
    members = [tuple(row) for row in session.execute(sa.text(MEMBERS))]
    questions = _questions(grants, members)
    connection = session.connection()
    calls = {
        "check": lambda n: authz.may(session, questions[n][0], ACTION, [questions[n][1]]),
        "bare": lambda n: connection.execute(
            BARE, {"account": questions[n][0], "station_group": questions[n][1]}
        ).all(),
    }
    times = in_turns(calls, QUESTIONS, unmeasured=20)
    check, bare = times["check"], times["bare"]
    peer = "the bare query on the same connection"
    yield Result(f"one check, {engine}, p50", "us", check.p50 * 1000, peer, bare.p50 * 1000, "<= 1.5")
    yield Result(f"one check, {engine}, p99", "us", check.p99 * 1000, peer, bare.p99 * 1000, "")
    slow = _with_an_enforcer(session, grants, members, questions)
    yield Result(
        f"checks, {engine}", "checks/s", 1000 / check.p50, "one casbin enforcer with all grants", slow, ">= 50"
    )


def _questions(grants: list[tuple[str, int, str]], members: list[Question]) -> list[Question]:
    dice, asked = random.Random(7), []
    of_group: dict[int, list[int]] = {}
    for account, group in members:
        of_group.setdefault(group, []).append(account)
    while len(asked) < QUESTIONS:
        subject, station_group, _role = dice.choice(grants)
        kind, _, number = subject.partition("/")
        accounts = [int(number)] if kind == "account" else of_group.get(int(number), [])
        if accounts:
            asked += [(dice.choice(accounts), station_group), (dice.choice(accounts), dice.choice(grants)[1])]
    return asked


def _with_an_enforcer(
    session: Session, grants: list[tuple[str, int, str]], members: list[Question], questions: list[Question]
) -> float:
    """Its checks per second. Where it allows, we do too unless a licence or a verified address is missing."""
    model = casbin.Model()
    model.load_model_from_text(MODEL)
    enforcer = casbin.Enforcer(model)
    enforcer.add_policies([[subject, f"station_group/{group}", role] for subject, group, role in dict.fromkeys(grants)])
    enforcer.add_grouping_policies([[f"account/{n}", f"group/{group}"] for n, group in members])
    enforcer.add_named_grouping_policies("g2", [[role, ACTION] for role in ALLOWED_BY])
    some = questions[:ASKED_OF_THE_PEER]
    started = time.perf_counter()
    answers = [enforcer.enforce(f"account/{n}", f"station_group/{group}", ACTION) for n, group in some]
    speed = len(some) / (time.perf_counter() - started)
    for (account, group), allowed in zip(some, answers, strict=True):
        if authz.may(session, account, ACTION, [group]) and not allowed and not _owns(session, account, group):
            raise AssertionError(f"we let account {account} into station group {group}, the peer does not")
    return speed


def _owns(session: Session, account: int, group: int) -> bool:
    return any(standing.grant_id is None for standing in authz.standings(session, account, [group]))
