"""What happens to station groups."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.db import among
from portal.core.errors import RuleBroken
from portal.stations import consequences, entries, queries
from portal.stations.models import Station, StationGroup, StationGroupStation
from portal.stations.operations import changes

LONGEST_DESCRIPTION = 4000
MOST_AT_ONCE = 1000


def create_group(session: Session, actor: Account, name: str, description: str = "") -> StationGroup:
    """An empty station group of the actor's."""
    columns = _columns(session, name, description, owner_id=actor.id)
    group = StationGroup(owner_id=actor.id, **columns)
    session.add(group)
    changes.write(session)
    changes.record(session, "station_group:create", group, actor, name=group.name)
    return group


def edit_group(
    session: Session, actor: Account, group: StationGroup, name: str, description: str = "", seen: str = ""
) -> None:
    """Rename or describe a group. `seen`: the `version` that this was filled in upon, empty: any. Meanwhile; NotThere
    and NotAllowed when the actor has lost the right meanwhile."""
    _hold(session, actor, group, "station_group:edit")
    sent, present = {"name": name, "description": description}, {"name": group.name, "description": group.description}
    differing = [field for field, text in sent.items() if text.replace("\r\n", "\n").strip() != present[field]]
    changes.must_be_seen(seen, present, differing)
    columns = _columns(session, name, description, owner_id=group.owner_id, group_id=group.id)
    changes.assign(session, "station_group:edit", group, actor, columns)
    changes.write(session)


def version(group: StationGroup) -> str:
    """A text that changes when the group's name or description does."""
    return changes.version({"name": group.name, "description": group.description})


def _hold(session: Session, actor: Account, group: StationGroup, action: str) -> None:
    """The group as it is now, and what is granted on it kept as it is; the gate is asked again behind the lock."""
    changes.refresh(session, group)
    queries.station_group(session, actor.id, action, group.id)


def delete_group(session: Session, actor: Account, group: StationGroup) -> None:
    """Delete a group: its grants and its export tasks go with it, its stations stay. NotThere when it has become
    somebody else's meanwhile. Ending the grants first, each in the audit log, is for portal.sharing.operations, which
    calls this."""
    changes.hold_own(session, actor, group)
    ending = consequences.of_group(session, group)
    detail = {"name": group.name, "stations": ending.stations, "tasks": list(ending.tasks)}
    changes.record(session, "station_group:delete", group, actor, **detail)
    session.delete(group)
    session.flush()


def add_stations(session: Session, actor: Account, group: StationGroup, station_ids: Collection[int]) -> int:
    """Put stations of the group's owner into the group; says how many were not in it yet. RuleBroken, and none added,
    when one of them is not the owner's, whether or not it exists."""
    wanted = set(station_ids)
    if not wanted:
        raise RuleBroken("station_ids", "Choose at least one station.")
    if len(wanted) > MOST_AT_ONCE:
        raise RuleBroken("station_ids", "Add at most %(most)s stations at once.", most=MOST_AT_ONCE)
    _hold(session, actor, group, "station_group:add_station")
    member = StationGroupStation
    listed = among(session, Station.id, wanted)
    owned = set(session.scalars(sa.select(Station.id).where(Station.owner_id == group.owner_id, listed)))
    if owned != wanted:
        raise RuleBroken("station_ids", "Only stations of the group's owner can be added to it.")
    inside = sa.select(member.station_id).where(member.station_group_id == group.id)
    new = wanted - set(session.scalars(inside.where(among(session, member.station_id, wanted))))
    session.add_all(member(station_group_id=group.id, station_id=id_, owner_id=group.owner_id) for id_ in sorted(new))
    changes.write(session)
    if new:
        changes.record(session, "station_group:add_station", group, actor, stations=sorted(new))
    return len(new)


def remove_station(session: Session, actor: Account, group: StationGroup, station: Station) -> None:
    """Take a station out of the group: who saw it through this group only sees it no more. Harmless when it is not in
    the group any more."""
    _hold(session, actor, group, "station_group:remove_station")
    losing = consequences.recipients(session, group, losing=station)
    row = session.get(StationGroupStation, (group.id, station.id))
    if row is None:
        return
    session.delete(row)
    session.flush()
    detail = {"station": station.id, "name": station.name, "losing": list(losing)}
    changes.record(session, "station_group:remove_station", group, actor, **detail)


def _columns(
    session: Session, name: str, description: str, *, owner_id: int, group_id: int | None = None
) -> dict[str, str]:
    columns = {
        "name": entries.line("name", name, 120, required=True),
        "description": entries.paragraph("description", description, LONGEST_DESCRIPTION),
    }
    same = sa.select(StationGroup.id).where(StationGroup.owner_id == owner_id, StationGroup.name == columns["name"])
    if session.scalar(same.where(StationGroup.id != (group_id or 0))) is not None:
        raise RuleBroken("name", "There is already a station group with this name.")
    return columns
