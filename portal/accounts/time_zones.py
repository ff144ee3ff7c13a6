"""The time zones a person can choose: those of the IANA list that name a place."""

from functools import lru_cache
from zoneinfo import available_timezones

REGIONS = (
    "Europe",
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Indian",
    "Pacific",
)
TIME_ZONES = frozenset(zone for zone in available_timezones() if zone.partition("/")[0] in REGIONS) | {"UTC"}


@lru_cache(maxsize=1)
def by_region() -> dict[str, list[tuple[str, str]]]:
    """The choices of a select, grouped by region, Europe first: (IANA name, the place in words)."""
    groups = {region: _places(region) for region in REGIONS}
    return {**groups, "UTC": [("UTC", "UTC")]}


def _places(region: str) -> list[tuple[str, str]]:
    zones = sorted(zone for zone in TIME_ZONES if zone.startswith(f"{region}/"))
    return [(zone, zone.partition("/")[2].replace("_", " ").replace("/", ", ")) for zone in zones]
