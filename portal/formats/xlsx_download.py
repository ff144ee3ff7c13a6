"""Lists that people download as a workbook (XLSX) with one sheet: figures as numbers, texts as texts, no formula.

Rows are written as they come, to a temporary file; memory stays flat.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain

from xlsxwriter import Workbook

from portal.formats.xlsx_file import MADE, PIECE

Cell = str | int | Decimal | None
WIDTH = 20
OPTIONS = {
    "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
}  # fmt: skip


def write(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The workbook in pieces, after all rows were read; the headings stand in its first row and stay in sight."""
    with tempfile.TemporaryFile() as file:
        book = Workbook(file, OPTIONS)
        try:
            book.set_properties({"created": MADE.replace(tzinfo=None)})
            sheet = book.add_worksheet()
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(headings) - 1, WIDTH)
            for number, row in enumerate(chain([headings], rows)):
                for place, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(number, place, cell)
                    elif cell is not None:
                        sheet.write_number(number, place, cell)
        finally:
            book.close()
        file.seek(0)
        yield from iter(lambda: file.read(PIECE), b"")
