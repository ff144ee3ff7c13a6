"""What is written here against files from the field, where they are at hand: they have no licence to be kept here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from pydifact.parser import Parser
from pydifact.segments import Segment

from portal.formats import esl_xml, mscons, sdat
from portal.formats.issue import Issue
from portal.formats.mscons_settings import MsconsSettings
from portal.formats.rows import MeterPeriod, Series
from tests.formats.examples import CREATED, RECEIVER, SENDER, coded

pytestmark = [pytest.mark.deep, pytest.mark.filterwarnings("ignore:segments.xml not found")]

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
NAMESPACE = "{http://www.strom.ch}"
ISSUE = Issue(17, CREATED)
QUARTER = timedelta(minutes=15)


def each(pattern: str) -> pytest.MarkDecorator:
    """One test for each file; none where nobody has the samples. LookupError where they are and these are not."""
    paths = sorted(SAMPLES.glob(pattern))
    if SAMPLES.is_dir() and not paths:
        raise LookupError(f"{SAMPLES} holds no {pattern}")
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def period(code: str, start: datetime, energy_wh: list[int], quality: str) -> MeterPeriod:
    return MeterPeriod(
        meter=replace(coded(1), metering_code=code),
        starts_at=start,
        ends_at=start + len(energy_wh) * QUARTER,
        energy_wh=sum(energy_wh),
        measured=quality.count("W"),
        substitute=quality.count("E"),
        missing=quality.count("F"),
        series=Series(start, energy_wh, quality),
    )


# What is each sender's own: the rest must be equal, to the attribute.
OWN = {"DocumentID", "EICID", "Creation"}


def flat(root: ElementTree.Element) -> Iterator[tuple[str, dict[str, str], str]]:
    for element in root.iter():
        tag = element.tag.removeprefix(NAMESPACE)
        yield tag, dict(element.attrib), "" if tag in OWN else (element.text or "").strip()


@each("meter-xml-reference/*_E66_*.xml")
def test_sdat_is_element_for_element_what_the_field_writes(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    codes = {None: "W", "56": "E", "21": "F"}
    observations = list(root.iter(f"{NAMESPACE}Observation"))
    quality = "".join(codes[element.findtext(f"{NAMESPACE}Condition")] for element in observations)
    volumes = [element.findtext(f"{NAMESPACE}Volume", "") for element in observations]
    day = period(
        root.findtext(f".//{NAMESPACE}VSENationalID", ""),
        datetime.fromisoformat(root.findtext(f".//{NAMESPACE}Interval/{NAMESPACE}StartDateTime", "")),
        [int(volume.replace(".", "")) for volume in volumes],
        quality,
    )
    point = "consumption" if root.find(f".//{NAMESPACE}ConsumptionMeteringPoint") is not None else "production"
    (document,) = sdat.write([day], sdat.SdatSettings(SENDER, RECEIVER, point=point), ISSUE)
    assert list(flat(ElementTree.fromstring(document.content))) == list(flat(root))
    name = re.compile(r"\d{8}_\d{6}_[0-9A-Z-]{16}_E66_[0-9A-Z-]{16}_[A-Z0-9]+_-?\d+\.xml")
    assert name.fullmatch(path.name)
    assert name.fullmatch(document.name)


def segments(file: bytes) -> list[Segment]:
    """All but the service string advice, which some leave out."""
    return [segment for segment in Parser().parse(file.decode("iso-8859-1")) if segment.tag != "UNA"]


def moment(segment: Segment) -> datetime:
    return datetime.strptime(f"{segment.elements[0][1]}00", "%Y%m%d%H%M%z").astimezone(UTC)


@each("mscons/*_E66_*.txt")
def test_a_day_of_mscons_2_2e_is_segment_for_segment_what_the_field_writes(path: Path) -> None:
    field = segments(path.read_bytes())
    ours = rewritten(field, MsconsSettings(SENDER, RECEIVER))
    assert [segment.tag for segment in ours] == [segment.tag for segment in field]
    # The head has each sender's own, and these files' one period of no length at all.
    assert [content(segment) for segment in ours[12:-2]] == [content(segment) for segment in field[12:-2]]
    for number in (1, 4, 7, 8, 9):
        assert ours[number].elements[1:] == field[number].elements[1:]


@each("mscons/**/*TL_SAMPLE01.txt")
def test_a_month_of_mscons_2_2e_has_the_segments_of_the_field(path: Path) -> None:
    field = segments(path.read_bytes())
    ours = rewritten(field, MsconsSettings(SENDER, RECEIVER, decimal_mark=",", swiss_codes=False))
    assert [segment.tag for segment in ours] == [segment.tag for segment in field]
    quantities = [content(segment) for segment in field if segment.tag == "QTY"]
    assert len(quantities) == 31 * 96
    assert [content(segment) for segment in ours if segment.tag == "QTY"] == quantities
    # Some of their instants are a minute or ten off, so only what an instant is for is compared.
    times = [(segment.elements[0][0], segment.elements[0][2]) for segment in field if segment.tag == "DTM"]
    assert [(segment.elements[0][0], segment.elements[0][2]) for segment in ours if segment.tag == "DTM"] == times
    assert (field[-2].tag, field[-2].elements[0]) == ("UNT", str(len(ours) - 2))


def rewritten(field: list[Segment], settings: MsconsSettings) -> list[Segment]:
    """The values of the one message, written here."""
    quantities = [segment for segment in field if segment.tag == "QTY"]
    start = moment(field[field.index(quantities[0]) + 1])
    energy_wh = [wh(segment.elements[0][1]) for segment in quantities]
    quality = "".join({"220": "W", "67": "E"}[segment.elements[0][0]] for segment in quantities)
    (code,) = [segment.elements[1] for segment in field if segment.tag == "LOC"]
    (obis,) = [segment.elements[1][0] for segment in field if segment.tag == "PIA"]
    settings = replace(settings, obis=obis)
    return segments(b"".join(mscons.write([period(code, start, energy_wh, quality)], settings, ISSUE)))


def content(segment: Segment) -> object:
    """The segment's elements, an amount as Wh: some leave zeros out."""
    if segment.tag != "QTY":
        return segment.elements
    qualifier, amount = segment.elements[0][:2]
    return qualifier, wh(amount)


def wh(amount: str) -> int:
    return round(float(amount.replace(",", ".")) * 1000)


@each("mscons/**/*Multiple_LOC*.txt")
def test_two_meters_in_mscons_2_4_stand_as_in_the_field(path: Path) -> None:
    # Of them alone: the code of BGM and PIA, and a second that says which version of the values it is.
    field = [part for part in segments(path.read_bytes()) if part.tag != "DTM" or part.elements[0][0] != "293"]
    companies = {side: field[0].elements[place][0] for side, place in (("sender", 1), ("receiver", 2))}
    schemes = {"sender_scheme": "gln", "receiver_scheme": "bdew"}
    settings = MsconsSettings(**companies, **schemes, kind="profile", swiss_codes=False)  # type: ignore[arg-type]
    ours = segments(b"".join(mscons.write(list(messages(field)), settings, ISSUE)))
    assert [part.tag for part in ours] == [part.tag for part in field]
    assert [part.tag for part in field].count("UNH") == 2
    for tag in ("NAD", "LOC", "DTM", "QTY", "UNS", "LIN"):
        told = [[content(part) for part in of if key(part) != "DTM137" and part.tag == tag] for of in (ours, field)]
        assert told[0] == told[1]
    assert ours[0].elements[:3] == field[0].elements[:3]
    assert ours[1].elements[1][:4] == field[1].elements[1][:4]
    assert (ours[-1].elements[0], ours[3].elements[0][2]) == (field[-1].elements[0], field[3].elements[0][2])
    counted = [int(of[-2].elements[0]) for of in (ours, field)]
    assert counted == [len(ours) // 2 - 1, len(ours) // 2]  # the field's holds the second that is left out here


def messages(field: list[Segment]) -> Iterator[MeterPeriod]:
    """The values of each message."""
    starts = [place for place, part in enumerate(field) if part.tag == "UNH"]
    for first, after in zip(starts, [*starts[1:], len(field)], strict=True):
        message = field[first:after]
        code = next(part.elements[1] for part in message if part.tag == "LOC")
        start = moment(next(part for part in message if key(part) == "DTM163"))
        energy_wh = [wh(part.elements[0][1]) for part in message if part.tag == "QTY"]
        yield replace(period(code, start, energy_wh, "W" * len(energy_wh)), meter=replace(coded(1), metering_code=code))


@each("mscons/h2nguyen/mscons-*.txt")
def test_mscons_2_4c_has_the_order_of_the_examples(path: Path) -> None:
    field = segments(path.read_bytes())
    day = period("CH1012301234500000000000000000001", datetime(2026, 3, 1, tzinfo=UTC), [1], "W")
    ours = segments(b"".join(mscons.write([day], MsconsSettings(SENDER, RECEIVER, kind="profile"), ISSUE)))
    assert in_common(ours, field) == in_common(field, ours)
    for of in (ours, field):
        place = [part.tag for part in of].index("QTY")
        assert list(map(key, of[place - 2 : place + 3])) == ["LIN", "PIA", "QTY220", "DTM163", "DTM164"]
    assert ours[1].elements[1] == field[1].elements[1] == ["MSCONS", "D", "04B", "UN", "2.4c"]
    forms = [{key(part): part.elements[0][2] for part in of if part.tag == "DTM"} for of in (ours, field)]
    assert forms[0].items() <= forms[1].items()


@each("mscons/MSCONS_LG_*.txt")
def test_a_day_in_the_old_mscons_has_the_same_parties_order_and_amounts(path: Path) -> None:
    field = segments(path.read_bytes())
    quantities = [part.elements[0] for part in field if part.tag == "QTY"]
    (place,) = [part.elements[1][3] for part in field if part.tag == "LOC"]
    start = moment(next(part for part in field if key(part) == "DTM163"))
    companies = (field[0].elements[1][0], field[0].elements[2][0])
    quality = "".join({"46": "W", "79": "E"}[qualifier] for qualifier, *_ in quantities)
    day = period(place, start, [wh(amount) for _, amount, *_ in quantities], quality)
    ours = segments(b"".join(mscons.write([day], MsconsSettings(*companies, unchecked_ids=True), ISSUE)))
    assert in_common(ours, field) == in_common(field, ours)
    assert {"BGM", "NADMS", "NADMR", "UNS", "LOC", "DTM163", "LIN", "PIA"} <= set(in_common(ours, field))
    assert [content(part)[1] for part in ours if part.tag == "QTY"] == [wh(amount) for _, amount, *_ in quantities]  # type: ignore[index]
    assert ours[0].elements[:3] == field[0].elements[:3]
    for party in ("NADMS", "NADMR"):
        assert [part.elements for part in ours if key(part) == party] == [
            part.elements for part in field if key(part) == party
        ]
    assert int(field[-2].elements[0]) == len(field) - 2


def key(segment: Segment) -> str:
    """The tag, with the qualifier where one tag stands for several things."""
    first = segment.elements[0]
    return segment.tag + ((first if isinstance(first, str) else first[0]) if segment.tag in QUALIFIED else "")


QUALIFIED = ("DTM", "NAD", "RFF", "QTY")


def in_common(of: list[Segment], other: list[Segment]) -> list[str]:
    """What of the first message both have, in the order of the first, each once."""
    both = {key(segment) for segment in other}
    return list(dict.fromkeys(key(segment) for segment in of if key(segment) in both))


@each("meter-xml-reference/EdmRegisterWertExport_*.xml")
def test_esl_is_element_for_element_what_the_field_writes_of_each_energy_register(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    (meter,) = root.iter("Meter")
    (stamped,) = meter
    registers = [value for value in stamped if re.fullmatch(r"1-1:[125678]\.8\.\d", value.get("obis", ""))]
    assert len(registers) == 12
    names = {"factory_no": meter.get("factoryNo"), "internal_no": meter.get("internalNo")}
    end = datetime.fromisoformat(stamped.get("end", "")).replace(tzinfo=ZoneInfo("Europe/Zurich")).astimezone(UTC)
    for value in registers:
        obis, reading = value.get("obis", ""), wh(value.get("value", ""))
        row = replace(period("", end - QUARTER, [1], "W"), meter=replace(coded(1), **names), register_wh=reading)
        chosen = {"identifier": "factory_no", "further_identifiers": ("internal_no",), "system_from": "ESL-EVU"}
        settings = esl_xml.EslSettings(**chosen, system_to="ESL-EVU", values="register", register_obis=obis)  # type: ignore[arg-type]
        created = datetime.fromisoformat(root[0].get("created", "")).replace(tzinfo=end.tzinfo)
        ours = ElementTree.fromstring(b"".join(esl_xml.write([row], settings, created)))
        assert ordered(ours[0])[1][2:] == ordered(root[0])[1][2:]
        assert [name for name, _ in ordered(ours[0])[1]] == [name for name, _ in ordered(root[0])[1]]
        assert ordered(ours[1][0][0]) == ordered(value)
        kept = [element for element in root.iter() if element.tag != "ValueRow" or element is value]
        assert [ordered(element) for element in ours.iter() if element.tag != "Header"] == [
            ordered(element) for element in kept if element.tag != "Header"
        ]
        assert [element.tag for element in ours.iter()] == [element.tag for element in kept]


def ordered(element: ElementTree.Element) -> tuple[str, list[tuple[str, str]]]:
    """The name, and the attributes in their order."""
    return element.tag, list(element.attrib.items())
