"""The rules of stations and connectors, without the web."""

from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ChargingSession
from portal.core import clock
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.core.files import StoredFile
from portal.stations import operations
from portal.stations.models import Connector, OpeningTime, Station
from portal.stations.opening import Row
from portal.stations.operations import ConnectorValues, StationValues
from tests.stations.scene import Scene
from tests.stations.test_images import picture


def last_entry(session: Session) -> AuditEntry:
    session.flush()
    return session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()


def charged(session: Session, connector: Connector) -> None:
    now = clock.now()
    session.add(
        ChargingSession(
            owner_id=connector.owner_id, connector_id=connector.id, started_at=now, ended_at=now, energy_wh=1,
            source="file", external_id=str(connector.id),
        )
    )  # fmt: skip
    session.flush()


def test_a_station_belongs_to_whom_made_it(session: Session, scene: Scene) -> None:
    values = StationValues(
        "Via Basilea", "CH-7", "by the door", "Via Basilea 1", Decimal("46.0"), Decimal("8.9"), "", Decimal("8.1")
    )
    station = operations.create_station(session, scene.manage, values)
    assert (station.owner_id, station.reference, station.vat_permille) == (scene.manage.id, "CH-7", 81)
    assert last_entry(session).action == "station:create"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", StationValues("")),
        ("name", StationValues("x" * 121)),
        ("name", StationValues("a\x00b")),
        ("latitude", StationValues("a", latitude=Decimal("90.1"), longitude=Decimal(0))),
        ("longitude", StationValues("a", latitude=Decimal(0), longitude=Decimal("NaN"))),
        ("longitude", StationValues("a", latitude=Decimal(0))),
        ("vat_percent", StationValues("a", vat_percent=Decimal(101))),
        ("vat_percent", StationValues("a", vat_percent=Decimal("8.15"))),
        ("description", StationValues("a", description="x" * 4001)),
    ],
)
def test_a_station_is_refused_at_its_field(session: Session, scene: Scene, field: str, values: StationValues) -> None:
    with pytest.raises(RuleBroken) as refused:
        operations.create_station(session, scene.owner, values)
    assert refused.value.field == field


def test_a_change_is_recorded_with_before_and_after(session: Session, scene: Scene) -> None:
    operations.edit_station(session, scene.manage, scene.station, StationValues("Via Nassa 2"))
    entry = last_entry(session)
    assert (entry.actor_id, entry.owner_id) == (scene.manage.id, scene.owner.id)
    assert entry.detail == {"changed": {"name": ["Via Nassa", "Via Nassa 2"]}}


def test_saving_without_a_change_records_nothing(session: Session, scene: Scene) -> None:
    before = session.scalar(sa.select(sa.func.count(AuditEntry.id)))
    operations.edit_station(session, scene.owner, scene.station, StationValues("Via Nassa"))
    session.flush()
    assert session.scalar(sa.select(sa.func.count(AuditEntry.id))) == before


def test_a_reference_is_unique_and_the_other_named_to_who_may_see_it(session: Session, scene: Scene) -> None:
    operations.edit_station(session, scene.owner, scene.lonely, StationValues("Depot", reference="CH-7"))
    with pytest.raises(RuleBroken, match="Depot"):
        operations.edit_station(session, scene.owner, scene.station, StationValues("Via Nassa", reference=" CH-7 "))
    taken = StationValues("Via Nassa", reference="CH-7")
    with pytest.raises(RuleBroken) as refused:
        operations.edit_station(session, scene.administrate, scene.station, taken)
    assert "Depot" not in str(refused.value)


def test_deleting_a_station_takes_its_connectors_and_picture(session: Session, scene: Scene) -> None:
    operations.set_image(session, scene.owner, scene.station, picture("PNG"))
    operations.delete_station(session, scene.owner, scene.station)
    assert session.scalars(sa.select(Station.id)).all() == [scene.lonely.id]
    assert session.scalars(sa.select(Connector.station_id)).all() == [scene.lonely.id]
    assert session.scalars(sa.select(StoredFile)).all() == []


def test_a_station_with_sessions_is_not_deleted(session: Session, scene: Scene) -> None:
    charged(session, scene.connector)
    with pytest.raises(RuleBroken, match="charging sessions"):
        operations.delete_station(session, scene.owner, scene.station)
    with pytest.raises(RuleBroken, match="charging sessions"):
        operations.remove_connector(session, scene.owner, scene.connector)


def test_a_new_picture_takes_the_place_of_the_old(session: Session, scene: Scene) -> None:
    for kind in ("PNG", "JPEG"):
        operations.set_image(session, scene.owner, scene.station, picture(kind))
    assert session.scalars(sa.select(StoredFile.id)).all() == [scene.station.image_file_id]
    operations.remove_image(session, scene.owner, scene.station)
    assert session.scalars(sa.select(StoredFile.id)).all() == []


def test_the_audit_log_tells_one_picture_from_the_next(session: Session, scene: Scene) -> None:
    told = []
    for colours in ("RGB", "L"):
        operations.set_image(session, scene.owner, scene.station, picture("PNG", mode=colours))
        kept = session.get_one(StoredFile, scene.station.image_file_id)
        told.append({"name": f"station-{scene.station.id}.webp", "size": kept.size, "sha256": kept.sha256})
    operations.remove_image(session, scene.owner, scene.station)
    query = sa.select(AuditEntry).where(AuditEntry.action == "station:edit").order_by(AuditEntry.id)
    changes = [entry.detail["changed"]["image"] for entry in session.scalars(query)]
    assert changes == [[None, told[0]], told, [told[1], None]]
    assert told[0]["sha256"] != told[1]["sha256"]


def test_a_connector_gets_the_next_number(session: Session, scene: Scene) -> None:
    values = ConnectorValues("ccs", Decimal("150"), "public", Decimal("0.55"))
    connector = operations.add_connector(session, scene.owner, scene.station, values)
    assert (connector.number, connector.max_power_w, connector.price_per_kwh) == (3, 150_000, 5500)
    operations.remove_connector(session, scene.owner, connector)
    assert [c.number for c in scene.station.connectors] == [1, 2]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("plug_type", ConnectorValues(plug_type="nema")),
        ("access", ConnectorValues(access="everyone")),
        ("max_power_kw", ConnectorValues(max_power_kw=Decimal(0))),
        ("price_per_kwh", ConnectorValues(price_per_kwh=Decimal("-0.1"))),
        ("price_per_kwh", ConnectorValues(price_per_kwh=Decimal("NaN"))),
        ("price_per_hour", ConnectorValues(price_per_hour=Decimal("1e9"))),
        ("price_per_hour", ConnectorValues(price_per_hour=Decimal("0.00001"))),
        ("factory_no", ConnectorValues(identifiers={"factory_no": "x" * 81})),
        ("metering_code", ConnectorValues(identifiers={"metering_code": "a\x00"})),
        ("opening_times", ConnectorValues(opening_times=[Row("0", "08:00", "08:00", "public")])),
    ],
)
def test_a_connector_is_refused_at_its_field(
    session: Session, scene: Scene, field: str, values: ConnectorValues
) -> None:
    with pytest.raises(RuleBroken) as refused:
        operations.edit_connector(session, scene.owner, scene.connector, values)
    assert refused.value.field == field


def test_identifiers_are_trimmed_and_blanks_are_none(session: Session, scene: Scene) -> None:
    values = ConnectorValues(identifiers={"factory_no": "  77 ", "internal_no": "   "})
    operations.edit_connector(session, scene.owner, scene.connector, values)
    assert (scene.connector.factory_no, scene.connector.internal_no) == ("77", None)


def test_an_identifier_names_one_charging_point_of_an_owner(session: Session, scene: Scene) -> None:
    taken = ConnectorValues(identifiers={"metering_code": "M-1"})
    operations.edit_connector(session, scene.owner, scene.lonely.connectors[0], taken)
    with pytest.raises(RuleBroken, match="Connector 1 of Depot") as refused:
        operations.edit_connector(session, scene.owner, scene.connector, taken)
    assert refused.value.field == "metering_code"
    with pytest.raises(RuleBroken) as hidden:
        operations.edit_connector(session, scene.manage, scene.connector, taken)
    assert "Depot" not in str(hidden.value)


def test_another_owner_may_use_the_same_identifier(session: Session, scene: Scene) -> None:
    values = ConnectorValues(identifiers={"metering_code": "M-1"})
    operations.edit_connector(session, scene.owner, scene.connector, values)
    station = operations.create_station(session, scene.stranger, StationValues("Elsewhere"))
    assert operations.add_connector(session, scene.stranger, station, values).metering_code == "M-1"


def test_opening_times_are_replaced_and_recorded(session: Session, scene: Scene) -> None:
    for row in (Row("0", "22:00", "06:00", "public"), Row("daily", "08:00", "17:00", "limited", "0.2")):
        operations.edit_connector(session, scene.owner, scene.connector, ConnectorValues(opening_times=[row]))
    times = session.scalars(sa.select(OpeningTime).order_by(OpeningTime.weekday)).all()
    assert [(t.weekday, t.opens, t.closes, t.price_per_kwh) for t in times] == [(d, 480, 1020, 2000) for d in range(7)]
    before, after = last_entry(session).detail["changed"]["opening_times"]
    assert (len(before), len(after)) == (2, 7)
