"""Small tables that people upload as text: read whole, with the number of each row."""

import csv
from collections.abc import Callable

from portal.core.errors import RuleBroken

MOST_BYTES, MOST_ROWS = 1_000_000, 10_000
DELIMITERS = ";,\t"
Cells = tuple[str, ...]


def read(
    data: bytes, *, columns: int, longest: int, nothing: str, is_heading: Callable[[int, Cells], bool]
) -> list[tuple[int, Cells]]:
    """The rows that hold anything, each with its number in the file and as many cells as there are `columns`: blanks
    around a cell left out, none longer than `longest`. UTF-8 or Latin-1, parted by semicolon, comma or tab, whichever
    the first line has most of. The first row is passed over where `is_heading` of its number and cells.

    RuleBroken on `file`, before anything is done, for what is no text, for a table that is too large, and with the
    sentence `nothing` for one without a row.
    """
    if len(data) > MOST_BYTES:
        raise RuleBroken("file", "The file has more than 1 MB. Divide it.")
    if b"\0" in data:
        raise RuleBroken("file", "This is no text file. Save the table as CSV and try again.")
    lines = _text(data).splitlines()
    head = next((line for line in lines if line.strip()), "")
    reader = csv.reader(lines, delimiter=max(DELIMITERS, key=head.count))
    try:
        rows = [(reader.line_num, found) for cells in reader if any(found := tuple(cell.strip() for cell in cells))]
    except csv.Error:
        raise RuleBroken("file", "This is no text file. Save the table as CSV and try again.") from None
    if rows and is_heading(*rows[0]):
        del rows[0]
    if not rows:
        raise RuleBroken("file", nothing)
    if len(rows) > MOST_ROWS:
        raise RuleBroken("file", "The file has more than %(most)s rows. Divide it.", most=MOST_ROWS)
    return [(line, tuple(cell[:longest] for cell in (*cells, *[""] * columns)[:columns])) for line, cells in rows]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
