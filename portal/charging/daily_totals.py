"""The proof of the daily totals: they are summed up anew from sessions and quarter hours, and what differs is told.

Triggers of the schema keep them exact, so that no writer of sessions can forget it; the proof is for the operator who
has restored tables or written to them by hand. The days are worked out here by another way than in the triggers.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import UNKNOWN_DRIVER, ChargingSession, DailyTotal, QuarterHour
from portal.stations.models import Connector

ZONE = ZoneInfo("Europe/Zurich")
"""Whose days the totals are of: those of the stations, as exports have them unless a task says otherwise."""
AT_ONCE = 200  # connectors; ten years of one are 350,000 quarter hours at most


class Key(NamedTuple):
    connector_id: int
    day: date
    driver_id: int


class Figures(NamedTuple):
    owner_id: int
    energy_wh: int
    sessions: int


class Difference(NamedTuple):
    """A total that is not what sessions and quarter hours say; None: there is none."""

    key: Key
    kept: Figures | None
    true: Figures | None


def differences(session: Session) -> Iterator[Difference]:
    """What is wrong with the daily totals, charging point by charging point. The caller's transaction has to see one
    state of all tables from its first statement to its last."""
    for connector_ids in _portions(session):
        kept, true = _kept(session, connector_ids), _true(session, connector_ids)
        for key in sorted(kept.keys() | true.keys()):
            if kept.get(key) != true.get(key):
                yield Difference(key, kept.get(key), true.get(key))


def repair(session: Session, connector_ids: Sequence[int]) -> None:
    """Write the totals of these charging points anew. Others who write totals wait until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("LOCK TABLE daily_total IN SHARE ROW EXCLUSIVE MODE"))
    for first in range(0, len(connector_ids), AT_ONCE):
        some = connector_ids[first : first + AT_ONCE]
        session.execute(sa.delete(DailyTotal).where(DailyTotal.connector_id.in_(some)))
        rows = [{**key._asdict(), **figures._asdict()} for key, figures in _true(session, some).items()]
        if rows:
            session.execute(sa.insert(DailyTotal), rows)


def _portions(session: Session) -> Iterator[Sequence[int]]:
    last = 0
    while True:
        wanted = sa.select(Connector.id).where(Connector.id > last).order_by(Connector.id).limit(AT_ONCE)
        found = session.scalars(wanted).all()
        if not found:
            return
        yield found
        last = found[-1]


def _kept(session: Session, connector_ids: Sequence[int]) -> dict[Key, Figures]:
    table = DailyTotal
    columns = (table.connector_id, table.day, table.driver_id, table.owner_id, table.energy_wh, table.sessions)
    rows = session.execute(sa.select(*columns).where(table.connector_id.in_(connector_ids)))
    return {Key(*row[:3]): Figures(*row[3:]) for row in rows if row.energy_wh or row.sessions}


def _true(session: Session, connector_ids: Sequence[int]) -> dict[Key, Figures]:
    found: dict[Key, Figures] = {}
    for connector_id, at, driver_id, owner_id, energy_wh in session.execute(_energy(connector_ids)):
        _add(found, Key(connector_id, at.astimezone(ZONE).date(), driver_id), Figures(owner_id, energy_wh, 0))
    for connector_id, at, driver_id, owner_id in session.execute(_begun(connector_ids)):
        _add(found, Key(connector_id, at.astimezone(ZONE).date(), driver_id), Figures(owner_id, 0, 1))
    return found


def _add(found: dict[Key, Figures], key: Key, more: Figures) -> None:
    before = found.get(key, Figures(more.owner_id, 0, 0))
    sums = before.energy_wh + more.energy_wh, before.sessions + more.sessions
    found[key] = Figures(more.owner_id, *sums)


def _driver() -> sa.ColumnElement[int]:
    return sa.func.coalesce(ChargingSession.driver_id, UNKNOWN_DRIVER)


def _energy(connector_ids: Sequence[int]) -> sa.Select[*tuple[Any, ...]]:
    table = QuarterHour
    columns = (table.connector_id, table.starts_at, _driver(), Connector.owner_id, table.energy_wh)
    query = sa.select(*columns).join(ChargingSession, ChargingSession.id == table.session_id)
    return query.join(Connector, Connector.id == table.connector_id).where(table.connector_id.in_(connector_ids))


def _begun(connector_ids: Sequence[int]) -> sa.Select[*tuple[Any, ...]]:
    table = ChargingSession
    query = sa.select(table.connector_id, table.started_at, _driver(), Connector.owner_id)
    return query.join(Connector, Connector.id == table.connector_id).where(table.connector_id.in_(connector_ids))
