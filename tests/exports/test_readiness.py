"""What keeps a run back: told with names, and gone by itself once it is mended."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from portal.charging.models import Coverage
from portal.core import clock
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.exports.delivering import look_again
from portal.exports.models import ExportRun
from portal.licences.models import Kind, Licence
from portal.stations.models import Grant, Station
from tests import world
from tests.exports import scene as scenes
from tests.exports.conftest import Sessions
from tests.exports.scene import BEGINS_AT, Scene, plan, runs, wake

Work = Callable[[], int]
DAY = timedelta(days=1)


@pytest.fixture
def work(session: Session, settings: Settings, vault: Vault, sessions: Sessions) -> Work:
    def go() -> int:
        session.commit()
        wake(session)
        return scenes.work(session, settings, vault, sessions)

    return go


def _reason(session: Session) -> dict[str, object]:
    run = runs(session)[0]
    assert run.state == "waiting"
    session.commit()
    return run.reason


def _all_delivered(session: Session) -> bool:
    return {run.state for run in runs(session)} == {"delivered"}


def test_it_waits_for_the_licence_and_goes_on_with_it(session: Session, scene: Scene, work: Work) -> None:
    session.query(Licence).update({"ends_at": clock.now() - DAY})
    plan(session)
    work()
    assert _reason(session) == {"code": "licence"}
    world.licence(session, scene.owner, Kind.AUTO_EXPORT)
    work()
    assert _all_delivered(session)


def test_it_waits_when_the_group_is_no_longer_shared(session: Session, scene: Scene, work: Work) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTO_EXPORT, Kind.AUTHORISATION)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email)
    scene.task.owner_id = guest.id
    scenes.lend(session, scene, guest.email)
    grant.revoked_at = clock.now()
    plan(session)
    work()
    assert _reason(session) == {"code": "permission"}
    session.get_one(Grant, grant.id).revoked_at = None
    work()
    assert _all_delivered(session)


def test_a_grant_to_display_is_not_enough(session: Session, scene: Scene, work: Work) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTO_EXPORT, Kind.AUTHORISATION)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    world.grant(session, scene.group, "display", guest.email)
    scene.task.owner_id = guest.id
    scenes.lend(session, scene, guest.email)
    plan(session)
    work()
    assert _reason(session)["code"] == "permission"


def test_it_waits_for_a_confirmed_host_key(session: Session, scene: Scene, work: Work) -> None:
    pinned, scene.destination.host_key_fingerprint = scene.destination.host_key_fingerprint, None
    plan(session)
    work()
    assert _reason(session) == {"code": "host_key", "destination": scene.destination.name}
    scene.destination.host_key_fingerprint = pinned
    work()
    assert _all_delivered(session)


def test_it_waits_for_a_charging_point(session: Session, scene: Scene, work: Work) -> None:
    session.query(Station).delete()
    plan(session)
    work()
    assert _reason(session)["code"] == "no_connectors"


def test_it_waits_for_the_driver_to_be_known(session: Session, scene: Scene, work: Work) -> None:
    driver = world.account(session, "driver@demo.example")
    scene.task.scope, scene.task.user_id = "driver", driver.id
    plan(session)
    work()
    assert _reason(session) == {"code": "no_driver", "station_group": "Lugano", "user": "driver@demo.example"}
    known = scenes.add_driver(session, scene.owner, driver.email)
    scenes.charge(session, scene.connectors[0], BEGINS_AT, 333, driver=known)
    work()
    assert _all_delivered(session)
    assert [run.energy_wh for run in runs(session)] == [333, 0]


def test_a_driver_is_not_exported_where_the_grant_hides_drivers(session: Session, scene: Scene, work: Work) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTO_EXPORT, Kind.AUTHORISATION)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    grant = world.grant(session, scene.group, "manage", guest.email, hides_drivers=True)
    scenes.add_driver(session, scene.owner, "driver@demo.example")
    scene.task.scope, scene.task.user_id = "driver", world.account(session, "driver@demo.example").id
    scene.task.owner_id = guest.id
    scenes.lend(session, scene, guest.email)
    plan(session)
    work()
    assert _reason(session) == {"code": "drivers_hidden"}
    session.get_one(Grant, grant.id).hides_drivers = False
    work()
    assert _all_delivered(session)


def test_it_waits_for_the_identifier_and_names_the_meter(session: Session, scene: Scene, work: Work) -> None:
    scene.connectors[1].metering_code = " "
    plan(session)
    work()
    meter = {"meter": "Centro · 2", "connector_id": scene.connectors[1].id}
    assert _reason(session) == {"code": "identifier", "identifier": "metering_code", "of": 1, **meter}
    scene.connectors[1].metering_code = "CH-2"
    work()
    assert _all_delivered(session)


def test_it_waits_for_values_and_says_since_when(session: Session, scene: Scene, work: Work) -> None:
    noon = BEGINS_AT + timedelta(hours=12)
    session.query(Coverage).filter_by(connector_id=scene.connectors[0].id).update({"ends_at": noon})
    plan(session)
    work()
    meter = {"meter": "Centro · 1", "connector_id": scene.connectors[0].id}
    assert _reason(session) == {"code": "values", "lacking": 1, "of": 2, "since": noon.isoformat(), **meter}
    scenes.cover(session, scene.connectors[0], noon, BEGINS_AT + 4 * DAY)
    work()
    assert _all_delivered(session)


def test_a_driver_is_named_for_an_identifier_and_a_charging_point_for_values(
    session: Session, scene: Scene, work: Work
) -> None:
    driver = world.account(session, "driver@demo.example")
    scene.task.scope, scene.task.user_id = "driver", driver.id
    known = scenes.add_driver(session, scene.owner, driver.email)
    known.metering_code = None
    session.query(Coverage).filter_by(connector_id=scene.connectors[1].id).delete()
    plan(session)
    work()
    assert _reason(session)["driver_id"] == known.id
    known.metering_code = "CH-driver"
    work()
    reason = _reason(session)
    assert (reason["code"], reason["connector_id"]) == ("values", scene.connectors[1].id)


def test_hours_after_the_end_it_goes_out_with_what_is_there(session: Session, scene: Scene, work: Work) -> None:
    session.query(Coverage).filter_by(connector_id=scene.connectors[0].id).delete()
    scene.task.trigger, scene.task.hours_after_end = "hours_after_end", 12
    plan(session)
    work()
    assert _all_delivered(session)
    assert runs(session)[0].quarters_missing == 96 - 2


def test_before_those_hours_are_over_it_waits_for_values(session: Session, scene: Scene, work: Work) -> None:
    session.query(Coverage).delete()
    scene.task.trigger = "hours_after_end"
    scene.task.hours_after_end = int((clock.now() - BEGINS_AT).total_seconds() / 3600) + 100
    plan(session)
    work()
    assert _reason(session)["code"] == "values"


def test_a_run_that_waits_is_told_of_once_and_keeps_one_attempt_row(session: Session, scene: Scene, work: Work) -> None:
    session.query(Coverage).delete()
    plan(session)
    for _ in range(3):
        work()
    run = session.query(ExportRun).first()
    assert run is not None
    assert [attempt.step for attempt in run.attempts] == ["waiting"]


def test_it_looks_again_more_rarely_the_longer_it_waits() -> None:
    assert look_again(timedelta(0)) == timedelta(minutes=1)
    assert look_again(timedelta(hours=1)) == timedelta(minutes=6)
    assert look_again(timedelta(days=9)) == timedelta(minutes=15)
