"""A kept file read as charging sessions: the one way of the preview, the job and the command line."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO, cast

from sqlalchemy.orm import Session

from portal.charging.mapping import Mapping
from portal.charging.models import SessionImport
from portal.charging.reading import Lookup, Reading, Seen, read
from portal.charging.table_files import Cell, TableRow, TableShape, rows
from portal.core import files
from portal.core.errors import NotThere


class FileReading(Iterator[Reading]):
    """Every row of an import's file, judged. `permille` of the file is read.

    FileProblem while iterating when the file turns out to be damaged. Memory: one piece of the file, and about 130
    bytes for each row by which duplicates are found.
    """

    def __init__(self, session: Session, row: SessionImport, lookup: Lookup, now: datetime) -> None:
        self._rows = rows(opened(session, row), shape_of(row))
        self._mapping, self._lookup, self._now, self._seen = mapping_of(row), lookup, now, Seen()

    def __next__(self) -> Reading:
        return read(storable(next(self._rows)), self._mapping, self._lookup, now=self._now, seen=self._seen)

    @property
    def permille(self) -> int:
        return self._rows.position * 1000 // max(1, self._rows.size)


def opened(session: Session, row: SessionImport) -> BinaryIO:
    """The import's file, which reads and seeks."""
    file = session.get(files.StoredFile, row.file_id)
    if file is None:
        raise NotThere
    return cast(BinaryIO, files.opened(session, file))


def shape_of(row: SessionImport) -> TableShape:
    return TableShape.from_json(row.shape)


def mapping_of(row: SessionImport) -> Mapping:
    return Mapping.from_json(row.mapping)


def column(session: Session, row: SessionImport, index: int, most: int | None = None) -> Iterator[Cell]:
    """The cells of one column, of the first `most` rows or of all."""
    for count, line in enumerate(rows(opened(session, row), shape_of(row))):
        if most is not None and count >= most:
            return
        yield line.cells[index] if index < len(line.cells) else ""


def with_header(session: Session, row: SessionImport, shape: TableShape, *, header: bool) -> TableShape:
    """The shape with the first line taken as the columns' names, or as data."""
    bare = replace(shape, header=False)
    first = next(rows(opened(session, row), bare), None)
    names = [" ".join(str(cell).split()) for cell in first.cells] if header and first is not None else []
    names += [""] * (len(shape.columns) - len(names))
    columns = tuple(name or f"#{number}" for number, name in enumerate(names, start=1))
    return replace(shape, header=header, columns=columns)


def storable(row: TableRow) -> TableRow:
    """The row without what PostgreSQL cannot store as text: NUL and halves of surrogate pairs."""
    if all(not isinstance(cell, str) or (cell.isascii() and "\0" not in cell) for cell in row.cells):
        return row
    return TableRow(row.line, tuple(_storable(cell) for cell in row.cells))


def _storable(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    return cell.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
