"""The list of stations read from a file that people have changed: its rows as wishes.

Headings and words are understood in every language of the portal, however the reader has set his own.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO

from flask_babel import force_locale

from portal.bulk.columns import CONNECTOR, KEYS, LABELS, STATION, WORDS
from portal.bulk.judging import Wish
from portal.charging import table_files, wording
from portal.charging.file_reading import storable
from portal.charging.table_files import Cell, FileProblem, Limits, TableRow, TableShape
from portal.charging.table_shape import MEBIBYTE
from portal.core.errors import N_, RuleBroken
from portal.core.languages import LANGUAGES

MOST_BYTES, MOST_ROWS = 10 * MEBIBYTE, 10_000
LONGEST = 4001  # letters of a cell that are kept: one more than the longest text may have
LIMITS = Limits(
    file_bytes=MOST_BYTES, unpacked_bytes=200 * MEBIBYTE, rows=MOST_ROWS + 1, workbook_rows=MOST_ROWS + 1, columns=60
)
NO_ID = N_("The station ID is missing or is no whole number.")
NO_NUMBER = N_("The number of the connector is missing or is no whole number.")
TWICE = N_("This connector stands in the file more than once.")
OTHERWISE = N_("Several rows say different things about this station. Change it in each of its rows.")


def read(data: bytes, name: str) -> list[Wish]:
    """The wishes of a file: for each station one, from its first row, and one for each connector. RuleBroken on `file`
    for what is no such file: an unknown or missing column, one that stands twice, too many rows."""
    if len(data) > MOST_BYTES:
        raise RuleBroken("file", "The file has more than 10 MB. Divide it.")
    try:
        shape = _with_headings(table_files.detect(BytesIO(data), name, limits=LIMITS))
        columns = _columns(shape)
        rows = list(_rows(data, shape, columns))
    except FileProblem as problem:
        if problem.message_key == table_files.FileFault.TOO_MANY_ROWS:
            raise RuleBroken("file", wording.FILE_FAULTS[problem.message_key], limit=MOST_ROWS) from None
        raise wording.refuse_file(problem) from None
    if not rows:
        raise RuleBroken("file", "The file holds no station.")
    return _wishes(rows)


def _with_headings(shape: TableShape) -> TableShape:
    """The shape with its first row as headings, also where that is not to be guessed: one stands twice, say."""
    first = shape.first_rows[0].cells if shape.first_rows else ()
    if shape.header or not any(_plain(str(cell)) in _headings() for cell in first):
        return shape
    return dataclasses.replace(shape, header=True, columns=tuple(str(cell) for cell in first))


def _plain(heading: str) -> str:
    return " ".join(heading.split()).casefold()


def _columns(shape: TableShape) -> list[str]:
    """The names of the columns."""
    if not shape.header:
        raise RuleBroken("file", "The first row must hold the headings of the list that is downloaded here.")
    known, named = _headings(), [_plain(heading) for heading in shape.columns]
    unknown = [heading for heading, name in zip(shape.columns, named, strict=True) if name not in known]
    if unknown:
        raise RuleBroken(
            "file",
            "These columns are not known: %(columns)s. Take the headings of the list that is downloaded here.",
            columns=", ".join(heading[:60] for heading in unknown[:10]),
        )
    columns = [known[name] for name in named]
    twice = {str(LABELS[name]) for name in columns if columns.count(name) > 1}
    if twice:
        raise RuleBroken("file", "These columns stand twice: %(columns)s.", columns=", ".join(sorted(twice)))
    missing = [str(LABELS[name]) for name in KEYS if name not in columns]
    if missing:
        raise RuleBroken("file", "These columns are missing: %(columns)s.", columns=", ".join(missing))
    if len(columns) == len(KEYS):
        raise RuleBroken("file", "The file has no column that could change anything.")
    return columns


@cache
def _headings() -> Mapping[str, str]:
    """Heading in small letters, in any language -> name of the column."""
    return {spelled: name for name, label in LABELS.items() for spelled in {name, *_in_every_language(label)}}


@cache
def _codes(field: str) -> Mapping[str, str]:
    """Word of a choice in small letters, in any language -> code."""
    found = {spelled: code for code, word in WORDS[field].items() for spelled in {code, *_in_every_language(word)}}
    return found | ({"true": "yes", "false": "no", "1": "yes", "0": "no"} if field == "out_of_service" else {})


def _in_every_language(label: object) -> Iterator[str]:
    for language in LANGUAGES:
        with force_locale(language):
            yield str(label).casefold()


def _rows(data: bytes, shape: TableShape, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and cells of each row that holds anything."""
    for row in table_files.rows(BytesIO(data), shape, LIMITS):
        texts = [_text(cell) for cell in storable(row).cells]
        if any(texts):
            yield row.line, _named(row, texts, columns)


def _named(row: TableRow, texts: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    if any(texts[len(columns) :]):
        raise RuleBroken("file", "Row %(line)s has more cells than there are headings.", line=row.line)
    filled = [*texts, *[""] * len(columns)][: len(columns)]
    return {name: _coded(name, text) for name, text in zip(columns, filled, strict=True)}


def _text(cell: Cell) -> str:
    """A cell as somebody would type it; a whole number of a workbook without its point."""
    if isinstance(cell, float):
        cell = f"{cell:.9f}".rstrip("0").rstrip(".")
    return str(cell).strip()[:LONGEST]


def _coded(field: str, text: str) -> str:
    return _codes(field).get(text.casefold(), text) if field in WORDS else text


def _wishes(rows: Iterable[tuple[int, dict[str, str]]]) -> list[Wish]:
    made: dict[tuple[int, int | None], Wish] = {}
    faulty = []
    for line, cells in rows:
        station_id, number = _whole(cells["station_id"]), _whole(cells["number"])
        of_station = {name: text for name, text in cells.items() if name in STATION}
        of_connector = {name: text for name, text in cells.items() if name in CONNECTOR}
        if not station_id:
            faulty.append(Wish(line, 0, None, {}, NO_ID))
            continue
        _say(made, Wish(line, station_id, None, of_station))
        if number:
            _say(made, Wish(line, station_id, number, of_connector))
        elif cells["number"] or any(of_connector.values()):
            faulty.append(Wish(line, station_id, None, {}, NO_NUMBER))
    return sorted([*made.values(), *faulty], key=lambda wish: (wish.line, wish.number or 0))


def _say(made: dict[tuple[int, int | None], Wish], wish: Wish) -> None:
    """A station stands in the row of each of its connectors, and all say the same of it; a connector stands once."""
    key = (wish.station_id, wish.number)
    before = made.setdefault(key, wish)
    if before is not wish and (wish.number is not None or before.texts != wish.texts):
        problem = OTHERWISE if wish.number is None else TWICE
        made[key] = Wish(before.line, wish.station_id, wish.number, {}, problem)


def _whole(text: str) -> int:
    """A number that an id or a connector can have, else 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
