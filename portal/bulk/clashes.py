"""References and identifiers among many changes: each names one thing of an owner, also after all of them.

Values may be handed on within one act (A to B, B to C, or two exchanged): what counts is how it looks afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.errors import N_, RuleBroken
from portal.stations.models import IDENTIFIERS, Connector, Station

if TYPE_CHECKING:
    from portal.bulk.judging import Item

TAKEN = {
    "reference": N_("Another station of this owner has this reference already."),
    **dict.fromkeys(IDENTIFIERS, N_("Another charging point of this owner has this identifier already.")),
}
TWICE = N_("The same value would stand at several: it names one alone.")
Key = tuple[int, str]  # owner and value


def mark(session: Session, items: Sequence[Item]) -> None:
    """Put a problem on every item whose new reference or identifier another thing of the owner has, or gets. A
    statement for each such column that changes."""
    for name in TAKEN:
        giving = [item for item in items if _given(item, name)]
        if not giving:
            continue
        carriers = _carriers(session, name, {_key(item, name) for item in giving})
        counted = Counter(_key(item, name) for item in giving)
        for item in giving:
            if counted[_key(item, name)] > 1:
                item.problem = RuleBroken(name, TWICE)
        _mark_taken(items, name, carriers)


def _mark_taken(items: Sequence[Item], name: str, carriers: Mapping[Key, int]) -> None:
    """A value may stand at another thing only if that gives it away by a change that can be written; taking one back
    may bring down others."""
    while True:
        leaving = {item.row.id for item in items if item.row is not None and item.changes and name in item.changed}
        giving = [item for item in items if _given(item, name) and carriers.get(_key(item, name)) not in leaving]
        taken = [item for item in giving if _key(item, name) in carriers]
        if not taken:
            return
        for item in taken:
            item.problem = RuleBroken(name, TAKEN[name])


def _given(item: Item, name: str) -> bool:
    return item.changes and name in item.changed and item.changed[name][1] is not None


def _key(item: Item, name: str) -> Key:
    assert item.row is not None
    return item.row.owner_id, item.changed[name][1]


def _carriers(session: Session, name: str, keys: set[Key]) -> dict[Key, int]:
    """The ids of what carries these values of these owners now."""
    kind: Any = Station if name == "reference" else Connector
    column = getattr(kind, name)
    owners, values = {owner for owner, _value in keys}, {value for _owner, value in keys}
    found = session.execute(
        sa.select(kind.owner_id, column, kind.id).where(kind.owner_id.in_(owners), column.in_(values))
    )
    return {(owner_id, value): row_id for owner_id, value, row_id in found}
