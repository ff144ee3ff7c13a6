"""A giver with two groups, two stations with charging, a user group and drivers; a receiver; a sub-account."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Coverage, Driver, QuarterHour, SessionImport
from portal.core import files
from portal.licences.models import Kind
from portal.stations.models import Connector
from tests import world

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def charge(
    session: Session, connector: Connector, number: int, driver: Driver | None = None, imported: int | None = None
) -> ChargingSession:
    """A session of two quarter hours with 1000 Wh and `number` Wh."""
    starts_at = AT + number * timedelta(hours=1)
    row = ChargingSession(
        owner_id=connector.owner_id,
        connector_id=connector.id,
        driver_id=driver.id if driver else None,
        card="CARD-1",
        started_at=starts_at,
        ended_at=starts_at + 2 * QUARTER,
        energy_wh=1000 + number,
        source="file",
        external_id=f"{connector.id}-{number}",
        import_id=imported,
    )
    session.add(row)
    session.flush()
    for place, energy_wh in enumerate((1000, number)):
        at = starts_at + place * QUARTER
        quarter = {"connector_id": connector.id, "starts_at": at, "session_id": row.id, "quality": "W"}
        session.add(QuarterHour(**quarter, energy_wh=energy_wh))
    session.flush()
    return row


def an_import(session: Session, owner: Account) -> SessionImport:
    file = files.keep(session, "sessions.csv", [b"a;b\n"])
    fields = {"file_name": "a.csv", "shape": {}, "mapping": {}, "state": "done"}
    row = SessionImport(owner_id=owner.id, account_id=owner.id, file_id=file.id, **fields)
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    """giver and receiver (licensed), sub (in `users` of the giver, and holder of a grant), group (stations a and b),
    other (a second group, with a), drivers ann and bob, imported, charged (five sessions)."""
    accounts = {
        name: world.account(session, f"{name}@x.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
        for name in ("giver", "receiver", "sub")
    }
    giver = accounts["giver"]
    group, other = world.station_group(session, giver, "Lugano Centro"), world.station_group(session, giver, "On call")
    a = world.station(session, giver, "A", group, other, connectors=2)
    b = world.station(session, giver, "B", group)
    users = world.user_group(session, giver, "Piquet", "sub@x.example", "nobody@x.example")
    ann = Driver(owner_id=giver.id, label="Ann", email="ann@x.example", metering_code="CH-ann")
    bob = Driver(owner_id=giver.id, label="Bob", email="bob@x.example")
    session.add_all([ann, bob])
    session.flush()
    imported = an_import(session, giver)
    charged = [
        charge(session, connector, number, driver, imported.id)
        for number, (connector, driver) in enumerate(
            [(a.connectors[0], ann), (a.connectors[1], bob), (b.connectors[0], ann), (a.connectors[0], None)], 1
        )
    ]
    for connector in (*a.connectors, *b.connectors):
        span = {"starts_at": AT, "ends_at": AT + timedelta(days=30)}
        session.add(Coverage(connector_id=connector.id, import_id=imported.id, **span))
    session.flush()
    return SimpleNamespace(
        **accounts,
        group=group,
        other=other,
        a=a,
        b=b,
        users=users,
        ann=ann,
        bob=bob,
        imported=imported,
        charged=charged,
    )
