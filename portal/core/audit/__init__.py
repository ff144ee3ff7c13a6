"""The audit log: who did what to what, kept with the change it tells of, in one transaction.

Entries are sealed into a hash chain when their transaction ends (`chain`), whoever ends it: a request, a job or a
command.
"""

from collections.abc import Mapping
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


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What `changed` holds: every name whose value is another, with both; a missing one counts as None."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


__all__ = ["AuditEntry", "AuditSeal", "chain", "differences", "record"]
