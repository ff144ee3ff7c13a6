"""Charging sessions and drivers, as the actor may see them. No row is loaded past this gate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager

from portal.access.cards import compared
from portal.access.models import SessionCost
from portal.charging.models import ChargingSession, Driver, QuarterHour, SessionImport
from portal.charging.spreading import quarter_of
from portal.core import authz, paging
from portal.core.authz import standing
from portal.core.errors import NotAllowed, NotThere
from portal.stations import queries as stations
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation
from portal.stations.queries import shows_drivers, shows_drivers_of_each

DERIVED = re.compile("[0-9a-f]{64}")  # a name that a row got by the hash of its content, see reading
TO_CHOOSE = 200  # in a menu; a longer list is searched


class SessionLine(NamedTuple):
    """A charging session as one reader may see it: a hidden driver is a number, and his card is not told; nor is a
    number at the source that was made of the row's content, from which a driver could be guessed."""

    row: ChargingSession
    connector: Connector
    station: Station
    driver: str
    card: str
    number: str  # at the source
    cost: int | None = None  # in Rappen; none: never calculated
    currency: str = "CHF"
    gap: bool = False  # for some of it no price applied


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions a list shows. The period is of instants: those that begin in it."""

    text: str = ""
    station_group_id: int | None = None
    station_id: int | None = None
    driver_id: int | None = None
    import_id: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    without_price: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """`costs`: Rappen by currency."""

    sessions: int
    energy_wh: int
    costs: Mapping[str, int] = field(default_factory=dict)


def driver_name(driver: Driver | None, *, shown: bool, brought_in: bool = False) -> str:
    """A driver as a reader may know him: his label, or a number that is the same wherever he occurs.

    Numbers are given when a driver first occurs, among those of one file by chance, so that they say nothing of his
    name. Sessions that the reader brought in himself carry none: he has their names in his file, and would know from
    then on whose number it is.
    """
    if driver is None or (brought_in and not shown):
        return ""
    return driver.label if shown else f"#{driver.id}"


def _branches(session: Session, account_id: int, is_shared_with: bool | None) -> list[sa.ColumnElement[bool]]:
    """Conditions on a ChargingSession, one of which is true for each that the account may see: its own, and those of
    others that a grant opens. PostgreSQL asks each by itself along an index, for an OR of both it reads the whole
    table; SQLite has an OR cheaper. `is_shared_with`: whether somebody shares a group with the account; none: asked
    here.
    """
    own = ChargingSession.owner_id == account_id
    if is_shared_with is None:
        is_shared_with = session.scalar(_shared_groups(account_id).limit(1)) is not None
    if not is_shared_with:
        return [own]
    shared = shared_sessions(account_id)
    if session.get_bind().dialect.name == "sqlite":
        return [sa.or_(own, shared)]
    return [own, sa.and_(ChargingSession.owner_id != account_id, shared)]


def shared_sessions(account_id: int) -> sa.ColumnElement[bool]:
    """The condition that a ChargingSession row is one that the account may see by a grant."""
    at = Connector.station_id.in_(stations.shared_stations(account_id, "session:view"))
    return ChargingSession.connector_id.in_(sa.select(Connector.id).where(at))


def _shared_groups(account_id: int) -> sa.Select[int]:
    return authz.visible(account_id, "session:view").where(standing.c.grant_id.is_not(None))


def sessions(
    session: Session, account_id: int, wanted: SessionFilter, number: int, is_shared_with: bool | None = None
) -> paging.Page[SessionLine]:
    """A page of the sessions that the account may see, the latest first. `is_shared_with` as in `_branches`."""
    branches, conditions = _branches(session, account_id, is_shared_with), _conditions(account_id, wanted)
    found = _found(branches, conditions, number)
    lines = _lines(session, _latest_first(account_id).join(found, found.c.id == ChargingSession.id))
    return paging.Page(lines, max(1, number), _count(session, branches, conditions))


def latest_sessions(
    session: Session, account_id: int, begun: tuple[datetime, datetime], most: int, *, is_shared_with: bool
) -> list[SessionLine]:
    """The last of the sessions that the account may see and that began from one instant to before another. One
    statement; `is_shared_with` as in `_branches`."""
    wanted = SessionFilter(starts_at=begun[0], ends_at=begun[1])
    branches = _branches(session, account_id, is_shared_with)
    found = _found(branches, _conditions(account_id, wanted), 1, most)
    return _lines(session, _latest_first(account_id).join(found, found.c.id == ChargingSession.id))


def _latest_first(account_id: int) -> sa.Select[*tuple[Any, ...]]:
    shown = shows_drivers_of_each(account_id).label("shown")
    brought_in = sa.func.coalesce(SessionImport.account_id == account_id, sa.false())
    cost = (SessionCost.total, SessionCost.currency, SessionCost.gap)
    query = sa.select(ChargingSession, Connector, Station, Driver, shown, brought_in, *cost)
    query = query.outerjoin(SessionCost, SessionCost.session_id == ChargingSession.id)
    query = query.outerjoin(SessionImport, SessionImport.id == ChargingSession.import_id)
    query = query.join(Connector, Connector.id == ChargingSession.connector_id)
    query = query.join(Station, Station.id == Connector.station_id)
    query = query.outerjoin(Driver, Driver.id == ChargingSession.driver_id)
    return query.order_by(ChargingSession.started_at.desc(), ChargingSession.id.desc())


def _lines(session: Session, query: sa.Select[*tuple[Any, ...]]) -> list[SessionLine]:
    return [_line(*row[:6])._replace(**_cost(*row[6:])) for row in session.execute(query)]


def _cost(total: int | None, currency: str | None, gap: bool | None) -> dict[str, Any]:
    return {} if total is None else {"cost": total, "currency": currency, "gap": gap}


def _found(
    branches: Sequence[sa.ColumnElement[bool]],
    conditions: Sequence[sa.ColumnElement[bool]],
    number: int,
    size: int = paging.SIZE,
) -> sa.Subquery:
    """Start and id of the sessions of a page: the latest of each branch, then of all of these."""
    table, skipped = ChargingSession, paging.offset(number)
    order = (table.started_at.desc(), table.id.desc())
    latest = [
        sa.select(table.id, table.started_at)
        .where(branch, *conditions)
        .order_by(*order)
        .limit(skipped + size)
        .subquery()
        for branch in branches
    ]
    united = sa.union_all(*(sa.select(part) for part in latest)).subquery()
    page = sa.select(united).order_by(united.c.started_at.desc(), united.c.id.desc())
    return page.limit(size).offset(skipped).subquery()


def _line(
    row: ChargingSession, connector: Connector, station: Station, driver: Driver | None, shown: bool, brought_in: bool
) -> SessionLine:
    name = driver_name(driver, shown=shown, brought_in=brought_in)
    number = row.external_id if shown or not DERIVED.fullmatch(row.external_id) else ""
    return SessionLine(row, connector, station, name, (row.card or "") if shown else "", number)


def cost(session: Session, row: ChargingSession) -> SessionCost | None:
    """What a session cost that was loaded through the gate; none: never calculated."""
    return session.get(SessionCost, row.id)


def totals(session: Session, account_id: int, wanted: SessionFilter) -> Totals:
    """Count and energy of all the sessions that the filter shows to this account."""
    return _totals(session, _branches(session, account_id, None), _conditions(account_id, wanted))


def _count(
    session: Session, branches: Sequence[sa.ColumnElement[bool]], conditions: Sequence[sa.ColumnElement[bool]]
) -> int:
    parts = [sa.select(sa.func.count()).select_from(ChargingSession).where(branch, *conditions) for branch in branches]
    return sum(session.scalars(sa.union_all(*parts)))


def _totals(
    session: Session, branches: Sequence[sa.ColumnElement[bool]], conditions: Sequence[sa.ColumnElement[bool]]
) -> Totals:
    sums = (sa.func.sum(ChargingSession.energy_wh), sa.func.sum(SessionCost.total))
    wanted = sa.select(SessionCost.currency, sa.func.count(), *sums).select_from(ChargingSession)
    wanted = wanted.outerjoin(SessionCost, SessionCost.session_id == ChargingSession.id)
    parts = [wanted.where(branch, *conditions).group_by(SessionCost.currency) for branch in branches]
    rows = session.execute(sa.union_all(*parts)).all()
    costs: dict[str, int] = {}
    for currency, _sessions, _energy_wh, total in rows:
        if currency is not None:
            costs[currency] = costs.get(currency, 0) + int(total)
    return Totals(sum(row[1] for row in rows), sum(int(row[2]) for row in rows), dict(sorted(costs.items())))


def session_line(session: Session, account_id: int, row: ChargingSession) -> SessionLine:
    """One session, already loaded through the gate, as the reader may see it."""
    connector = session.get_one(Connector, row.connector_id)
    station = session.get_one(Station, connector.station_id)
    shown = session.scalar(sa.select(Station.id).where(Station.id == station.id, shows_drivers(account_id))) is not None
    driver = session.get(Driver, row.driver_id) if row.driver_id else None
    importer = sa.select(SessionImport.account_id).where(SessionImport.id == row.import_id)
    return _line(row, connector, station, driver, shown, session.scalar(importer) == account_id)


def _conditions(account_id: int, wanted: SessionFilter) -> list[sa.ColumnElement[bool]]:
    table, member = ChargingSession, StationGroupStation
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.station_group_id is not None:
        group = sa.select(Connector.id).join(member, member.station_id == Connector.station_id)
        seen = member.station_group_id.in_(authz.visible(account_id, "session:view"))
        conditions.append(table.connector_id.in_(group.where(member.station_group_id == wanted.station_group_id, seen)))
    if wanted.station_id is not None:
        conditions.append(
            table.connector_id.in_(sa.select(Connector.id).where(Connector.station_id == wanted.station_id))
        )
    if wanted.driver_id is not None:
        conditions += [table.driver_id == wanted.driver_id, _driver_is_shown(account_id)]
    if wanted.import_id is not None:
        conditions.append(table.import_id == wanted.import_id)
    if wanted.starts_at is not None:
        conditions.append(table.started_at >= wanted.starts_at)
    if wanted.ends_at is not None:
        conditions.append(table.started_at < wanted.ends_at)
    if wanted.without_price:
        conditions.append(table.id.in_(sa.select(SessionCost.session_id).where(SessionCost.gap.is_(True))))
    if wanted.text:
        conditions.append(_matches(account_id, wanted.text))
    return conditions


def _driver_is_shown(account_id: int) -> sa.ColumnElement[bool]:
    shown = sa.select(Connector.id).join(Station, Station.id == Connector.station_id).where(shows_drivers(account_id))
    return ChargingSession.connector_id.in_(shown)


def _matches(account_id: int, text: str) -> sa.ColumnElement[bool]:
    """Station, or driver and card where these are shown, or the session's own number: nobody finds out by searching
    what he is not shown."""
    named = sa.or_(Station.name.icontains(text, autoescape=True), Station.reference == text)
    at_station = (
        sa.select(Connector.id)
        .join(Station, Station.id == Connector.station_id)
        .where(named, stations.visible_stations(account_id, "session:view"))
    )
    person = sa.or_(
        ChargingSession.driver_id.in_(sa.select(Driver.id).where(Driver.label.icontains(text, autoescape=True))),
        ChargingSession.card_number == (compared(text) or None),
        ChargingSession.external_id == text,
    )
    return sa.or_(
        ChargingSession.connector_id.in_(at_station),
        *([] if DERIVED.fullmatch(text) else [ChargingSession.external_id == text]),
        sa.and_(person, _driver_is_shown(account_id)),
    )


def charging_session(session: Session, account_id: int, action: str, row_id: int) -> ChargingSession:
    """The session, by what the account is to its station; NotThere or NotAllowed else."""
    query = sa.select(ChargingSession, Station).join(Connector, Connector.id == ChargingSession.connector_id)
    query = query.join(Station, Station.id == Connector.station_id).where(ChargingSession.id == row_id)
    query = query.options(contains_eager(ChargingSession.connector).contains_eager(Connector.station))
    row, station = session.execute(query).one_or_none() or (None, None)
    allowed = stations.actions(session, account_id, station)
    if row is None or "session:view" not in allowed:
        raise NotThere
    if action not in allowed:
        raise NotAllowed
    stations.keep_as_of_station(session, account_id, "charging_session_id", row_id, row.connector.station_id)
    return row


def quarter_hours(session: Session, row: ChargingSession) -> Sequence[QuarterHour]:
    """The quarter hours of one session, in order."""
    # The bounds spare the database to look into other months.
    span = QuarterHour.starts_at.between(quarter_of(row.started_at), row.ended_at)
    wanted = sa.select(QuarterHour).where(QuarterHour.session_id == row.id, span)
    return session.scalars(wanted.order_by(QuarterHour.starts_at)).all()


def groups_to_choose(session: Session, account_id: int) -> list[tuple[int, str]]:
    """The first TO_CHOOSE station groups whose sessions the account may see, by name: (id, name)."""
    seen = StationGroup.id.in_(authz.visible(account_id, "session:view"))
    wanted = sa.select(StationGroup.id, StationGroup.name).where(seen).order_by(StationGroup.name, StationGroup.id)
    return [(row[0], row[1]) for row in session.execute(wanted.limit(TO_CHOOSE))]


def stations_to_choose(session: Session, account_id: int, chosen: int | None) -> list[tuple[int, str]]:
    """The first TO_CHOOSE stations whose sessions the account may see, by name, and the chosen one: (id, name)."""
    seen = stations.visible_stations(account_id, "session:view")
    wanted = sa.select(Station.id, Station.name).where(seen).order_by(Station.name, Station.id)
    found = [(row[0], row[1]) for row in session.execute(wanted.limit(TO_CHOOSE))]
    if chosen is not None and chosen not in dict(found):
        found += [(row[0], row[1]) for row in session.execute(wanted.where(Station.id == chosen))]
    return found


def drivers_to_choose(session: Session, account_id: int, chosen: int | None) -> list[tuple[int, str]]:
    """The first TO_CHOOSE drivers of the account, by label, and the chosen one where he is not hidden: (id, label)."""
    wanted = sa.select(Driver.id, Driver.label).order_by(Driver.label)
    found = [(row[0], row[1]) for row in session.execute(wanted.where(Driver.owner_id == account_id).limit(TO_CHOOSE))]
    if chosen is not None and chosen not in dict(found):
        met = sa.exists().where(ChargingSession.driver_id == Driver.id, _driver_is_shown(account_id))
        found += [(row[0], row[1]) for row in session.execute(wanted.where(Driver.id == chosen, met))]
    return found


def driver(session: Session, account_id: int, _action: str, row_id: int) -> Driver:
    """The driver, for the owner who knows him; NotThere for everybody else."""
    row = session.get(Driver, row_id)
    if row is None or row.owner_id != account_id:
        raise NotThere
    return row


def drivers(session: Session, owner_id: int, text: str, number: int) -> paging.Page[tuple[Driver, int, int]]:
    """A page of an owner's drivers, each with the number of his sessions and their Wh."""
    wanted = [Driver.owner_id == owner_id]
    if text:
        wanted.append(
            sa.or_(Driver.label.icontains(text, autoescape=True), Driver.email.icontains(text, autoescape=True))
        )
    total = session.scalar(sa.select(sa.func.count()).select_from(Driver).where(*wanted)) or 0
    some = sa.select(Driver).where(*wanted).order_by(Driver.label, Driver.id)
    rows = session.scalars(some.limit(paging.SIZE).offset(paging.offset(number))).all()
    table = ChargingSession
    sums = sa.select(table.driver_id, sa.func.count(), sa.func.sum(table.energy_wh)).group_by(table.driver_id)
    found = session.execute(sums.where(table.driver_id.in_([row.id for row in rows])))
    known = {row[0]: (row[1], int(row[2])) for row in found}
    return paging.Page([(row, *known.get(row.id, (0, 0))) for row in rows], max(1, number), total)
