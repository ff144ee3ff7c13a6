"""The rows of a report: what each charging session contributes to a period.

The energy is that of the quarter hours of the period, so that a report and an export of the same days say the same to
the Wh; the cost is the session's kept cost, shared between the periods it reaches into.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import conditions, costs
from portal.access.conditions import whole_second
from portal.access.costs import Charged, Cost, Quarter
from portal.access.models import SessionCost
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.charging.queries import driver_name
from portal.charging.spreading import quarter_of
from portal.stations.models import Connector, Station
from portal.stations.queries import shows_drivers

AT_ONCE = 500
_NO_COST = Cost(gap=True)


class ReportRow(NamedTuple):
    """A session's share of a period; times are those of the whole session. Money in Rappen of `currency`, with VAT.

    `driver` is what the reader may know of him: his label, or a number that is the same wherever he occurs; `email`
    and `card` are empty where the reader may not know the driver.
    """

    session_id: int
    station: str
    connector_no: int
    started_at: datetime
    ended_at: datetime
    charging_seconds: int
    parking_seconds: int
    driver_no: str
    driver: str
    email: str
    card: str
    energy_wh: int
    cost: Cost
    vat_permille: int
    currency: str
    quarters: Sequence[Quarter] = ()  # those of the period
    driver_id: int | None = None  # where the reader may know the driver


def report_rows(
    session: Session,
    account_id: int,
    connector_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime,
    driver_ids: Sequence[int] | None = None,
) -> Iterator[ReportRow]:
    """Every session at these connectors, of these drivers or of all, with energy or a cost in the period (UTC, on
    quarter hours), in the order of their start; `account_id` reads. Streamed: three statements for 500 sessions."""
    ids = _sessions(session, connector_ids, starts_at, ends_at, driver_ids)
    while some := list(islice(ids, AT_ONCE)):
        yield from _rows(session, account_id, some, starts_at, ends_at)


def count(
    session: Session,
    connector_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime,
    driver_ids: Sequence[int] | None = None,
) -> int:
    """How many sessions `report_rows` looks at: a few more than rows, because some end just when the period begins."""
    return sum(1 for _ in _sessions(session, connector_ids, starts_at, ends_at, driver_ids))


def _sessions(
    session: Session,
    connector_ids: Sequence[int],
    starts_at: datetime,
    ends_at: datetime,
    driver_ids: Sequence[int] | None,
) -> Iterator[int]:
    """By id and start, kept in memory: eight bytes a session, and nothing stays open while the rows are worked on."""
    table = ChargingSession
    reaches = sa.and_(table.started_at < ends_at, table.ended_at >= starts_at)
    found: list[tuple[datetime, int]] = []
    for some in _portions(connector_ids):
        wanted = sa.select(table.started_at, table.id).where(table.connector_id.in_(some), reaches)
        if driver_ids is not None:
            wanted = wanted.where(table.driver_id.in_(driver_ids))
        found.extend((row[0], row[1]) for row in session.execute(wanted))
    return (key for _at, key in sorted(found))


def _portions(connector_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (connector_ids[first : first + AT_ONCE] for first in range(0, len(connector_ids), AT_ONCE))


def _rows(
    session: Session, account_id: int, ids: Sequence[int], starts_at: datetime, ends_at: datetime
) -> Iterator[ReportRow]:
    shown = shows_drivers(account_id).label("shown")
    wanted = sa.select(ChargingSession, SessionCost, Driver, Connector.number, Station.name, shown)
    wanted = wanted.join(Connector, Connector.id == ChargingSession.connector_id)
    wanted = wanted.join(Station, Station.id == Connector.station_id)
    wanted = wanted.outerjoin(SessionCost, SessionCost.session_id == ChargingSession.id)
    wanted = wanted.outerjoin(Driver, Driver.id == ChargingSession.driver_id)
    wanted = wanted.where(ChargingSession.id.in_(ids)).order_by(ChargingSession.started_at, ChargingSession.id)
    found = [_Found(*row) for row in session.execute(wanted)]
    quarters = _quarters(session, [one.row for one in found])
    for one in found:
        own = quarters.get(one.row.id, ())
        inside = [quarter for quarter in own if starts_at <= quarter[0] < ends_at]
        energy_wh = sum(wh for _at, wh in inside)
        cost = _share(one, own, starts_at, ends_at)
        begins_here = starts_at <= one.row.started_at < ends_at
        if begins_here or energy_wh or any(cost[:6]):
            yield _row(one, cost, inside)


def _quarters(session: Session, rows: Sequence[ChargingSession]) -> dict[int, list[Quarter]]:
    found: dict[int, list[Quarter]] = {}
    if not rows:
        return found
    table = QuarterHour
    begin, end = quarter_of(min(row.started_at for row in rows)), max(row.ended_at for row in rows)
    wanted = sa.select(table.session_id, table.starts_at, table.energy_wh)
    wanted = wanted.where(table.session_id.in_([row.id for row in rows]), table.starts_at.between(begin, end))
    for key, starts_at, energy_wh in session.execute(wanted.order_by(table.starts_at)):
        found.setdefault(key, []).append((starts_at, energy_wh))
    return found


def _share(found: "_Found", quarters: Sequence[Quarter], starts_at: datetime, ends_at: datetime) -> Cost:
    row, kept = found.row, found.kept
    if kept is None:
        return _NO_COST
    whole = Cost(kept.energy, kept.time, kept.parking, kept.start, kept.rounding, kept.total, kept.gap)
    if starts_at <= row.started_at and row.ended_at < ends_at:
        return whole
    start, end = whole_second(row.started_at), whole_second(row.ended_at)
    charged = Charged(start, whole_second(row.charged_until or row.ended_at), end, quarters)
    return costs.within(charged, conditions.kept(kept.decisions, end), whole, starts_at, ends_at)


class _Found(NamedTuple):
    row: ChargingSession
    kept: SessionCost | None
    driver: Driver | None
    connector_no: int
    station: str
    shown: bool  # whether the reader may know the driver


def _row(found: _Found, cost: Cost, quarters: Sequence[Quarter]) -> ReportRow:
    row, kept, driver = found.row, found.kept, found.driver
    until = row.charged_until or row.ended_at
    return ReportRow(
        session_id=row.id,
        station=found.station,
        connector_no=found.connector_no,
        started_at=row.started_at,
        ended_at=row.ended_at,
        charging_seconds=int((until - row.started_at).total_seconds()),
        parking_seconds=int((row.ended_at - until).total_seconds()),
        driver_no=driver_name(driver, shown=False),
        driver=driver_name(driver, shown=found.shown),
        email=(driver.email or "") if driver and found.shown else "",
        card=(row.card or "") if found.shown else "",
        energy_wh=sum(wh for _at, wh in quarters),
        cost=cost,
        vat_permille=kept.vat_permille if kept else 0,
        currency=kept.currency if kept else "CHF",
        quarters=quarters,
        driver_id=driver.id if driver and found.shown else None,
    )
