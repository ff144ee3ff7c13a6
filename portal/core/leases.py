"""Rows that are jobs: who works on which. A claim is one conditional UPDATE; its attempt number fences every later
write, so that a worker whose lease was lost changes nothing.

The table has the columns id, state (queued, running, then one that rests), attempt, failures, lease_until, created_at.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import clock
from portal.core.db import UtcDateTime, database_now

log = logging.getLogger(__name__)
LEASE_SECONDS = 60
MOST_FAILURES = 3  # claims in a row that wrote nothing

QUEUED, RUNNING = "queued", "running"
Sessions = Callable[[], AbstractContextManager[Session]]


class LeaseLost(Exception):
    """Another worker has the job by now: this one must stop and touch nothing more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker may work on until its lease ends; `failures` counts this claim as well."""

    row_id: int
    attempt: int
    failures: int


Fail = Callable[[Session, Claim, str], None]  # writes that the job has failed, and why


class Jobs:
    """The jobs of one table."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def _due(self, session: Session) -> sa.ColumnElement[bool]:
        table = self._table
        abandoned = sa.and_(table.state == RUNNING, table.lease_until < database_now(session))
        return sa.or_(table.state == QUEUED, abandoned)

    def waits_since(self, session: Session) -> datetime | None:
        """Since when the oldest job that somebody should work on waits; None when nothing is due."""
        since = sa.func.coalesce(self._table.lease_until, self._table.created_at, type_=UtcDateTime)
        oldest: datetime | None = session.scalar(sa.select(sa.func.min(since)).where(self._due(session)))
        return oldest

    def claim(self, session: Session, row_id: int | None = None) -> Claim | None:
        """Take the oldest job that is due, or this one. Two workers never get the same one. The caller commits."""
        table = self._table
        first = sa.select(table.id).where(self._due(session)).order_by(table.id).limit(1)
        if row_id is not None:
            first = first.where(table.id == row_id)
        taken = (
            sa.update(table)
            .where(table.id == first.with_for_update(skip_locked=True).scalar_subquery())
            .values(
                state=RUNNING, attempt=table.attempt + 1, failures=table.failures + 1, lease_until=_lease_end(session)
            )
            .returning(table.id, table.attempt, table.failures)
            .execution_options(synchronize_session=False)
        )
        row = session.execute(taken).one_or_none()
        return Claim(*row) if row else None

    def write(self, session: Session, held: Claim, **values: Any) -> None:
        """Change the job and move its lease on, if this worker still holds it; LeaseLost else. The caller commits."""
        table = self._table
        fenced = (
            sa.update(table)
            .where(table.id == held.row_id, table.attempt == held.attempt, table.state == RUNNING)
            .values({"lease_until": _lease_end(session)} | values)
            .returning(table.id)
            .execution_options(synchronize_session=False)
        )
        if session.scalar(fenced) is None:
            raise LeaseLost

    def run_due(self, run_one: Callable[[], bool]) -> int:
        """Work off what is due, one after the other, and say how many were taken up."""
        taken = 0
        while run_one():
            taken += 1
        return taken

    def run_one(self, sessions: Sessions, work: Callable[[Claim], None], fail: Fail, row_id: int | None = None) -> bool:
        """Take up one job, the oldest or this one; False when there was none to take. One that was given up is failed
        by `fail` as "gave_up". What goes wrong unexpectedly in `work` is raised, after the job was given back for
        another attempt."""
        with sessions() as session:
            held = self.claim(session, row_id)
            if held is not None and held.failures > MOST_FAILURES:
                fail(session, held, "gave_up")
            session.commit()
        if held is None or held.failures > MOST_FAILURES:
            return held is not None
        try:
            work(held)
        except LeaseLost:
            log.warning("%s %s was taken over by another worker", self._table.__tablename__, held.row_id)
        except Exception:
            self._give_back(sessions, held, fail)
            raise
        return True

    def _give_back(self, sessions: Sessions, held: Claim, fail: Fail) -> None:
        """Let the next worker try at once, or none after the last attempt."""
        with sessions() as session:
            if held.failures >= MOST_FAILURES:
                fail(session, held, "gave_up")
            else:
                self.write(session, held, lease_until=clock.now() - timedelta(seconds=1))
            session.commit()


def _lease_end(session: Session) -> sa.ColumnElement[datetime]:
    ends_at: sa.ColumnElement[Any]
    if session.get_bind().dialect.name == "sqlite":
        ends_at = sa.func.strftime("%Y-%m-%d %H:%M:%f", "now", f"+{LEASE_SECONDS} seconds")
    else:
        ends_at = sa.func.clock_timestamp() + sa.literal(timedelta(seconds=LEASE_SECONDS), sa.Interval)
    return sa.type_coerce(ends_at, UtcDateTime)
