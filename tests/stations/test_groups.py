"""The pages of station groups."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.maintenance.models import MaintenanceRecipient
from portal.stations import queries
from portal.stations.models import StationGroup
from tests import world
from tests.stations.scene import Scene

LogIn = Callable[[Account], FlaskClient]


def path(scene: Scene, verb: str = "") -> str:
    return f"/station-groups/{scene.group.id}{verb}"


def groups_of(session: Session, scene: Scene) -> list[int]:
    found = list(queries.groups_of(session, scene.lonely.id))
    session.commit()  # or SQLite's one write lock would stay with the test
    return found


@pytest.mark.parametrize(
    ("who", "edits", "deletes"), [("owner", 1, 1), ("administrate", 1, 0), ("manage", 0, 0), ("display", 0, 0)]
)
def test_everybody_is_offered_what_he_may(scene: Scene, logged_in: LogIn, who: str, edits: bool, deletes: bool) -> None:
    page = logged_in(getattr(scene, who)).get(path(scene)).text
    assert "Via Nassa" in page
    assert ("Add stations" in page) == ("Edit group" in page) == bool(edits)
    assert (f"{path(scene)}/delete" in page) == bool(deletes)


@pytest.mark.parametrize("who", ["unlicensed", "stranger"])
@pytest.mark.parametrize("verb", ["", "/edit", "/delete", "/add-stations"])
def test_it_is_not_there_for_others(scene: Scene, logged_in: LogIn, who: str, verb: str) -> None:
    browser = logged_in(getattr(scene, who))
    assert browser.get(path(scene, verb)).status_code == 404


@pytest.mark.parametrize("who", ["manage", "display"])
@pytest.mark.parametrize("verb", ["/edit", "/delete", "/add-stations"])
def test_who_does_not_administrate_changes_nothing(scene: Scene, logged_in: LogIn, who: str, verb: str) -> None:
    browser = logged_in(getattr(scene, who))
    data = {"name": "Mine", "station_ids": str(scene.lonely.id)}
    assert browser.get(path(scene, verb)).status_code == browser.post(path(scene, verb), data=data).status_code == 403


def test_a_new_group_leads_to_its_stations(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.stranger)
    assert "Add group" in browser.get("/station-groups").text
    answer = browser.post("/station-groups/create", data={"name": "<b>Melide</b>"})
    assert answer.location.endswith("/add-stations")
    assert "&lt;b&gt;Melide" in browser.get("/station-groups").text


def test_a_name_twice_is_refused(scene: Scene, logged_in: LogIn) -> None:
    answer = logged_in(scene.owner).post("/station-groups/create", data={"name": " Lugano Centro "})
    assert answer.status_code == 422
    assert "with this name" in answer.text


@pytest.mark.parametrize("who", ["owner", "administrate"])
def test_who_administrates_renames(session: Session, scene: Scene, logged_in: LogIn, who: str) -> None:
    logged_in(getattr(scene, who)).post(path(scene, "/edit"), data={"name": "Lugano"})
    assert session.get(StationGroup, scene.group.id, populate_existing=True).name == "Lugano"


@pytest.mark.parametrize("who", ["owner", "administrate"])
def test_stations_are_found_added_and_removed(session: Session, scene: Scene, logged_in: LogIn, who: str) -> None:
    browser = logged_in(getattr(scene, who))
    assert "Depot" in browser.get(path(scene, "/add-stations?q=dep")).text
    assert browser.post(path(scene, "/add-stations"), data={"station_ids": [scene.lonely.id]}).status_code == 302
    assert groups_of(session, scene) == [scene.group.id]
    remove = path(scene, f"/stations/{scene.lonely.id}/remove")
    assert "display@demo.example sees this station no more" in browser.get(remove).text
    assert browser.post(remove).location == path(scene)
    assert groups_of(session, scene) == []


def test_nobody_elses_station_is_added(session: Session, scene: Scene, logged_in: LogIn) -> None:
    foreign = world.station(session, scene.administrate)
    browser = logged_in(scene.administrate)
    for ids in (["99999"], ["x", "-1", ""], [str(foreign.id), str(scene.lonely.id)], []):
        assert browser.post(path(scene, "/add-stations"), data={"station_ids": ids}).status_code == 422
    assert groups_of(session, scene) == []


@pytest.mark.parametrize(("who", "code"), [("manage", 403), ("display", 403), ("stranger", 404), ("unlicensed", 404)])
def test_others_remove_no_station(scene: Scene, logged_in: LogIn, who: str, code: int) -> None:
    remove = path(scene, f"/stations/{scene.station.id}/remove")
    browser = logged_in(getattr(scene, who))
    assert browser.get(remove).status_code == browser.post(remove).status_code == code


def test_a_station_that_is_not_in_the_group_cannot_be_removed(scene: Scene, logged_in: LogIn) -> None:
    assert logged_in(scene.owner).get(path(scene, f"/stations/{scene.lonely.id}/remove")).status_code == 404


def test_deleting_lists_who_loses_access_first(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    page = browser.get(path(scene, "/delete")).text
    assert "1 station leaves the group" in page
    assert "manage@demo.example loses access" in page
    assert browser.post(path(scene, "/delete")).location == "/station-groups"
    assert logged_in(scene.manage).get(f"/stations/{scene.station.id}").status_code == 404


def test_every_grant_of_a_deleted_group_stands_in_the_audit_log(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    for number in range(25):
        world.grant(session, scene.group, "display", f"a{number}@demo.example")
    browser = logged_in(scene.owner)
    browser.post(path(scene, "/delete"))
    log = browser.get("/audit").text
    for email in ("manage@demo.example", *(f"a{number}@demo.example" for number in range(25))):
        assert f"of {email} on Lugano Centro" in log
    assert log.count("Revoked ") == 29


def test_the_sharing_tab_is_for_who_may_see_grants(scene: Scene, logged_in: LogIn) -> None:
    for who, shown in (("owner", True), ("administrate", True), ("manage", False), ("display", False)):
        page = logged_in(getattr(scene, who)).get(path(scene)).text
        tabs = page.partition('<ul class="tabs">')[2].partition("</ul>")[0]
        assert ("Sharing" in tabs) == shown


def test_deleting_counts_who_receives_the_maintenance(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    assert "the maintenance" not in browser.get(path(scene, "/delete")).text
    of = {"station_group_id": scene.group.id, "owner_id": scene.owner.id, "added_by_id": scene.owner.id}
    session.add_all([MaintenanceRecipient(**of, email=f"{one}@demo.example") for one in "ab"])
    session.commit()
    assert "2 recipients no longer receive the maintenance of its stations." in browser.get(path(scene, "/delete")).text
