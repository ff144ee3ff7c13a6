"""What was charged in a period and in the one before at all stations that an account may see, in one statement.

The daily totals are found once, the account's own along their owner, those of others charging point by charging point,
and every figure is taken of them: their number is that of the charging points in use and the days, however many
sessions and quarter hours there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.daily_totals import ZONE
from portal.charging.finishing import instants
from portal.charging.models import UNKNOWN_DRIVER, DailyTotal, Driver, QuarterHour
from portal.core import authz
from portal.core.db import UtcDateTime
from portal.dashboard.periods import Kind, Period
from portal.stations import queries as stations
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation

BY_DAY, BY_HOUR, BY_STATION, BY_GROUP, BY_DRIVER = range(5)  # what a row of the statement tells
HOUR = timedelta(hours=1)
MOST = 6  # stations, groups and drivers
UNTOLD = {
    "day": sa.cast(sa.null(), sa.Date),
    "at": sa.cast(sa.null(), UtcDateTime),
    "key": sa.cast(sa.null(), sa.Integer),
    "name": sa.cast(sa.null(), sa.String),
}
HIDDEN = -1  # no driver's id: those whom a grant hides, together


class Total(NamedTuple):
    energy_wh: int = 0
    sessions: int = 0


class Part(NamedTuple):
    """The share of a station, a station group or a driver; of sessions without a driver, and of drivers whom the
    reader may not know, `key` is UNKNOWN_DRIVER and HIDDEN, and the name is empty."""

    key: int
    name: str
    energy_wh: int
    sessions: int


@dataclass(slots=True)
class Figures:
    """`days`: of each day with figures; `hours`: Wh by the beginning of each hour of a single day. `stations`,
    `groups` and `drivers`: those with the most energy in the period, the most first."""

    days: dict[date, Total] = field(default_factory=dict)
    hours: dict[datetime, int] = field(default_factory=dict)
    stations: list[Part] = field(default_factory=list)
    groups: list[Part] = field(default_factory=list)
    drivers: list[Part] = field(default_factory=list)

    def total(self, first: date, last: date) -> Total:
        """Of the days from the first to the last."""
        some = [total for day, total in self.days.items() if first <= day <= last]
        return Total(sum(one.energy_wh for one in some), sum(one.sessions for one in some))


def change_percent(now: int, before: int) -> int | None:
    """Change in whole percent; None where there was nothing before."""
    return round((now - before) * 100 / before) if before else None


def figures(session: Session, account_id: int, period: Period, *, is_shared_with: bool) -> Figures:
    """Of the period and the one before. `is_shared_with`: whether somebody shares a group with the account. Days are
    those of daily_totals.ZONE."""
    seen = _seen(account_id, (period.before.first, period.last), is_shared_with=is_shared_with)
    recent = sa.select(seen).where(seen.c.day >= period.first).cte("recent")
    charged = (
        _sums(recent.c.station_id, recent).group_by(recent.c.station_id).cte("charged").prefix_with("MATERIALIZED")
    )
    parts = [
        _row(BY_DAY, *_both(seen), day=seen.c.day).group_by(seen.c.day),
        sa.select(_most(BY_STATION, _sums(charged.c.key, charged), charged.c.key, Station)),
        sa.select(_by_group(account_id, charged)),
        sa.select(_by_driver(account_id, recent, charged)),
    ]
    if period.kind is Kind.DAY:
        parts.append(_by_hour(seen, period))
    found, hours = Figures(), dict.fromkeys(_hours(period), 0) if period.kind is Kind.DAY else {}
    for row in session.execute(sa.union_all(*parts)):
        if row.kind == BY_DAY:
            found.days[row.day] = Total(int(row.energy_wh), int(row.sessions))
        elif row.kind == BY_HOUR:
            hours[row.at.replace(minute=0)] += int(row.energy_wh)
        else:
            part = Part(row.key, row.name or "", int(row.energy_wh), int(row.sessions))
            {BY_STATION: found.stations, BY_GROUP: found.groups, BY_DRIVER: found.drivers}[row.kind].append(part)
    for listed in (found.stations, found.groups, found.drivers):
        listed.sort(key=lambda part: (-part.energy_wh, part.key))
    found.hours = hours
    return found


def _seen(account_id: int, days: tuple[date, date], *, is_shared_with: bool) -> sa.CTE:
    """The daily totals that the account may see: its own, and those of others by a grant."""
    table, where = DailyTotal, (DailyTotal.day.between(*days), DailyTotal.energy_wh + DailyTotal.sessions > 0)
    columns = (table.day, table.connector_id, table.driver_id, Connector.station_id, table.energy_wh, table.sessions)
    every = sa.select(*columns).join(Connector, Connector.id == table.connector_id).where(*where)
    parts = [every.where(table.owner_id == account_id)]
    if is_shared_with:
        shared = stations.shared_stations(account_id, "session:view")
        parts.append(every.where(table.owner_id != account_id, Connector.station_id.in_(shared)))
    united = sa.union_all(*parts).subquery()
    return sa.select(united).cte("seen").prefix_with("MATERIALIZED")


def _row(kind: int, energy_wh: Any, sessions: Any, **told: Any) -> sa.Select[Any]:
    """A row of the statement, of amounts and what of UNTOLD is told."""
    amounts = {"energy_wh": sa.cast(energy_wh, sa.BigInteger), "sessions": sa.cast(sessions, sa.BigInteger)}
    named = {"kind": sa.literal(kind), **UNTOLD, **told, **amounts}
    return sa.select(*(value.label(name) for name, value in named.items()))


def _both(rows: sa.CTE) -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    return sa.func.sum(rows.c.energy_wh), sa.func.sum(rows.c.sessions)


def _sums(key: Any, rows: sa.CTE) -> sa.Select[Any]:
    energy_wh, sessions = _both(rows)
    return sa.select(key.label("key"), energy_wh.label("energy_wh"), sessions.label("sessions"))


def _most(kind: int, sums: sa.Select[Any], key: Any, table: type[Station | StationGroup | Driver]) -> sa.Subquery:
    """The keys with the most energy, with both sums and their names."""
    energy_wh = sums.selected_columns.energy_wh
    most = sums.group_by(key).order_by(energy_wh.desc(), key).limit(MOST).subquery()
    name = table.label if table is Driver else table.name  # type: ignore[union-attr]
    row = _row(kind, most.c.energy_wh, most.c.sessions, key=most.c.key, name=name)
    return row.select_from(sa.outerjoin(most, table, table.id == most.c.key)).subquery()


def _by_group(account_id: int, charged: sa.CTE) -> sa.Subquery:
    """A station in two groups counts in both."""
    member, key = StationGroupStation, StationGroupStation.station_group_id
    # + 0: from the stations that gave energy to their groups, and not from all memberships there are.
    wanted = _sums(key, charged).join_from(charged, member, member.station_id == charged.c.key + 0)
    # + 0: by the few groups of each station, not by all stations of thousands of groups.
    wanted = wanted.where((key + 0).in_(authz.visible(account_id, "session:view")))
    return _most(BY_GROUP, wanted, key, StationGroup)


def _by_driver(account_id: int, recent: sa.CTE, charged: sa.CTE) -> sa.Subquery:
    """Asked for each station that gave energy: of thousands of shared groups the set of all stations at which drivers
    are shown would be larger."""
    shown = stations.shows_drivers_of_each(account_id).label("shown")
    open_at = sa.select(charged.c.key, shown).join_from(charged, Station, Station.id == charged.c.key)
    known = open_at.cte("known").prefix_with("MATERIALIZED")
    driver, unknown = recent.c.driver_id, recent.c.driver_id == UNKNOWN_DRIVER
    whom = sa.case((unknown, UNKNOWN_DRIVER), (known.c.shown, driver), else_=HIDDEN).label("driver_id")
    told = sa.select(whom, recent.c.energy_wh, recent.c.sessions)
    rows = told.join_from(recent, known, known.c.key == recent.c.station_id).cte("told")
    return _most(BY_DRIVER, _sums(rows.c.driver_id, rows), rows.c.driver_id, Driver)


def _by_hour(seen: sa.CTE, period: Period) -> sa.Select[Any]:
    """The quarter hours of the charging points that have a total on this day."""
    begin, end = instants(period.first, period.last, ZONE)
    used = sa.select(seen.c.connector_id.label("id")).where(seen.c.day == period.first, seen.c.energy_wh > 0)
    used_once = used.distinct().cte("used").prefix_with("MATERIALIZED")
    at, sums = QuarterHour.starts_at, (sa.func.sum(QuarterHour.energy_wh), sa.literal(0))
    wanted = _row(BY_HOUR, *sums, at=at).join_from(used_once, QuarterHour, QuarterHour.connector_id == used_once.c.id)
    return wanted.where(at >= begin, at < end).group_by(at)


def _hours(period: Period) -> Sequence[datetime]:
    """The beginnings of the hours of a day, 23 to 25 of them, in UTC."""
    begin, end = instants(period.first, period.last, ZONE)
    return [begin + n * HOUR for n in range((end - begin) // HOUR)]
