"""Lists that people download and open in a spreadsheet: semicolons, UTF-8, and nothing that it would run."""

import csv
import io
from collections.abc import Iterable

from portal.formats.csv_settings import FORMULA

BEGINNING = b"\xef\xbb\xbf"  # by it a spreadsheet knows that this is UTF-8


def line(cells: Iterable[str]) -> bytes:
    """One line; a cell that begins like a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerow([f"'{cell}" if FORMULA.match(cell) else cell for cell in cells])
    return text.getvalue().encode()
