"""Any charging sessions, written in every format and read back by somebody else's reader, have the same energy for each
meter and quarter hour."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from portal.charging.spreading import spread
from portal.formats import csv_file, esl_xml, ise_csv, ise_pair, ise_xml, mscons, sdat, xlsx_file
from portal.formats.issue import Issue
from portal.formats.mscons_settings import MsconsSettings
from portal.formats.rows import QUARTER_HOUR, Meter, MeterPeriod, Series
from tests.formats.examples import CREATED, local_midnight

ZURICH = ZoneInfo("Europe/Zurich")
COMPANIES = {"sender": "12X-EXAMPLE----Z", "receiver": "12X-EXAMPLE----Z"}
ISSUE = Issue(7, CREATED)
DAYS = (date(2026, 3, 28), date(2026, 10, 24), date(2026, 12, 31))  # each the first of two; the clock changes in two
Energy = dict[tuple[str, datetime], int]

charging = st.tuples(st.integers(0, 47 * 60), st.integers(0, 600), st.integers(0, 80_000))  # minute, minutes, Wh
worlds = st.tuples(st.sampled_from(DAYS), st.lists(st.lists(charging, max_size=4), min_size=1, max_size=3))


def made(world: tuple[date, list[list[tuple[int, int, int]]]]) -> tuple[list[MeterPeriod], Energy]:
    """The rows of the meters, and what each quarter hour holds."""
    first, meters = world
    starts_at, ends_at = local_midnight(first), local_midnight(first + timedelta(days=2))
    count = (ends_at - starts_at) // QUARTER_HOUR
    rows, expected = [], Energy()
    for number, sessions in enumerate(meters, 1):
        code = f"CH1012301234500000000000{number:09}"
        held = defaultdict[datetime, int](int)
        for minute, minutes, energy_wh in sessions:
            begun = starts_at + timedelta(minutes=minute)
            for at, part in spread(begun, begun + timedelta(minutes=minutes), energy_wh):
                held[at] += part
        amounts = [held[starts_at + place * QUARTER_HOUR] for place in range(count)]
        quality = "".join("E" if amount else "WF"[place % 2] for place, amount in enumerate(amounts))
        counts = [quality.count(letter) for letter in "WEF"]
        meter = Meter(code, f"F{number}", f"I{number}", code, f"Meter {number}")
        series = Series(starts_at, amounts, quality)
        rows.append(MeterPeriod(meter, starts_at, ends_at, sum(amounts), *counts, series, 10**7))  # type: ignore[arg-type]  # three counts
        expected |= {(code, starts_at + place * QUARTER_HOUR): amount for place, amount in enumerate(amounts)}
    return rows, expected


def wh(text: Any) -> int:
    return round(float(text) * 1000)


def by_day(expected: Energy) -> dict[tuple[str, date], int]:
    days = defaultdict[tuple[str, date], int](int)
    for (code, at), energy_wh in expected.items():
        days[code, at.astimezone(ZURICH).date()] += energy_wh
    return dict(days)


def table(pieces: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline=""), delimiter=";", strict=True))


@settings(deadline=None, max_examples=25)  # the machine may be busy
@given(worlds)
def test_csv_and_the_table_of_the_ise_pair(world: Any) -> None:
    rows, expected = made(world)
    for lines in (
        table(csv_file.write(rows, csv_file.CsvSettings(columns=CELLS, per="quarter", stamps="iso_local"))),
        table(ise_csv.write(rows, ise_csv.IseCsvSettings())),
    ):
        ends = {(line[0], datetime.fromisoformat(line[1]).astimezone(UTC)): wh(line[2]) for line in lines[1:]}
        assert {(code, end - QUARTER_HOUR): energy_wh for (code, end), energy_wh in ends.items()} == expected


@settings(deadline=None, max_examples=25)
@given(worlds)
def test_both_files_of_the_ise_pair_tell_the_same_of_each_meter_and_day(world: Any) -> None:
    rows, expected = made(world)
    pair = {name: b"".join(pieces) for name, pieces in ise_pair.write(iter(rows), ise_pair.IsePairSettings(), CREATED)}
    days = defaultdict[tuple[str, date], int](int)
    for code, end, amount, _status in table([pair["csv"]])[1:]:
        days[code, (datetime.fromisoformat(end) - QUARTER_HOUR).astimezone(ZURICH).date()] += wh(amount)
    assert of_days(pair["xml"]) == days == by_day(expected)


CELLS = ("identifier", "period_end", "energy_kwh", "status")


@settings(deadline=None, max_examples=25)
@given(worlds)
def test_daily_values(world: Any) -> None:
    rows, expected = made(world)
    for pieces in (
        ise_xml.write(rows, ise_xml.IseXmlSettings(), CREATED),
        esl_xml.write(rows, esl_xml.EslSettings(per="day"), CREATED),
    ):
        assert of_days(b"".join(pieces)) == by_day(expected)


def of_days(xml: bytes) -> dict[tuple[str | None, date], int]:
    found = {}
    for meter in ElementTree.fromstring(xml).iter("Meter"):
        for period in meter:
            day = datetime.fromisoformat(period.get("end", "")).date() - timedelta(days=1)
            found[meter.get("deviceLocationID"), day] = wh(period[0].get("value"))
    return found


@settings(deadline=None, max_examples=10)
@given(worlds)
def test_a_workbook_of_quarter_hours(world: Any) -> None:
    rows, expected = made(world)
    chosen = xlsx_file.XlsxSettings(columns=CELLS, per="quarter", header=False)
    (sheet,) = load_workbook(io.BytesIO(b"".join(xlsx_file.write(rows, chosen)))).worksheets
    lines = list(sheet.iter_rows(values_only=True))
    assert [(line[0], wh(line[2])) for line in lines] == [(code, amount) for (code, _), amount in expected.items()]
    local = [(at + QUARTER_HOUR).astimezone(ZURICH).replace(tzinfo=None) for _, at in expected]
    assert [line[1] for line in lines] == local


@settings(deadline=None, max_examples=15)
@given(worlds)
def test_sdat(world: Any) -> None:
    rows, expected = made(world)
    found = Energy()
    for document in sdat.write(rows, sdat.SdatSettings(**COMPANIES), ISSUE):  # type: ignore[arg-type]  # plain texts
        root = ElementTree.fromstring(document.content)
        names = {"rsm": "http://www.strom.ch"}
        code = root.findtext(".//rsm:VSENationalID", None, names) or ""
        start = root.findtext(".//rsm:Interval/rsm:StartDateTime", "", names)
        at = datetime.fromisoformat(start.replace("Z", "+00:00"))
        for place, volume in enumerate(root.iterfind(".//rsm:Volume", names)):
            found[code, at + place * QUARTER_HOUR] = wh(volume.text)
    assert found == expected


@settings(deadline=None, max_examples=15)
@given(worlds)
def test_mscons(world: Any) -> None:
    rows, expected = made(world)
    file = b"".join(mscons.write(rows, MsconsSettings(**COMPANIES, kind="profile"), ISSUE)).decode("iso-8859-1")  # type: ignore[arg-type]  # plain texts
    found, code = Energy(), ""
    amount: int | None = None
    for segment in file.replace("?+", "PLUS").split("'"):
        if segment.startswith("LOC+172+"):
            code = segment.split("+")[2]
        elif segment.startswith("QTY+"):
            amount = wh(segment.split(":")[1])
        elif segment.startswith("DTM+163:") and amount is not None:
            at = datetime.strptime(segment.split(":")[1].partition("PLUS")[0], "%Y%m%d%H%M").replace(tzinfo=UTC)
            found[code, at], amount = amount, None
    assert found == expected
