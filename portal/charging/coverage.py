"""The time for which it is known what a connector delivered.

Rows of one connector never touch or overlap: what is added is merged with them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import changes
from portal.charging.models import Coverage

CHUNK = 500
Period = tuple[datetime, datetime]


def cover(
    session: Session, connector_ids: Iterable[int], starts_at: datetime, ends_at: datetime, import_id: int | None
) -> int:
    """Note that the energy of these connectors is known from `starts_at` to `ends_at`, and say for how many."""
    ids, count = iter(sorted(set(connector_ids))), 0
    while chunk := list(islice(ids, CHUNK)):
        _cover(session, chunk, (starts_at, ends_at), import_id)
        count += len(chunk)
    return count


def _cover(session: Session, connector_ids: Sequence[int], period: Period, import_id: int | None) -> None:
    starts_at, ends_at = period
    spans = dict.fromkeys(connector_ids, period)
    touching = sa.and_(
        Coverage.connector_id.in_(connector_ids), Coverage.starts_at <= ends_at, Coverage.ends_at >= starts_at
    )
    for row in session.scalars(sa.select(Coverage).where(touching)):
        first, last = spans[row.connector_id]
        spans[row.connector_id] = min(first, row.starts_at), max(last, row.ends_at)
    session.execute(sa.delete(Coverage).where(touching), execution_options={"synchronize_session": False})
    rows = [
        {"connector_id": connector_id, "starts_at": first, "ends_at": last, "import_id": import_id}
        for connector_id, (first, last) in spans.items()
    ]
    session.execute(sa.insert(Coverage), rows)
    changes.note(session, ((connector_id, *period) for connector_id in connector_ids))
