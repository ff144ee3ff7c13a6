"""The pages of one station: look, create, edit, delete, picture."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession
from portal.core import clock
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.stations.models import Station
from tests.stations.scene import Scene
from tests.stations.test_images import picture

LogIn = Callable[[Account], FlaskClient]
HOSTILE = 'O\'Brien "<script>alert(1)</script>" {{7*7}} %s 充電 é'


def path(scene: Scene, verb: str = "") -> str:
    return f"/stations/{scene.station.id}{verb}"


def reloaded(session: Session, station: Station) -> Station | None:
    found = session.get(Station, station.id, populate_existing=True)
    session.commit()  # or SQLite's one write lock would stay with the test
    return found


@pytest.mark.parametrize("who", ["owner", "administrate", "manage", "display"])
def test_who_sees_it_sees_its_connectors(scene: Scene, logged_in: LogIn, who: str) -> None:
    page = logged_in(getattr(scene, who)).get(path(scene)).text
    assert "Connector 1" in page
    assert "Connector 2" in page
    assert ("Edit station" in page) == (who != "display")
    assert ("only" in page or "not change it" in page) == (who == "display")


@pytest.mark.parametrize("who", ["unlicensed", "stranger"])
@pytest.mark.parametrize("verb", ["", "/edit", "/delete", "/image"])
def test_it_is_not_there_for_others(scene: Scene, logged_in: LogIn, who: str, verb: str) -> None:
    assert logged_in(getattr(scene, who)).get(path(scene, verb)).status_code == 404


def test_a_station_in_no_group_is_its_owners_alone(scene: Scene, logged_in: LogIn) -> None:
    for who in ("administrate", "manage", "display"):
        assert logged_in(getattr(scene, who)).get(f"/stations/{scene.lonely.id}").status_code == 404
    assert "In no group" in logged_in(scene.owner).get(f"/stations/{scene.lonely.id}").text


def test_only_groups_the_reader_may_see_are_named(session: Session, scene: Scene, logged_in: LogIn) -> None:
    from portal.stations import operations

    hidden = operations.create_group(session, scene.owner, "Secret customer")
    operations.add_stations(session, scene.owner, hidden, [scene.station.id])
    assert "Secret customer" in logged_in(scene.owner).get(path(scene)).text
    assert "Secret customer" not in logged_in(scene.administrate).get(path(scene)).text


def test_a_new_station_leads_to_its_first_connector(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.stranger)
    answer = browser.post("/stations/create", data={"name": HOSTILE, "latitude": "46,0", "longitude": "8.9"})
    assert answer.location.endswith("/connectors/add")
    page = browser.get("/stations").text
    assert "<script>alert" not in page
    assert "O&#39;Brien" in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 5000), ("latitude", "91"), ("latitude", "NaN"), ("longitude", "1e3"),
        ("vat_percent", "-1"), ("vat_percent", "101"), ("reference", "x" * 81), ("address", "a\x1bb"),
    ],
)  # fmt: skip
def test_it_shows_the_error_and_loses_nothing_typed(scene: Scene, logged_in: LogIn, field: str, value: str) -> None:
    data = {"name": "New", "latitude": "46", "longitude": "8", "support_contact": "typed before"} | {field: value}
    answer = logged_in(scene.owner).post(path(scene, "/edit"), data=data)
    assert answer.status_code == 422
    assert 'class="field-error"' in answer.text
    assert "typed before" in answer.text


def test_manage_edits_and_the_pin_can_be_deleted(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.manage)
    browser.post(path(scene, "/edit"), data={"name": "A", "latitude": "46.1", "longitude": "8.9"})
    assert "openstreetmap" in browser.get(path(scene)).text
    browser.post(path(scene, "/edit"), data={"name": "A", "latitude": "", "longitude": ""})
    assert "No pin" in browser.get(path(scene)).text
    assert reloaded(session, scene.station).latitude is None


def test_display_may_not_edit(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.display)
    assert browser.get(path(scene, "/edit")).status_code == 403
    assert browser.post(path(scene, "/edit"), data={"name": "Mine"}).status_code == 403
    assert reloaded(session, scene.station).name == "Via Nassa"


@pytest.mark.parametrize("who", ["administrate", "manage", "display"])
def test_only_the_owner_deletes(session: Session, scene: Scene, logged_in: LogIn, who: str) -> None:
    browser = logged_in(getattr(scene, who))
    assert browser.get(path(scene, "/delete")).status_code == 403
    assert browser.post(path(scene, "/delete")).status_code == 403
    assert reloaded(session, scene.station) is not None


def test_the_owner_sees_the_consequences_and_deletes(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    page = browser.get(path(scene, "/delete")).text
    assert "2 connectors" in page
    assert "It leaves the group Lugano Centro" in page
    assert browser.post(path(scene, "/delete")).location == "/stations"
    assert reloaded(session, scene.station) is None


def test_a_station_with_sessions_stays(session: Session, scene: Scene, logged_in: LogIn) -> None:
    now = clock.now()
    session.add(
        ChargingSession(
            owner_id=scene.owner.id, connector_id=scene.connector.id, started_at=now, energy_wh=1,
            ended_at=now + timedelta(hours=1), source="file", external_id="1",
        )
    )  # fmt: skip
    browser = logged_in(scene.owner)
    assert "1 charging session" in browser.get(path(scene, "/delete")).text
    assert browser.post(path(scene, "/delete")).status_code == 422
    assert reloaded(session, scene.station) is not None


def test_the_picture_is_served_to_who_sees_the_station(scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.owner)
    upload = {"name": "A", "image": (io.BytesIO(picture("PNG")), "photo.png")}
    assert browser.post(path(scene, "/edit"), data=upload).status_code == 302
    answer = logged_in(scene.display).get(path(scene, "/image"))
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("image/webp", "private, no-cache")
    again = browser.get(path(scene, "/image"), headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    browser.post(path(scene, "/edit"), data={"name": "A", "remove_image": "y"})
    assert browser.get(path(scene, "/image")).status_code == 404


@pytest.mark.parametrize("data", [b"no image", b"<svg onload=alert(1)>", bytes(6 * 1024 * 1024)])
def test_what_is_no_picture_is_refused(session: Session, scene: Scene, logged_in: LogIn, data: bytes) -> None:
    upload = {"name": "Other name", "image": (io.BytesIO(data), "../../photo.png")}
    answer = logged_in(scene.owner).post(path(scene, "/edit"), data=upload)
    assert answer.status_code == 422
    assert 'href="#image"' in answer.text
    assert reloaded(session, scene.station).name == "Via Nassa"


@pytest.mark.parametrize("address", ["/stations/0", "/stations/99999999999999999999", "/stations/-1", "/stations/x"])
def test_impossible_ids_are_not_there(scene: Scene, logged_in: LogIn, address: str) -> None:
    assert logged_in(scene.owner).get(address).status_code == 404


def test_the_maintenance_that_would_go_is_counted(session: Session, scene: Scene, logged_in: LogIn) -> None:
    of = {"station_id": scene.station.id, "owner_id": scene.owner.id}
    soon = {"starts_at": clock.now() + timedelta(days=1), "ends_at": clock.now() + timedelta(days=2)}
    by = {"text": "Fuse", "written_by_id": scene.owner.id}
    session.add_all([MaintenanceEntry(**of, **by), MaintenanceEntry(**of, **by, **soon)])
    session.add(MaintenanceEntry(**of, **by, **soon, cancelled_at=clock.now(), cancelled_by_id=scene.owner.id))
    session.add(MaintenanceRecipient(**of, email="fuse@demo.example", added_by_id=scene.owner.id))
    session.commit()
    page = logged_in(scene.owner).get(path(scene, "/delete")).text
    for told in ("1 planned work that is not done", "2 notes and works of the maintenance", "1 recipient no longer"):
        assert told in page
