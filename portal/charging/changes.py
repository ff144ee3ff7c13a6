"""What was written of energy, for those who have exported it already."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ChargingSession, EnergyChange

Span = tuple[int, datetime, datetime]


def note(session: Session, spans: Iterable[Span]) -> None:
    """Note spans (connector, from, to) whose sessions, drivers or coverage are written in this transaction: one row
    for each connector, from the first instant to the last. Exports look at them once they are committed."""
    found: dict[int, tuple[datetime, datetime]] = {}
    for connector_id, starts_at, ends_at in spans:
        first, last = found.get(connector_id, (starts_at, ends_at))
        found[connector_id] = min(first, starts_at), max(last, ends_at)
    rows = [{"connector_id": key, "starts_at": first, "ends_at": last} for key, (first, last) in found.items()]
    if rows:
        session.execute(sa.insert(EnergyChange), rows)


def note_driver(session: Session, driver_id: int) -> None:
    """Note everything that a driver has charged: whose it is has changed."""
    table = ChargingSession
    columns = (table.connector_id, sa.func.min(table.started_at), sa.func.max(table.ended_at))
    charged = sa.select(*columns).where(table.driver_id == driver_id).group_by(table.connector_id)
    note(session, [(row[0], row[1], row[2]) for row in session.execute(charged)])
