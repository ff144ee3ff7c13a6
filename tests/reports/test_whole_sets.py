"""Reports against exports for whole sets of real sessions: the same Wh in every month, all costs shared out."""

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging.date_text import DateOrder
from portal.charging.models import ChargingSession
from portal.stations import operations
from portal.stations.models import Connector
from tests import world
from tests.charging.files import GARAGES, OSLO, PERTH, TRONDHEIM, imported, stations
from tests.reports.test_rows import EVENING, exported_wh, group, rows

Load = Callable[[Session, Account], ZoneInfo]


def months(zone: ZoneInfo, first: datetime, last: datetime) -> list[datetime]:
    """The edges in UTC of the months from the one of the first to the one after the last."""
    start, end = first.astimezone(zone), last.astimezone(zone)
    numbers = range(start.year * 12 + start.month - 1, end.year * 12 + end.month + 1)
    return [datetime(number // 12, number % 12 + 1, 1, tzinfo=zone).astimezone(UTC) for number in numbers]


def priced(session: Session, owner: Account, *references: str, connectors: int = 1) -> None:
    stations(session, owner, *references, connectors=connectors)
    for connector in session.scalars(sa.select(Connector)).all():
        operations.edit_connector(session, owner, connector, EVENING)
    session.commit()


def trondheim(session: Session, owner: Account) -> ZoneInfo:
    priced(session, owner, *GARAGES)
    imported(session, owner, TRONDHEIM)
    return OSLO


def perth(session: Session, owner: Account) -> ZoneInfo:
    with gzip.open(PERTH, "rt") as lines:
        names = {row["CP ID"] for row in csv.DictReader(lines)}
    priced(session, owner, *sorted(names), connectors=3)
    imported(session, owner, PERTH, order=DateOrder.SWAPPED_WHEN_AMBIGUOUS, zone="Europe/London")
    return ZoneInfo("Europe/London")


@pytest.mark.deep
@pytest.mark.parametrize("load", [trondheim, perth])
def test_reports_of_all_months_say_what_exports_say(session: Session, load: Load) -> None:
    owner = world.account(session, "owner@demo.example")
    zone, table = load(session, owner), ChargingSession
    made = group(session, owner)
    first, last = session.execute(sa.select(sa.func.min(table.started_at), sa.func.max(table.ended_at))).one()
    energy = total = 0
    for span in pairwise(months(zone, first, last)):
        found = rows(session, owner, *span)
        of_month = sum(row.energy_wh for row in found)
        assert of_month == exported_wh(session, made, *span), span
        energy, total = energy + of_month, total + sum(row.cost.total for row in found)
    assert energy == session.scalar(sa.select(sa.func.sum(table.energy_wh))) > 1_000_000
    assert total == session.scalar(sa.select(sa.func.sum(SessionCost.total))) > 1000
