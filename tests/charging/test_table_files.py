"""Table files are recognised by their content, read as a stream, and refused in clear words."""

import contextlib
import gzip
import io
import tracemalloc
import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.charging.table_files import UNCLEAR, FileFault, FileProblem, Limits, TableShape, detect, rows
from portal.demo.dates import SESSIONS as TRONDHEIM

SAMPLES = Path(__file__).parent / "samples"
PERTH = SAMPLES / "perth-excerpt.csv.gz"
EPFL = SAMPLES / "epfl-dc.xlsx"


def shape_of(data: bytes, name: str = "sessions.csv", **choice) -> TableShape:
    return detect(io.BytesIO(data), name, **choice)


def cells_of(data: bytes, **choice) -> list[tuple]:
    stream = io.BytesIO(data)
    return [row.cells for row in rows(stream, detect(stream, "sessions.csv", **choice))]


def fault_of(data: bytes, name: str = "sessions.csv", **choice) -> FileProblem:
    with pytest.raises(FileProblem) as caught:
        read_all(data, name, **choice)
    return caught.value


def read_all(data: bytes, name: str = "sessions.csv", **choice) -> list:
    stream = io.BytesIO(data)
    return list(rows(stream, detect(stream, name, **choice)))


def workbook_of(*lines, sheets=("Sheet",)) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title in sheets:
        book.create_sheet(title)
    for line in lines:
        book[sheets[-1]].append(line)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def with_part(workbook: bytes, name: str, content: bytes | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        if content is not None:
            new.writestr(name, content)
    return out.getvalue()


WORKBOOK = workbook_of(["Station", "Start", "kWh"], ["A", datetime(2026, 1, 2, 3, 4), 1.5])  # noqa: DTZ001


@pytest.mark.parametrize(
    ("path", "separator", "mark", "columns", "count"),
    [(TRONDHEIM, ";", ",", 15, 6878), (PERTH, ",", ".", 10, 1736), (EPFL, "", UNCLEAR, 14, 1878)],
)
def test_real_files_are_understood(path, separator, mark, columns, count):
    with path.open("rb") as stream:
        shape = detect(stream, path.name)
        assert (shape.separator, shape.decimal_mark, len(shape.columns)) == (separator, mark, columns)
        assert shape.header
        assert sum(1 for _ in rows(stream, shape)) == count


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_it_finds_separator_and_line_ends(separator, newline):
    lines = [["Station", "Start", "Wh"], ["A 1", "2026-01-02 03:04", "1500"], ["B 2", "2026-01-02 05:06", "70"]]
    data = newline.join(separator.join(line) for line in lines).encode()
    assert shape_of(data).separator == separator
    assert cells_of(data) == [tuple(line) for line in lines[1:]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp850"])
def test_it_finds_the_encoding(encoding):
    data = "Säule;Straße;kWh\nZürich;Löwenstraße Müller;1,5\n".encode(encoding)
    assert shape_of(data).encoding == encoding
    assert cells_of(data) == [("Zürich", "Löwenstraße Müller", "1,5")]
    assert shape_of(data).columns == ("Säule", "Straße", "kWh")


def test_an_umlaut_far_behind_the_sample_still_decides_the_encoding():
    data = b"Station;kWh\n" + b"A;1,5\n" * 100_000 + "Zürich;1,5\n".encode("cp1252")
    assert shape_of(data).encoding == "cp1252"
    assert cells_of(data)[-1] == ("Zürich", "1,5")


def test_a_byte_that_the_chosen_encoding_lacks_is_named_with_its_line():
    data = b"Station;kWh\n" + b"A;1,5\r\n" * 50_000 + "Zürich;1,5\n".encode("cp1252")
    fault = fault_of(data, encoding="utf-8")
    assert (fault.message_key, fault.params["line"]) == (FileFault.UNDECODABLE, 50_002)


def test_a_file_that_breaks_after_it_was_looked_at_is_named_with_its_line():
    shape = shape_of(b"Station;kWh\nA;1,5\n")
    with pytest.raises(FileProblem) as caught:
        list(rows(io.BytesIO(b"Station;kWh\nA;1,5\nZ\xfcrich;1\n"), shape))
    assert caught.value.params == {"line": 3, "encoding": "utf-8"}


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["1,5", "2,25"], ","),
        (["1.5", "0.123"], "."),
        (["1,234", "5,678"], UNCLEAR),
        (["1,5", "1.5"], UNCLEAR),
        (["12", "3"], UNCLEAR),
        (["1.234,5", "1.000"], ","),
        (["1'234.5", "2"], "."),
        (["21.12.2018", "21.12.2018 10:20"], UNCLEAR),
    ],
)
def test_the_decimal_mark_needs_evidence(cells, mark):
    lines = "".join(f"A;2026-01-01;{cell}\n" for cell in cells)
    assert shape_of(f"Station;Start;kWh\n{lines}".encode()).decimal_mark == mark


def test_a_comma_between_digits_does_not_separate_while_another_separator_fits():
    assert shape_of(b"1,5;2,5;3,5\n4,5;5,5;6,5\n").separator == ";"


def test_quoted_line_breaks_stay_in_their_cell_and_lines_are_counted_in_the_file():
    stream = io.BytesIO(b'Site,Note,Wh\nA,"two\nlines, one cell",1\nB,,2\n')
    found = list(rows(stream, detect(stream, "x.csv")))
    assert [(row.line, row.cells) for row in found] == [(2, ("A", "two\nlines, one cell", "1")), (4, ("B", "", "2"))]


def test_a_quote_that_is_never_closed_is_named_instead_of_swallowing_the_rest():
    fault = fault_of(b'Site,Wh\nA,1\n"B,2\nC,3\nD,4\n')
    assert (fault.message_key, fault.params) == (FileFault.UNCLOSED_QUOTE, {"line": 3})


def test_ragged_rows_are_kept():
    assert cells_of(b"a;b;c\n1;2;3\n1;2\n1;2;3;4\n\n1;2;3\n") == [
        ("1", "2", "3"),
        ("1", "2"),
        ("1", "2", "3", "4"),
        ("1", "2", "3"),
    ]


def test_a_title_above_the_table_is_no_data():
    shape = shape_of(b"Sessions of the year\n\nStation;Start;Wh\nA;2026-01-01;1\nB;2026-01-02;2\n")
    assert (shape.first_line, shape.columns) == (3, ("Station", "Start", "Wh"))


def test_the_separator_line_of_spreadsheets_is_understood():
    data = b"sep=|\nStation|Wh\nA;x|1\n"
    assert shape_of(data).columns == ("Station", "Wh")
    assert cells_of(data) == [("A;x", "1")]


def test_a_file_without_header_keeps_its_first_row():
    data = b"A;2026-01-01 10:00;1\nB;2026-01-01 11:00;2\n"
    assert (shape_of(data).header, shape_of(data).columns) == (False, ("#1", "#2", "#3"))
    assert len(cells_of(data)) == 2


def test_the_user_overrules_what_was_detected():
    data = "Säule,x;Wh\nA,y;1\n".encode("cp1252")
    shape = shape_of(data, encoding="mac-roman", separator=",")
    assert (shape.encoding, shape.separator, len(shape.columns)) == ("mac-roman", ",", 2)
    assert fault_of(data, encoding="klingon").message_key == FileFault.UNKNOWN_ENCODING


def test_the_shape_survives_json():
    shape = shape_of(WORKBOOK)
    again = TableShape.from_json(shape.to_json())
    assert again.to_json() == shape.to_json()
    assert [row.cells[0] for row in rows(io.BytesIO(WORKBOOK), again)] == ["A"]


def test_a_workbook_gives_typed_cells_of_the_chosen_sheet():
    book = workbook_of(["Station", "Wh"], ["A", 1500], [], ["B", None, "x"], sheets=("Notes", "Data"))
    shape = shape_of(book)
    assert (shape.kind, shape.sheet, shape.sheets) == ("xlsx", "Data", ("Notes", "Data"))
    found = [(row.line, row.cells) for row in rows(io.BytesIO(book), shape)]
    assert found == [(2, ("A", 1500, "")), (4, ("B", "", "x"))]
    assert fault_of(book, sheet="Other").message_key == FileFault.NO_SHEET


@pytest.mark.parametrize(
    ("data", "name", "fault"),
    [
        (b"", "a.csv", FileFault.EMPTY),
        (b"\r\n  \n", "a.csv", FileFault.EMPTY),
        (b"\xff\xfe", "a.csv", FileFault.EMPTY),
        (bytes(range(256)) * 9, "a.csv", FileFault.BINARY),
        (b"%PDF-1.7 and so on", "a.csv", FileFault.BINARY),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"W\0o\0r\0k\0b\0o\0o\0k\0", "a.xls", FileFault.OLD_EXCEL),
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(300_000) + "EncryptedPackage".encode("utf-16-le"),
            "a.xlsx",
            FileFault.PASSWORD,
        ),
        (b"Station;kWh\n", "a.xlsx", FileFault.NOT_A_WORKBOOK),
        (b"PK\x03\x04 and no more", "a.xlsx", FileFault.DAMAGED),
        (b"\x1f\x8b and no more", "a.csv.gz", FileFault.DAMAGED),
        (gzip.compress(b"a;1\n" * 9999)[:-20], "a.csv.gz", FileFault.DAMAGED),
        (with_part(WORKBOOK, "xl/workbook.xml", None), "a.xlsx", FileFault.NOT_A_WORKBOOK),
        (with_part(WORKBOOK, "xl/worksheets/sheet1.xml", b"<worksheet><row"), "a.xlsx", FileFault.DAMAGED),
        (with_part(WORKBOOK, "xl/styles.xml", b"<x"), "a.xlsx", FileFault.DAMAGED),
        (workbook_of(), "a.xlsx", FileFault.EMPTY),
        (b'a;"' + b"x" * 140_000 + b'"\n1;2\n', "a.csv", FileFault.CELL_TOO_LONG),
        (b";".join([b"1"] * 501), "a.csv", FileFault.TOO_MANY_COLUMNS),
    ],
)
def test_what_cannot_be_read_is_refused_in_clear_words(data, name, fault):
    assert fault_of(data, name).message_key == fault


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_workbook_that_defines_entities_is_refused(encoding):
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a "ha">]><x>&a;</x>'.encode(encoding)
    for part in ("xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "_rels/.rels"):
        assert fault_of(with_part(WORKBOOK, part, bomb)).message_key == FileFault.UNSAFE_XML


def test_what_unpacks_too_large_is_refused_before_it_is_unpacked():
    small = Limits(unpacked_bytes=2**20)
    zeros = with_part(WORKBOOK, "xl/worksheets/sheet1.xml", b" " * 2**21)
    assert fault_of(zeros, limits=small).message_key == FileFault.UNPACKS_TOO_LARGE
    assert fault_of(gzip.compress(b"a;1\n" * 2**19), limits=small).message_key == FileFault.UNPACKS_TOO_LARGE
    assert fault_of(b"a;1\n" * 9, limits=Limits(file_bytes=8)).message_key == FileFault.TOO_LARGE


def test_a_sheet_part_cannot_hide_its_size_behind_another_name():
    book = with_part(WORKBOOK, "xl/styles.xml", b"<styleSheet/>" + b" " * 2**18)
    assert fault_of(book, limits=Limits(part_bytes=2**17)).message_key == FileFault.UNPACKS_TOO_LARGE


def test_too_many_rows_are_refused():
    data, book = b"a;b\n" + b"1;2\n" * 30, workbook_of(*([["a", 1]] * 30))
    stream, limits = io.BytesIO(data), Limits(rows=20, workbook_rows=20)
    with pytest.raises(FileProblem, match="too_many_rows"):
        list(rows(stream, detect(stream, "a.csv"), limits))
    with pytest.raises(FileProblem, match="too_many_rows"):
        list(rows(io.BytesIO(book), shape_of(book), limits))


@pytest.mark.parametrize("path", [TRONDHEIM, EPFL])
def test_progress_only_grows_up_to_the_size_of_the_file(path):
    with path.open("rb") as stream:
        found = rows(stream, detect(stream, path.name))
        positions = [found.position for _ in found]
    assert positions == sorted(positions)
    assert path.stat().st_size * 0.9 < positions[-1] <= found.size == path.stat().st_size


def test_the_callers_stream_stays_open():
    stream = io.BytesIO(b"a;b\n1;2\n")
    list(rows(stream, detect(stream, "a.csv")))
    assert not stream.closed


def test_thirty_megabytes_are_read_with_flat_memory(tmp_path):
    path = tmp_path / "large.csv"
    with gzip.open(TRONDHEIM) as sample, path.open("wb") as file:
        content = sample.read()
        for _ in range(32):
            file.write(content)
    assert path.stat().st_size > 30_000_000
    with path.open("rb") as stream:
        tracemalloc.start()
        count = sum(1 for _ in rows(stream, detect(stream, path.name)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == 32 * 6879 - 1
    assert peak < 20_000_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.xlsx", "a.csv.gz"]))
def test_no_bytes_crash_it(data, name):
    with contextlib.suppress(FileProblem):
        read_all(data, name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WORKBOOK) - 1), st.binary(min_size=1, max_size=60))
def test_no_damaged_workbook_crashes_it(place, damage):
    with contextlib.suppress(FileProblem):
        read_all(WORKBOOK[:place] + damage + WORKBOOK[place + len(damage) :], "a.xlsx")


def test_a_row_that_claims_to_be_the_billionth_is_refused():
    sheet = zipfile.ZipFile(io.BytesIO(WORKBOOK)).read("xl/worksheets/sheet1.xml")
    far = sheet.replace(b'<row r="2"', b'<row r="1000000000"').replace(b'r="A2"', b'r="A1000000000"')
    fault = fault_of(with_part(WORKBOOK, "xl/worksheets/sheet1.xml", far))
    assert fault.message_key == FileFault.TOO_MANY_ROWS


def test_a_row_as_wide_as_a_sheet_can_be_is_refused():
    book = workbook_of(["Station", "Wh"], ["A", 1], ["B", *[None] * 16_000, 1])
    assert fault_of(book).message_key == FileFault.TOO_MANY_COLUMNS


def test_a_sheet_that_claims_to_be_smaller_than_it_is_loses_no_rows():
    book = workbook_of(["Station", "Wh"], ["A", 1], ["B", 2])
    sheet = zipfile.ZipFile(io.BytesIO(book)).read("xl/worksheets/sheet1.xml")
    assert b'ref="A1:B3"' in sheet
    lying = with_part(book, "xl/worksheets/sheet1.xml", sheet.replace(b'ref="A1:B3"', b'ref="A1:A2"'))
    assert [row.cells for row in read_all(lying)] == [("A", 1), ("B", 2)]
