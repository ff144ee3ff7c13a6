"""The audit log: who did what to what, kept with the change it tells of, in one transaction.

Entries are sealed into a hash chain when their transaction ends (`chain`), whoever ends it: a request, a job or a
command.
"""

from typing import Any

from sqlalchemy.orm import Session

from portal.core.audit import chain
from portal.core.audit.models import AuditEntry, AuditSeal


def record(
    session: Session,
    action: str,
    subject: str,
    *,
    actor_id: int | None,
    owner_id: int | None = None,
    **detail: Any,
) -> None:
    """Write one entry in the caller's transaction. `subject` is a kind and an id ("station_group/7"); `detail` holds
    JSON values, never a secret; what changed stands in `changed` as {name: [before, after]}."""
    session.add(AuditEntry(action=action, subject=subject, actor_id=actor_id, owner_id=owner_id, detail=detail))


__all__ = ["AuditEntry", "AuditSeal", "chain", "record"]
