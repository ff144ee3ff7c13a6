"""What charging sessions cost by the rules in force at their time, kept beside them. No commit.

Calculated when a session is stored, in the same transaction; from then on it stands, whatever prices do, until
somebody has it calculated again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import conditions, costs, deciding, prices
from portal.access.conditions import Shown, whole_second
from portal.access.costs import Charged, Quarter
from portal.access.deciding import Segment
from portal.access.models import Card, CardState, SessionCost
from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Driver, QuarterHour
from portal.charging.spreading import quarter_of
from portal.core import clock
from portal.stations.models import Connector, Station


class _Row(NamedTuple):
    id: int
    connector_id: int
    started_at: datetime
    charged_until: datetime
    ended_at: datetime
    energy_wh: int
    shown: Shown
    station_vat: int | None


def calculate(session: Session, owner_id: int, session_ids: Collection[int]) -> None:
    """Keep what these sessions of the owner cost by all that is stored now; what was kept of them before goes. A dozen
    statements, however many sessions."""
    found = calculated(session, owner_id, session_ids)
    if not found:
        return
    session.execute(sa.delete(SessionCost).where(SessionCost.session_id.in_(found)))
    session.execute(sa.insert(SessionCost), [{"session_id": key, **values} for key, values in found.items()])


def calculated(session: Session, owner_id: int, session_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The columns of SessionCost for each of these sessions of the owner, calculated now; nothing is written."""
    owner = session.get_one(Account, owner_id)
    rows = _rows(session, owner_id, session_ids)
    places = conditions.conditions_of(session, {row.connector_id for row in rows})
    people = conditions.people_of(session, owner_id, {row.shown for row in rows}, ended=True)
    decided = {
        row.id: deciding.segments(
            places[row.connector_id], people[row.shown], whole_second(row.started_at), whole_second(row.ended_at)
        )
        for row in rows
    }
    # Only where the price changes on the way it matters when the energy flowed.
    quarters = _quarters(session, [row for row in rows if len(decided[row.id]) > 1])
    return {row.id: _values(owner, row, decided[row.id], quarters) for row in rows}


def _rows(session: Session, owner_id: int, session_ids: Collection[int]) -> list[_Row]:
    table = ChargingSession
    until = sa.func.coalesce(table.charged_until, table.ended_at, type_=table.ended_at.type)
    columns = (table.id, table.connector_id, table.started_at, until, table.ended_at, table.energy_wh)
    wanted = sa.select(*columns, Driver.email, _card(), Station.vat_permille)
    wanted = wanted.join(Connector, Connector.id == table.connector_id).join(
        Station, Station.id == Connector.station_id
    )
    wanted = wanted.outerjoin(Driver, Driver.id == table.driver_id)
    wanted = wanted.outerjoin(Card, Card.number == table.card_number)
    wanted = wanted.where(table.id.in_(session_ids), table.owner_id == owner_id)
    return [_Row(*row[:6], (row[6], row[7]), row[8]) for row in session.execute(wanted)]


def _card() -> sa.ColumnElement[str | None]:
    """The number of the session's card, if that stood for somebody when the session began."""
    in_use = sa.or_(Card.state == CardState.ACTIVE.value, Card.ended_at > ChargingSession.started_at)
    return sa.case((in_use, ChargingSession.card_number))


def _quarters(session: Session, rows: Sequence[_Row]) -> dict[int, list[Quarter]]:
    found: dict[int, list[Quarter]] = {row.id: [] for row in rows}
    if found:
        table = QuarterHour
        columns = (table.session_id, table.starts_at, table.energy_wh)
        begin, end = quarter_of(min(row.started_at for row in rows)), max(row.ended_at for row in rows)
        wanted = sa.select(*columns).where(table.session_id.in_(found), table.starts_at.between(begin, end))
        wanted = wanted.order_by(table.starts_at)
        for key, starts_at, energy_wh in session.execute(wanted):
            found[key].append((starts_at, energy_wh))
    return found


def _values(
    owner: Account, row: _Row, segments: Sequence[Segment], quarters: Mapping[int, Sequence[Quarter]]
) -> dict[str, Any]:
    start, until, end = (whole_second(at) for at in (row.started_at, row.charged_until, row.ended_at))
    charged = Charged(start, until, end, quarters.get(row.id, [(start, row.energy_wh)]))
    cost = costs.cost(charged, segments, five_rappen=owner.five_rappen)
    day = row.started_at.astimezone(ZoneInfo(owner.time_zone)).date()
    return {
        **cost._asdict(),
        "vat_permille": prices.vat_permille(day) if row.station_vat is None else row.station_vat,
        "currency": owner.currency,
        "decisions": conditions.told(segments),
        "calculated_at": clock.now(),
    }
