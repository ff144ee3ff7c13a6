"""The rules of station groups, without the web."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.audit import AuditEntry
from portal.core.errors import NotThere, RuleBroken
from portal.stations import consequences, operations, queries
from portal.stations.models import Grant, Station, StationGroup
from tests import world
from tests.stations.scene import Scene


def entry(session: Session, action: str) -> AuditEntry:
    return session.scalars(sa.select(AuditEntry).where(AuditEntry.action == action)).one()


def test_a_group_belongs_to_whom_made_it(session: Session, scene: Scene) -> None:
    group = operations.create_group(session, scene.manage, " Melide ", "by the lake\r\nand the road")
    assert (group.owner_id, group.name, group.description) == (scene.manage.id, "Melide", "by the lake\nand the road")


@pytest.mark.parametrize("name", ["", "  ", "Lugano Centro", "x" * 121, "a\x00b"])
def test_a_group_is_refused_at_its_name(session: Session, scene: Scene, name: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        operations.create_group(session, scene.owner, name)
    assert refused.value.field == "name"


def test_renaming_is_recorded(session: Session, scene: Scene) -> None:
    operations.edit_group(session, scene.administrate, scene.group, "Lugano")
    session.flush()
    assert entry(session, "station_group:edit").detail["changed"] == {"name": ["Lugano Centro", "Lugano"]}


def test_a_station_can_be_in_several_groups(session: Session, scene: Scene) -> None:
    other = world.station_group(session, scene.owner)
    assert operations.add_stations(session, scene.owner, other, [scene.station.id, scene.lonely.id]) == 2
    assert sorted(queries.groups_of(session, scene.station.id)) == sorted([scene.group.id, other.id])


def test_adding_twice_is_harmless(session: Session, scene: Scene) -> None:
    assert operations.add_stations(session, scene.owner, scene.group, [scene.station.id, scene.lonely.id]) == 1
    assert operations.add_stations(session, scene.owner, scene.group, [scene.lonely.id]) == 0


def test_only_the_owners_stations_can_be_added(session: Session, scene: Scene) -> None:
    foreign = world.station(session, scene.administrate)
    for ids in ([scene.lonely.id, foreign.id], [999_999], []):
        with pytest.raises(RuleBroken) as refused:
            operations.add_stations(session, scene.administrate, scene.group, ids)
        assert refused.value.field == "station_ids"
    assert queries.groups_of(session, scene.lonely.id) == []


def test_adding_opens_the_station_to_whom_the_group_is_shared_with(session: Session, scene: Scene) -> None:
    assert not queries.may(session, scene.display.id, "station:view", scene.lonely)
    operations.add_stations(session, scene.owner, scene.group, [scene.lonely.id])
    assert queries.may(session, scene.display.id, "station:view", scene.lonely)


def test_removing_closes_it_and_is_recorded_with_who_loses_it(session: Session, scene: Scene) -> None:
    operations.remove_station(session, scene.owner, scene.group, scene.station)
    session.flush()
    assert not queries.may(session, scene.display.id, "station:view", scene.station)
    assert scene.display.email in entry(session, "station_group:remove_station").detail["losing"]
    operations.remove_station(session, scene.owner, scene.group, scene.station)


def test_who_sees_the_station_by_another_group_loses_nothing(session: Session, scene: Scene) -> None:
    other = world.station_group(session, scene.owner)
    operations.add_stations(session, scene.owner, other, [scene.station.id])
    world.grant(session, other, "display", scene.display.email)
    losing = consequences.recipients(session, scene.group, losing=scene.station)
    assert losing == ["administrate@demo.example", "manage@demo.example", "unlicensed@demo.example"]


def test_deleting_a_group_ends_its_grants_and_keeps_its_stations(session: Session, scene: Scene) -> None:
    ending = consequences.of_group(session, scene.group)
    assert (ending.stations, ending.grants, len(ending.recipients)) == (1, 4, 4)
    operations.delete_group(session, scene.owner, scene.group)
    assert session.scalars(sa.select(StationGroup)).all() == []
    assert session.scalars(sa.select(Grant)).all() == []
    assert len(session.scalars(sa.select(Station)).all()) == 2


def test_user_groups_are_named_among_who_loses(session: Session, scene: Scene) -> None:
    team = world.user_group(session, scene.owner, "Piquet", "piquet1@demo.example")
    world.grant(session, scene.group, "display", team)
    assert "Piquet" in consequences.of_group(session, scene.group).recipients


def test_what_was_transferred_a_moment_ago_is_not_deleted(session: Session, scene: Scene) -> None:
    station = world.station(session, scene.owner)
    for table, row in ((StationGroup, world.station_group(session, scene.owner)), (Station, station)):
        moved = sa.update(table).where(table.id == row.id).values(owner_id=scene.manage.id)
        session.execute(moved, execution_options={"synchronize_session": False})
        delete = operations.delete_group if table is StationGroup else operations.delete_station
        with pytest.raises(NotThere):
            delete(session, scene.owner, row)
