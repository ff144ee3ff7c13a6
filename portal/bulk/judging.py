"""What wishes about many stations and connectors would change, and what stands against each of them.

The statements are as many for ten thousand wishes as for one. Nothing is written here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from portal.accounts.models import Account
from portal.bulk import clashes
from portal.bulk.columns import FIGURES, YES_NO
from portal.core import authz
from portal.core.authz import Standing
from portal.core.db import among
from portal.core.errors import N_, RuleBroken
from portal.formats.csv_settings import FORMULA
from portal.stations import entries
from portal.stations.models import IDENTIFIERS, Connector, Station, StationGroupStation
from portal.stations.operations import changes, connectors, stations, writing

MOST = 20_000  # wishes at once
NO_STATION = N_("There is no such station.")
NO_CONNECTOR = N_("The station has no connector %(number)s.")
LOOK_ONLY = N_("You may look at this station, but not change it.")
NOT_THESE = "refused fields"  # the sentence names them


@dataclass(frozen=True, slots=True)
class Wish:
    """What a station, or with a `number` one of its connectors, is to be: texts as they are typed, choices by their
    codes, "" for nothing. `line` is its row in a file, 0 without one; `problem` a gettext key where the row is at
    fault by itself."""

    line: int
    station_id: int
    number: int | None
    texts: Mapping[str, str]
    problem: str = ""


@dataclass(slots=True)
class Item:
    """A wish, judged. `row`: what it is about, none where it is not there for the actor. `changed`: each column that
    would change as [before, after]. `problem`: why it stays as it is; `refused`: the fields that the actor may not
    write, of those that would change."""

    wish: Wish
    station: Station | None = None
    row: Station | Connector | None = None
    changed: dict[str, list[Any]] = field(default_factory=dict)
    problem: RuleBroken | None = None
    refused: Sequence[str] = ()

    @property
    def changes(self) -> bool:
        """Whether it can be written and would change anything."""
        return self.problem is None and bool(self.changed)

    @property
    def matters(self) -> bool:
        """Whether there is anything to say about it."""
        return self.problem is not None or bool(self.changed)


class Rights(NamedTuple):
    sees: bool
    edits: bool
    station: frozenset[str]
    connector: frozenset[str]


def judge(session: Session, actor: Account, wishes: Sequence[Wish]) -> list[Item]:
    """Every wish with what it would change now, in the same order."""
    ids = {wish.station_id for wish in wishes}
    held = rights(session, actor, ids)
    seen = [row_id for row_id in ids if row_id in held and held[row_id].sees]
    found = {row.id: row for row in _fresh(session, Station, Station.id, seen)}
    numbered = {(row.station_id, row.number): row for row in _fresh(session, Connector, Connector.station_id, seen)}
    items = [_item(wish, found.get(wish.station_id), numbered, held) for wish in wishes]
    clashes.mark(session, items)
    return items


def version(items: Sequence[Item]) -> str:
    """A text that changes when what would change does, or what stands against it."""
    told = [(item.wish, item.changed, str(item.problem or ""), tuple(item.refused)) for item in items]
    return changes.version(told)


def _fresh(session: Session, kind: Any, column: Any, ids: Collection[int]) -> Sequence[Any]:
    """The rows as they stand in the database now."""
    if not ids:
        return []
    wanted = sa.select(kind).where(among(session, column, ids)).order_by(kind.id)
    return session.scalars(wanted.execution_options(populate_existing=True)).all()


def rights(session: Session, actor: Account, station_ids: Collection[int]) -> dict[int, Rights]:
    """What the actor may do at each of these stations, as `queries.actions` and `writing.writable_fields` say it of
    one; the others are not there. Three statements."""
    if not station_ids:
        return {}
    member = StationGroupStation
    owned = sa.select(Station.id, Station.owner_id).where(among(session, Station.id, station_ids))
    inside = sa.select(member.station_id, member.station_group_id).where(among(session, member.station_id, station_ids))
    groups = sa.select(member.station_group_id).where(among(session, member.station_id, station_ids))
    by_group: dict[int, list[Standing]] = {}
    for standing in authz.standings(session, actor.id, groups):
        by_group.setdefault(standing.station_group_id, []).append(standing)
    held: dict[int, list[Standing]] = {}
    for station_id, group_id in session.execute(inside):
        held.setdefault(station_id, []).extend(by_group.get(group_id, ()))
    known: dict[frozenset[tuple[str, str]], Rights] = {}
    return {
        row_id: _owners() if owner_id == actor.id else _holders(known, held.get(row_id, []))
        for row_id, owner_id in session.execute(owned)
    }


def _owners() -> Rights:
    return Rights(True, True, authz.owner_writes("station"), authz.owner_writes("connector"))


def _holders(known: dict[frozenset[tuple[str, str]], Rights], held: Sequence[Standing]) -> Rights:
    key = frozenset((standing.role, standing.licence) for standing in held)
    if key not in known:
        may, writes = authz.actions(held), {kind: authz.writable(held, kind) for kind in ("station", "connector")}
        known[key] = Rights("station:view" in may, {"station:edit", "connector:edit"} <= may, **writes)
    return known[key]


def _item(
    wish: Wish,
    station: Station | None,
    numbered: Mapping[tuple[int, int], Connector],
    held: Mapping[int, Rights],
) -> Item:
    if wish.problem:
        return Item(wish, station, problem=RuleBroken("", wish.problem))
    if station is None:
        return Item(wish, problem=RuleBroken("", NO_STATION))
    row = station if wish.number is None else numbered.get((station.id, wish.number))
    if row is None:
        return Item(wish, station, problem=RuleBroken("", NO_CONNECTOR, number=wish.number))
    if isinstance(row, Connector):  # it would be asked for one by one
        set_committed_value(row, "station", station)
    item, may = Item(wish, station, row), held[station.id]
    writes = may.station if wish.number is None else may.connector
    try:
        differing, item.changed = difference(row, wish.texts)
    except RuleBroken as broken:
        differing, item.problem = [broken.field], broken
    item.refused = [name for name in differing if not may.edits or writing.column(name) not in writes]
    if item.refused:
        item.problem, item.changed = RuleBroken("", NOT_THESE if may.edits else LOOK_ONLY), {}
    return item


def difference(row: Station | Connector, texts: Mapping[str, str]) -> tuple[list[str], dict[str, list[Any]]]:
    """The fields that would differ, and each column that would with its value before and after. RuleBroken at the
    field that cannot be so."""
    if isinstance(row, Station):
        of_station = stations.entered(row)
        station_values = replace(of_station, **_values(texts, of_station))
        differing, columns = stations.different(station_values, of_station), stations.columns_of(station_values)
    else:
        present = connectors.entered_without_times(row)
        given = _values(texts, present)
        identifiers = {**present.identifiers, **{name: given.pop(name) for name in IDENTIFIERS if name in given}}
        values = replace(present, **given, identifiers=identifiers)
        differing, columns = connectors.different(values, present), connectors.columns_of(values)
    before = {name: getattr(row, name) for name in columns}
    changed = {name: [before[name], after] for name, after in columns.items() if after != before[name]}
    return differing, changed


def _values(texts: Mapping[str, str], present: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name in FIGURES:
            values[name] = entries.amount(name, text)
        elif name == "out_of_service":
            if text and text not in YES_NO:
                raise RuleBroken(name, "Enter yes or no.")
            values[name] = text == "yes"
        else:
            stands = present.identifiers[name] if name in IDENTIFIERS else getattr(present, name)
            values[name] = _bare(text, stands)
    return values


def _bare(text: str, present: str) -> str:
    """Without the apostrophe that the CSV file has in front of what a spreadsheet would run."""
    if text != present and text.startswith("'") and FORMULA.match(text[1:]):
        return text[1:]
    return text
