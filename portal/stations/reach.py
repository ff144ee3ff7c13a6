"""What reaches an account: the station groups shared with it, and conditions on stations that stay fast with many.

Every list here is the same decision as queries.visible_stations(), laid out so that the database walks an index.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.core.authz import standing
from portal.core.db import among
from portal.stations.models import Station, StationGroup, StationGroupStation


class Relation(StrEnum):
    """What an account is to a station or group: it owns it, may edit by a grant, or may only see by a grant."""

    OWNED = "owned"
    MANAGED = "managed"
    VIEWED = "viewed"


@dataclass(frozen=True, slots=True)
class SharedGroup:
    """A station group of somebody else's that an account may see."""

    id: int
    name: str
    owner_id: int
    managed: bool
    administered: bool

    @property
    def relation(self) -> Relation:
        return Relation.MANAGED if self.managed else Relation.VIEWED


@dataclass(frozen=True, slots=True)
class Reach:
    """An account, and the groups shared with it by their ids."""

    account_id: int
    groups: Mapping[int, SharedGroup]

    def ids(self, relation: Relation | None = None) -> tuple[int, ...]:
        """The shared groups: all, or those of one relation."""
        return tuple(g.id for g in self.groups.values() if relation is None or g.relation == relation)

    def owners(self, group_ids: Collection[int]) -> tuple[int, ...]:
        return tuple({self.groups[id_].owner_id for id_ in group_ids})


def of(session: Session, account_id: int) -> Reach:
    """One statement, as long as the list of groups shared with the account."""
    columns = (StationGroup.id, StationGroup.name, StationGroup.owner_id, standing.c.role, standing.c.licence)
    rows = session.execute(
        sa.select(*columns)
        .join(standing, standing.c.station_group_id == StationGroup.id)
        .where(standing.c.account_id == account_id, standing.c.role != "owner", StationGroup.owner_id != account_id)
    )
    groups: dict[int, SharedGroup] = {}
    for id_, name, owner_id, role, licence in rows:
        if (role, licence, "station:view") not in authz.ALLOWED:
            continue
        before = groups.get(id_)
        managed = (role, licence, "station:edit") in authz.ALLOWED or (before is not None and before.managed)
        administered = (role, licence, "grant:view") in authz.ALLOWED or (before is not None and before.administered)
        groups[id_] = SharedGroup(id_, name, owner_id, managed, administered)
    return Reach(account_id, groups)


def in_groups(session: Session, group_ids: Collection[int]) -> sa.ColumnElement[bool]:
    """That a Station is in one of these groups, asked station by station through an index. Not as EXISTS, which a
    planner may turn into a join with all memberships there are; and by the few groups of a station, not by thousands
    of groups: + 0 keeps them out of the index."""
    member = StationGroupStation
    group_id = member.station_group_id if len(group_ids) == 1 else member.station_group_id + 0
    inside = among(session, group_id, group_ids)
    found = sa.select(member.station_id).where(member.station_id == Station.id, inside).limit(1)
    return found.correlate(Station).scalar_subquery().is_not(None)
