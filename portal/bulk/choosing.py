"""The stations that somebody chose on their list, and what is to become of all of them."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.bulk.judging import Wish
from portal.core import authz
from portal.core.db import among
from portal.stations import queries
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.operations.writing import Writable
from portal.stations.station_list import ORDER


def visible(session: Session, actor: Account, station_ids: Collection[int]) -> Sequence[int]:
    """Those of the ids that are stations the actor may see, in the order of the list."""
    if not station_ids:
        return []
    seen = queries.visible_stations(actor.id, "station:view")
    return session.scalars(
        sa.select(Station.id).where(among(session, Station.id, station_ids), seen).order_by(*ORDER)
    ).all()


def writable(session: Session, actor: Account, station_ids: Collection[int]) -> Writable:
    """The fields that the actor may write at one of these stations at least."""
    member = StationGroupStation
    groups = sa.select(member.station_group_id).where(among(session, member.station_id, station_ids))
    held = authz.standings(session, actor.id, groups)
    own = sa.select(Station.id).where(among(session, Station.id, station_ids), Station.owner_id == actor.id)
    owns = session.scalar(own.limit(1)) is not None
    station, connector = (
        authz.writable(held, kind) | (authz.owner_writes(kind) if owns else frozenset())
        for kind in ("station", "connector")
    )
    return Writable(station, connector)


def wishes(
    session: Session,
    station_ids: Sequence[int],
    of_stations: Mapping[str, str],
    of_connectors: Mapping[str, str],
    plug_type: str = "",
) -> list[Wish]:
    """The same wish for each of these stations, which the gate has let through, and for each of their connectors, or
    of those with this plug type. One statement."""
    numbers: dict[int, list[int]] = {}
    if of_connectors:
        found = sa.select(Connector.station_id, Connector.number).where(
            among(session, Connector.station_id, station_ids),
            Connector.plug_type == plug_type if plug_type else sa.true(),
        )
        for station_id, number in session.execute(found.order_by(Connector.number)):
            numbers.setdefault(station_id, []).append(number)
    made = []
    for station_id in station_ids:
        if of_stations:
            made.append(Wish(0, station_id, None, of_stations))
        made.extend(Wish(0, station_id, number, of_connectors) for number in numbers.get(station_id, ()))
    return made
