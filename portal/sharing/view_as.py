"""What an address would see of a station group or a station of the reader's, and do there. Nobody becomes
anybody: it is worked out from the grants to the address, in the same way whether or not it has an account."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.core.db import NO_ROW
from portal.sharing import paths
from portal.sharing.paths import Path
from portal.stations import queries as stations
from portal.stations.models import Grant, Station, StationGroup


@dataclass(frozen=True, slots=True)
class View:
    """What the grants to an address amount to in one place. `waits_for`: the kinds of what is still missing (licence,
    other_side) before it is so; empty when it is so now."""

    role: str  # the strongest
    paths: Sequence[Path]
    actions: frozenset[str]
    fields: frozenset[str]  # station.* and connector.* that he may write
    hides_drivers: bool
    waits_for: frozenset[str]

    @property
    def groups(self) -> list[StationGroup]:
        """The station groups that open it, each once, by name."""
        found = {path.group.id: path.group for path in self.paths if path.group}
        return sorted(found.values(), key=lambda group: (group.name, group.id))


def of(found: Iterable[Path]) -> View | None:
    """What these paths amount to: those that act now, or, when none does, those that will once both sides are ready.
    None when none ever will as things stand."""
    usable = [path for path in found if not path.is_over and not _waits(path) - {"licence", "other_side"}]
    held = [path for path in usable if path.acts] or usable
    if not held:
        return None
    roles = {(path.role, paths.licence_of(path.role)) for path in held}
    return View(
        role=min((path.role for path in held), key=authz.ROLES.index),
        paths=held,
        actions=frozenset(act for role, licence, act in authz.ALLOWED if (role, licence) in roles),
        fields=frozenset(name for role, licence, name in authz.WRITABLE if (role, licence) in roles),
        hides_drivers=all(path.grant is not None and path.grant.hides_drivers for path in held),
        waits_for=frozenset(kind for path in held for kind in _waits(path)),
    )


def of_group(session: Session, reader_id: int, group: StationGroup, email: str) -> View | None:
    """What the address would see of the station group; three statements."""
    return of(
        paths.of_address(session, email, Grant.station_group_id == group.id, "station_group:view", reader_id=reader_id)
    )


def of_station(session: Session, reader_id: int, station: Station, email: str) -> View | None:
    """What the address would see of the station by any of its groups; four statements."""
    here = Grant.station_group_id.in_(stations.groups_of(session, station.id))
    return of(paths.of_address(session, email, here, "station:view", reader_id=reader_id))


def of_all(session: Session, reader_id: int, email: str) -> View | None:
    """What the address would see of everything that is the reader's, by the first `paths.MOST` of its grants; one
    statement."""
    return of(paths.of_address(session, email, Grant.owner_id == reader_id, "station_group:view", reader_id=reader_id))


def eyes(session: Session, view: View) -> AbstractContextManager[int]:
    """While it lasts, everything that is asked for the account whose id it gives is answered as to the holder of the
    view's grants; nothing else is seen by anybody."""
    ids = [path.grant.id for path in view.paths if path.grant]
    columns = (
        sa.literal(NO_ROW, sa.Integer).label("account_id"),
        Grant.station_group_id,
        Grant.role,
        sa.literal("active").label("licence"),
        Grant.id.label("grant_id"),
    )
    return authz.imagining(session, sa.select(*columns).where(Grant.id.in_(ids)))


def _waits(path: Path) -> set[str]:
    return {missing.kind for missing in path.missing}
