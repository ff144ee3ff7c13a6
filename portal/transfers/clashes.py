"""What keeps a transfer from being accepted: names and numbers that the receiver uses already. They are his own data,
so they are told to him alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.charging.models import ChargingSession, Driver
from portal.core.db import among
from portal.core.errors import RuleBroken
from portal.stations.models import IDENTIFIERS, Connector, Station
from portal.transfers.things import Held

NAMED = 10


def check(session: Session, held: Held, to_id: int, driver_ids: Sequence[int] = ()) -> None:
    """RuleBroken when the receiver has stations with the same references, connectors or drivers with the same
    identifiers, or charging sessions of the same source and number."""
    taken = _same(session, Station.reference, Station.owner_id, among(session, Station.id, held.station_ids), to_id)
    coming = among(session, Connector.id, held.connector_ids)
    for name in IDENTIFIERS:
        taken += _same(session, getattr(Connector, name), Connector.owner_id, coming, to_id)
    if driver_ids:
        drivers = among(session, Driver.id, driver_ids)
        for name in IDENTIFIERS:
            taken += _same(session, getattr(Driver, name), Driver.owner_id, drivers, to_id)
    if taken:
        raise RuleBroken(
            "",
            "You use these references or identifiers already: %(what)s. Change them at your stations, then accept.",
            what=", ".join(dict.fromkeys(taken[:NAMED])),
        )
    _sessions(session, held, to_id)


def _same(
    session: Session,
    column: InstrumentedAttribute[str | None],
    owner: InstrumentedAttribute[int],
    coming: sa.ColumnElement[bool],
    to_id: int,
) -> list[str]:
    wanted = sa.select(column).where(coming, column.is_not(None)).correlate(None)
    his = sa.select(column).where(owner == to_id, column.in_(wanted)).order_by(column).limit(NAMED)
    return [value for value in session.scalars(his) if value is not None]


def _sessions(session: Session, held: Held, to_id: int) -> None:
    coming, his = ChargingSession, aliased(ChargingSession)
    same = sa.and_(his.owner_id == to_id, his.source == coming.source, his.external_id == coming.external_id)
    twice = sa.select(sa.func.count()).select_from(coming).join(his, same)
    count = session.scalar(twice.where(among(session, coming.connector_id, held.connector_ids))) or 0
    if count:
        raise RuleBroken(
            "",
            "You have charging sessions with the numbers of those that would come: %(count)s. "
            "The same file was imported on both sides.",
            count=count,
        )
