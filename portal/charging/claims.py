"""Who works on which import. A claim is one conditional UPDATE; its attempt number fences every later write."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ImportState, SessionImport
from portal.core.db import UtcDateTime, database_now

LEASE_SECONDS = 60
MOST_FAILURES = 3  # claims in a row that wrote no batch

Sessions = Callable[[], AbstractContextManager[Session]]


class LeaseLost(Exception):
    """Another worker has the import by now: this one must stop and touch nothing more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """An import that this worker may work on until its lease ends; `failures` counts this claim as well."""

    import_id: int
    attempt: int
    failures: int


def _due(session: Session) -> sa.ColumnElement[bool]:
    abandoned = sa.and_(
        SessionImport.state == ImportState.RUNNING.value, SessionImport.lease_until < database_now(session)
    )
    return sa.or_(SessionImport.state == ImportState.QUEUED.value, abandoned)


def waits_since(session: Session) -> datetime | None:
    """Since when the oldest import that somebody should work on waits; None when nothing is due."""
    since = sa.func.coalesce(SessionImport.lease_until, SessionImport.created_at, type_=UtcDateTime)
    return session.scalar(sa.select(sa.func.min(since)).where(_due(session)))


def claim(session: Session, import_id: int | None = None) -> Claim | None:
    """Take the oldest import that is due, or this one. Two workers never get the same one. The caller commits."""
    first = sa.select(SessionImport.id).where(_due(session)).order_by(SessionImport.id).limit(1)
    if import_id is not None:
        first = first.where(SessionImport.id == import_id)
    taken = (
        sa.update(SessionImport)
        .where(SessionImport.id == first.with_for_update(skip_locked=True).scalar_subquery())
        .values(
            state=ImportState.RUNNING.value,
            attempt=SessionImport.attempt + 1,
            failures=SessionImport.failures + 1,
            lease_until=_lease_end(session),
        )
        .returning(SessionImport.id, SessionImport.attempt, SessionImport.failures)
        .execution_options(synchronize_session=False)
    )
    row = session.execute(taken).one_or_none()
    return Claim(*row) if row else None


def _lease_end(session: Session) -> sa.ColumnElement[datetime]:
    ends_at: sa.ColumnElement[Any]
    if session.get_bind().dialect.name == "sqlite":
        ends_at = sa.func.strftime("%Y-%m-%d %H:%M:%f", "now", f"+{LEASE_SECONDS} seconds")
    else:
        ends_at = sa.func.clock_timestamp() + sa.literal(timedelta(seconds=LEASE_SECONDS), sa.Interval)
    return sa.type_coerce(ends_at, UtcDateTime)


def write(session: Session, held: Claim, **values: Any) -> None:
    """Change the import and move its lease on, if this worker still holds it; LeaseLost else. The caller commits."""
    held_still = (
        SessionImport.id == held.import_id,
        SessionImport.attempt == held.attempt,
        SessionImport.state == ImportState.RUNNING.value,
    )
    fenced = (
        sa.update(SessionImport)
        .where(*held_still)
        .values({"lease_until": _lease_end(session)} | values)
        .returning(SessionImport.id)
        .execution_options(synchronize_session=False)
    )
    if session.scalar(fenced) is None:
        raise LeaseLost
