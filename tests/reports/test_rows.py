"""Reports say the energy that exports say, to the Wh, and share costs between periods to the Rappen."""

from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging.energy import meter_periods
from portal.charging.finishing import instants
from portal.exports.meters import meters_of_group
from portal.licences.models import Kind
from portal.reports.rows import ReportRow, report_rows
from portal.reports.summary import sums
from portal.stations import operations
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation
from portal.stations.opening import Row
from portal.stations.operations import ConnectorValues
from tests import world
from tests.charging.files import HEAD, imported, stations

ZURICH = ZoneInfo("Europe/Zurich")
EVENING = ConnectorValues(
    access="public",
    price_per_kwh=Decimal("0.45"),
    price_per_hour=Decimal("0.3333"),
    opening_times=[Row("daily", "22:00", "06:00", "public", "0.2511", "0.10")],
)
# Over the end of February, of March (and its clock change), and one that ends at midnight.
ROWS = (
    b"1;A;29.02.2024 22:50;01.03.2024 06:20;30,5;ann@driver.example\n"
    b"2;B;30.03.2024 20:10;01.04.2024 01:07;41,3;Ben\n"
    b"3;A;15.03.2024 10:00;15.03.2024 11:00;7;Ben\n"
    b"4;B;20.03.2024 22:00;21.03.2024 00:00;11;\n"
)


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    stations(session, row, "A", "B")
    for connector in session.scalars(sa.select(Connector)).all():
        operations.edit_connector(session, row, connector, EVENING)
    imported(session, row, HEAD + ROWS, zone="Europe/Zurich")
    return row


def group(session: Session, owner: Account) -> StationGroup:
    made = world.station_group(session, owner)
    for station_id in session.scalars(sa.select(Station.id).where(Station.owner_id == owner.id)):
        session.add(StationGroupStation(station_group_id=made.id, station_id=station_id, owner_id=owner.id))
    session.commit()
    return made


def months(first: date, number: int) -> list[datetime]:
    days = [
        date(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1) for n in range(number + 1)
    ]
    return [instants(day, day, ZURICH)[0] for day in days]


def rows(session: Session, owner: Account, start: datetime, end: datetime) -> list[ReportRow]:
    ids = session.scalars(sa.select(Connector.id).where(Connector.owner_id == owner.id).order_by(Connector.id)).all()
    return list(report_rows(session, owner.id, ids, start, end))


def exported_wh(session: Session, made: StationGroup, start: datetime, end: datetime) -> int:
    return sum(row.energy_wh for row in meter_periods(session, meters_of_group(session, made.id), start, end))


def test_the_months_of_a_report_say_what_an_export_says(session: Session, owner: Account) -> None:
    made = group(session, owner)
    edges = months(date(2024, 2, 1), 3)
    said = [
        (sum(r.energy_wh for r in rows(session, owner, *span)), exported_wh(session, made, *span))
        for span in pairwise(edges)
    ]
    assert all(report == export for report, export in said)
    assert sum(report for report, _export in said) == 89_800


def test_months_share_the_kept_costs_to_the_rappen(session: Session, owner: Account) -> None:
    edges = months(date(2024, 2, 1), 3)
    kept = session.scalars(sa.select(SessionCost)).all()
    shares = [row.cost for span in pairwise(edges) for row in rows(session, owner, *span)]
    assert sum(share.total for share in shares) == sum(cost.total for cost in kept) > 1000
    for part in ("energy", "time", "parking", "start", "rounding"):
        assert sum(getattr(share, part) for share in shares) == sum(getattr(cost, part) for cost in kept)


def test_a_session_that_ends_at_midnight_is_in_one_day_alone(session: Session, owner: Account) -> None:
    before, after = (instants(day, day, ZURICH) for day in (date(2024, 3, 20), date(2024, 3, 21)))
    assert [row.energy_wh for row in rows(session, owner, *before)] == [11_000]
    assert rows(session, owner, *after) == []


def test_rows_come_in_the_order_of_their_start_with_what_the_reader_may_know(session: Session, owner: Account) -> None:
    found = rows(session, owner, *months(date(2024, 2, 1), 1)) + rows(session, owner, *months(date(2024, 3, 1), 1))
    assert [row.driver for row in found] == ["ann@driver.example", "ann@driver.example", "Ben", "", "Ben"]
    assert found[0].email == "ann@driver.example"
    hidden = world.account(session, "display@demo.example", Kind.AUTHORISATION)
    world.grant(session, group(session, owner), "display", hidden.email, hides_drivers=True)
    ids = session.scalars(sa.select(Connector.id)).all()
    for row in report_rows(session, hidden.id, ids, *months(date(2024, 3, 1), 1)):
        assert (row.driver, row.email, row.card) == (row.driver_no, "", "")


def test_sums_stand_by_currency_and_vat(session: Session, owner: Account) -> None:
    costs = session.scalars(sa.select(SessionCost).order_by(SessionCost.session_id)).all()
    costs[0].currency, costs[1].vat_permille = "EUR", 77
    session.commit()
    found = sums(rows(session, owner, *months(date(2024, 1, 1), 12)[:1], months(date(2025, 1, 1), 1)[0]))
    assert [(one.currency, one.vat_permille, one.sessions) for one in found] == [
        ("CHF", 77, 1),
        ("CHF", 81, 2),
        ("EUR", 81, 1),
    ]
    assert sum(one.energy_wh for one in found) == 89_800
    assert sum(one.cost.total for one in found) == sum(cost.total for cost in costs)
