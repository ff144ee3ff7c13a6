"""Which connector a file means by its texts for station and connector, among those that an importer may import to."""

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.reading import FoundConnector
from portal.stations.models import Connector, Station
from portal.stations.queries import shows_drivers, visible_stations

LONGEST_NAME = 120


class _Outlet(NamedTuple):
    id: int
    station_id: int
    reference: str | None
    number: int
    max_power_w: int | None


def lost(session: Session, account_id: int, owner_id: int, connector_ids: Collection[int]) -> set[int]:
    """Of these connectors those to which the account may not import now, or that are not the owner's any more."""
    wanted = sa.select(Connector.id).join(Station, Station.id == Connector.station_id)
    wanted = wanted.where(Connector.id.in_(connector_ids), Station.owner_id == owner_id)
    return set(connector_ids) - set(session.scalars(wanted.where(visible_stations(account_id, "session:import"))))


def hidden(session: Session, account_id: int, owner_id: int, connector_ids: Collection[int]) -> set[int]:
    """Of these connectors of the owner's those whose drivers the account may not know."""
    if account_id == owner_id or not connector_ids:
        return set()
    known = sa.select(Connector.id).join(Station, Station.id == Connector.station_id)
    known = known.where(Connector.id.in_(connector_ids), shows_drivers(account_id))
    return set(connector_ids) - set(session.scalars(known))


class StationLookup:
    """A Lookup (see portal.charging.reading) on the database, which remembers each text it was asked for.

    A station is found by its reference, else by its name where only one station has it; only among the stations of
    `owner_id` on which `account_id` may import. The connector is the one of that number; without a number it is
    number 1, or the only one. The `station_ref` of what it finds is the connector's id.
    """

    def __init__(self, session: Session, account_id: int, owner_id: int) -> None:
        self._session, self._owner_id = session, owner_id
        self._may_import = visible_stations(account_id, "session:import")
        self._known: dict[str, dict[int, FoundConnector]] = {}
        self.connector_ids: set[int] = set()  # every connector that was found

    def __call__(self, station: str, connector: str) -> FoundConnector | None:
        if station not in self._known:
            self._known[station] = self._outlets(station)
        found = _choose(self._known[station], connector)
        if found is not None:
            self.connector_ids.add(int(found.station_ref))
        return found

    def forget(self) -> None:
        """Ask the database again from now on: a grant may have ended meanwhile."""
        self._known.clear()

    def _outlets(self, station: str) -> dict[int, FoundConnector]:
        if not station or len(station) > LONGEST_NAME:
            return {}
        columns = (Connector.id, Connector.station_id, Station.reference, Connector.number, Connector.max_power_w)
        named = sa.or_(Station.reference == station, Station.name == station)
        wanted = sa.select(*columns).join(Station, Station.id == Connector.station_id)
        wanted = wanted.where(Station.owner_id == self._owner_id, named, self._may_import)
        outlets = [_Outlet(*row) for row in self._session.execute(wanted)]
        exact = [outlet for outlet in outlets if outlet.reference == station]
        chosen = exact or outlets
        if len({outlet.station_id for outlet in chosen}) != 1:
            return {}
        return {o.number: FoundConnector(str(o.id), o.number, o.max_power_w) for o in chosen}


def _choose(outlets: dict[int, FoundConnector], connector: str) -> FoundConnector | None:
    if connector:
        return outlets.get(int(connector)) if connector.isascii() and connector.isdigit() else None
    return outlets.get(1) or (next(iter(outlets.values())) if len(outlets) == 1 else None)
