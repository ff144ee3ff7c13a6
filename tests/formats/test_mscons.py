from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydifact.parser import Parser
from pydifact.segments import Segment

from portal.formats.errors import FormatError, SettingsError
from portal.formats.issue import Issue
from portal.formats.mscons import write
from portal.formats.mscons_settings import MsconsSettings
from portal.formats.rows import MeterPeriod, Series
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

# pydifact says that it has no dictionary of this release to validate against: reading is all that is asked of it.
pytestmark = pytest.mark.filterwarnings("ignore:segments.xml not found")

DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
MARCH = (date(2026, 3, 1), date(2026, 4, 1))
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
ORIGINAL = Issue(17, CREATED)
CORRECTION = Issue(23, datetime(2026, 4, 2, 22, 30, tzinfo=UTC), replaces=17)


def written(rows: list[MeterPeriod], issue: Issue = ORIGINAL, part: int = 0, **chosen: Any) -> bytes:
    return b"".join(write(rows, MsconsSettings(**{"sender": SENDER, "receiver": RECEIVER, **chosen}), issue, part))


def lines(file: bytes) -> list[str]:
    return file.decode("iso-8859-1").split("'")


def energy(number: int, energy_wh: int, *, substitute: int = 0) -> MeterPeriod:
    """March of one meter, with its register at the end."""
    month = row(coded(number), *MARCH, energy_wh, register_wh=98_765_432 + energy_wh)
    return replace(month, measured=month.measured - substitute, substitute=substitute)


GOLDEN_FILES: dict[str, tuple[list[MeterPeriod], Issue, dict[str, Any]]] = {
    "mscons_22e_100.txt": ([quarter_day(coded(1), AUTUMN)], Issue(17, datetime(2026, 10, 26, 4, tzinfo=UTC)), {}),
    "mscons_profile_92.txt": (
        [quarter_day(coded(1), SPRING), quarter_day(coded(2), SPRING)],
        CORRECTION,
        {"kind": "profile", "decimal_mark": ",", "missing": "Z30"},
    ),
    "mscons_energy.txt": ([energy(1, 412_337), energy(2, 0)], ORIGINAL, {"kind": "energy"}),
    "mscons_energy_corrected.txt": (
        [energy(1, 412_338, substitute=3), energy(2, 0)],
        replace(CORRECTION, replaced={coded(1).metering_code}),
        {"kind": "energy"},
    ),
    "mscons_reading.txt": ([energy(1, 412_337), energy(2, 5, substitute=1)], ORIGINAL, {"kind": "reading"}),
}


@pytest.mark.parametrize("name", GOLDEN_FILES)
def test_a_file_of_each_kind(name: str) -> None:
    rows, issue, chosen = GOLDEN_FILES[name]
    assert written(rows, issue, **chosen) == (GOLDEN / name).read_bytes()


def test_a_load_profile_has_the_segments_of_swiss_files() -> None:
    day = quarter_day(coded(1), date(2026, 1, 5))
    segments = lines(written([day]))
    assert segments[0] == "UNA:+.? "
    assert segments[1] == f"UNB+UNOC:3+{SENDER}:500+{RECEIVER}:500+260401:0515+PIQ17++TL"
    number = segments[3].split("+")[2]
    assert segments[2:16] == [
        "UNH+1+MSCONS:D:04B:UN:2.2e",
        f"BGM+7+{number}+9",
        "DTM+137:202604010515:203",
        "RFF+Z13:13008",
        f"NAD+MS+{SENDER}::293",
        f"NAD+MR+{RECEIVER}::293",
        "UNS+D",
        "NAD+DP",
        "LOC+172+CH9900000000000000000000000000001",
        "DTM+163:202601050000?+01:303",
        "DTM+164:202601060000?+01:303",
        "LIN+1",
        "PIA+5+1-1?:1.29.0*255:SRW",
        "QTY+220:0.000",
    ]
    quarters = segments[15:-3]
    assert len(quarters) == 96 * 3
    assert quarters[12:15] == ["QTY+220:2.750", "DTM+163:202601050100?+01:303", "DTM+164:202601050115?+01:303"]
    assert [quarters[24], quarters[27]] == ["QTY+67:0.001", "QTY+Z18:0.000"]
    assert segments[-3:] == ["UNT+302+1", "UNZ+1+PIQ17", ""]


def test_a_load_profile_of_2_4c_is_utc_and_says_how_a_substitute_was_made() -> None:
    segments = lines(written([quarter_day(coded(1), SPRING)], kind="profile"))
    assert segments[1].endswith("+260401:0315+PIQ17++TL")
    assert segments[2] == "UNH+1+MSCONS:D:04B:UN:2.4c"
    assert segments[3].startswith("BGM+Z48+")
    assert segments[4:6] == ["DTM+137:202604010315?+00:303", "RFF+Z13:13025"]
    assert segments[14] == "PIA+5+1-1?:1.29.0:SRW"
    assert segments[11:13] == ["DTM+163:202603282300?+00:303", "DTM+164:202603292200?+00:303"]
    substitute = segments.index("QTY+67:0.001")
    assert segments[substitute + 3 : substitute + 6] == ["STS+Z32++Z92", "STS+Z40++Z75", "QTY+Z18:0.000"]
    assert segments[-3] == f"UNT+{13 + 92 * 3 + 2 + 1}+1"


def test_the_energy_of_a_period_is_one_message_for_each_meter() -> None:
    segments = lines(written([energy(1, 412_337), energy(2, 0, substitute=1)], kind="energy"))
    assert segments[1].endswith("+EM")
    assert segments[3].startswith("BGM+7+PIQ17-")
    assert segments[4:16] == [
        "DTM+137:202604010315?+00:303",
        "RFF+Z13:13019",
        f"NAD+MS+{SENDER}::293",
        f"NAD+MR+{RECEIVER}::293",
        "UNS+D",
        "NAD+DP",
        "LOC+172+CH9900000000000000000000000000001",
        "LIN+1",
        "PIA+5+1-1?:1.9.0:SRW",
        "QTY+220:412.337",
        "DTM+163:202602282300?+00:303",
        "DTM+164:202603312200?+00:303",
    ]
    assert segments[16] == "UNT+15+1"
    assert segments[17] == "UNH+2+MSCONS:D:04B:UN:2.4c"
    assert segments[-8:] == [
        "QTY+67:0.000",
        "DTM+163:202602282300?+00:303",
        "DTM+164:202603312200?+00:303",
        "STS+Z32++Z92",
        "STS+Z40++Z75",
        "UNT+17+2",
        "UNZ+2+PIQ17",
        "",
    ]


@pytest.mark.parametrize("kind", ["energy", "reading"])
def test_a_period_with_a_missing_quarter_hour_is_a_substitute(kind: str) -> None:
    segments = lines(written([replace(energy(1, 5), measured=2971, missing=1)], kind=kind))
    assert next(segment for segment in segments if segment.startswith("QTY")).startswith("QTY+67:")
    assert segments[-5:-3] == ["STS+Z32++Z92", "STS+Z40++Z75"]


def test_a_reading_names_the_device_and_its_time() -> None:
    segments = lines(written([energy(1, 1), energy(2, 2, substitute=1)], kind="reading"))
    assert segments[1].endswith("+VL")
    assert segments[5] == "RFF+Z13:13017"
    assert segments[10:18] == [
        "LOC+172+CH9900000000000000000000000000001",
        "RFF+MG:4711",
        "LIN+1",
        "PIA+5+1-1?:1.8.0:SRW",
        "QTY+220:98765.433",
        "DTM+9:202603312200?+00:303",
        "DTM+7:202603312200?+00:303",
        "UNT+16+1",
    ]
    substitute = segments.index("QTY+67:98765.434")
    assert segments[substitute + 1 : substitute + 3] == ["DTM+7:202603312200?+00:303", "STS+Z32++Z92"]


def test_a_corrected_energy_cancels_the_message_that_carried_it() -> None:
    first = lines(written([energy(1, 5), energy(2, 7)], kind="energy"))
    replaced = {coded(1).metering_code}
    corrected = lines(written([energy(1, 6), energy(2, 7)], replace(CORRECTION, replaced=replaced), kind="energy"))
    original = first[3].split("+")[2]
    cancelling, again = corrected[3].split("+")[2], corrected[14].split("+")[2]
    assert corrected[2:13] == [
        "UNH+1+MSCONS:D:04B:UN:2.4c",
        f"BGM+7+{cancelling}+1",
        "DTM+137:202604022230?+00:303",
        f"RFF+ACW:{original}",
        "RFF+Z13:13006",
        f"NAD+MS+{SENDER}::293",
        f"NAD+MR+{RECEIVER}::293",
        "UNS+D",
        "NAD+DP",
        "LOC+172",
        "UNT+11+1",
    ]
    assert corrected[14] == f"BGM+7+{again}+9"
    assert corrected[24:29] == [
        "QTY+220:0.006",
        "DTM+163:202602282300?+00:303",
        "DTM+164:202603312200?+00:303",
        "STS+Z34++ZA4",
        "UNT+16+2",
    ]
    assert len({original, cancelling, again}) == 3
    assert corrected[-2] == "UNZ+3+PIQ23"
    assert sum(segment.startswith("RFF+ACW") for segment in corrected) == 1


def test_a_corrected_load_profile_is_a_newer_message_with_reasons() -> None:
    day = quarter_day(coded(1), SPRING)
    corrected = lines(written([day], CORRECTION, kind="profile"))
    assert corrected.count("STS+Z34++ZA4") == 91  # each value but the missing one
    substitute = corrected.index("QTY+67:0.001")
    assert corrected[substitute + 3 : substitute + 6] == ["STS+Z32++Z92", "STS+Z34++ZA4", "STS+Z40++Z75"]
    assert corrected[4] > lines(written([day], kind="profile"))[4]
    assert not any(segment.startswith("RFF+ACW") for segment in corrected)


def test_document_numbers_differ_between_runs_meters_and_periods() -> None:
    rows = [quarter_day(coded(number), SPRING + days * DAY) for number in (1, 2) for days in (0, 1)]
    files = [written(rows), written(rows, CORRECTION)]
    numbers = [line.split("+")[2] for file in files for line in lines(file) if line.startswith("BGM")]
    assert len(set(numbers)) == 8
    assert all(len(number) <= 35 for number in numbers)


@pytest.mark.parametrize(
    ("times", "instants"),
    [
        ("utc", ["202610242200?+00", "202610250000?+00", "202610250100?+00", "202610252300?+00"]),
        ("local", ["202610250000?+02", "202610250200?+02", "202610250200?+01", "202610260000?+01"]),
        ("winter", ["202610242300?+01", "202610250100?+01", "202610250200?+01", "202610260000?+01"]),
    ],
)
def test_the_form_of_times_is_a_setting(times: str, instants: list[str]) -> None:
    segments = lines(written([quarter_day(coded(1), AUTUMN)], times=times))
    starts = [segment for segment in segments[15:] if segment.startswith("DTM+163")]
    assert [starts[0], starts[8], starts[12]] == [f"DTM+163:{instant}:303" for instant in instants[:3]]
    assert segments[-4] == f"DTM+164:{instants[3]}:303"


def test_a_time_zone_west_of_greenwich_needs_no_release_character() -> None:
    new_york = ZoneInfo("America/New_York")
    assert "DTM+163:202601041800-05:303" in lines(written([quarter_day(coded(1), date(2026, 1, 5))], zone=new_york))


def test_companies_of_other_schemes_and_qualifiers() -> None:
    segments = lines(
        written(
            [energy(1, 1)],
            kind="energy",
            sender="9900000000002",
            sender_scheme="bdew",
            receiver="4012345678901",
            receiver_scheme="gln",
            sender_qualifier="Z01",
            sender_agency="332",
        )
    )
    assert segments[1].startswith("UNB+UNOC:3+9900000000002:Z01+4012345678901:14+")
    assert segments[6:8] == ["NAD+MS+9900000000002::332", "NAD+MR+4012345678901::9"]


def test_files_of_one_run_have_references_of_their_own() -> None:
    assert b"+PIQ17-2++TL'" in written([quarter_day(coded(1), SPRING)], part=2)
    with pytest.raises(FormatError, match="PIQ123456789012 is too long"):
        written([quarter_day(coded(1), SPRING)], Issue(123_456_789_012, CREATED))


@dataclass
class Message:
    check: str
    location: str
    quarters: list[tuple[datetime, int, str]]


QUALITIES = {"220": "W", "67": "E", "Z18": "F"}


def instant(text: str) -> datetime:
    return datetime.strptime(f"{text}00", "%Y%m%d%H%M%z").astimezone(UTC)


def read(file: bytes) -> list[Message]:
    """An independent reading: the messages with the quantities of each; every count and reference is checked."""
    head, *segments, tail = Parser().parse(file.decode("iso-8859-1"))
    if head.tag == "UNA":
        head, *segments = segments
    assert (head.tag, tail.tag) == ("UNB", "UNZ")
    starts = [number for number, segment in enumerate(segments) if segment.tag == "UNH"]
    ends = [number for number, segment in enumerate(segments) if segment.tag == "UNT"]
    assert tail.elements == [str(len(starts)), head.elements[4]]
    assert [end + 1 for end in ends] == [*starts[1:], len(segments)]
    references = {segments[start].elements[0] for start in starts}
    assert len(references) == len(starts)
    for start, end in zip(starts, ends, strict=True):
        assert segments[end].elements == [str(end - start + 1), segments[start].elements[0]]
    return [message(segments[start:end]) for start, end in zip(starts, ends, strict=True)]


def message(segments: list[Segment]) -> Message:
    held = Message("", "", [])
    for segment, after, later in zip(segments, [*segments[1:], None], [*segments[2:], None, None], strict=True):
        elements = segment.elements
        if segment.tag == "RFF" and elements[0][0] == "Z13":
            held.check = elements[0][1]
        elif segment.tag == "LOC" and len(elements) > 1:
            held.location = elements[1]
        elif segment.tag == "QTY" and after is not None:
            qualifier, amount = elements[0]
            (_, start, _), (_, end, _) = after.elements[0], later.elements[0]
            wh = int(amount.replace(".", "").replace(",", ""))
            held.quarters.append((instant(start), wh, QUALITIES[qualifier]))
            if held.check in ("13008", "13025"):
                assert instant(end) - instant(start) == QUARTER
    return held


def expected(period: MeterPeriod) -> list[tuple[datetime, int, str]]:
    assert period.series is not None
    held = zip(period.series.energy_wh, period.series.quality, strict=True)
    return [(period.starts_at + number * QUARTER, *values) for number, values in enumerate(held)]


days = st.sampled_from([date(2026, 1, 1), SPRING - DAY, SPRING, AUTUMN - DAY, AUTUMN, date(2028, 2, 29)])
quarter = st.tuples(st.integers(1, 10**9), st.sampled_from("WEF"))
latin = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc", "Cf"]), min_size=1, max_size=35)
identifiers = st.one_of(latin, st.text("?+:'x", min_size=1, max_size=35)).filter(lambda text: text == text.strip())


@st.composite
def meter_rows(draw: st.DrawFn) -> MeterPeriod:
    """A period of one to three days of one meter, most of its quarter hours measured zeros."""
    start, meter = draw(days), replace(coded(1), device_location_id=draw(identifiers), name=draw(st.text()))
    empty = row(meter, start, start + draw(st.integers(1, 3)) * DAY, 0)
    held = draw(st.dictionaries(st.integers(0, empty.measured - 1), quarter))
    return with_quarters(
        empty, lambda number: held.get(number, (0, "W"))[0], lambda number: held.get(number, (0, "W"))[1]
    )


def identifier(period: MeterPeriod) -> str | None:
    return period.meter.device_location_id


forms = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["profile_22e", "profile"]),
        "decimal_mark": st.sampled_from(".,"),
        "times": st.sampled_from(["", "utc", "local", "winter"]),
    }
)


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(meter_rows(), min_size=1, max_size=3, unique_by=identifier), forms, st.sampled_from([ORIGINAL, CORRECTION])
)
def test_pydifact_reads_back_every_quarter_hour(rows: list[MeterPeriod], form: dict[str, Any], issue: Issue) -> None:
    messages = read(written(rows, issue, identifier="device_location_id", **form))
    assert [held.location for held in messages] == [period.meter.device_location_id for period in rows]
    assert [held.quarters for held in messages] == [expected(period) for period in rows]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers(0, 5), identifiers),
        max_size=4,
        min_size=1,
        unique_by=lambda amount: amount[2],
    ),
    st.sampled_from([ORIGINAL, CORRECTION]),
)
def test_pydifact_reads_back_the_energy_of_each_meter(amounts: list[tuple[int, int, str]], issue: Issue) -> None:
    rows = [
        replace(energy(1, wh, substitute=substitute), meter=replace(coded(1), internal_no=code))
        for wh, substitute, code in amounts
    ]
    messages = read(written(rows, issue, kind="energy", identifier="internal_no"))
    cancelled = [held for held in messages if held.check == "13006"]
    assert len(cancelled) == (len(rows) if issue is CORRECTION else 0)
    assert [(held.location, held.quarters) for held in messages if held.check == "13019"] == [
        (code, [(local_midnight(MARCH[0]), wh, "E" if substitute else "W")]) for wh, substitute, code in amounts
    ]


@pytest.mark.parametrize("name", ["a'b+c:d?e", "a\nb\r\n", "X" * 10_000, "\u202egnp\u200f", "%s%(a)s", "\x00", "日本"])
def test_a_name_never_reaches_the_file(name: str) -> None:
    plain = quarter_day(coded(1), SPRING)
    odd = replace(plain, meter=replace(plain.meter, name=name))
    assert written([odd]) == written([plain])


def test_an_identifier_cannot_end_its_segment() -> None:
    meter = replace(coded(1), internal_no="A'UNT+1+1?+:B", factory_no="4'7+1?1")
    file = written([replace(energy(1, 1), meter=meter)], kind="reading", identifier="internal_no")
    assert b"LOC+172+A?'UNT?+1?+1???+?:B'RFF+MG:4?'7?+1??1'" in file
    assert read(file)[0].location == "A'UNT+1+1?+:B"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("Zähler Ł", "ISO 8859-1 cannot hold"),
        ("€", "ISO 8859-1 cannot hold"),
        ("A\u200fB", "invisible character"),
        ("A\xadB", "invisible character"),
        ("\ud800", "ISO 8859-1 cannot hold"),
        ("X" * 36, "more than 35"),
        ("X" * 10_000, "more than 35"),
        ("A\nB", "control character"),
        ("A\x85B", "control character"),
        (" A", "blanks"),
        ("", "has no InternalNo"),
    ],
)
@pytest.mark.parametrize("kind", ["profile", "energy"])
def test_it_refuses_an_identifier_and_names_the_meter(kind: str, code: str, message: str) -> None:
    day = quarter_day(replace(coded(1), internal_no=code), SPRING)
    with pytest.raises(FormatError, match=message) as refused:
        written([day], kind=kind, identifier="internal_no")
    assert refused.value.meter == "Ladepunkt 1"


def test_umlauts_are_one_byte() -> None:
    day = quarter_day(replace(coded(1), internal_no="Süd"), SPRING)
    assert b"LOC+172+S\xfcd'" in written([day], identifier="internal_no")


def test_a_metering_code_must_be_swiss_unless_another_is_allowed() -> None:
    day = quarter_day(replace(coded(1), metering_code="DE0071373163400000E000A0014996748"), SPRING)
    with pytest.raises(FormatError, match="Metering Code that is not CH"):
        written([day])
    assert b"LOC+172+DE0071373163400000E000A0014996748'" in written([day], swiss_codes=False)


def test_a_reading_without_device_number() -> None:
    period = replace(energy(1, 1), meter=coded(1, factory_no=None))
    with pytest.raises(FormatError, match="has no FactoryNo"):
        written([period], kind="reading")
    assert b"RFF+MG" not in written([period], kind="reading", device_number=False)


@pytest.mark.parametrize(
    ("rows", "chosen", "message"),
    [
        ([], {}, "no meter to write"),
        ([row(coded(1), *MARCH, -1)], {"kind": "energy"}, "negative"),
        ([row(coded(1), *MARCH, 1)], {"kind": "reading"}, "no meter reading"),
        ([row(coded(1), *MARCH, 1)], {}, "no quarter hours"),
        ([replace(quarter_day(coded(1), SPRING), energy_wh=0)], {"kind": "profile"}, "do not sum"),
    ],
)
def test_it_refuses_rows_that_cannot_be_billed(rows: list[MeterPeriod], chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        written(rows, **chosen)


@pytest.mark.parametrize("kind", ["profile", "energy"])
def test_it_writes_no_quarter_hour_twice(kind: str) -> None:
    first, second = quarter_day(coded(1), SPRING), quarter_day(coded(2), SPRING)
    twin = replace(first, meter=replace(first.meter, name="Ladepunkt 9"))
    with pytest.raises(FormatError, match="Ladepunkt 9 has the same identifier as Ladepunkt 1"):
        written([first, second, twin], kind=kind)
    with pytest.raises(FormatError, match="overlap"):
        written([first, second, first], kind=kind)


def test_it_refuses_instants_that_are_not_utc() -> None:
    with pytest.raises(ValueError, match="not in UTC"):
        written([energy(1, 1)], Issue(1, CREATED.astimezone(ZoneInfo("Europe/Zurich"))), kind="energy")


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        ("sender", {"sender": "12X-PIQUET-----V"}),
        ("sender", {"sender": "9900000000002", "sender_scheme": "eic"}),
        ("receiver", {"receiver": "4012345678902", "receiver_scheme": "gln"}),
        ("receiver", {"receiver_scheme": "duns"}),
        ("kind", {"kind": "13018"}),
        ("sender_qualifier", {"sender_qualifier": "5'0"}),
        ("receiver_agency", {"receiver_agency": "2933"}),
        ("identifier", {"identifier": "name"}),
        ("obis", {"obis": "1.9.0'"}),
        ("decimal_mark", {"decimal_mark": "'"}),
        ("decimals", {"decimals": 2}),
        ("decimals", {"kind": "energy", "decimals": 4}),
        ("times", {"times": "summer"}),
        ("zone", {"zone": ZoneInfo("Asia/Kolkata")}),
        ("missing", {"missing": "220"}),
        ("substitute_method", {"substitute_method": ""}),
        ("substitute_reason", {"substitute_reason": "Z7+"}),
        ("correction_reason", {"correction_reason": "X" * 10_000}),
        ("document_prefix", {"document_prefix": "piq"}),
        ("document_prefix", {"document_prefix": "PIQUET"}),
    ],
)
def test_it_refuses_settings_that_break_the_file(field: str, chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        MsconsSettings(**{"sender": SENDER, "receiver": RECEIVER, **chosen})
    assert refused.value.field == field


def months(count: int) -> Iterator[MeterPeriod]:
    chance = random.Random(1)
    for number in range(count):
        empty = row(coded(number), *MARCH, 0)
        energy_wh = [chance.choice((0, 0, 2750, chance.randrange(8000))) for _ in range(empty.measured)]
        held = Series(empty.starts_at, energy_wh, "W" * empty.measured)
        yield replace(empty, energy_wh=sum(energy_wh), series=held)


def test_memory_stays_flat_over_the_meters() -> None:
    taken = 0

    def counted() -> Iterator[MeterPeriod]:
        nonlocal taken
        for period in months(60):
            taken += 1
            yield period

    pieces = write(counted(), MsconsSettings(SENDER, RECEIVER), ORIGINAL)
    next(pieces)
    assert taken == 1
    tracemalloc.start()
    size = sum(map(len, pieces))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 12_000_000
    assert peak < 3_000_000
