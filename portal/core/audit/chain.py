"""The hash chain over the audit log: sealing what a transaction recorded as its last deed before it ends.

On PostgreSQL an advisory lock orders the transactions that seal. It is taken last, so it is held for the commit alone
and whoever holds it waits for nobody. On SQLite the one write lock does the same.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction, object_session

from portal.core.audit.models import AuditEntry, AuditSeal

LOCK = 0x41756469  # "Audi": any number that no other program locks in this database
BEGINNING = "0" * 64  # stands where the first link has none before it
AT_ONCE = 500
KEY = "unsealed"
COLUMNS = (
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.actor_id,
    AuditEntry.owner_id,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.detail,
)


def link(before: str, entry: Any) -> str:
    """The hash of an entry (a row of COLUMNS) that follows the link `before`."""
    told = {
        "id": entry.id,
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor_id": entry.actor_id,
        "owner_id": entry.owner_id,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
    }
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{canonical}".encode("ascii")).hexdigest()


@event.listens_for(AuditEntry, "after_insert")
def _note(_mapper: object, _connection: sa.Connection, entry: AuditEntry) -> None:
    session = object_session(entry)
    if session is not None:
        session.info.setdefault(KEY, set()).add(entry.id)


@event.listens_for(Session, "before_commit")
def _seal(session: Session) -> None:
    """Only at the end of the whole transaction: a savepoint's end comes by here as well."""
    if session.in_nested_transaction():
        return
    session.flush()
    ids = sorted(session.info.pop(KEY, ()))
    if ids:
        _append(session.connection(), ids)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info.pop(KEY, None)


def _append(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Seal these entries, those of them that no savepoint took back, as they stand in the database."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    last = sa.select(AuditSeal.position, AuditSeal.hash).order_by(AuditSeal.position.desc()).limit(1)
    position, before = connection.execute(last).first() or (0, BEGINNING)
    seals = []
    for entry in _entries(connection, ids):
        position, before = position + 1, link(before, entry)
        seals.append({"position": position, "entry_id": entry.id, "hash": before})
    if seals:
        connection.execute(sa.insert(AuditSeal), seals)


def _entries(connection: sa.Connection, ids: Sequence[int]) -> Iterator[Any]:
    sealed = sa.exists().where(AuditSeal.entry_id == AuditEntry.id)
    for first in range(0, len(ids), AT_ONCE):
        query = sa.select(*COLUMNS).where(AuditEntry.id.in_(ids[first : first + AT_ONCE]), ~sealed)
        yield from connection.execute(query.order_by(AuditEntry.id)).all()
