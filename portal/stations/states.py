"""What a station shows: one word from what its connectors last reported."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from portal.stations.models import ConnectorState

SILENT_AFTER = timedelta(minutes=15)


class DisplayState(StrEnum):
    """The states shown, in the order in which one of several connectors speaks for the station."""

    AVAILABLE = "available"
    OCCUPIED = "occupied"
    CONNECTED = "connected"
    NO_LIVE_CONNECTION = "no_live_connection"
    OUT_OF_SERVICE = "out_of_service"


class Reported(Protocol):
    """What a connector last reported, and whether a person took it out of service."""

    @property
    def state(self) -> str | None: ...
    @property
    def state_at(self) -> datetime | None: ...
    @property
    def out_of_service(self) -> bool: ...


_SHOWN = {
    ConnectorState.AVAILABLE: DisplayState.AVAILABLE,
    ConnectorState.PREPARING: DisplayState.CONNECTED,
    ConnectorState.CHARGING: DisplayState.OCCUPIED,
    ConnectorState.SUSPENDED_EVSE: DisplayState.CONNECTED,
    ConnectorState.SUSPENDED_EV: DisplayState.CONNECTED,
    ConnectorState.FINISHING: DisplayState.CONNECTED,
    ConnectorState.RESERVED: DisplayState.OCCUPIED,
    ConnectorState.UNAVAILABLE: DisplayState.OUT_OF_SERVICE,
    ConnectorState.FAULTED: DisplayState.OUT_OF_SERVICE,
}


def of_connector(connector: Reported, now: datetime) -> DisplayState:
    """The state shown for a connector.

    Out of service by a person's hand, by its own report, or by itself once `state_at`, the last word heard from it,
    is older than 15 minutes; no live connection where it never reported a state.
    """
    if connector.out_of_service:
        return DisplayState.OUT_OF_SERVICE
    if connector.state is None:
        return DisplayState.NO_LIVE_CONNECTION
    if connector.state_at is None or now - connector.state_at > SILENT_AFTER:
        return DisplayState.OUT_OF_SERVICE
    return _SHOWN[ConnectorState(connector.state)]


def of_station(connectors: Iterable[Reported], now: datetime) -> DisplayState:
    """The state shown for a station: available as soon as one connector is, out of service only when all are; no live
    connection for a station without connectors."""
    shown = {of_connector(connector, now) for connector in connectors}
    return next((state for state in DisplayState if state in shown), DisplayState.NO_LIVE_CONNECTION)
