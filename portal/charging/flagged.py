"""Flagged rows: which there are, and what is wrong with them, as the actor may see them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import import_queries as imports
from portal.charging.file_reading import mapping_of, shape_of
from portal.charging.lookups import StationLookup
from portal.charging.models import FlaggedRow, FlaggedState, SessionImport
from portal.charging.reading import FoundConnector, Lookup, Reading, read
from portal.charging.table_files import Cell, TableRow
from portal.core import clock, paging
from portal.core.db import NO_ROW
from portal.core.errors import NotAllowed, NotThere

AT_ONCE = 500
NOWHERE = "0"
ISO_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class FlaggedFilter:
    """Which flagged rows a list shows."""

    import_id: int | None = None
    problem: str = ""
    state: str = FlaggedState.OPEN.value


def _conditions(account_id: int, wanted: FlaggedFilter) -> list[sa.ColumnElement[bool]]:
    seen = sa.select(SessionImport.id).where(imports.concerns(account_id))
    conditions: list[sa.ColumnElement[bool]] = [FlaggedRow.import_id.in_(seen)]
    if wanted.import_id is not None:
        conditions.append(FlaggedRow.import_id == wanted.import_id)
    if wanted.state:
        conditions.append(FlaggedRow.state == wanted.state)
    if wanted.problem:
        written = sa.cast(FlaggedRow.problems, sa.Text)
        conditions.append(written.contains(f'"{wanted.problem}"', autoescape=True))
    return conditions


def page(session: Session, account_id: int, wanted: FlaggedFilter, number: int) -> paging.Page[FlaggedRow]:
    """A page of the flagged rows that the account may settle, in the order of their files."""
    conditions = _conditions(account_id, wanted)
    total = session.scalar(sa.select(sa.func.count()).select_from(FlaggedRow).where(*conditions)) or 0
    some = (
        sa.select(FlaggedRow).where(*conditions).order_by(FlaggedRow.import_id.desc(), FlaggedRow.line, FlaggedRow.id)
    )
    rows = session.scalars(some.limit(paging.SIZE).offset(paging.offset(number))).all()
    return paging.Page(rows, max(1, number), total)


def problems(session: Session, account_id: int, wanted: FlaggedFilter) -> Counter[str]:
    """How many of the rows have each problem, whatever problem the filter names."""
    every = FlaggedFilter(wanted.import_id, "", wanted.state)
    written = sa.cast(FlaggedRow.problems, sa.Text).label("written")
    query = sa.select(written, sa.func.count()).where(*_conditions(account_id, every)).group_by(written)
    counts: Counter[str] = Counter()
    for text, count in session.execute(query):
        for problem in text.strip("[]").split(","):
            counts[problem.strip().strip('"')] += count
    return counts


def open_rows(session: Session, account_id: int) -> int:
    """How many flagged rows wait for this account to correct or dismiss them."""
    conditions = _conditions(account_id, FlaggedFilter())
    return session.scalar(sa.select(sa.func.count()).select_from(FlaggedRow).where(*conditions)) or 0


def row(session: Session, account_id: int, action: str, row_id: int) -> FlaggedRow:
    """The flagged row, by its import; NotThere else."""
    found = session.get(FlaggedRow, row_id)
    imports.session_import(session, account_id, action, found.import_id if found else NO_ROW)
    if found is None:
        raise NotThere
    return found


def rows(session: Session, account_id: int, ids: Sequence[int]) -> Sequence[FlaggedRow]:
    """These flagged rows; NotAllowed unless the account may settle every one of them."""
    seen = sa.select(SessionImport.id).where(imports.concerns(account_id))
    wanted = sa.select(FlaggedRow).where(FlaggedRow.id.in_(ids), FlaggedRow.import_id.in_(seen))
    found = session.scalars(wanted).all()
    if len(found) != len(set(ids)):
        raise NotAllowed
    return found


def of_import(session: Session, import_id: int) -> Iterator[FlaggedRow]:
    """Every flagged row of an import, in the order of the file; memory does not grow with their number."""
    line, last = -1, 0
    while True:
        after = sa.tuple_(FlaggedRow.line, FlaggedRow.id) > (line, last)
        some = sa.select(FlaggedRow).where(FlaggedRow.import_id == import_id, after)
        found = session.scalars(some.order_by(FlaggedRow.line, FlaggedRow.id).limit(AT_ONCE)).all()
        if not found:
            return
        for one in found:
            yield one
            session.expunge(one)
        line, last = found[-1].line, found[-1].id


def judged_again(session: Session, flagged: FlaggedRow, of: SessionImport) -> Reading:
    """What the row's cells are read as now, with today's stations, under the mapping of its import."""
    return _judged(flagged, of, StationLookup(session, of.account_id, of.owner_id))


def understood(session: Session, flagged: FlaggedRow, of: SessionImport) -> Reading:
    """The same to begin a correction with: times and energy also where the station is unknown (its `station_ref` is
    then NOWHERE)."""
    found = StationLookup(session, of.account_id, of.owner_id)
    return _judged(flagged, of, lambda station, connector: found(station, connector) or FoundConnector(NOWHERE, 1))


def _judged(flagged: FlaggedRow, of: SessionImport, lookup: Lookup) -> Reading:
    typed = shape_of(of).kind == "xlsx"
    cells = tuple(_typed(cell) if typed else cell for cell in flagged.cells)
    return read(TableRow(flagged.line, cells), mapping_of(of), lookup, now=clock.now())


def _typed(cell: str) -> Cell:
    """A workbook's date cell, which is kept as its ISO text."""
    return datetime.fromisoformat(cell) if ISO_MOMENT.fullmatch(cell) else cell
