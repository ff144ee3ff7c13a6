"""What an account may do to a station group, written by hand from the requirement. Nothing here is shared with the
portal's own code, so that the two can be compared."""

from dataclasses import dataclass

DISPLAY = frozenset(
    {
        "station_group:view",
        "station:view",
        "connector:view",
        "session:view",
        "export:view",
        "maintenance:view",
        "report:create",
    }
)
MANAGE = DISPLAY | {
    "station:edit",
    "connector:edit",
    "session:import",
    "session:correct",
    "export:create",
    "maintenance:run",
    "alarm:edit",
    "special_user:view",
}
ADMINISTRATE = MANAGE | {
    "station_group:edit",
    "station_group:add_station",
    "station_group:remove_station",
    "grant:view",
    "grant:give_display",
    "grant:give_manage",
    "grant:give_administrate",
    "grant:revoke",
    "grant:change",
    "grant:extend",
    "grant:review",
    "access:explain",
}
OWNER = ADMINISTRATE | {
    "station_group:delete",
    "station:delete",
    "connector:add",
    "connector:remove",
    "access:view_as",
    "session:recalculate",
    "maintenance:divide",
    "station:transfer",
    "station_group:transfer",
    "special_user:edit",
}
# The licence that whoever does it must hold himself, besides what he is to the station group.
BESIDES = {
    "export:create": "auto_export",
    "report:create": "reports",
    "report:schedule": "reports",
    "maintenance:run": "maintenance",
    "maintenance:divide": "maintenance",
    "alarm:edit": "maintenance",
}
# What an account may write of a station and of a connector.
MANAGE_WRITES = {
    "station": {
        "name",
        "description",
        "address",
        "canton",
        "latitude",
        "longitude",
        "support_contact",
        "image",
    },
    "connector": {
        "plug_type",
        "max_power_w",
        "out_of_service",
        "access",
        "opening_times",
        "price_per_kwh",
        "price_per_hour",
        "device_location_id",
        "factory_no",
        "internal_no",
        "metering_code",
    },
}
ALL_WRITES = MANAGE_WRITES | {"station": MANAGE_WRITES["station"] | {"reference", "vat_permille"}}
WRITES = {"display": {}, "manage": MANAGE_WRITES, "administrate": ALL_WRITES}
ALLOWED = {"display": DISPLAY, "manage": MANAGE, "administrate": ADMINISTRATE}


@dataclass(frozen=True)
class Reach:
    """One grant, and whether it is one that reaches the account now."""

    role: str
    to_this_group: bool = True
    reaches_the_address: bool = True
    current: bool = True


def allowed(*, owns: bool, verified: bool, both_licensed: bool, reaches: list[Reach]) -> frozenset[str]:
    """Every action that the account may do to the station group."""
    if owns:
        return OWNER
    actions: frozenset[str] = frozenset()
    if not verified or not both_licensed:
        return actions
    for grant in reaches:
        if grant.to_this_group and grant.reaches_the_address and grant.current:
            actions |= ALLOWED[grant.role]
    return actions
