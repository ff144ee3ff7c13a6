"""The files of a run: one, or one per meter, per day, per both, in every format."""

import csv
import gzip
import io
import re
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from portal.exports import names
from portal.exports.documents import documents
from portal.exports.models import ExportRun, ExportValue, Format
from portal.exports.totals import Totals
from portal.formats.errors import FormatError
from tests.exports import scene as scenes
from tests.exports.scene import QUARTER, Scene

CREATED = datetime(2026, 3, 30, 4, tzinfo=UTC)
CODE = "CH10123012345" + 17 * "0"
COMPANIES = {"sender": "12X-EXAMPLE----Z", "receiver": "12X-EXAMPLE----Z"}
EARLIER_WH = 12_000
ENERGY = {f"{CODE}001": [1_500, 70], f"{CODE}002": [2_500, 140]}  # of the 28th and the 29th


@pytest.fixture
def run(session: Session, scene: Scene) -> ExportRun:
    """The two days of the scene in one run; the meters have Swiss codes, and charged before."""
    for connector in scene.connectors:
        connector.metering_code = f"{CODE}00{connector.number}"
        scenes.charge(session, connector, datetime(2026, 1, 1, tzinfo=UTC), EARLIER_WH)
    row = ExportRun(
        task=scene.task,
        period_start=scenes.START,
        period_end=scenes.START.replace(day=30),
        starts_at=scenes.BEGINS_AT,
        ends_at=datetime(2026, 3, 29, 22, tzinfo=UTC),
        interval="monthly",
    )
    session.add(row)
    session.flush()
    return row


def files(session: Session, run: ExportRun, format_: str, **settings: Any) -> tuple[dict[str, bytes], Totals]:
    run.task.formatter.format = format_
    run.task.formatter.settings = settings
    totals = Totals()
    return {made.name: b"".join(made.content) for made in documents(session, run, totals, CREATED)}, totals


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=";", strict=True))


def test_one_file_holds_every_meter(session: Session, run: ExportRun) -> None:
    made, totals = files(session, run, Format.CSV)
    (content,) = made.values()
    assert [(line[0], line[4]) for line in table(content)[1:]] == [(f"{CODE}001", "1.570"), (f"{CODE}002", "2.640")]
    assert totals.values() == {
        "rows": 2,
        "energy_wh": 4_210,
        "quarters_measured": 2 * 188,
        "quarters_substitute": 0,
        "quarters_missing": 0,
    }


def test_a_file_for_each_meter(session: Session, run: ExportRun) -> None:
    made, totals = files(session, run, Format.CSV, files="meter", file_name="{meter}_{period_start}.csv")
    assert list(made) == [f"{CODE}001_20260328.csv", f"{CODE}002_20260328.csv"]
    assert [table(content)[1][4] for content in made.values()] == ["1.570", "2.640"]
    assert (totals.rows, totals.energy_wh) == (2, 4_210)


def test_a_file_for_each_day(session: Session, run: ExportRun) -> None:
    made, totals = files(session, run, Format.CSV, files="day", file_name="{day}.csv", packing="gzip")
    assert list(made) == ["20260328.csv.gz", "20260329.csv.gz"]
    read = [[line[4] for line in table(gzip.decompress(content))[1:]] for content in made.values()]
    assert read == [["1.500", "2.500"], ["0.070", "0.140"]]
    assert (totals.energy_wh, totals.quarters_measured) == (4_210, 2 * 188)


def test_a_file_for_each_meter_and_day(session: Session, run: ExportRun) -> None:
    made, _ = files(session, run, Format.ISE_CSV, files="meter_and_day", file_name="{meter}-{day}.csv")
    found = {name: sum(round(float(line[2]) * 1000) for line in table(content)[1:]) for name, content in made.items()}
    assert found == {f"{code}-2026032{8 + day}.csv": wh for code, both in ENERGY.items() for day, wh in enumerate(both)}
    assert [len(table(content)) for content in made.values()] == [97, 93, 97, 93]


def test_each_file_is_made_when_it_is_asked_for(session: Session, run: ExportRun) -> None:
    run.task.formatter.format, run.task.formatter.settings = Format.CSV, {"files": "meter"}
    totals = Totals()
    made = documents(session, run, totals, CREATED)
    assert totals.rows == 0
    next(made)
    assert totals.rows == 1


def test_registers_are_read_where_they_are_written(session: Session, run: ExportRun) -> None:
    (content,) = files(session, run, Format.ESL_XML, values="both", per="day")[0].values()
    meters = [
        [[value.get("value") for value in period] for period in meter]
        for meter in ElementTree.fromstring(content).iter("Meter")
    ]
    assert meters == [
        [["13.5000", "1.5000"], ["13.5700", "0.0700"]],
        [["14.5000", "2.5000"], ["14.6400", "0.1400"]],
    ]


def test_daily_values_of_the_ise_pair(session: Session, run: ExportRun) -> None:
    (content,) = files(session, run, Format.ISE_XML)[0].values()
    root = ElementTree.fromstring(content)
    found = {
        meter.get("meteringCode"): [round(float(value.get("value", "")) * 1000) for value in meter.iter("ValueRow")]
        for meter in root.iter("Meter")
    }
    assert found == ENERGY


@pytest.mark.parametrize(
    ("divided", "made_of"),
    [
        ("task", ["20260328-29."]),
        ("meter", [f"20260328-29_{CODE}001.", f"20260328-29_{CODE}002."]),
        ("day", ["20260328-29_20260328.", "20260328-29_20260329."]),
    ],
)
def test_the_pair_is_two_files_of_the_same_energy(
    session: Session, run: ExportRun, divided: str, made_of: list[str]
) -> None:
    placeholder = "" if divided == "task" else f"_{{{divided}}}"
    name = f"{{period_start}}-29{placeholder}.{{extension}}"
    made, totals = files(session, run, Format.ISE_PAIR, files=divided, file_name=name)
    assert list(made) == [f"{stem}{extension}" for stem in made_of for extension in ("csv", "xml")]
    quarters, days = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for name, content in made.items():
        if name.endswith(".csv"):
            for code, end, kwh, _status in table(content)[1:]:
                quarters[code, str((datetime.fromisoformat(end) - QUARTER).date())] += round(float(kwh) * 1000)
            continue
        for meter in ElementTree.fromstring(content).iter("Meter"):
            for period in meter:
                day = (datetime.fromisoformat(period.get("end", "")) - timedelta(days=1)).date()
                days[meter.get("meteringCode", ""), str(day)] += round(float(period[0].get("value", "")) * 1000)
    expected = {(code, f"2026-03-{28 + day}"): wh for code, both in ENERGY.items() for day, wh in enumerate(both)}
    assert quarters == days == expected
    assert totals.energy_wh == 4_210


def test_the_pair_has_usual_names_of_its_own_and_may_be_packed(session: Session, run: ExportRun) -> None:
    made, _ = files(session, run, Format.ISE_PAIR, files="meter", packing="gzip")
    stem = "Monthly-to-IS-E_20260328_20260329_20260330060000_" + CODE
    assert list(made) == [f"{stem}{meter}.{extension}.gz" for meter in ("001", "002") for extension in ("csv", "xml")]
    assert gzip.decompress(made[f"{stem}001.xml.gz"]).startswith(b"<?xml")


def test_sdat_has_documents_with_names_of_their_own(session: Session, run: ExportRun) -> None:
    made, _ = files(session, run, Format.SDAT, **COMPANIES)
    assert len(made) == 4
    assert all(name.startswith("20260330_060000_12X-EXAMPLE----Z_E66_12X-EXAMPLE----Z_PIQUET") for name in made)
    observations = [content.count(b"<rsm:Observation>") for content in made.values()]
    assert observations == [96, 92, 96, 92]
    (name, content), *none = files(session, run, Format.SDAT, **COMPANIES, files="task", packing="zip")[0].items()
    assert (none, name.endswith(".zip")) == ([], True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {inside: archive.read(inside) for inside in archive.namelist()} == made


def test_mscons_of_a_load_profile_and_of_a_reading(session: Session, run: ExportRun) -> None:
    (profile,) = files(session, run, Format.MSCONS, **COMPANIES)[0].values()
    assert profile.count(b"QTY+220:") == 2 * 188
    assert profile.count(b"1-1?:1.29.0*255") == 2
    (reading,) = files(session, run, Format.MSCONS, **COMPANIES, kind="reading", device_number=False)[0].values()
    assert b"13.57" in reading


def test_a_workbook(session: Session, run: ExportRun) -> None:
    (content,) = files(session, run, Format.XLSX, columns=["identifier", "energy_wh"])[0].values()
    (sheet,) = load_workbook(io.BytesIO(content)).worksheets
    assert list(sheet.iter_rows(values_only=True, min_row=2)) == [(f"{CODE}001", 1_570), (f"{CODE}002", 2_640)]


def test_a_workbook_that_would_be_too_long_is_refused_before_it_is_built(
    session: Session, run: ExportRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.formats.xlsx_file.MOST_ROWS", 2 * 188)
    run.task.formatter.format, run.task.formatter.settings = Format.XLSX, {"per": "quarter"}
    totals = Totals()
    with pytest.raises(FormatError, match="holds 376 rows, and this would be 377"):
        documents(session, run, totals, CREATED)
    assert totals.rows == 0
    assert len(files(session, run, Format.XLSX, per="quarter", files="day")[0]) == 2


@pytest.mark.parametrize(("revision", "status"), [(0, "9"), (1, "5")])
def test_a_correction_replaces_what_was_delivered(session: Session, run: ExportRun, revision: int, status: str) -> None:
    earlier = {name: getattr(run, name) for name in ("task", "period_start", "period_end", "starts_at", "ends_at")}
    if revision:
        session.add(ExportRun(**earlier, interval="monthly", state="delivered", revision=0))
        run.revision = revision
        session.flush()
    made, _ = files(session, run, Format.SDAT, **COMPANIES)
    assert Counter(content.count(f"<rsm:Status>{status}<".encode()) for content in made.values()) == {1: 4}


def test_a_meter_that_the_receiver_does_not_know_yet_is_no_correction(session: Session, run: ExportRun) -> None:
    earlier = {name: getattr(run, name) for name in ("task", "period_start", "period_end", "starts_at", "ends_at")}
    before = ExportRun(**earlier, interval="monthly", state="delivered", revision=0)
    session.add(before)
    run.revision = 1
    session.flush()
    counts = {"energy_wh": 0, "measured": 192, "substitute": 0, "missing": 0}
    known = {"meter": "Centro", "identifier": f"{CODE}001", "starts_at": run.starts_at, **counts}
    session.add(ExportValue(run_id=before.id, position=0, **known))
    session.flush()
    made, _ = files(session, run, Format.SDAT, **COMPANIES)
    statuses = [re.search(rb"<rsm:Status>(.)<", content)[1] for content in made.values()]  # type: ignore[index]
    assert statuses == [b"5", b"5", b"9", b"9"]


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [("a.csv", 7, "a-7.csv"), ("a.csv.gz", 7, "a-7.csv.gz"), ("a", 7, "a-7"), ("a.zip", 7, "a-7.zip")],
)
def test_a_number_stands_before_the_suffix(name: str, number: int, expected: str) -> None:
    assert names.numbered(name, number) == expected
