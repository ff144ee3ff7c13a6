"""What was charged in a period at all the stations that an account may see, in one statement.

The sessions are found once, the account's own along their owner, those of others charging point by charging point, and
every figure is taken of them: each further search would cost as much again, for thousands of shared station groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.charging.finishing import instants
from portal.charging.models import ChargingSession, QuarterHour
from portal.charging.reading import LONGEST
from portal.core import authz
from portal.core.db import UtcDateTime
from portal.stations import queries as stations
from portal.stations.models import Connector, StationGroupStation

DAY, GROUP, SESSIONS, LATEST = range(4)  # what a row of the statement tells


@dataclass(frozen=True, slots=True)
class Charged:
    """`days`: Wh of each local day, 0 included. Of the days from `since` on: `by_group`, station groups with the most
    energy and their Wh, the most first; `sessions`, how many began; `latest`, the ids of the last of them."""

    days: dict[date, int]
    by_group: dict[int, int]
    sessions: int
    latest: Sequence[int]


@dataclass(frozen=True, slots=True)
class Period:
    """Local days, and the one from which on more is asked than energy per day."""

    first_day: date
    since: date
    last_day: date
    zone: ZoneInfo


def charged(
    session: Session, account_id: int, period: Period, *, groups: int, latest: int, is_shared_with: bool = True
) -> Charged:
    """What was charged in these days, with so many groups and latest sessions. `is_shared_with`: whether somebody
    shares a group with the account. The database sums per quarter hour, so that a day of 92 or 100 quarter hours is
    right on both engines."""
    begin, end = instants(period.first_day, period.last_day, period.zone)
    since, _end = instants(period.since, period.last_day, period.zone)
    # What charged in the period may have begun before it, by the length of the longest session.
    within = (ChargingSession.started_at >= begin - LONGEST, ChargingSession.started_at < end)
    seen = _seen(account_id, within, is_shared_with=is_shared_with)
    wh = sa.func.sum(QuarterHour.energy_wh).label("wh")
    energy = sa.select(seen.c.station_id, QuarterHour.starts_at, wh)
    energy = energy.join_from(seen, QuarterHour, QuarterHour.session_id == seen.c.id)
    energy = energy.where(QuarterHour.starts_at >= begin, QuarterHour.starts_at < end)
    per_quarter = energy.group_by(seen.c.station_id, QuarterHour.starts_at).cte("energy").prefix_with("MATERIALIZED")
    recent = seen.c.started_at >= since
    rows = session.execute(
        sa.union_all(
            _row(DAY, per_quarter.c.starts_at, _nothing(), sa.func.sum(per_quarter.c.wh)).group_by(
                per_quarter.c.starts_at
            ),
            sa.select(_by_group(account_id, per_quarter, per_quarter.c.starts_at >= since, groups)),
            _row(SESSIONS, _no_time(), _nothing(), sa.func.count()).select_from(seen).where(recent),
            sa.select(_latest(seen, recent, latest)),
        )
    ).all()
    return _of_rows(rows, period)


def _seen(account_id: int, within: Sequence[sa.ColumnElement[bool]], *, is_shared_with: bool) -> sa.CTE:
    """Id, start and station of the sessions that the account may see: its own, and those of others by a grant."""
    columns = (ChargingSession.id, ChargingSession.started_at, Connector.station_id)
    every = sa.select(*columns).join(Connector, Connector.id == ChargingSession.connector_id).where(*within)
    parts = [every.where(ChargingSession.owner_id == account_id)]
    if is_shared_with:
        shared = stations.shared_stations(account_id, "session:view")
        parts.append(every.where(ChargingSession.owner_id != account_id, Connector.station_id.in_(shared)))
    united = sa.union_all(*parts).subquery()
    return sa.select(united).cte("seen").prefix_with("MATERIALIZED")


def _nothing() -> sa.ColumnElement[Any]:
    return sa.cast(sa.null(), sa.Integer)


def _no_time() -> sa.ColumnElement[Any]:
    return sa.cast(sa.null(), UtcDateTime)


def _row(
    kind: int,
    at: sa.ColumnElement[Any],
    key: sa.ColumnElement[Any] | InstrumentedAttribute[int],
    value: sa.ColumnElement[int],
) -> sa.Select[int, Any, Any, int]:
    return sa.select(
        sa.literal(kind).label("kind"), at.label("at"), key.label("key"), sa.cast(value, sa.BigInteger).label("value")
    )


def _by_group(account_id: int, energy: sa.CTE, recent: sa.ColumnElement[bool], most: int) -> sa.Subquery:
    """The station groups with the most energy; a station in two of them counts in both."""
    member, total = StationGroupStation, sa.func.sum(energy.c.wh)
    wanted = _row(GROUP, _no_time(), member.station_group_id, total)
    # + 0: from the stations that gave energy to their groups, and not from all memberships there are.
    wanted = wanted.join_from(energy, member, member.station_id == energy.c.station_id + 0).where(recent)
    # + 0: by the few groups of each station, not by all stations of thousands of groups.
    wanted = wanted.where((member.station_group_id + 0).in_(authz.visible(account_id, "session:view")))
    wanted = wanted.group_by(member.station_group_id).order_by(total.desc(), member.station_group_id)
    return wanted.limit(most).subquery()


def _latest(seen: sa.CTE, recent: sa.ColumnElement[bool], most: int) -> sa.Subquery:
    wanted = _row(LATEST, seen.c.started_at, seen.c.id, sa.literal(0)).where(recent)
    return wanted.order_by(seen.c.started_at.desc(), seen.c.id.desc()).limit(most).subquery()


def _of_rows(rows: Sequence[sa.Row[*tuple[Any, ...]]], period: Period) -> Charged:
    first, last = period.first_day.toordinal(), period.last_day.toordinal()
    days = {date.fromordinal(n): 0 for n in range(first, last + 1)}
    for row in rows:
        if row.kind == DAY:
            days[row.at.astimezone(period.zone).date()] += int(row.value)
    by_group = sorted(((int(row.value), row.key) for row in rows if row.kind == GROUP), key=lambda g: (-g[0], g[1]))
    latest = sorted(((row.at, row.key) for row in rows if row.kind == LATEST), reverse=True)
    count = sum(row.value for row in rows if row.kind == SESSIONS)
    return Charged(days, {key: wh for wh, key in by_group}, count, [key for _at, key in latest])
