"""The IS-E pair: quarter hours as CSV, and their sum for each local day as XML."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from portal.formats import ise_csv, ise_pair, ise_xml
from portal.formats.errors import FormatError, SettingsError
from portal.formats.ise_csv import IseCsvSettings
from portal.formats.ise_pair import IsePairSettings
from portal.formats.ise_xml import IseXmlSettings
from portal.formats.rows import Meter, MeterPeriod
from tests.formats.examples import CREATED, GARAGE_1, GARAGE_2, GOLDEN, VISITORS, quarter_day, row, with_quarters

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
PLAIN = replace(GARAGE_1, name="a & b")


def table(rows: list[MeterPeriod], **chosen: Any) -> bytes:
    return b"".join(ise_csv.write(rows, IseCsvSettings(**chosen)))


def document(rows: list[MeterPeriod], **chosen: Any) -> bytes:
    return b"".join(ise_xml.write(rows, IseXmlSettings(**chosen), CREATED))


def both(rows: Iterable[MeterPeriod], **chosen: Any) -> dict[str, bytes]:
    written = ise_pair.write(rows, IsePairSettings(**chosen), CREATED)
    return {extension: b"".join(pieces) for extension, pieces in written}


def two_days(meter: Meter, first: date) -> MeterPeriod:
    """Two days, 1 Wh in every quarter hour, a substitute at noon of the second day's UTC clock."""
    whole = row(meter, first, first + timedelta(days=2), 0)
    return with_quarters(whole, lambda _: 1, lambda number: "E" if number == whole.measured - 40 else "W")


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100)])
def test_both_files_of_a_clock_change(day: date, count: int) -> None:
    rows = [quarter_day(PLAIN, day), quarter_day(GARAGE_2, day)]
    assert table(rows) == (GOLDEN / f"ise_{count}.csv").read_bytes()
    assert document(rows) == (GOLDEN / f"ise_{count}.xml").read_bytes()
    assert table(rows).count(b"\r\n") == 1 + 2 * count


@pytest.mark.parametrize(("day", "count"), [(SPRING, 92), (AUTUMN, 100)])
def test_the_pair_is_both_files_from_rows_that_come_once(day: date, count: int) -> None:
    made = both(quarter_day(meter, day) for meter in (PLAIN, GARAGE_2))
    assert list(made) == ["csv", "xml"]
    for extension, content in made.items():
        assert content == (GOLDEN / f"ise_{count}.{extension}").read_bytes()


def test_a_pair_whose_xml_is_longer_than_its_memory_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ise_pair, "IN_MEMORY", 1_000)
    rows = [quarter_day(replace(GARAGE_1, device_location_id=f"{number}"), SPRING) for number in range(900)]
    made = both(rows)
    assert made == {"csv": table(rows), "xml": document(rows)}
    assert len(made["xml"]) > 100_000


def test_each_setting_of_the_pair_reaches_its_file() -> None:
    rows = [replace(quarter_day(GARAGE_1, SPRING), register_wh=5_000)]
    csv_only = {"columns": ("obis", "energy_kwh", "status"), "titles": ("OBIS", "kWh", "Zust."), "separator": "|"}
    csv_only |= {"header": False, "decimal_mark": ",", "encoding": "iso-8859-1", "stamps": "digits"}
    xml_only = {"further_identifiers": ("factory_no",), "value": "register", "obis": "1-1:1.8.0"}
    xml_only |= {"system_from": "Us", "system_to": "Them", "attributes": {**IsePairSettings().attributes}}
    shared = {"identifier": "internal_no", "decimals": 5, "status_texts": ("A", "B", "C")}
    made = both(rows, **csv_only, **xml_only, **shared, quarter_obis="1-1:1.29.9")
    assert made == {
        "csv": table(rows, **csv_only, **shared, obis="1-1:1.29.9"),
        "xml": document(rows, **xml_only, **shared),
    }


def test_a_pair_without_meters_is_refused_with_its_first_file() -> None:
    with pytest.raises(FormatError, match="no meter"):
        both([])


def test_the_stamp_is_the_end_and_nobody_charging_is_an_explicit_0() -> None:
    lines = table([quarter_day(GARAGE_1, date(2026, 5, 1))]).decode().splitlines()
    code = GARAGE_1.device_location_id
    assert lines[:2] == ["identifier;stamp;energy_kwh;status", f"{code};2026-05-01T00:15:00+02:00;0.000;W"]
    assert lines[9:11] == [f"{code};2026-05-01T02:15:00+02:00;0.001;E", f"{code};2026-05-01T02:30:00+02:00;0.000;F"]
    assert lines[-1] == f"{code};2026-05-02T00:00:00+02:00;0.000;W"


def test_columns_their_order_separator_and_header_are_settings() -> None:
    file = table(
        [quarter_day(GARAGE_1, date(2026, 5, 1))],
        columns=("status", "energy_wh", "start", "stamp", "obis", "identifier"),
        titles=("Status", "Wh", "Von", "Bis", "OBIS", "Zähler"),
        identifier="factory_no",
        separator="\t",
        stamps="digits",
        status_texts=("1", "2", "3"),
        encoding="iso-8859-1",
    )
    lines = list(csv.reader(file.decode("iso-8859-1").splitlines(), delimiter="\t", strict=True))
    assert lines[0] == ["Status", "Wh", "Von", "Bis", "OBIS", "Zähler"]
    assert lines[9] == ["2", "1", "202605010200", "202605010215", "1-1:1.29.0", "40012345"]
    assert lines[10][0] == "3"
    bare = table([quarter_day(GARAGE_1, date(2026, 5, 1))], header=False, stamps="plain", decimal_mark=",")
    assert bare.startswith(b"CH9900000000000000000000000000001;2026-05-01 00:15:00;0,000;W\r\n")


def test_a_day_has_one_value_with_the_worst_status() -> None:
    root = ElementTree.fromstring(document([two_days(GARAGE_1, SPRING), two_days(VISITORS, SPRING)]))
    found = [
        [(period.get("end"), value.get("value"), value.get("status")) for period in meter for value in period]
        for meter in root.iter("Meter")
    ]
    assert found == 2 * [[("2026-03-30T00:00:00", "0.092", "W"), ("2026-03-31T00:00:00", "0.096", "E")]]


def test_the_value_may_be_the_register_at_the_end_of_the_day() -> None:
    whole = replace(two_days(GARAGE_1, SPRING), register_wh=5_000)
    root = ElementTree.fromstring(document([whole], value="register", obis="1-1:1.8.0", status="V"))
    assert [dict(value.attrib) for value in root.iter("ValueRow")] == [
        {"obis": "1-1:1.8.0", "value": "4.904", "status": "V"},
        {"obis": "1-1:1.8.0", "value": "5.000", "status": "V"},
    ]


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        (IseCsvSettings, "columns", ("identifier", "name")),
        (IseCsvSettings, "columns", ()),
        (IseCsvSettings, "titles", ("one",)),
        (IseCsvSettings, "titles", ("a", "b", "c", "=1")),
        (IseCsvSettings, "separator", "x"),
        (IseCsvSettings, "decimal_mark", ";"),
        (IseCsvSettings, "decimals", 2),
        (IseCsvSettings, "encoding", "utf-16"),
        (IseCsvSettings, "stamps", "unix"),
        (IseCsvSettings, "status_texts", ("W", "W", "F")),
        (IseCsvSettings, "status_texts", ("W", "E", ";")),
        (IseCsvSettings, "obis", "=1"),
        (IseCsvSettings, "identifier", "name"),
        (IsePairSettings, "columns", ("identifier", "name")),
        (IsePairSettings, "quarter_obis", "=1"),
        (IsePairSettings, "obis", "1.8.0"),
        (IsePairSettings, "value", "both"),
        (IsePairSettings, "stamps", "unix"),
        (IseXmlSettings, "value", "both"),
        (IseXmlSettings, "obis", "1.8.0"),
        (IseXmlSettings, "identifier", "name"),
        (IseXmlSettings, "system_to", ""),
        (IseXmlSettings, "attributes", {}),
        (IseXmlSettings, "status_texts", ("<", "E", "F")),
    ],
)
def test_it_refuses_settings_that_break_the_file(settings: Any, field: str, value: object) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(**{field: value})
    assert refused.value.field == field


@pytest.mark.parametrize("code", ["=1", "-1", "a\x00", "a\u202eb", "a\u200bb", "\ufeffa", " a", "", "a\nb", "a\tb"])
def test_an_identifier_that_could_be_taken_for_another_is_refused(code: str) -> None:
    rows = [quarter_day(replace(GARAGE_1, device_location_id=code), SPRING)]
    with pytest.raises(FormatError) as refused:
        table(rows)
    assert refused.value.meter == GARAGE_1.name
    if code[:1] not in "=-":
        with pytest.raises(FormatError):
            document(rows)


def test_a_period_without_quarter_hours_is_refused() -> None:
    for written in (table, document):
        with pytest.raises(FormatError, match="no quarter hours"):
            written([row(GARAGE_1, SPRING, AUTUMN, 1)])
