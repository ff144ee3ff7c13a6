"""The status of a task: a truth table, and the one statement it comes from."""

import pytest
from sqlalchemy.orm import Session

from portal.exports import queries
from portal.exports.models import ExportRun, RunState
from portal.exports.status import Facts, status
from tests.exports.scene import Scene, plan, runs
from tests.statements import recorded

D, U, W, X, OK, F, P, S = (
    RunState.DUE,
    RunState.UPLOADED,
    RunState.WORKING,
    RunState.WAITING,
    RunState.DELIVERED,
    RunState.FAILED,
    RunState.PROPOSED,
    RunState.SET_ASIDE,
)
WHY = {"code": "failed", "step": "write", "message": "Disk full"}


@pytest.mark.parametrize(
    ("facts", "kind", "code", "live"),
    [
        (Facts(), "waiting", "first_period", False),
        (Facts(more_to_come=False), "ok", None, False),
        (Facts(licensed=False), "waiting", "licence", False),
        (Facts(paused=True), "paused", "paused", False),
        (Facts(counts={OK: 3}), "ok", None, False),
        (Facts(counts={OK: 3}, licensed=False), "waiting", "licence", False),
        (Facts(counts={OK: 3}, unconfirmed=1), "unconfirmed", "unconfirmed", False),
        (Facts(counts={OK: 3}, paused=True), "paused", "paused", False),
        (Facts(counts={D: 1}), "running", None, True),
        (Facts(counts={D: 1}, paused=True), "paused", "paused", False),
        (Facts(counts={W: 1, X: 2}), "running", None, True),
        (Facts(counts={D: 1}, reasons={D: WHY}, all_due_failed=True), "retry", "failed", True),
        (Facts(counts={D: 2}, reasons={D: WHY}), "running", None, True),
        (Facts(counts={U: 1}), "running", None, True),
        (Facts(counts={U: 1}, reasons={U: WHY}), "retry", "failed", True),
        (Facts(counts={X: 1, OK: 5}, reasons={X: {"code": "values"}}), "waiting", "values", False),
        (Facts(counts={X: 1, W: 1}, reasons={X: {"code": "values"}}), "running", None, True),
        (Facts(counts={OK: 2, P: 1}, reasons={P: {"code": "correction"}}), "correction", "correction", False),
        (Facts(counts={OK: 2, P: 1}, unconfirmed=1), "unconfirmed", "unconfirmed", False),
        (Facts(counts={X: 1, P: 1}, reasons={X: {"code": "values"}}), "waiting", "values", False),
        (Facts(counts={OK: 2, S: 1}), "ok", None, False),
        (Facts(counts={D: 1}, paused=True, paused_reason=WHY), "paused", "failed", False),
        (Facts(counts={F: 1, OK: 9, W: 1}, reasons={F: WHY}), "error", "failed", False),
        (Facts(counts={F: 1}, reasons={F: WHY}, paused=True), "error", "failed", False),
    ],
)
def test_the_worst_news_comes_first(facts: Facts, kind: str, code: str | None, live: bool) -> None:
    found = status(facts)
    assert (found.kind, found.reason.get("code"), found.live) == (kind, code, live)


def test_it_counts_what_is_done() -> None:
    found = status(Facts(counts={OK: 3, D: 2, X: 1, P: 4, S: 1}))
    assert (found.done, found.total) == (3, 6)


def test_facts_come_from_the_runs(session: Session, scene: Scene) -> None:
    plan(session)
    first, second = runs(session)
    first.state, first.unconfirmed = "delivered", True
    second.state, second.reason = "waiting", {"code": "values"}
    session.flush()
    facts = queries.facts(session, [scene.task])[scene.task.id]
    assert (facts.licensed, facts.paused, facts.more_to_come, facts.unconfirmed) == (True, False, False, 1)
    assert facts.counts == {OK: 1, X: 1}
    assert facts.reasons[X] == {"code": "values"}


def test_revisions_of_the_oldest_period_are_counted_once(session: Session, scene: Scene) -> None:
    plan(session)
    for run in runs(session):
        run.state, run.unconfirmed = "delivered", True
    first = runs(session)[0]
    same = ("task_id", "period_start", "period_end", "starts_at", "ends_at", "interval", "state", "unconfirmed")
    session.add(ExportRun(revision=1, **{name: getattr(first, name) for name in same}))
    session.flush()
    facts = queries.facts(session, [scene.task])[scene.task.id]
    assert (facts.counts, facts.unconfirmed) == ({OK: 3}, 3)


def test_a_task_without_runs_has_facts_too(session: Session, scene: Scene) -> None:
    assert queries.facts(session, [scene.task])[scene.task.id] == Facts()


def test_two_statements_serve_any_number_of_tasks(session: Session, scene: Scene) -> None:
    plan(session)
    with recorded() as seen:
        queries.facts(session, [scene.task] * 3)
    assert len(seen) == 2
