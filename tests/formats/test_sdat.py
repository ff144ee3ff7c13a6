from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.formats.errors import FormatError, SettingsError
from portal.formats.file_names import FILE_NAME
from portal.formats.issue import Issue
from portal.formats.rows import MeterPeriod, Series
from portal.formats.sdat import Document, SdatSettings, write
from tests.formats.examples import (
    CREATED,
    GOLDEN,
    RECEIVER,
    SENDER,
    coded,
    local_midnight,
    quarter_day,
    row,
    with_quarters,
)

NAMESPACE = "{http://www.strom.ch}"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
DAY = timedelta(days=1)
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
ORIGINAL = Issue(17, CREATED)
COMMUNITY = {"version": "1.6", "receiver_role": "CEM", "product": "2404050010123", "community": "109900-000001"}


def documents(rows: list[MeterPeriod], issue: Issue = ORIGINAL, **chosen: Any) -> list[Document]:
    return list(write(rows, SdatSettings(SENDER, RECEIVER, **chosen), issue))


def only(rows: list[MeterPeriod], issue: Issue = ORIGINAL, **chosen: Any) -> Document:
    (document,) = documents(rows, issue, **chosen)
    return document


def found(document: Document, path: str) -> list[str]:
    """The texts of the elements of that name, or path, anywhere in the document."""
    steps = "/".join(NAMESPACE + step for step in path.split("/"))
    return [element.text or "" for element in ElementTree.fromstring(document.content).findall(f".//{steps}")]


@pytest.mark.parametrize(
    ("name", "day", "chosen"),
    [("sdat_14_92.xml", SPRING, {}), ("sdat_14_100.xml", AUTUMN, {"point": "production"})],
)
def test_a_day_of_the_clock_change(name: str, day: date, chosen: dict[str, str]) -> None:
    assert only([quarter_day(coded(1), day)], **chosen).content == (GOLDEN / name).read_bytes()


def test_a_replacement_to_a_community_in_version_1_6() -> None:
    issue = Issue(23, datetime(2026, 4, 2, 22, 30, tzinfo=UTC), replaces=17)
    document = only([quarter_day(coded(1), date(2026, 3, 31))], issue, **COMMUNITY)
    assert document.content == (GOLDEN / "sdat_16_replacement.xml").read_bytes()
    assert document.name == f"20260403_003000_{SENDER}_E66_{RECEIVER}_PIQUET23_1.xml"


Structure = tuple[str, dict[str, str], list[Any]]


def structure(element: ElementTree.Element) -> Structure:
    """Name, attributes and children, or the text of an element that has none."""
    inner = [structure(child) for child in element] or [element.text]
    return element.tag.removeprefix(NAMESPACE), dict(element.attrib), inner


VSE = {"listAgencyID": "260"}


def company(role: str, eic: str, code: str) -> Structure:
    return role, {}, [("ID", {}, [("EICID", {"schemeAgencyID": "305"}, [eic])]), ("Role", {}, [code])]


def span(name: str) -> Structure:
    start, end = "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"
    return name, {}, [("StartDateTime", {}, [start]), ("EndDateTime", {}, [end])]


def observation(number: int, volume: str, condition: str | None = None) -> Structure:
    parts: list[Structure] = [("Position", {}, [("Sequence", {}, [str(number)])]), ("Volume", {}, [volume])]
    return "Observation", {}, [*parts, *([("Condition", {}, [condition])] if condition else [])]


def test_it_has_the_elements_of_files_from_the_field() -> None:
    root = ElementTree.fromstring(only([quarter_day(coded(1), SPRING)]).content)
    name, attributes, (header, data) = structure(root)
    assert (name, attributes) == (
        "ValidatedMeteredData_14",
        {f"{XSI}schemaLocation": "http://www.strom.ch ValidatedMeteredData_1p4.xsd"},
    )
    document_type = ("DocumentType", VSE, [("ebIXCode", {}, ["E66"])])
    service = ("BusinessService", {}, [("ServiceTransaction", {"isIntelligibleCheckRequired": "true"}, [None])])
    assert header == (
        "ValidatedMeteredData_HeaderInformation",
        {},
        [
            ("HeaderVersion", {}, ["1.0"]),
            company("Sender", SENDER, "MDR"),
            company("Receiver", RECEIVER, "DEC"),
            (
                "InstanceDocument",
                {},
                [
                    ("DictionaryAgencyID", {}, ["260"]),
                    ("VersionID", VSE, ["2007B"]),
                    ("DocumentID", {}, ["PIQUET17_1"]),
                    document_type,
                    ("Creation", {}, ["2026-04-01T03:15:09Z"]),
                    ("Status", {}, ["9"]),
                ],
            ),
            (
                "BusinessScopeProcess",
                {},
                [
                    ("BusinessReasonType", {"codeListAgency": "260"}, [("ebIXCode", {}, ["E88"])]),
                    ("BusinessDomainType", VSE, ["E02"]),
                    ("BusinessSectorType", {}, ["23"]),
                    span("ReportPeriod"),
                    service,
                ],
            ),
        ],
    )
    code = ("VSENationalID", {"schemeID": "VSE", "schemeAgencyID": "260"}, ["CH9900000000000000000000000000001"])
    observations = [observation(number, "2.750" if 5 <= number < 9 else "0.000") for number in range(1, 93)]
    observations[8:10] = [observation(9, "0.001", "56"), observation(10, "0.000", "21")]
    assert data == (
        "MeteringData",
        {},
        [
            ("DocumentID", {}, ["PIQUET17_1_D"]),
            span("Interval"),
            ("Resolution", {}, [("Resolution", {}, ["15"]), ("Unit", {}, ["MIN"])]),
            ("ConsumptionMeteringPoint", {}, [code]),
            ("Product", {}, [("ID", {"schemeAgencyID": "9"}, ["8716867000030"]), ("MeasureUnit", {}, ["KWH"])]),
            *observations,
        ],
    )


def test_version_1_6_has_national_codes_and_a_community() -> None:
    root = ElementTree.fromstring(only([quarter_day(coded(1), SPRING)], **COMMUNITY).content)
    _, _, (header, data) = structure(root)
    assert root.tag == f"{NAMESPACE}ValidatedMeteredData_16"
    assert company("Receiver", RECEIVER, "CEM") in header[2]
    reason = {"codeListAgency": "260", "codeListID": "VSE"}
    assert header[2][4][2][0] == ("BusinessReasonType", reason, [("VSENationalCode", {}, ["C40"])])
    product = ("VSENationalCode", {"schemeAgencyID": "260"}, ["2404050010123"])
    assert data[2][4:6] == [
        ("Product", {}, [("ID", {}, [product]), ("MeasureUnit", {}, ["KWH"])]),
        (
            "Community",
            {},
            [
                ("CommunityID", {}, ["109900-000001"]),
                ("CommunityType", {"codeListAgency": "260"}, [("VSENationalCode", {}, ["CT01"])]),
            ],
        ),
    ]


def test_version_1_6_keeps_the_codes_of_ebix_where_they_are_chosen() -> None:
    document = only([quarter_day(coded(1), SPRING)], version="1.6", reason="E88")
    assert found(document, "BusinessReasonType/ebIXCode") == ["E88"]
    assert found(document, "Product/ID/ebIXCode") == ["8716867000030"]
    assert b"VSENationalCode" not in document.content
    assert b"Community" not in document.content


def test_a_week_over_the_clock_change_is_seven_documents() -> None:
    start, end = date(2026, 3, 27), date(2026, 4, 3)
    week = with_quarters(row(coded(1), start, end, 0), lambda number: number, lambda _: "W")
    written = documents([week])
    assert [document.day for document in written] == [start + number * DAY for number in range(7)]
    assert [len(found(document, "Observation")) for document in written] == [96, 96, 92, 96, 96, 96, 96]
    assert [found(document, "Volume")[0] for document in written][:4] == ["0.000", "0.096", "0.192", "0.284"]
    assert [found(document, "Interval/EndDateTime") for document in written[:-1]] == [
        found(document, "Interval/StartDateTime") for document in written[1:]
    ]


def test_names_and_document_numbers_are_each_its_own() -> None:
    rows = [quarter_day(coded(number), SPRING + days * DAY) for number in (1, 2) for days in (0, 1)]
    written = documents(rows)
    assert [found(document, "InstanceDocument/DocumentID") for document in written] == [
        [f"PIQUET17_{number}"] for number in (1, 2, 3, 4)
    ]
    assert len({document.name for document in written}) == 4
    assert [document.meter.name for document in written] == ["Ladepunkt 1"] * 2 + ["Ladepunkt 2"] * 2
    assert written[0].name == f"20260401_051509_{SENDER}_E66_{RECEIVER}_PIQUET17_1.xml"
    assert all(FILE_NAME.fullmatch(document.name) for document in written)


def test_a_correction_replaces_what_was_delivered_and_adds_what_is_new() -> None:
    old, new = quarter_day(coded(1), SPRING), quarter_day(coded(2), SPRING)
    issue = Issue(18, CREATED, replaces=17, replaced={old.meter.metering_code or ""})
    assert [found(document, "Status") for document in documents([old, new], issue)] == [["5"], ["9"]]
    assert [found(document, "Status") for document in documents([old, new])] == [["9"], ["9"]]


def test_conditions_are_settings() -> None:
    document = only([quarter_day(coded(1), SPRING)], substitute_condition="21", missing_condition="46")
    assert found(document, "Condition") == ["21", "46"]


days = st.sampled_from([date(2026, 1, 1), SPRING - DAY, SPRING, AUTUMN - DAY, AUTUMN, date(2028, 2, 29)])
quarter = st.tuples(st.integers(1, 10**9), st.sampled_from("WEF"))
codes = st.text("0123456789ABCXYZ-", min_size=31, max_size=31).map(lambda text: f"CH{text}")


@st.composite
def meter_rows(draw: st.DrawFn) -> MeterPeriod:
    """A period of one to three days of one meter, most of its quarter hours measured zeros."""
    start, meter = draw(days), replace(coded(1), metering_code=draw(codes), name=draw(st.text()))
    empty = row(meter, start, start + draw(st.integers(1, 3)) * DAY, 0)
    held = draw(st.dictionaries(st.integers(0, empty.measured - 1), quarter))
    return with_quarters(
        empty, lambda number: held.get(number, (0, "W"))[0], lambda number: held.get(number, (0, "W"))[1]
    )


def read(content: bytes) -> Iterator[tuple[str, datetime, int, str]]:
    """An independent reading of a document: metering code, instant, Wh and quality of each quarter hour."""
    root = ElementTree.fromstring(content)
    (data,) = root.iter(f"{NAMESPACE}MeteringData")
    (code,) = [element.text or "" for element in data.iter(f"{NAMESPACE}VSENationalID")]
    start, end = (
        datetime.fromisoformat(data.findtext(f"{NAMESPACE}Interval/{NAMESPACE}{edge}DateTime", ""))
        for edge in ("Start", "End")
    )
    observations = data.findall(f"{NAMESPACE}Observation")
    assert end - start == len(observations) * timedelta(minutes=15)
    for number, element in enumerate(observations, 1):
        assert element.findtext(f"{NAMESPACE}Position/{NAMESPACE}Sequence") == str(number)
        volume = element.findtext(f"{NAMESPACE}Volume", "")
        condition = element.findtext(f"{NAMESPACE}Condition")
        quality = {None: "W", "56": "E", "21": "F"}[condition]
        yield code, start + (number - 1) * timedelta(minutes=15), int(volume.replace(".", "")), quality


def quarters(rows: list[MeterPeriod]) -> Iterator[tuple[str, datetime, int, str]]:
    for period in rows:
        assert period.series is not None
        held = zip(period.series.energy_wh, period.series.quality, strict=True)
        for number, (energy_wh, quality) in enumerate(held):
            instant = period.starts_at + number * timedelta(minutes=15)
            yield period.meter.metering_code or "", instant, energy_wh, quality


@settings(deadline=None)  # the machine may be busy
@given(st.lists(meter_rows(), min_size=1, max_size=3, unique_by=lambda period: period.meter.metering_code))
def test_elementtree_reads_back_every_quarter_hour(rows: list[MeterPeriod]) -> None:
    written = documents(rows)
    assert [quarter for document in written for quarter in read(document.content)] == list(quarters(rows))
    assert len({document.name for document in written}) == len(written)


@pytest.mark.parametrize("name", ["<&>\"'", "a\nb\r\n", "X" * 10_000, "\u202egnp\u200f", "%s%(code)s", "\x00"])
def test_a_name_never_reaches_the_file(name: str) -> None:
    plain = quarter_day(coded(1), SPRING)
    odd = replace(plain, meter=replace(plain.meter, name=name))
    assert only([odd]).content == only([plain]).content


@pytest.mark.parametrize("code", ["CH<&>", "CH" + "0" * 30 + "'", "CH" + "0" * 30 + "\u200f", "CH" + "0" * 10_000, ""])
def test_it_refuses_bad_text_as_metering_code(code: str) -> None:
    meter = replace(coded(1), metering_code=code)
    with pytest.raises(FormatError, match="Metering Code") as refused:
        documents([quarter_day(meter, SPRING)])
    assert refused.value.meter == "Ladepunkt 1"


whole_day = quarter_day(coded(1), SPRING)
assert whole_day.series is not None
later = replace(
    whole_day,
    starts_at=whole_day.starts_at + timedelta(hours=1),
    ends_at=whole_day.ends_at + timedelta(hours=1),
    series=replace(whole_day.series, starts_at=whole_day.starts_at + timedelta(hours=1)),
)

half = replace(
    whole_day,
    starts_at=later.starts_at,
    energy_wh=0,
    series=Series(later.starts_at, [0] * 88, "W" * 88),
)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no meter to write"),
        ([replace(whole_day, energy_wh=-1)], "negative"),
        ([replace(whole_day, series=None)], "no quarter hours"),
        ([replace(whole_day, energy_wh=whole_day.energy_wh + 1)], "do not sum"),
        ([replace(whole_day, ends_at=local_midnight(SPRING + 2 * DAY))], "until"),
        ([later], "not whole days"),
        ([half], "not whole days"),
    ],
)
def test_it_refuses_rows_that_cannot_be_billed(rows: list[MeterPeriod], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        documents(rows)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(whole_day, meter=replace(coded(1), name="Ladepunkt 9")), "the same identifier as Ladepunkt 1"),
        (whole_day, "overlap"),
    ],
)
def test_it_writes_no_quarter_hour_twice(other: MeterPeriod, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        documents([whole_day, quarter_day(coded(2), SPRING), other])


def test_it_refuses_a_day_of_another_time_zone() -> None:
    with pytest.raises(FormatError, match="not whole days"):
        documents([whole_day], zone=ZoneInfo("Europe/Lisbon"))


def test_it_refuses_instants_that_are_not_utc() -> None:
    with pytest.raises(ValueError, match="not in UTC"):
        documents([whole_day], Issue(1, CREATED.astimezone(ZoneInfo("Europe/Zurich"))))


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("sender", {"sender": "12X-PIQUET-----V"}),
        ("receiver", {"receiver": "<&>"}),
        ("version", {"version": "1.5"}),
        ("sender_role", {"sender_role": "mdr"}),
        ("receiver_role", {"receiver_role": "<R>"}),
        ("reason", {"reason": "C40"}),
        ("reason", {"version": "1.6", "reason": "E8"}),
        ("point", {"point": "exchange"}),
        ("product", {"product": "2404050010123"}),
        ("product", {"version": "1.6", "product": "240405001012"}),
        ("community", {"community": "109900-000001"}),
        ("community", {"version": "1.6", "community": "a&b"}),
        ("community_type", {"version": "1.6", "community_type": ""}),
        ("substitute_condition", {"substitute_condition": ""}),
        ("missing_condition", {"missing_condition": "2\n"}),
        ("document_prefix", {"document_prefix": "X" * 10_000}),
        ("document_prefix", {"document_prefix": "a/b"}),
        ("decimals", {"decimals": 2}),
    ],
)
def test_it_refuses_settings_that_break_the_file(field: str, chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        SdatSettings(**{"sender": SENDER, "receiver": RECEIVER, **chosen})
    assert refused.value.field == field


def a_month_of(count: int) -> Iterator[MeterPeriod]:
    chance = random.Random(1)
    for number in range(count):
        empty = row(coded(number), date(2026, 3, 1), date(2026, 4, 1), 0)
        energy_wh = [chance.choice((0, 0, 2750, chance.randrange(8000))) for _ in range(empty.measured)]
        held = Series(empty.starts_at, energy_wh, "W" * empty.measured)
        yield replace(empty, energy_wh=sum(energy_wh), series=held)


def test_it_reads_no_more_rows_than_the_documents_taken_need() -> None:
    taken = 0

    def counted() -> Iterator[MeterPeriod]:
        nonlocal taken
        for period in a_month_of(1000):
            taken += 1
            yield period

    written = list(islice(write(counted(), SdatSettings(SENDER, RECEIVER), ORIGINAL), 40))
    assert taken == 2
    assert all(9_000 < len(document.content) < 20_000 for document in written)


def test_memory_stays_flat_over_the_meters() -> None:
    written = write(a_month_of(40), SdatSettings(SENDER, RECEIVER), ORIGINAL)
    next(written)
    tracemalloc.start()
    size = sum(len(document.content) for document in written)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 10_000_000
    assert peak < 2_000_000
