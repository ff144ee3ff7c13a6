"""What a table file looks like: the words shared by the CSV and the XLSX reader. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

Cell = str | int | float | datetime | time | timedelta
"""One cell: text in a CSV file, typed in a workbook; an empty cell is the empty text."""

UNCLEAR = "unclear"
MEBIBYTE = 2**20

_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_POINT = re.compile(r"[+-]?\d+\.\d+", re.ASCII)
_COULD_BE_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_GROUPED_POINT = re.compile(r"[+-]?\d{1,3}(?:[, '’]\d{3})+\.\d+", re.ASCII)
_GROUPED_COMMA = re.compile(r"[+-]?\d{1,3}(?:[. '’]\d{3})+,\d+", re.ASCII)
_VALUE = re.compile(r"[+-]?[\d.,:/ '’TZ+-]*\d[\d.,:/ '’TZ+-]*", re.ASCII)


class FileFault(StrEnum):
    """Why a whole file cannot be read: the closed list of message keys of FileProblem."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNPACKS_TOO_LARGE = "unpacks_too_large"
    BINARY = "binary"
    OLD_EXCEL = "old_excel"
    PASSWORD = "password"  # noqa: S105 - a message key
    NOT_A_WORKBOOK = "not_a_workbook"
    DAMAGED = "damaged"
    UNSAFE_XML = "unsafe_xml"
    NO_SHEET = "no_sheet"
    NO_TABLE = "no_table"
    TOO_MANY_ROWS = "too_many_rows"
    TOO_MANY_COLUMNS = "too_many_columns"
    CELL_TOO_LONG = "cell_too_long"
    UNCLOSED_QUOTE = "unclosed_quote"
    UNKNOWN_ENCODING = "unknown_encoding"
    UNDECODABLE = "undecodable"


class FileProblem(Exception):
    """The file as a whole cannot be read; message_key and params make the sentence for its user."""

    def __init__(self, message_key: FileFault, **params: str | int) -> None:
        super().__init__(f"{message_key}: {params}")
        self.message_key = message_key
        self.params = params


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a file is refused, in bytes, rows and columns.

    A workbook's cell data (`unpacked_bytes`) is streamed; its shared texts and its other parts are held in
    memory by openpyxl, so these have limits of their own. 1,048,576 rows are the most a workbook can have.
    """

    file_bytes: int = 100 * MEBIBYTE
    unpacked_bytes: int = 1024 * MEBIBYTE
    shared_text_bytes: int = 64 * MEBIBYTE
    part_bytes: int = 16 * MEBIBYTE
    rows: int = 2_000_000
    workbook_rows: int = 1_048_576
    columns: int = 500


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row and the line it begins on: the file's physical line, or the row number of the sheet (from 1)."""

    line: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TableShape:
    """How a file is to be read. `first_rows` are data rows for a preview and are no part of `to_json`.

    `first_line` is the line of the header, or of the first row where `header` is false; what stands above it
    is not part of the table. `decimal_mark` is ".", "," or "unclear" where no cell tells.
    """

    kind: str
    encoding: str
    separator: str
    quote: str
    decimal_mark: str
    header: bool
    columns: tuple[str, ...]
    first_line: int
    packed: bool = False
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    first_rows: tuple[TableRow, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The shape without its preview, as plain JSON values."""
        values = asdict(self)
        del values["first_rows"]
        return {**values, "columns": list(self.columns), "sheets": list(self.sheets)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TableShape":
        """The shape that `to_json` described; TypeError or KeyError for anything else."""
        return cls(**{**values, "columns": tuple(values["columns"]), "sheets": tuple(values["sheets"])})


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the table stands among its file's rows and what its columns are called."""

    first_line: int
    header: bool
    columns: tuple[str, ...]
    decimal_mark: str
    data: tuple[TableRow, ...]


def layout(rows: Sequence[TableRow], limits: Limits = DEFAULT_LIMITS) -> Layout:
    """Find header and columns in the first rows of a file.

    The table is as wide as most of its rows; narrower lines above it are a title, not data. A first row is a
    header when all its filled cells are words and differ, and some row below holds a figure or a date.
    """
    filled = [row for row in rows if any(cell != "" for cell in row.cells)]
    if not filled:
        raise FileProblem(FileFault.EMPTY)
    width = Counter(len(row.cells) for row in filled).most_common(1)[0][0]
    if width > limits.columns:
        raise FileProblem(FileFault.TOO_MANY_COLUMNS, columns=width, limit=limits.columns)
    first = next(index for index, row in enumerate(filled) if len(row.cells) >= max(1, width - 1))
    top, below = filled[first], filled[first + 1 :]
    header = _is_header(top, below)
    names = [_name(cell) for cell in top.cells] if header else []
    names += [""] * (max(width, len(names)) - len(names))
    columns = tuple(name or f"#{number}" for number, name in enumerate(names, start=1))
    data = tuple(below if header else filled[first:])
    return Layout(top.line, header, columns, decimal_mark(cell for row in data for cell in row.cells), data)


def decimal_mark(cells: Iterable[Cell]) -> str:
    """The decimal mark that the texts show: "." or ",", or "unclear" without evidence or with both.

    "1,234" is no evidence: it can be grouped thousands. A date such as 21.12.2018 is none either.
    """
    comma = point = 0
    for cell in cells:
        if not isinstance(cell, str):
            continue
        text = cell.strip()
        if _GROUPED_COMMA.fullmatch(text):
            comma += 1
        elif _GROUPED_POINT.fullmatch(text):
            point += 1
        elif not _COULD_BE_GROUPED.fullmatch(text):
            comma += _COMMA.fullmatch(text) is not None
            point += _POINT.fullmatch(text) is not None
    if bool(comma) == bool(point):
        return UNCLEAR
    return "," if comma else "."


def _is_header(top: TableRow, below: Sequence[TableRow]) -> bool:
    names = [cell for cell in top.cells if cell != ""]
    if not below or len(set(names)) < len(names) or any(_is_value(cell) for cell in names):
        return False
    return any(_is_value(cell) for row in below for cell in row.cells)


def _is_value(cell: Cell) -> bool:
    return not isinstance(cell, str) or _VALUE.fullmatch(cell.strip()) is not None


def _name(cell: Cell) -> str:
    return " ".join(str(cell).split())
