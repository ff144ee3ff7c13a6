"""Who works on which run. A claim is one conditional UPDATE; its attempt number fences every later write."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, aliased

from portal.core.db import UtcDateTime, database_now
from portal.core.errors import Sentence
from portal.exports.models import ExportAttempt, ExportRun, ExportTask, RunState

LEASE_SECONDS = 60
CLAIMABLE = (RunState.DUE, RunState.WAITING, RunState.WORKING, RunState.UPLOADED)

Sessions = Callable[[], AbstractContextManager[Session]]


class LeaseLost(Exception):
    """Another worker has the run by now, or its owner has changed it: this one must stop and touch nothing more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that this worker may work on until its lease ends. `uploaded`: only the rename is left to do."""

    run_id: int
    attempt: int
    uploaded: bool


def due(session: Session) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions of a run that somebody should work on now. Runs of paused tasks rest; a rename that is still
    to do is done nevertheless: its file is on the server already."""
    now = database_now(session)
    rests = sa.exists().where(ExportTask.id == ExportRun.task_id, ExportTask.paused_at.is_not(None))
    return (
        ExportRun.state.in_(CLAIMABLE),
        ExportRun.not_before <= now,
        sa.or_(ExportRun.lease_until.is_(None), ExportRun.lease_until < now),
        sa.or_(ExportRun.state == RunState.UPLOADED, ~rests),
        ~_before(),
    )


def _before() -> sa.ColumnElement[bool]:
    """That an earlier revision of the same period is on its way: a receiver must not get them in another order."""
    earlier = aliased(ExportRun)
    return sa.exists().where(
        earlier.task_id == ExportRun.task_id,
        earlier.period_start == ExportRun.period_start,
        earlier.revision < ExportRun.revision,
        earlier.state.in_(CLAIMABLE),
    )


def claim(session: Session, worker: str, task_id: int | None = None) -> Claim | None:
    """Take the run that waits longest, renames first; with `task_id` of that task alone. Two workers never get the same
    one. The caller commits."""
    only = () if task_id is None else (ExportRun.task_id == task_id,)
    first = (
        sa.select(ExportRun.id)
        .where(*due(session), *only)
        .order_by(ExportRun.state != RunState.UPLOADED, ExportRun.not_before, ExportRun.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .correlate(None)
    )
    taken = (
        sa.update(ExportRun)
        .where(ExportRun.id == first.scalar_subquery())
        .values(
            worker=worker,
            lease_until=lease(session),
            attempt=ExportRun.attempt + 1,
            state=sa.case((ExportRun.state == RunState.UPLOADED, ExportRun.state), else_=RunState.WORKING.value),
        )
        .returning(ExportRun.id, ExportRun.attempt, ExportRun.state)
        .execution_options(synchronize_session=False)
    )
    row = session.execute(taken).one_or_none()
    return Claim(row.id, row.attempt, row.state == RunState.UPLOADED) if row else None


def lease(session: Session) -> sa.ColumnElement[datetime]:
    """The end of a lease that begins now, by the database's clock."""
    ends_at: sa.ColumnElement[Any]
    seconds = LEASE_SECONDS
    if session.get_bind().dialect.name == "sqlite":
        ends_at = sa.func.strftime("%Y-%m-%d %H:%M:%f", "now", f"+{seconds} seconds")
    else:
        ends_at = sa.func.clock_timestamp() + sa.literal(timedelta(seconds=seconds), sa.Interval)
    return sa.type_coerce(ends_at, UtcDateTime)


def step(
    session: Session,
    held: Claim,
    name: str,
    message: str | Sentence,
    values: Mapping[str, Any],
    *,
    failed: bool = False,
) -> None:
    """Change the run, renew its lease and note the step (none without a name), if this worker still holds it;
    LeaseLost else. The caller commits."""
    fenced = (
        sa.update(ExportRun)
        .where(ExportRun.id == held.run_id, ExportRun.attempt == held.attempt, ExportRun.state.in_(CLAIMABLE))
        .values({"lease_until": lease(session), **values})
        .execution_options(synchronize_session=False)
    )
    if session.execute(fenced).rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
        raise LeaseLost
    if name:
        wording = message.kept() if isinstance(message, Sentence) else {}
        session.add(
            ExportAttempt(
                run_id=held.run_id, number=held.attempt, step=name, failed=failed, message=str(message), wording=wording
            )
        )


def release(
    session: Session,
    held: Claim,
    name: str,
    message: str | Sentence,
    values: Mapping[str, Any],
    *,
    failed: bool = False,
) -> None:
    """The last step of a claim: as `step`, and the run is free again."""
    step(session, held, name, message, {**values, "lease_until": None, "worker": None}, failed=failed)


class Heartbeat:
    """Keeps a claim's lease alive from a thread of its own while the worker builds and sends.

    `lost` is set when the lease went to somebody else; the worker asks before it does something for good.
    """

    def __init__(self, sessions: Sessions, held: Claim) -> None:
        self._sessions, self._held, self._ended = sessions, held, Event()
        self._thread = Thread(target=self._beat, daemon=True)
        self.lost = False

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=LEASE_SECONDS)

    def check(self) -> None:
        if self.lost:
            raise LeaseLost

    def _beat(self) -> None:
        while not self._ended.wait(LEASE_SECONDS / 3):
            try:
                with self._sessions() as session:
                    self.lost = not self._renew(session)
                    session.commit()
            except SQLAlchemyError:
                continue  # the database is away for a moment: the lease may still hold when it is back
            if self.lost:
                return

    def _renew(self, session: Session) -> bool:
        renewed = (
            sa.update(ExportRun)
            .where(ExportRun.id == self._held.run_id, ExportRun.attempt == self._held.attempt)
            .where(ExportRun.lease_until.is_not(None))
            .values(lease_until=lease(session))
            .execution_options(synchronize_session=False)
        )
        return bool(session.execute(renewed).rowcount)  # type: ignore[attr-defined]  # an UPDATE gives a CursorResult
