"""The words for plug types, accesses, states and permissions, in the reader's language: every screen's words."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from portal.stations.models import Access, ConnectorState, Permission, PlugType
from portal.stations.states import DisplayState

PLUG_TYPES: Mapping[str, Any] = {
    PlugType.TYPE_2: _l("Type 2"),
    PlugType.SCHUKO: _l("Schuko"),
    PlugType.SWISS: _l("Swiss (T13/T23)"),
    PlugType.UK: _l("UK (type G)"),
    PlugType.CCS: _l("CCS"),
    PlugType.CHADEMO: _l("CHAdeMO"),
}
ACCESSES: Mapping[str, Any] = {
    Access.PUBLIC: _l("Public"),
    Access.LIMITED: _l("Limited"),
    Access.PRIVATE: _l("Private"),
}
ACCESS_MEANINGS: Mapping[str, Any] = {
    Access.PUBLIC: _l("everyone may charge"),
    Access.LIMITED: _l("the owner and special users may charge"),
    Access.PRIVATE: _l("only the owner may charge"),
}
CONNECTOR_STATES: Mapping[str, Any] = {
    ConnectorState.AVAILABLE: _l("Available"),
    ConnectorState.PREPARING: _l("Preparing"),
    ConnectorState.CHARGING: _l("Charging"),
    ConnectorState.SUSPENDED_EVSE: _l("Suspended by the station"),
    ConnectorState.SUSPENDED_EV: _l("Suspended by the vehicle"),
    ConnectorState.FINISHING: _l("Finishing"),
    ConnectorState.RESERVED: _l("Reserved"),
    ConnectorState.UNAVAILABLE: _l("Unavailable"),
    ConnectorState.FAULTED: _l("Faulted"),
}
DISPLAY_STATES: Mapping[str, Any] = {
    DisplayState.AVAILABLE: _l("Available"),
    DisplayState.OCCUPIED: _l("Occupied"),
    DisplayState.CONNECTED: _l("Connected"),
    DisplayState.NO_LIVE_CONNECTION: _l("No live connection"),
    DisplayState.OUT_OF_SERVICE: _l("Out of service"),
}
PERMISSIONS: Mapping[str, Any] = {
    Permission.DISPLAY: _l("Display stations"),
    Permission.MANAGE: _l("Manage stations"),
    Permission.ADMINISTRATE: _l("Administrate group"),
}
ROLES: Mapping[str, Any] = {"owner": _l("Owner"), **PERMISSIONS}
IDENTIFIERS: Mapping[str, Any] = {
    "device_location_id": _l("DeviceLocationID"),
    "factory_no": _l("FactoryNo"),
    "internal_no": _l("InternalNo"),
    "metering_code": _l("Metering Code"),
}
# From Monday, and what opening times say of public holidays.
WEEKDAYS: tuple[Any, ...] = (
    _l("Monday"),
    _l("Tuesday"),
    _l("Wednesday"),
    _l("Thursday"),
    _l("Friday"),
    _l("Saturday"),
    _l("Sunday"),
    _l("Public holidays"),
)
