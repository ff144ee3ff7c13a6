"""What lies where on the map: the stations of the list, counted by the cells of a section, and those of one place.

They are counted by the database, in one statement that reads the account's own and shared stations and no others; what
comes back is as long as the grid has cells. The filters are those of the list, of which a map is another picture.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased, selectinload

from portal.core import paging
from portal.core.db import among
from portal.core.paging import Page
from portal.stations import reach, search, states, station_list
from portal.stations.map_outline import SQUEEZE, Box
from portal.stations.map_picture import COLUMNS, WHOLE, Section
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.reach import Reach, Relation
from portal.stations.states import DisplayState

TOLD = 500  # stations of a section up to which the states of those that are shown as one are told
NEAR = 0.6  # of a cell: nearer than this, two marks are one
REACHABLE = station_list.REACHABLE
UNPLACED, OUTSIDE, BESIDE = -1, -2, -3  # instead of a cell: no coordinates, off the map, on the map but not shown

Columns = Any  # of stations, or of a subquery of them: latitude and longitude by their names


class Where(StrEnum):
    """The stations that the table below the map lists."""

    SECTION = "section"
    OUTSIDE = "outside"
    UNPLACED = "unplaced"


class Heap(NamedTuple):
    """The stations of a cell, or of several whose marks would lie upon each other. `station_id`: of one of them."""

    cells: tuple[int, ...]
    number: int
    latitude: float  # of their middle
    longitude: float
    station_id: int


class Seen(NamedTuple):
    """A station that is told by its state."""

    id: int
    name: str
    cell: int
    state: DisplayState


@dataclass(frozen=True, slots=True)
class Places:
    """How many stations lie where, and what selects them: to be asked further in the same transaction."""

    section: Section
    branches: Sequence[station_list.Branch]
    matching: sa.ColumnElement[bool]
    heaps: Sequence[Heap] = ()
    counts: Mapping[Where, int] = field(default_factory=lambda: dict.fromkeys(Where, 0))
    beside: int = 0  # on the map, but not in this section

    @property
    def placed(self) -> int:
        return self.counts[Where.SECTION] + self.beside

    @property
    def total(self) -> int:
        return self.beside + sum(self.counts.values())


def of(
    session: Session,
    mine: Reach,
    section: Section,
    *,
    relation: Relation | None = None,
    text: str = "",
    station_group_id: int | None = None,
) -> Places:
    """The stations that `station_list.stations` lists with these filters; NotThere for a group it may not see."""
    branches = station_list.reached(session, mine, relation, station_group_id)
    matching = search.matching(session, search.cleaned(text), among_few=True)  # of as many as are counted anyhow
    places = Places(section, branches, matching)
    return _counted(places, _heaps(session, places)) if branches else places


def _heaps(session: Session, places: Places) -> list[Heap]:
    parts = [_stations(session, branch, places.matching) for branch in places.branches]
    found = sa.union_all(*(sa.select(part) for part in parts)).subquery()
    middle = (sa.func.avg(found.c.latitude), sa.func.avg(found.c.longitude))
    cell = _cell(session, places.section, found.c)
    rows = session.execute(sa.select(cell, sa.func.count(), *middle, sa.func.min(found.c.id)).group_by(sa.text("1")))
    return [Heap((cell,), *figures) for cell, *figures in rows]


def _stations(
    session: Session,
    branch: station_list.Branch,
    matching: sa.ColumnElement[bool],
    *further: InstrumentedAttribute[Any],
) -> sa.Subquery:
    """The stations of a part of the list with their coordinates and further columns."""
    columns = (Station.latitude, Station.longitude, *further)
    if not branch.within:
        owned = among(session, Station.owner_id, branch.owners)
        return sa.select(Station.id, *columns).where(owned, matching).subquery()
    return _of_groups(session, branch, matching, columns)


def _of_groups(
    session: Session,
    branch: station_list.Branch,
    matching: sa.ColumnElement[bool],
    columns: Sequence[InstrumentedAttribute[Any]],
) -> sa.Subquery:
    """From the groups to their stations, each looked up by its id: a join would tempt a planner to read all stations
    there are. DISTINCT, besides, keeps it from looking up a column wherever that is named."""
    member = StationGroupStation
    itself = Station.id == member.station_id
    looked_up = [sa.select(c).where(itself).correlate(member).scalar_subquery().label(c.key) for c in columns]
    first, *others = branch.within
    conditions = [among(session, member.station_group_id, first), *(_also_in(session, groups) for groups in others)]
    if branch.outside:
        conditions.append(~_also_in(session, branch.outside))
    if not isinstance(matching, sa.True_):
        matched = sa.select(Station.id).where(itself, matching).correlate(member)
        conditions.append(matched.scalar_subquery().is_not(None))
    return sa.select(member.station_id.label("id"), *looked_up).where(*conditions).distinct().subquery()


def _also_in(session: Session, group_ids: Collection[int]) -> sa.ColumnElement[bool]:
    """That the station of a membership is in one of these groups too: asked by the few groups of the station, hence
    + 0, see `reach.in_groups`."""
    other = aliased(StationGroupStation)
    inside = among(session, other.station_group_id + 0, group_ids)
    found = sa.select(other.station_id).where(other.station_id == StationGroupStation.station_id, inside).limit(1)
    return found.correlate(StationGroupStation).scalar_subquery().is_not(None)


def _counted(places: Places, found: Iterable[Heap]) -> Places:
    heaps = {heap.cells[0]: heap for heap in found}
    apart = {cell: heaps.pop(cell).number if cell in heaps else 0 for cell in (UNPLACED, OUTSIDE, BESIDE)}
    inside = sum(heap.number for heap in heaps.values())
    counts = {Where.SECTION: inside, Where.OUTSIDE: apart[OUTSIDE], Where.UNPLACED: apart[UNPLACED]}
    shown = _gathered(places.section, [heaps[cell] for cell in sorted(heaps)])
    return replace(places, heaps=shown, counts=counts, beside=apart[BESIDE])


def _gathered(section: Section, heaps: Iterable[Heap]) -> list[Heap]:
    """One heap of those that are too near to be told apart, such as on both sides of the line between two cells."""
    apart: list[Heap] = []
    for heap in heaps:
        near = next((n for n, other in enumerate(apart) if _distance(heap, other) < NEAR * section.cell), None)
        if near is None:
            apart.append(heap)
        else:
            apart[near] = _together(apart[near], heap, apart[near].cells + heap.cells)
    return apart


def _distance(a: Heap, b: Heap) -> float:
    return math.hypot(a.longitude - b.longitude, (a.latitude - b.latitude) / SQUEEZE)


def _together(a: Heap, b: Heap, cells: tuple[int, ...]) -> Heap:
    number = a.number + b.number
    latitude = (a.latitude * a.number + b.latitude * b.number) / number
    longitude = (a.longitude * a.number + b.longitude * b.number) / number
    return Heap(cells, number, latitude, longitude, a.station_id)


def _cell(session: Session, section: Section, of: Columns) -> sa.ColumnElement[int]:
    """The number of the cell, row by row from the north-west; UNPLACED, OUTSIDE or BESIDE for none."""
    box = section.box
    column = _whole(session, (of.longitude - box.west) / section.cell)
    row = _whole(session, (box.north - of.latitude) / (section.cell * SQUEEZE))
    return sa.case(
        (_unplaced(of), UNPLACED),
        (_within(box, of), row * COLUMNS + column),
        (_within(WHOLE.box, of), BESIDE),
        else_=OUTSIDE,
    )


def _whole(session: Session, figure: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Without its fraction: SQLite casts so, PostgreSQL rounds and SQLite may lack floor()."""
    return sa.cast(figure if session.get_bind().dialect.name == "sqlite" else sa.func.floor(figure), sa.Integer)


def _unplaced(of: Columns) -> sa.ColumnElement[bool]:
    return sa.or_(of.latitude.is_(None), of.longitude.is_(None))


def _within(box: Box, of: Columns) -> sa.ColumnElement[bool]:
    across = sa.and_(of.longitude >= box.west, of.longitude < box.east)
    return sa.and_(across, of.latitude > box.south, of.latitude <= box.north)


def seen(session: Session, places: Places, now: datetime) -> list[Seen]:
    """The stations that are shown one by one; while a section holds no more than TOLD, all of it."""
    ids: Sequence[int] = [heap.station_id for heap in places.heaps if heap.number == 1]
    if 0 < places.counts[Where.SECTION] <= TOLD:
        parts = [_stations(session, branch, places.matching) for branch in places.branches]
        inside = (sa.select(part.c.id).where(_within(places.section.box, part.c)) for part in parts)
        ids = session.scalars(sa.union_all(*inside)).all()
    if not ids:
        return []
    cell = _cell(session, places.section, Station).label("cell")
    reported = (Connector.id.label("connector_id"), Connector.state, Connector.state_at, Connector.out_of_service)
    rows = session.execute(
        sa.select(Station.id, Station.name, cell, *reported)
        .outerjoin(Connector, Connector.station_id == Station.id)
        .where(among(session, Station.id, ids))
    )
    connectors: dict[tuple[int, str, int], list[Any]] = {}
    for row in rows:
        reports = connectors.setdefault((row.id, row.name, row.cell), [])
        if row.connector_id is not None:
            reports.append(row)
    return [Seen(*station, states.of_station(reports, now)) for station, reports in connectors.items()]


def listed(session: Session, places: Places, where: Where, number: int) -> Page[Station]:
    """A page of the stations that lie there, with their connectors, in the order of the list."""
    total = min(places.counts[where], REACHABLE)
    number = min(max(1, number), max(1, -(-total // paging.SIZE)))
    if not total:
        return Page([], 1, 0)
    chosen = _first(session, places, where, number).subquery("found")
    columns = (chosen.c.part, chosen.c.owner_id, chosen.c.name, chosen.c.id)
    statement = sa.select(Station).join(chosen, chosen.c.id == Station.id).order_by(*columns)
    items = session.scalars(statement.options(selectinload(Station.connectors))).all()
    return Page(items, number, total)


def _first(session: Session, places: Places, where: Where, number: int) -> sa.Select[int, int, str, int]:
    """The ids of a page. Each part is cut by itself: where every fourth station at least belongs to the page, walked
    along in the order of the list; else found and sorted, for which + 0 hides that there is an index in this order."""
    walks = 4 * places.counts[where] > places.total
    selects = []
    for place, branch in enumerate(places.branches):
        if walks:
            rows: Columns = Station
            conditions = [*_list_conditions(session, branch), places.matching]
        else:
            rows = _stations(session, branch, places.matching, Station.owner_id, Station.name).c
            conditions = []
        columns = (sa.literal(place).label("part"), rows.owner_id, rows.name, rows.id)
        order = (rows.owner_id if walks else rows.owner_id + 0, rows.name, rows.id)
        ordered = sa.select(*columns).where(*conditions, _lies(where, places.section, rows)).order_by(*order)
        selects.append(sa.select(ordered.limit(number * paging.SIZE).subquery()))
    united = (sa.union_all(*selects) if len(selects) > 1 else selects[0]).subquery()
    page = sa.select(united).order_by(united.c.part, united.c.owner_id, united.c.name, united.c.id)
    return page.limit(paging.SIZE).offset(paging.offset(number))


def _list_conditions(session: Session, branch: station_list.Branch) -> list[sa.ColumnElement[bool]]:
    conditions = [among(session, Station.owner_id, branch.owners)]
    conditions += [reach.in_groups(session, groups) for groups in branch.within]
    return [*conditions, ~reach.in_groups(session, branch.outside)] if branch.outside else conditions


def _lies(where: Where, section: Section, of: Columns) -> sa.ColumnElement[bool]:
    if where == Where.SECTION:
        return _within(section.box, of)
    return _unplaced(of) if where == Where.UNPLACED else sa.and_(~_unplaced(of), ~_within(WHOLE.box, of))
