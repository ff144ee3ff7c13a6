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
    "maintenance:divide",
    "station:transfer",
    "station_group:transfer",
}
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
