"""The words for what may be asked about and seen on the pages of access."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

# What may be asked of a station group; the first is asked when nothing is chosen.
OF_GROUP: Mapping[str, Any] = {
    "station_group:view": _l("see this station group"),
    "session:view": _l("see the charging sessions"),
    "connector:edit": _l("edit its stations and connectors"),
    "session:import": _l("import charging sessions"),
    "export:create": _l("set up exports"),
    "station_group:edit": _l("rename the group"),
    "station_group:add_station": _l("add stations of the owner"),
    "grant:give_display": _l("give others access"),
}
OF_STATION: Mapping[str, Any] = {
    "station:view": _l("see this station"),
    "session:view": _l("see the charging sessions"),
    "station:edit": _l("edit this station"),
    "connector:edit": _l("edit its connectors"),
    "session:import": _l("import charging sessions"),
    "export:create": _l("set up exports"),
    "station:delete": _l("delete this station"),
}
# What is told of a place that somebody else sees: whether he may.
ABILITIES: Mapping[str, Any] = {
    "station:view": _l("See the stations and their connectors"),
    "session:view": _l("See the charging sessions"),
    "connector:edit": _l("Edit stations and connectors"),
    "session:import": _l("Import charging sessions"),
    "export:create": _l("Set up exports, with the licence “Auto-export”"),
    "station_group:edit": _l("Rename the group"),
    "station_group:add_station": _l("Add and remove stations"),
    "grant:give_display": _l("Give others access"),
    "station_group:delete": _l("Delete the group"),
}
FIELDS: Mapping[str, Any] = {
    "station.name": _l("Name"),
    "station.reference": _l("Reference"),
    "station.description": _l("Description"),
    "station.address": _l("Address"),
    "station.latitude": _l("Latitude"),
    "station.longitude": _l("Longitude"),
    "station.canton": _l("Canton"),
    "station.support_contact": _l("Support contact"),
    "station.vat_permille": _l("VAT rate"),
    "station.image": _l("Picture"),
    "connector.access": _l("Access"),
    "connector.device_location_id": _l("DeviceLocationID"),
    "connector.factory_no": _l("FactoryNo"),
    "connector.internal_no": _l("InternalNo"),
    "connector.metering_code": _l("Metering Code"),
    "connector.max_power_w": _l("Power"),
    "connector.opening_times": _l("Opening times"),
    "connector.out_of_service": _l("Out of service"),
    "connector.plug_type": _l("Plug type"),
    "connector.price_per_hour": _l("Price per hour"),
    "connector.price_per_kwh": _l("Price per kWh"),
}
