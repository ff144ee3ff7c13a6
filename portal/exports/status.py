"""One word for how a task is doing, and what to do about it: a pure function of what its runs are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.exports.models import AT_REST, RunState


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status of a task rests on: its runs by state, and of each state the oldest one's reason."""

    paused: bool = False
    paused_reason: Mapping[str, Any] = field(default_factory=dict)  # the failure that paused it; {}: its owner did
    licensed: bool = True
    stopped: Mapping[str, Any] = field(default_factory=dict)  # why its owner may not export any more
    more_to_come: bool = True  # a period lies ahead
    counts: Mapping[RunState, int] = field(default_factory=dict)
    reasons: Mapping[RunState, dict[str, Any]] = field(default_factory=dict)
    all_due_failed: bool = False  # every due run has failed at least once
    unconfirmed: int = 0
    waiting_since: datetime | None = None  # when the oldest period that waits fell due
    first_proposed: int | None = None  # the oldest correction that waits to be confirmed

    def count(self, *states: RunState) -> int:
        return sum(self.counts.get(state, 0) for state in states)


@dataclass(frozen=True, slots=True)
class Status:
    """`kind` is a state of the component `states.state`; `reason` says why (see `reasons`); `done` of `total` periods
    are delivered; `live`: it may change within seconds, so pages look again."""

    kind: str
    reason: Mapping[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    live: bool = False


def status(facts: Facts) -> Status:
    """The worst news first: stopped, failed, paused, at work, to be tried again, waiting, unconfirmed, a correction to
    confirm, OK. Corrections that nobody has let go count for nothing in `total`."""
    done, total = facts.count(RunState.DELIVERED), facts.count(*(state for state in RunState if state not in AT_REST))
    if facts.stopped:
        return Status("stopped", facts.stopped, done, total)
    if facts.count(RunState.FAILED):
        return Status("error", facts.reasons.get(RunState.FAILED, {}), done, total)
    if facts.paused:
        return Status("paused", facts.paused_reason or {"code": "paused"}, done, total)
    return _under_way(facts, done, total) or _at_rest(facts, done, total)


def _under_way(facts: Facts, done: int, total: int) -> Status | None:
    fresh = 0 if facts.all_due_failed else facts.count(RunState.DUE)
    if facts.count(RunState.WORKING) or fresh:
        return Status("running", {}, done, total, live=True)
    retried = RunState.UPLOADED if facts.count(RunState.UPLOADED) else RunState.DUE
    if facts.count(retried):
        if not facts.reasons.get(retried):
            return Status("running", {}, done, total, live=True)
        return Status("retry", facts.reasons[retried], done, total, live=True)
    return None


def _at_rest(facts: Facts, done: int, total: int) -> Status:
    if facts.count(RunState.WAITING):
        return Status("waiting", facts.reasons.get(RunState.WAITING, {}), done, total)
    if not facts.licensed:
        return Status("waiting", {"code": "licence"}, done, total)
    if facts.unconfirmed:
        return Status("unconfirmed", {"code": "unconfirmed", "count": facts.unconfirmed}, done, total)
    if facts.count(RunState.PROPOSED):
        reason = facts.reasons.get(RunState.PROPOSED, {})
        return Status("correction", {**reason, "run_id": facts.first_proposed}, done, total)
    if done or not facts.more_to_come:
        return Status("ok", {}, done, total)
    return Status("waiting", {"code": "first_period"}, done, total)
