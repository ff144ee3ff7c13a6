"""Which fields each permission may write: by the form, by a forged request, by the rule itself."""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.core.audit import AuditEntry
from portal.stations import operations
from portal.stations.forms import CONNECTOR_FIELDS, STATION_FIELDS, ConnectorForm, StationForm
from portal.stations.models import IDENTIFIERS, Connector, Grant, Station
from portal.stations.operations import ConnectorValues, StationValues, connectors, stations, writing
from tests import world
from tests.stations.scene import Scene
from tests.stations.test_images import picture
from tests.test_guards import TOKEN

LogIn = Callable[[Account], FlaskClient]
Forge = Callable[..., None]
ROLES = ("owner", "administrate", "manage")
NOT_OF_MANAGE = {"reference", "vat_percent"}
STATION = {
    "name": "Other name", "reference": "CH-OTHER", "description": "Other\ntext", "address": "Other street 1",
    "latitude": "46.5", "longitude": "8.5", "support_contact": "other@x.example", "vat_percent": "2.6",
}  # fmt: skip
CONNECTOR = {
    "plug_type": "ccs", "max_power_kw": "150", "out_of_service": "y", "access": "public", "price_per_kwh": "0.9",
    "price_per_hour": "9", **{name: f"other {name}" for name in IDENTIFIERS}, "opening_times-0-days": "0",
}  # fmt: skip
WINDOW = {"opens": "08:00", "closes": "18:00", "access": "public"}


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Forge:
    """Lets the portal decide by a fields.csv without the lines that end so."""

    def without(*endings: str) -> None:
        shutil.copytree(authz.POLICIES, tmp_path / "policies")
        file = tmp_path / "policies" / "fields.csv"
        lines = [line for line in file.read_text().splitlines() if not line.endswith(endings)]
        file.write_text("\n".join(lines))
        named, writable = authz.decide(tmp_path / "policies", "fields.csv")
        monkeypatch.setattr(authz, "FIELDS", named)
        monkeypatch.setattr(authz, "WRITABLE", writable)

    return without


def station_page(scene: Scene) -> str:
    return f"/stations/{scene.station.id}/edit"


def connector_page(scene: Scene) -> str:
    return f"/connectors/{scene.connector.id}"


def present(browser: FlaskClient, page: str) -> dict[str, str]:
    """What a browser sends when the page is saved as it is: no disabled field, no empty box."""
    main = browser.get(page).text
    main = main[main.index("<main") : main.index("</main>")]
    sent = {}
    for tag in re.findall(r"<input[^>]*>", main):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        box = 'type="checkbox"' in tag or 'type="radio"' in tag
        if name and "disabled" not in tag and 'type="file"' not in tag and (not box or "checked" in tag):
            sent[name[1]] = value[1] if value else ""
    for tag, name, inside in re.findall(r'(<select[^>]*name="([^"]*)"[^>]*>)(.*?)</select>', main, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', inside)
        if "disabled" not in tag and chosen:
            sent[name] = chosen[1]
    for tag, name, inside in re.findall(r'(<textarea[^>]*name="([^"]*)"[^>]*>)(.*?)</textarea>', main, re.DOTALL):
        if "disabled" not in tag:
            sent[name] = inside.strip()
    return sent


def stored(session: Session, scene: Scene) -> tuple[StationValues, ConnectorValues]:
    session.expire_all()
    station, connector = session.get_one(Station, scene.station.id), session.get_one(Connector, scene.connector.id)
    found = stations.entered(station), connectors.entered(connector)
    session.commit()
    return found


def disabled(page: str) -> set[str]:
    tags = re.findall(r"<(?:input|select|textarea)[^>]*\bdisabled\b[^>]*>", page)
    return {found[1] for tag in tags if (found := re.search(r'name="([^"]*)"', tag))}


def refusals(session: Session) -> list[AuditEntry]:
    found = session.scalars(sa.select(AuditEntry).where(AuditEntry.action.endswith(":edit_refused"))).all()
    session.commit()
    return list(found)


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("field", STATION)
def test_a_field_of_a_station_is_written_by_those_to_whom_it_is_given(
    session: Session, scene: Scene, logged_in: LogIn, who: str, field: str
) -> None:
    scene.station.latitude, scene.station.longitude = 46.0, 8.0
    browser, before = logged_in(getattr(scene, who)), stored(session, scene)
    allowed = who != "manage" or field not in NOT_OF_MANAGE
    assert (field in disabled(browser.get(station_page(scene)).text)) != allowed
    sent = present(browser, station_page(scene)) | {field: STATION[field], "support_contact": "sent@x.example"}
    answer = browser.post(station_page(scene), data=sent | {field: STATION[field]})
    assert answer.status_code == (302 if allowed else 403)
    after = stored(session, scene)
    assert (after == before) != allowed
    assert len(refusals(session)) == (not allowed)
    if allowed:
        assert getattr(after[0], field) == type(getattr(after[0], field))(STATION[field])


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("field", CONNECTOR)
def test_a_field_of_a_connector_is_written_by_those_to_whom_it_is_given(
    session: Session, scene: Scene, logged_in: LogIn, who: str, field: str
) -> None:
    browser, before = logged_in(getattr(scene, who)), stored(session, scene)
    page = browser.get(connector_page(scene)).text
    assert not disabled(page)
    row = {f"opening_times-0-{key}": value for key, value in WINDOW.items()} if "-days" in field else {}
    answer = browser.post(
        connector_page(scene), data=present(browser, connector_page(scene)) | {field: CONNECTOR[field]} | row
    )
    assert answer.status_code == 302
    name = field.partition("-")[0]
    assert connectors.different(stored(session, scene)[1], before[1]) == [name]


@pytest.mark.parametrize("field", CONNECTOR_FIELDS)
def test_a_line_taken_out_of_the_policy_locks_the_field_of_a_connector(
    session: Session, scene: Scene, logged_in: LogIn, forged: Forge, field: str
) -> None:
    forged(f"manage, active, connector.{writing.column(field)}")
    scene.connector.out_of_service = False
    browser, before = logged_in(scene.manage), stored(session, scene)
    page = browser.get(connector_page(scene)).text
    key = "opening_times-0-days" if field == "opening_times" else field
    assert (field in disabled(page)) or field == "opening_times"
    assert "Your permission does not include this field. It is for: Owner" in page
    unchanged = browser.post(connector_page(scene), data=present(browser, connector_page(scene)))
    assert unchanged.status_code == 302, "the page saved as it is tries nothing"
    assert not refusals(session)
    row = {f"opening_times-0-{name}": value for name, value in WINDOW.items()} if field == "opening_times" else {}
    sent = present(browser, connector_page(scene)) | {"max_power_kw": "7", "price_per_kwh": "0.7"} | row
    assert browser.post(connector_page(scene), data=sent | {key: CONNECTOR[key]}).status_code == 403
    assert stored(session, scene) == before
    (entry,) = refusals(session)
    assert (entry.action, entry.subject) == ("connector:edit_refused", f"connector/{scene.connector.id}")
    assert field in entry.detail["fields"]
    assert (entry.actor_id, entry.owner_id) == (scene.manage.id, scene.owner.id)


@pytest.mark.parametrize("field", IDENTIFIERS)
def test_a_line_taken_out_of_the_policy_locks_the_identifier_for_files_too(
    session: Session, scene: Scene, logged_in: LogIn, forged: Forge, field: str
) -> None:
    setattr(scene.connector, field, "A")
    browser, before = logged_in(scene.owner), stored(session, scene)
    file = (io.BytesIO(b"A;X\n"), "meters.csv")
    assert browser.post("/identifiers", data={"identifier": field, "file": file}).status_code == 302
    forged(f"owner, any, connector.{field}")
    assert browser.post("/identifiers/write", data={"expected": "1"}).status_code == 403
    assert stored(session, scene) == before
    (entry,) = refusals(session)
    assert (entry.action, entry.subject) == ("connector:edit_refused", f"connector/{scene.connector.id}")
    assert (entry.actor_id, entry.detail["fields"]) == (scene.owner.id, [field])


@pytest.mark.parametrize("field", ["name", "description", "latitude", "support_contact", "image"])
def test_a_line_taken_out_of_the_policy_locks_the_field_of_a_station(
    session: Session, scene: Scene, logged_in: LogIn, forged: Forge, field: str
) -> None:
    forged(f"manage, active, station.{field}")
    browser, before = logged_in(scene.manage), stored(session, scene)
    assert field in disabled(browser.get(station_page(scene)).text)
    sent: dict[str, Any] = present(browser, station_page(scene)) | {"address": "Sent along 1"}
    value = (io.BytesIO(picture("PNG")), "a.png") if field == "image" else STATION[field]
    answer = browser.post(station_page(scene), data=sent | {field: value})
    assert answer.status_code == 403
    assert "Your permission does not include:" in answer.text
    assert stored(session, scene) == before
    assert [entry.detail["fields"] for entry in refusals(session)] == [[field]]


def test_a_line_of_the_owner_is_asked_as_well(session: Session, scene: Scene, forged: Forge) -> None:
    forged("owner, any, station.reference", "administrate, active, station.reference")
    with pytest.raises(writing.FieldsRefused):
        operations.create_station(session, scene.owner, StationValues("New", reference="CH-1"))
    assert operations.create_station(session, scene.owner, StationValues("New")).reference is None


def test_what_cannot_be_read_is_an_attempt_as_well(session: Session, scene: Scene, logged_in: LogIn) -> None:
    browser = logged_in(scene.manage)
    sent = present(browser, station_page(scene)) | {"vat_percent": "no number"}
    assert browser.post(station_page(scene), data=sent).status_code == 403
    assert len(refusals(session)) == 1


def test_whether_a_reference_is_taken_is_told_to_nobody_who_may_not_write_it(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    scene.lonely.reference = "CH-TAKEN"
    browser = logged_in(scene.manage)
    sent = present(browser, station_page(scene))
    taken, free = (browser.post(station_page(scene), data=sent | {"reference": text}) for text in ("CH-TAKEN", "FREE"))
    assert TOKEN.sub("", taken.text) == TOKEN.sub("", free.text)


def test_a_page_from_before_a_grant_shrank_saves_what_is_left_to_write(
    session: Session, scene: Scene, logged_in: LogIn
) -> None:
    browser = logged_in(scene.administrate)
    page = present(browser, station_page(scene))
    grant = session.scalars(sa.select(Grant).where(Grant.email == scene.administrate.email)).one()
    grant.role = "manage"
    session.commit()
    assert {"reference", "vat_percent"} <= page.keys()
    assert browser.post(station_page(scene), data=page | {"name": "Saved"}).status_code == 302
    assert stored(session, scene)[0].name == "Saved"


def test_two_standings_side_by_side_add_up(session: Session, scene: Scene) -> None:
    before = writing.writable_fields(session, scene.manage, scene.station)
    other = world.station_group(session, scene.owner)
    operations.add_stations(session, scene.owner, other, [scene.station.id])
    grant = world.grant(session, other, "administrate", scene.manage.email)
    assert writing.writable_fields(session, scene.manage, scene.station).station - before.station == {
        "reference",
        "vat_permille",
    }
    grant.ends_at = clock.now()
    session.flush()
    assert writing.writable_fields(session, scene.manage, scene.station) == before


@pytest.mark.parametrize("who", ["display", "unlicensed", "stranger"])
def test_others_write_nothing(session: Session, scene: Scene, who: str) -> None:
    actor = getattr(scene, who)
    assert writing.writable_fields(session, actor, scene.station) == (frozenset(), frozenset())
    with pytest.raises(writing.FieldsRefused) as refused:
        operations.edit_station(session, actor, scene.station, replace(stations.entered(scene.station), name="Mine"))
    assert refused.value.fields == ("name",)


def every_field() -> Iterator[tuple[str, str]]:
    yield from (("station", name) for name in STATION_FIELDS)
    yield from (("connector", name) for name in CONNECTOR_FIELDS)


def test_every_field_that_a_form_or_a_rule_writes_has_a_line_in_the_policy() -> None:
    lacking = {(kind, name) for kind, name in every_field() if f"{kind}.{writing.column(name)}" not in authz.FIELDS}
    assert not lacking, "add a line to policies/fields.csv"
    named = {field.name for field in fields(ConnectorValues)} - {"identifiers"}
    assert named | set(IDENTIFIERS) == set(CONNECTOR_FIELDS)
    assert {field.name for field in fields(StationValues)} | {"image", "remove_image"} == set(STATION_FIELDS)


def test_every_field_of_the_forms_is_known(app: Any) -> None:
    with app.test_request_context():
        for form, known in ((StationForm(), STATION_FIELDS), (ConnectorForm(), CONNECTOR_FIELDS)):
            assert {field.short_name for field in form} - {"csrf_token", "seen"} == set(known)


def test_a_price_of_nothing_is_a_price_of_zero() -> None:
    assert not connectors.different(ConnectorValues(price_per_kwh=Decimal(0)), ConnectorValues())
