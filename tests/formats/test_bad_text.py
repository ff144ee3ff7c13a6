"""Text that could break a file, as a meter's name and as its identifier: the file stays valid and says the same, or it
is refused with the meter's name."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from portal.formats import csv_file, esl_xml, ise_csv, ise_xml, mscons, sdat, xlsx_file
from portal.formats.errors import FormatError
from portal.formats.issue import Issue
from portal.formats.mscons_settings import MsconsSettings
from portal.formats.rows import MeterPeriod
from tests.formats.examples import CREATED, GARAGE_1, quarter_day

COMPANIES: Any = {"sender": "12X-EXAMPLE----Z", "receiver": "12X-EXAMPLE----Z"}
ISSUE = Issue(7, CREATED)
BAD = {
    "xml": '<a href="x">&amp;\'</a>]]>',
    "edifact": "A'B+C:D?E",
    "separators": "a;b,c|d\te",
    "quotes": 'a"b""c',
    "newline": "a\r\nb",
    "nul": "a\x00b",
    "escape": "a\x1b[31mb",
    "formula": "=HYPERLINK(A1)",
    "minus": "-1",
    "full width": "＝1",
    "right to left": "abc\u202edef",
    "zero width": "abc\u200bdef",
    "mark": "\ufeffabc",
    "line separator": "a\u2028b",
    "not a character": "a\ufffe",
    "half a character": "a\ud800",
    "long": "x" * 10_000,
    "percent": "%s%(a)s{0}",
    "outside latin": "Łódź 车库 🔌",
    "blanks around": " a ",
    "blank": " ",
    "empty": "",
}


def _table(pieces: Any) -> list[str]:
    lines = csv.reader(io.StringIO(b"".join(pieces).decode(), newline=""), delimiter=";", strict=True)
    return [line[0] for line in lines]


def _meters(pieces: Any) -> list[str]:
    return [meter.get("deviceLocationID", "") for meter in ElementTree.fromstring(b"".join(pieces)).iter("Meter")]


def _sheet(pieces: Any) -> list[str]:
    (sheet,) = load_workbook(io.BytesIO(b"".join(pieces))).worksheets
    assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)
    return [unescape(line[0] or "") for line in sheet.iter_rows(values_only=True)]


def _edifact(pieces: Any) -> list[str]:
    """What stands in LOC+172, read as the rules of EDIFACT have it: the release character frees the one after it."""
    found, text, released = [], "", False
    for char in b"".join(pieces).decode("iso-8859-1"):
        if released or char not in "?'":
            text, released = text + char, False
        elif char == "?":
            released = True
        else:
            found += [text[8:]] if text.startswith("LOC+172+") else []
            text = ""
    return found


def _e66(documents: Any) -> list[str]:
    roots = [ElementTree.fromstring(document.content) for document in documents]
    return [root.findtext(".//{http://www.strom.ch}VSENationalID") or "" for root in roots]


CODES = csv_file.CsvSettings(columns=("identifier",), header=False)
ISE = ise_csv.IseCsvSettings(columns=("identifier", "energy_wh"), header=False)
BOOK = xlsx_file.XlsxSettings(columns=("identifier",), header=False)
NOTE = MsconsSettings(**COMPANIES, identifier="device_location_id", swiss_codes=False)
FORMATS: dict[str, Callable[[list[MeterPeriod]], list[str]]] = {
    "csv": lambda rows: _table(csv_file.write(rows, CODES)),
    "ise_csv": lambda rows: _table(ise_csv.write(rows, ISE)),
    "xlsx": lambda rows: _sheet(xlsx_file.write(rows, BOOK)),
    "esl_xml": lambda rows: _meters(esl_xml.write(rows, esl_xml.EslSettings(), CREATED)),
    "ise_xml": lambda rows: _meters(ise_xml.write(rows, ise_xml.IseXmlSettings(), CREATED)),
    "mscons": lambda rows: _edifact(mscons.write(rows, NOTE, ISSUE)),
    "sdat": lambda rows: _e66(sdat.write(rows, sdat.SdatSettings(**COMPANIES), ISSUE)),
}


def _outcome(read: Callable[[], list[str]]) -> list[str] | FormatError:
    try:
        return read()
    except FormatError as error:
        return error


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("bad", BAD)
def test_an_identifier_stands_in_the_file_as_it_is_or_is_refused(kind: str, bad: str) -> None:
    code = BAD[bad]
    meter = replace(GARAGE_1, device_location_id=code, metering_code=code)
    found = _outcome(lambda: FORMATS[kind]([quarter_day(meter, date(2026, 5, 1))]))
    if isinstance(found, FormatError):
        assert found.meter == meter.name
    else:
        assert set(found) == {code}
        assert bad not in ("newline", "nul", "escape", "right to left", "zero width", "mark", "blanks around", "empty")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("bad", BAD)
def test_a_name_that_no_machine_reads_does_no_harm(kind: str, bad: str) -> None:
    code = "CH9900000000000000000000000000001"
    meter = replace(GARAGE_1, name=BAD[bad], device_location_id=code, metering_code=code)
    assert set(FORMATS[kind]([quarter_day(meter, date(2026, 5, 1))])) == {code}


@pytest.mark.parametrize("bad", BAD)
def test_a_name_in_a_file_for_people_is_read_back_or_refused(bad: str) -> None:
    rows = [quarter_day(replace(GARAGE_1, name=BAD[bad]), date(2026, 5, 1))]
    chosen = csv_file.CsvSettings(columns=("name",), header=False)
    for read in (
        lambda: _table(csv_file.write(rows, chosen)),
        lambda: _sheet(xlsx_file.write(rows, replace(BOOK, columns=("name",)))),
    ):
        found = _outcome(read)
        if isinstance(found, FormatError):
            assert found.meter == BAD[bad]
        else:
            assert found[0].removeprefix("'") == BAD[bad]
