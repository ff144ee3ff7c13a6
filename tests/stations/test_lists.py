"""Who finds what in the lists: filters, search, order."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.errors import NotThere
from portal.licences.models import Kind
from portal.stations import group_list, operations, queries, reach, station_list
from portal.stations.models import Station
from portal.stations.operations import StationValues
from portal.stations.reach import Relation
from tests import world
from tests.stations.scene import Scene


def names(session: Session, account: object, **how: object) -> list[str]:
    return [row.station.name for row in station_list.stations(session, reach.of(session, account.id), **how).items]


def group_names(session: Session, account: object, **how: object) -> list[str]:
    return [row.group.name for row in group_list.groups(session, account.id, **how).items]


@pytest.mark.parametrize(
    ("who", "owned", "managed", "viewed"),
    [
        ("owner", ["Depot", "Via Nassa"], [], []),
        ("administrate", [], ["Via Nassa"], []),
        ("manage", [], ["Via Nassa"], []),
        ("display", [], [], ["Via Nassa"]),
        ("unlicensed", [], [], []),
        ("stranger", [], [], []),
    ],
)
def test_each_filter_holds_what_it_says(
    session: Session, scene: Scene, who: str, owned: list[str], managed: list[str], viewed: list[str]
) -> None:
    account = getattr(scene, who)
    found = [names(session, account, relation=relation) for relation in Relation]
    assert found == [owned, managed, viewed]
    assert names(session, account) == owned + managed + viewed
    mine = session.scalars(sa.select(Station.name).where(queries.visible_stations(account.id, "station:view")))
    assert sorted(mine) == sorted(owned + managed + viewed)


def test_own_stations_come_first_and_no_station_twice(session: Session, scene: Scene) -> None:
    world.station(session, scene.manage, "Zoo")
    second = world.station_group(session, scene.owner)
    operations.add_stations(session, scene.owner, second, [scene.station.id])
    world.grant(session, second, "display", scene.manage.email)
    page = station_list.stations(session, reach.of(session, scene.manage.id))
    assert [(row.station.name, row.relation) for row in page.items] == [("Zoo", "owned"), ("Via Nassa", "managed")]
    assert page.total == 2


def test_a_station_managed_in_one_group_is_not_merely_viewed_in_another(session: Session, scene: Scene) -> None:
    second = world.station_group(session, scene.owner)
    operations.add_stations(session, scene.owner, second, [scene.station.id, scene.lonely.id])
    world.grant(session, second, "display", scene.manage.email)
    assert names(session, scene.manage, relation=Relation.VIEWED) == ["Depot"]
    assert names(session, scene.manage, relation=Relation.VIEWED, station_group_id=second.id) == ["Depot"]
    assert names(session, scene.manage, relation=Relation.MANAGED, station_group_id=second.id) == ["Via Nassa"]


def test_the_walk_of_large_groups_finds_the_same_as_the_ids_of_small_ones(
    session: Session, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _number in range(5):
        world.station(session, scene.owner, "", scene.group)
    few = [names(session, a, text=t) for a in (scene.owner, scene.manage, scene.display) for t in ("", "via")]
    monkeypatch.setattr(station_list, "FEW", 2)
    assert few == [names(session, a, text=t) for a in (scene.owner, scene.manage, scene.display) for t in ("", "via")]


def test_a_group_filters_and_a_foreign_one_is_not_there(session: Session, scene: Scene) -> None:
    assert names(session, scene.owner, station_group_id=scene.group.id) == ["Via Nassa"]
    assert names(session, scene.display, station_group_id=scene.group.id) == ["Via Nassa"]
    for account in (scene.stranger, scene.unlicensed):
        with pytest.raises(NotThere):
            names(session, account, station_group_id=scene.group.id)


@pytest.mark.parametrize("text", ["Über", "über", "ÜBER", "hof-7", "bahnhof", "100%", "üb", "l'e", 'the "old" one'])
def test_search_finds_a_part_in_any_capitals(session: Session, scene: Scene, text: str) -> None:
    values = StationValues("Übersee l'Est", "HOF-7", 'the "old" one', "Bahnhof 100%")
    operations.create_station(session, scene.owner, values)
    assert names(session, scene.owner, text=text) == ["Übersee l'Est"]


@pytest.mark.parametrize(
    "text",
    [
        "%",
        "_",
        "%%%",
        "___",
        '"',
        '" OR "',
        '" OR Via OR "',
        'Via"',
        "Via* ",
        "NEAR(",
        "name:Via",
        "\\",
        "';--",
        "a\x00b",
        "^Via",
        "Via AND Nassa",
    ],
)
def test_search_gives_no_meaning_to_signs(session: Session, scene: Scene, text: str) -> None:
    assert names(session, scene.owner, text=text) == []


def test_frequent_texts_are_found_as_rare_ones(session: Session, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.stations.search.FEW", 0)
    assert names(session, scene.owner, text="VIA") == ["Via Nassa"]
    assert names(session, scene.owner, text="%") == []


def test_search_never_finds_what_is_not_visible(session: Session, scene: Scene) -> None:
    assert names(session, scene.display, text="Depot") == []
    assert names(session, scene.stranger, text="Via Nassa") == []


def test_pages_hold_every_station_once(session: Session, scene: Scene) -> None:
    account = world.account(session, "many@demo.example", Kind.AUTHORISATION)
    world.grant(session, scene.group, "display", account.email)
    for number in range(60):
        world.station(session, account, f"Own {number:02}")
    pages = [station_list.stations(session, reach.of(session, account.id), number=number) for number in (1, 2)]
    found = [row.station.name for page in pages for row in page.items]
    assert found == [f"Own {number:02}" for number in range(60)] + ["Via Nassa"]
    assert [page.total for page in pages] == [61, 61]
    assert station_list.stations(session, reach.of(session, account.id), number=9).number == 1


def test_groups_are_listed_with_their_figures(session: Session, scene: Scene) -> None:
    [row] = group_list.groups(session, scene.owner.id).items
    assert (row.stations, row.connectors, row.grants, row.relation) == (1, 2, 4, "owned")


def test_who_may_not_see_grants_is_not_told_their_number(session: Session, scene: Scene) -> None:
    [managed] = group_list.groups(session, scene.manage.id).items
    [administered] = group_list.groups(session, scene.administrate.id).items
    assert (managed.grants, administered.grants) == (None, 4)


@pytest.mark.parametrize(
    ("who", "relation", "found"),
    [
        ("owner", "owned", True), ("owner", "managed", False), ("administrate", "managed", True),
        ("manage", "managed", True), ("manage", "viewed", False), ("display", "viewed", True),
        ("unlicensed", "viewed", False), ("stranger", "viewed", False),
    ],
)  # fmt: skip
def test_groups_are_filtered(session: Session, scene: Scene, who: str, relation: str, found: bool) -> None:
    listed = group_names(session, getattr(scene, who), relation=Relation(relation))
    assert listed == (["Lugano Centro"] if found else [])


def test_groups_are_searched_by_name(session: Session, scene: Scene) -> None:
    assert group_names(session, scene.display, text="CENTRO") == ["Lugano Centro"]
    assert group_names(session, scene.display, text="%") == []


def test_an_ended_grant_shows_nothing(session: Session, scene: Scene) -> None:
    ended = world.account(session, "ended@demo.example", Kind.AUTHORISATION)
    world.grant(session, scene.group, "manage", ended.email, revoked_at=scene.group.created_at)
    assert names(session, ended) == []
    assert group_names(session, ended) == []
