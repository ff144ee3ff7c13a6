"""What lies where on the map: the stations of the list, counted by the cells of a section, and those of one place.

They are counted by the database, in one statement that reads the account's own and shared stations and no others; what
comes back is as long as the grid has cells. The filters are those of the list, of which a map is another picture.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from portal.core import paging
from portal.core.db import among
from portal.core.paging import Page
from portal.stations import search, states, station_list
from portal.stations.map_outline import SQUEEZE, Box
from portal.stations.map_picture import COLUMNS, WHOLE, Section
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.reach import Reach, Relation
from portal.stations.states import DisplayState

TOLD = 500  # stations of a section up to which the states of those that are shown as one are told
NEAR = 0.6  # of a cell: nearer than this, two marks are one
REACHABLE = station_list.REACHABLE
UNPLACED, OUTSIDE, BESIDE = -1, -2, -3  # instead of a cell: no coordinates, off the map, on the map but not shown


class Part(NamedTuple):
    """Stations that are in no other part. `walks`: they are all of one owner's, in whose order there is an
    index."""

    conditions: Sequence[sa.ColumnElement[bool]]
    walks: bool


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
    parts: Sequence[Part]
    heaps: Sequence[Heap] = ()
    counts: Mapping[Where, int] = field(default_factory=dict)
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
    found = station_list.reached(session, mine, relation, station_group_id)
    matching = search.matching(session, search.cleaned(text), among_few=True)  # as many as are counted anyhow
    parts = [Part([*_reached(session, branch), matching], not branch.within) for branch in found]
    return _counted(Places(section, parts), _heaps(session, section, parts))


def _reached(session: Session, branch: station_list.Branch) -> list[sa.ColumnElement[bool]]:
    """From the groups to their stations, as all of them are counted; the list asks its way from station to station."""
    if not branch.within:
        return [among(session, Station.owner_id, branch.owners)]
    member = StationGroupStation

    def inside(groups: Collection[int]) -> sa.ColumnElement[bool]:
        return Station.id.in_(sa.select(member.station_id).where(among(session, member.station_group_id, groups)))

    conditions = [inside(groups) for groups in branch.within]
    return [*conditions, ~inside(branch.outside)] if branch.outside else conditions


def _heaps(session: Session, section: Section, parts: Sequence[Part]) -> list[Heap]:
    cell = _cell(session, section)
    middle = (sa.func.coalesce(sa.func.avg(degrees), 0.0) for degrees in (Station.latitude, Station.longitude))
    columns = (cell, sa.func.count(), *middle)
    selects = [
        sa.select(*columns, sa.func.min(Station.id)).where(*part.conditions).group_by(sa.text("1")) for part in parts
    ]
    if not selects:
        return []
    return [Heap((cell,), *figures) for cell, *figures in session.execute(sa.union_all(*selects))]


def _counted(places: Places, found: Iterable[Heap]) -> Places:
    heaps: dict[int, Heap] = {}
    for heap in found:
        (cell,) = heap.cells
        heaps[cell] = _together(heaps[cell], heap, heap.cells) if cell in heaps else heap
    apart = {cell: heaps.pop(cell).number if cell in heaps else 0 for cell in (UNPLACED, OUTSIDE, BESIDE)}
    counts = {
        Where.SECTION: sum(heap.number for heap in heaps.values()),
        Where.OUTSIDE: apart[OUTSIDE],
        Where.UNPLACED: apart[UNPLACED],
    }
    shown = _gathered(places.section, [heaps[cell] for cell in sorted(heaps)])
    return Places(places.section, places.parts, shown, counts, apart[BESIDE])


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


def _cell(session: Session, section: Section) -> sa.ColumnElement[int]:
    """The number of the cell, row by row from the north-west; UNPLACED, OUTSIDE or BESIDE for none."""
    box = section.box
    column = _whole(session, (Station.longitude - box.west) / section.cell)
    row = _whole(session, (box.north - Station.latitude) / (section.cell * SQUEEZE))
    return sa.case(
        (_unplaced(), UNPLACED),
        (_within(box), row * COLUMNS + column),
        (_within(WHOLE.box), BESIDE),
        else_=OUTSIDE,
    )


def _whole(session: Session, figure: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Without its fraction: SQLite casts so, PostgreSQL rounds and SQLite may lack floor()."""
    return sa.cast(figure if session.get_bind().dialect.name == "sqlite" else sa.func.floor(figure), sa.Integer)


def _unplaced() -> sa.ColumnElement[bool]:
    return sa.or_(Station.latitude.is_(None), Station.longitude.is_(None))


def _within(box: Box) -> sa.ColumnElement[bool]:
    return sa.and_(
        Station.longitude >= box.west,
        Station.longitude < box.east,
        Station.latitude > box.south,
        Station.latitude <= box.north,
    )


def seen(session: Session, places: Places, now: datetime) -> list[Seen]:
    """The stations that are shown one by one; while a section holds no more than TOLD, all of it."""
    alone = [heap.station_id for heap in places.heaps if heap.number == 1]
    if places.counts[Where.SECTION] > TOLD:
        chosen = [[among(session, Station.id, alone)]] if alone else []
    else:
        chosen = [[*part.conditions, _within(places.section.box)] for part in places.parts]
    columns = (Station.id, Station.name, _cell(session, places.section).label("cell"))
    reported = (Connector.state, Connector.state_at, Connector.out_of_service)
    selects = [
        sa.select(*columns, Connector.id.label("connector_id"), *reported)
        .outerjoin(Connector, Connector.station_id == Station.id)
        .where(*conditions)
        for conditions in chosen
    ]
    rows = session.execute(sa.union_all(*selects)).all() if selects else []
    connectors: dict[tuple[int, str, int], list[Any]] = {}
    for row in rows:
        reports = connectors.setdefault((row.id, row.name, row.cell), [])
        if row.connector_id is not None:
            reports.append(row)
    return [Seen(*station, states.of_station(reports, now)) for station, reports in connectors.items()]


def listed(session: Session, places: Places, where: Where, number: int) -> Page[Station]:
    """A page of the stations that lie there, with their connectors, in the order of the list."""
    total = places.counts[where]
    number = min(max(1, number), max(1, -(-min(total, REACHABLE) // paging.SIZE)))
    if not total:
        return Page([], 1, 0)
    condition = {
        Where.SECTION: _within(places.section.box),
        Where.UNPLACED: _unplaced(),
        Where.OUTSIDE: sa.and_(~_unplaced(), ~_within(WHOLE.box)),
    }[where]
    dense = 4 * total > places.total
    parts = [Part([*part.conditions, condition], part.walks and dense) for part in places.parts]
    chosen = _first(parts, number).subquery("found")
    columns = (chosen.c.part, chosen.c.owner_id, chosen.c.name, chosen.c.id)
    statement = sa.select(Station).join(chosen, chosen.c.id == Station.id).order_by(*columns)
    items = session.scalars(statement.options(selectinload(Station.connectors))).all()
    return Page(items, number, min(total, REACHABLE))


def _first(parts: Sequence[Part], number: int) -> sa.Select[int, int, str, int]:
    """The ids of a page. Each part is cut by itself: walked along in the order of the index, or found and sorted, where
    + 0 keeps a planner from walking all stations there are for the order."""
    selects = []
    for place, part in enumerate(parts):
        owner_id = Station.owner_id if part.walks else Station.owner_id + 0
        columns = (sa.literal(place).label("part"), Station.owner_id, Station.name, Station.id)
        ordered = sa.select(*columns).where(*part.conditions).order_by(owner_id, Station.name, Station.id)
        selects.append(sa.select(ordered.limit(number * paging.SIZE).subquery()))
    united = (sa.union_all(*selects) if len(selects) > 1 else selects[0]).subquery()
    ordered = sa.select(united).order_by(united.c.part, united.c.owner_id, united.c.name, united.c.id)
    return ordered.limit(paging.SIZE).offset(paging.offset(number))
