"""What happens to stations, connectors and station groups.

Every function works in the caller's transaction and commits nothing; rows come from the gate in queries.py. Prices are
in CHF, powers in kW and taxes in percent as people say them; the rows keep whole units.
"""

from portal.stations.operations.changes import Meanwhile
from portal.stations.operations.connectors import (
    ConnectorValues,
    add_connector,
    edit_connector,
    remove_connector,
)
from portal.stations.operations.groups import (
    add_stations,
    create_group,
    delete_group,
    edit_group,
    remove_station,
)
from portal.stations.operations.stations import (
    StationValues,
    create_station,
    delete_station,
    edit_station,
    remove_image,
    set_image,
)

__all__ = [
    "ConnectorValues",
    "Meanwhile",
    "StationValues",
    "add_connector",
    "add_stations",
    "create_group",
    "create_station",
    "delete_group",
    "delete_station",
    "edit_connector",
    "edit_group",
    "edit_station",
    "remove_connector",
    "remove_image",
    "remove_station",
    "set_image",
]
