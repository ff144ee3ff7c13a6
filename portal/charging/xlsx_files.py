"""Workbooks (XLSX), row by row with openpyxl, which is given only archives that passed `_check`. Pure."""

import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, BinaryIO

from openpyxl import load_workbook

from portal.charging.csv_files import stream_size
from portal.charging.table_shape import (
    DEFAULT_LIMITS,
    Cell,
    FileFault,
    FileProblem,
    Limits,
    TableRow,
    TableShape,
    layout,
)

_SAMPLE_ROWS = 1000
_CHUNK = 256 * 1024


class XlsxRows(Iterator[TableRow]):
    """All rows of one sheet from its table's first row on, as wide as the table; empty rows are passed over.

    Raises FileProblem for a damaged sheet. `position` of `size` bytes are read, of the sheet as packed.
    Memory: openpyxl keeps about 70 bytes for each row read, and the shared texts.
    """

    def __init__(self, stream: BinaryIO, shape: TableShape, limits: Limits = DEFAULT_LIMITS) -> None:
        self._stream, self._limits = stream, limits
        self._first, self._width = shape.first_line, len(shape.columns)
        self._rows = _sheet_rows(_open(stream, limits), shape.sheet, limits)
        self.size = stream_size(stream)
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes of the workbook that are consumed, at most `size`."""
        self._position = max(self._position, min(self._stream.tell(), self.size))
        return self._position

    def __next__(self) -> TableRow:
        for row in self._rows:
            if row.line >= self._first and any(cell != "" for cell in row.cells):
                missing = self._width - len(row.cells)
                return TableRow(row.line, row.cells + ("",) * missing) if missing > 0 else row
        raise StopIteration


def detect_xlsx(stream: BinaryIO, sheet: str | None, limits: Limits) -> TableShape:
    """Sheets, header and columns; `sheet` overrules the choice of the first sheet that holds a table."""
    workbook = _open(stream, limits)
    names = tuple(str(name) for name in workbook.sheetnames)
    if sheet is not None and sheet not in names:
        raise FileProblem(FileFault.NO_SHEET, sheet=sheet)
    for name in (sheet,) if sheet is not None else names:
        rows = _trimmed(islice(_sheet_rows(workbook, name, limits), _SAMPLE_ROWS))
        if not rows:
            continue
        table = layout(rows, limits)
        return TableShape(
            kind="xlsx",
            encoding="",
            separator="",
            quote="",
            decimal_mark=table.decimal_mark,
            header=table.header,
            columns=table.columns,
            first_line=table.first_line,
            sheet=name,
            sheets=names,
            first_rows=table.data[:20],
        )
    raise FileProblem(FileFault.EMPTY)


def _trimmed(rows: Iterator[TableRow]) -> list[TableRow]:
    """Filled rows, all as wide as the widest: a sheet does not store the empty cells at a row's end."""
    filled = [row for row in rows if any(cell != "" for cell in row.cells)]
    width = max((len(row.cells) for row in filled), default=0)
    long_enough = [row for row in filled if len(row.cells) > 1] or filled
    title = filled[: filled.index(long_enough[0])] if long_enough else []
    return title + [TableRow(r.line, r.cells + ("",) * (width - len(r.cells))) for r in filled[len(title) :]]


def _open(stream: BinaryIO, limits: Limits) -> Any:
    _check(stream, limits)
    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl names no closed set of errors for files that break its expectations
        raise FileProblem(FileFault.DAMAGED, format="xlsx") from error


def _sheet_rows(workbook: Any, name: str, limits: Limits) -> Iterator[TableRow]:
    sheet = workbook[name]
    if not hasattr(sheet, "reset_dimensions"):
        return
    # The size that a sheet claims for itself may be wrong, or a bomb: rows are as long as their last cell.
    sheet.reset_dimensions()
    try:
        for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            if line > limits.workbook_rows:
                raise FileProblem(FileFault.TOO_MANY_ROWS, limit=limits.workbook_rows)
            last = max((i for i, value in enumerate(values) if value is not None and value != ""), default=-1)
            cells = tuple(_cell(value) for value in values[: last + 1])
            if len(cells) > limits.columns:
                raise FileProblem(FileFault.TOO_MANY_COLUMNS, columns=len(cells), limit=limits.columns)
            yield TableRow(line, cells)
    except FileProblem:
        raise
    except Exception as error:  # as in _open: anything may come out of a damaged sheet
        raise FileProblem(FileFault.DAMAGED, format="xlsx") from error


def _cell(value: object) -> Cell:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float | datetime | time | timedelta):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a sheet's dates carry no zone
    return str(value)


def _check(stream: BinaryIO, limits: Limits) -> None:
    """Refuse archives that are no workbook, unpack too large or define XML entities, before any is parsed.

    The declared sizes can be trusted: zipfile never hands out more of a member than its declared size.
    """
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_members(members, limits)
            for member in members:
                if member.filename.endswith((".xml", ".rels")):
                    _check_no_entities(archive, member)
    except FileProblem:
        raise
    except Exception as error:  # zipfile raises BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, ...
        raise FileProblem(FileFault.DAMAGED, format="xlsx") from error


def _check_members(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    names = {member.filename for member in members}
    if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
        raise FileProblem(FileFault.NOT_A_WORKBOOK)
    if sum(member.file_size for member in members) > limits.unpacked_bytes:
        raise FileProblem(FileFault.UNPACKS_TOO_LARGE, limit=limits.unpacked_bytes)
    for member in members:
        if member.filename.startswith("xl/worksheets/sheet"):
            continue
        limit = limits.shared_text_bytes if "sharedStrings" in member.filename else limits.part_bytes
        if member.filename.endswith((".xml", ".rels")) and member.file_size > limit:
            raise FileProblem(FileFault.UNPACKS_TOO_LARGE, limit=limit)


def _check_no_entities(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """No part of a workbook has a document type; without one, XML has no entities to expand."""
    tail = b""
    with archive.open(member) as part:
        while chunk := part.read(_CHUNK):
            text = tail + chunk.replace(b"\0", b"")  # UTF-16 would hide the word behind zero bytes
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                raise FileProblem(FileFault.UNSAFE_XML, part=member.filename[:80])
            tail = text[-16:]
