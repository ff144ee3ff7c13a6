"""What is written here against files from the field, where they are at hand: they have no licence to be kept here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydifact.parser import Parser
from pydifact.segments import Segment

from portal.formats import mscons, sdat
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
    qualifier, amount = segment.elements[0]
    return qualifier, wh(amount)


def wh(amount: str) -> int:
    return round(float(amount.replace(",", ".")) * 1000)
