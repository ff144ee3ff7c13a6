"""An owner with two stations in a group, with sessions of two drivers in March and April 2024."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind
from portal.stations.models import Station, StationGroup, StationGroupStation
from tests import world
from tests.charging.files import HEAD, imported, stations

ROWS = (
    b"1;A;05.03.2024 10:00;05.03.2024 11:00;2,5;=cmd@x.example\n"
    b"2;B;06.03.2024 10:00;06.03.2024 12:30;7;Ben\n"
    b"3;B;06.04.2024 10:00;06.04.2024 12:30;9;Ben\n"
)


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    stations(session, row, "A", "B")
    imported(session, row, HEAD + ROWS, zone="Europe/Zurich")
    return row


@pytest.fixture
def group(session: Session, owner: Account) -> StationGroup:
    made = world.station_group(session, owner, "Garage")
    for station_id in session.scalars(sa.select(Station.id)):
        session.add(StationGroupStation(station_group_id=made.id, station_id=station_id, owner_id=owner.id))
    session.commit()
    return made
