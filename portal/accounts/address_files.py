"""Addresses out of a CSV file, as address books and spreadsheets write one. Pure."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

from portal.accounts import emails
from portal.accounts.user_groups import NAMED
from portal.core.errors import RuleBroken

LARGEST_FILE = 1_000_000  # bytes
MOST_ROWS = 10_000
SEPARATORS = (";", ",", "\t")
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Row(NamedTuple):
    """A row of the file that is not blank: its line, the cell in the column of the addresses, and the address in it;
    none where it holds none."""

    line: int
    text: str
    email: str | None


def read(content: bytes) -> list[Row]:
    """The rows of the file below its headings. The column with the most addresses counts; text is UTF-8, UTF-16 with
    its mark, or Latin-1. RuleBroken on `file`: too large, too many rows, empty, or without any address."""
    if len(content) > LARGEST_FILE:
        raise RuleBroken("file", "The file is larger than 1 MB. Divide it.")
    text = _decoded(content)
    tables = [_table(text, separator) for separator in SEPARATORS]
    found = max(((*_column(table), table) for table in tables), key=lambda one: one[0])
    addresses, column, table = found
    if not addresses:
        raise RuleBroken("file", "No e-mail address was found in the file. It must be a CSV file with one per row.")
    rows = [_row(line, cells, column) for line, cells in table]
    if rows[0].email is None and "@" not in rows[0].text:
        rows = rows[1:]  # the headings
    if len(rows) > MOST_ROWS:
        raise RuleBroken("file", "The file has more than %(most)s rows. Divide it.", most=MOST_ROWS)
    return rows


def _decoded(content: bytes) -> str:
    if content.startswith(BYTE_ORDER_MARKS):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _table(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of every row that is not blank."""
    reader, line, found = csv.reader(io.StringIO(text, newline=""), delimiter=separator), 1, []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((line, cells))
            line = reader.line_num + 1
    except csv.Error:
        return []
    return found


def _column(table: Sequence[tuple[int, list[str]]]) -> tuple[int, int]:
    """(addresses in it, column) of the column with the most addresses, the first of several."""
    counts: dict[int, int] = {}
    for _line, cells in table:
        for number, cell in enumerate(cells):
            if "@" in cell and _address(cell) is not None:
                counts[number] = counts.get(number, 0) + 1
    best = max(counts, key=lambda number: (counts[number], -number), default=0)
    return counts.get(best, 0), best


def _row(line: int, cells: list[str], column: int) -> Row:
    text = cells[column].strip() if column < len(cells) else ""
    return Row(line, text[:254], _address(text))


def _address(text: str) -> str | None:
    try:
        return emails.normalise(NAMED.sub(r"\1", text))
    except RuleBroken:
        return None
