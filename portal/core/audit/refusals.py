"""What somebody tried and may not do, for the owner of the thing to see, or for the operator alone on the pages of the
platform.

Only of things that the actor may see: what is not there for him leaves no trace, and takes as long as what does not
exist.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import audit, clock
from portal.core.audit.models import AuditEntry
from portal.core.db import Base, writing

ACTION = "access:refused"
MOST = 30  # of one account within SPAN: the log grows no faster, however often somebody tries
SPAN = timedelta(hours=1)
# What addresses call by another name than the table.
TABLES = {"grant": "station_group_grant", "row": "flagged_row", "run": "export_run", "task": "export_task"}


def keep(session: Session, actor_id: int, action: str, subject: str, owner_id: int | None, **detail: Any) -> None:
    """Roll the session back, and write in a transaction of its own that the account was refused the action. Of more
    than MOST within the hour the last that is written says so, the others are not. What has an owner is counted by
    itself: nobody hides from owners by filling the hour with what has none."""
    session.rollback()
    with writing(), Session(session.get_bind()) as own:
        before = _lately(own, actor_id, owned=owner_id is not None)
        if before >= MOST:
            return
        if before == MOST - 1:
            detail["further_not_recorded"] = True
        audit.record(own, ACTION, subject, actor_id=actor_id, owner_id=owner_id, refused=action, **detail)
        own.commit()


def thing(session: Session, name: str, value: object) -> tuple[str, int | None]:
    """Subject and owner of what a view was asked for: a row, or its id where it was not given out."""
    table = Base.metadata.tables.get(TABLES.get(name, name))
    if not isinstance(value, int):
        return f"{getattr(value, '__tablename__', name)}/{getattr(value, 'id', '')}", getattr(value, "owner_id", None)
    if table is None or "owner_id" not in table.columns:
        return f"{name}/{value}", None
    return f"{table.name}/{value}", session.scalar(sa.select(table.columns.owner_id).where(table.columns.id == value))


def _lately(session: Session, actor_id: int, *, owned: bool) -> int:
    since = clock.now() - SPAN
    found = sa.select(AuditEntry.id).where(AuditEntry.actor_id == actor_id, AuditEntry.at > since)
    of_owners = AuditEntry.owner_id.is_not(None) if owned else AuditEntry.owner_id.is_(None)
    few = found.where(AuditEntry.action == ACTION, of_owners).limit(MOST).subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(few)) or 0
