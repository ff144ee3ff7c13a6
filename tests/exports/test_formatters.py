"""Formatters on screen: create, change, preview, copy, delete."""

import dataclasses
from collections.abc import Callable

import lxml.html
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.exports.formatter_forms import NAMED, SHOWN
from portal.exports.models import Formatter, FormatterLoan
from portal.exports.writers import WRITERS
from tests import world
from tests.exports.scene import Scene

LogIn = Callable[[Account], FlaskClient]
ESL = {
    "name": "IS-E",
    "format": "esl_xml",
    "identifier": "metering_code",
    "obis": "1-1:1.9.0",
    "system_from": "Piquet",
    "system_to": "IS-E",
}
CSV = {
    "name": "Table",
    "format": "csv",
    "identifier": "factory_no",
    "obis": "1-1:1.29.0",
    "per": "quarter",
    "columns": "identifier; period_end, energy_kwh, status",
    "separator": "tab",
    "decimal_mark": ",",
    "decimals": "3",
    "encoding": "iso-8859-1",
    "stamps": "local",
    "header": "y",
    "file_name": "{period_start}_{run}.csv",
}


ISE_CSV = {
    "name": "Quarter hours",
    "format": "ise_csv",
    "identifier": "metering_code",
    "obis": "1-1:1.29.0",
    "header": "y",
}
XLSX = {"name": "For us", "format": "xlsx", "identifier": "factory_no", "obis": "1-1:1.9.0", "header": "y"}
SDAT = {
    "name": "E66",
    "format": "sdat",
    "identifier": "metering_code",
    "obis": "1-1:1.9.0",
    "sender": "12X-EXAMPLE----Z",
    "receiver": "12X-EXAMPLE----Z",
}
MSCONS = SDAT | {"name": "EDIFACT", "format": "mscons", "obis": "1-1:1.29.0"}
ISE_XML = ESL | {"name": "Daily", "format": "ise_xml"}
ISE_PAIR = ISE_XML | {"name": "Pair", "format": "ise_pair", "header": "y"}


@pytest.fixture
def browser(session: Session, logged_in: LogIn) -> FlaskClient:
    return logged_in(world.account(session, "owner2@demo.example"))


def _only(session: Session, name: str) -> Formatter:
    row = session.scalars(sa.select(Formatter).where(Formatter.name == name)).one()
    session.commit()
    return row


def test_an_is_e_formatter_is_created(session: Session, browser: FlaskClient) -> None:
    assert browser.post("/exports/formatters/new", data=ESL).location == "/exports/formatters"
    row = _only(session, "IS-E")
    assert (row.format, row.identifier, row.obis) == ("esl_xml", "metering_code", "1-1:1.9.0")
    assert row.settings["system_to"] == "IS-E"
    assert row.settings["values"] == "advance"
    assert "Metering Code" in browser.get("/exports/formatters").text


def test_a_csv_formatter_keeps_its_settings_and_shows_them_again(session: Session, browser: FlaskClient) -> None:
    browser.post("/exports/formatters/new", data=CSV)
    row = _only(session, "Table")
    assert row.settings["columns"] == ["identifier", "period_end", "energy_kwh", "status"]
    assert row.settings["separator"] == "\t"
    page = browser.get(f"/exports/formatters/{row.id}").text
    assert 'value="identifier, period_end, energy_kwh, status"' in page
    assert '<option selected value="tab">' in page
    assert 'value="{period_start}_{run}.csv"' in page


@pytest.mark.parametrize(
    ("form", "field", "value", "words"),
    [
        (ESL, "name", "", "must be filled in"),
        (ESL, "obis", "1.9", "An OBIS code looks like"),
        (ESL, "file_name", "{secret}.xml", "is not known"),
        (ESL, "file_name", "../x.xml", "begins with a letter"),
        (ESL, "system_to", " ", "Enter a value"),
        (CSV, "columns", "identifier, register", "Unknown"),
        (CSV, "columns", "identifier, period_end, status", "energy"),
        (ISE_PAIR, "ise_columns", "identifier, stamp, status", "energy"),
        (ISE_PAIR, "quarter_obis", "=1", "formula"),
        (ISE_PAIR, "file_name", "{task}.csv", "{extension} must stand in the name"),
        (ISE_XML, "file_name", "{task}.{extension}", "{extension} needs a file for each"),
        (CSV, "decimals", "1", "between 3 and 6"),
        (CSV, "titles", "one", "Enter 4 titles"),
        (CSV, "titles", "a, b, c, =1", "run as a formula"),
        (CSV, "status_texts", "W, E", "three different texts"),
        (CSV | {"files": "meter"}, "file_name", "{run}.csv", "must stand in the name"),
        (CSV, "file_name", "{meter}.csv", "needs a file for each"),
        (ESL, "register_obis", "1.8", "An OBIS code looks like"),
        (ESL, "attributes", "a, b, c", "Name an attribute for metering_code"),
        (ESL, "further_identifiers", "serial", "Choose one of"),
        (ISE_CSV, "ise_columns", "identifier, stamp, status", "energy"),
        (ISE_CSV, "ise_columns", "identifier, name", "Unknown: name"),
        (XLSX, "columns", "energy", "Unknown"),
        (SDAT, "sender", "12X", "An EIC has 16 characters"),
        (SDAT, "identifier", "factory_no", "by its Metering Code"),
        (SDAT, "files", "day", "a document for each meter and day"),
        (MSCONS, "message_obis", "1.29", "An OBIS code looks like"),
        (MSCONS, "receiver", "12X-EXAMPLE----1", "there is a mistake in it"),
        (CSV, "decimal_mark", ".;", "Not a valid choice"),
        (ESL, "esl_status", "V\x07", "Control characters"),
        (ESL, "status_texts", "W, E", "three different texts"),
        (ISE_XML, "ise_status", "V\x07", "Control characters"),
        (SDAT, "community_type", "ct", "Enter a code such as CT01"),
        (SDAT, "decimals", "2", "between 3 and 6"),
        (MSCONS, "sender_qualifier", "5-0", "Enter a code such as 500"),
        (MSCONS, "receiver_qualifier", "5-0", "Enter a code such as 500"),
        (MSCONS, "sender_agency", "a", "Enter a code such as 293"),
        (MSCONS, "receiver_agency", "a", "Enter a code such as 293"),
        (MSCONS, "missing", "Z1", "Not a valid choice"),
        (MSCONS, "substitute_method", "", "Enter a code such as Z92"),
        (MSCONS, "substitute_reason", "z", "Enter a code such as Z75"),
        (MSCONS, "correction_reason", "za4", "Enter a code such as ZA4"),
        (MSCONS | {"kind": "energy"}, "decimals", "4", "Version 2.4c allows 3 decimals"),
    ],
)
def test_bad_settings_stand_at_their_field(
    session: Session, browser: FlaskClient, form: dict[str, str], field: str, value: str, words: str
) -> None:
    answer = browser.post("/exports/formatters/new", data=form | {field: value})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="{field}-error"' in answer.text
    assert session.scalar(sa.select(sa.func.count(Formatter.id))) == 0


def test_documents_of_sdat_come_singly_or_in_one_zip(session: Session, browser: FlaskClient) -> None:
    answer = browser.post("/exports/formatters/new", data=SDAT | {"files": "task"})
    assert "only a zip" in answer.text
    browser.post("/exports/formatters/new", data=SDAT | {"files": "task", "packing": "zip"})
    assert _only(session, "E66").settings["packing"] == "zip"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (ESL, "&lt;TimePeriod end="),
        (ESL | {"values": "both"}, "1-1:1.8.0"),
        (ISE_XML, "status=&#34;W&#34;"),
        (ISE_CSV, "2026-11-02T00:15:00+01:00;0.000;W"),
        (ISE_PAIR, "2026-11-02T00:15:00+01:00;0.000;W"),
        (ISE_PAIR | {"file_name": "{period_start}.{extension}"}, "value=&#34;21.540&#34;"),
        (SDAT, "ValidatedMeteredData_14"),
        (MSCONS, "UNB+UNOC:3+12X-EXAMPLE----Z:500"),
        (CSV, "47110001"),
        (XLSX, "47110001 | 1-1:1.9.0 | 2026-11-02 00:00:00"),
    ],
)
def test_every_format_is_previewed_kept_and_shown_again(
    session: Session, browser: FlaskClient, form: dict[str, str], words: str
) -> None:
    assert words in browser.post("/exports/formatters/preview", data=form).text
    assert browser.post("/exports/formatters/new", data=form).location == "/exports/formatters"
    row = _only(session, form["name"])
    page = browser.get(f"/exports/formatters/{row.id}")
    assert words in page.text
    before = dict(row.settings)
    shown = _filled_in(page.text)
    assert browser.post(f"/exports/formatters/{row.id}", data=shown).location == "/exports/formatters"
    session.expire_all()
    assert _only(session, form["name"]).settings == before


def _filled_in(page: str) -> dict[str, str]:
    """What a browser would send of the page's form unchanged."""
    form = lxml.html.fromstring(page).get_element_by_id("formatter")
    return {name: value for name, value in form.form_values() if name != "csrf_token"}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (ESL | {"esl_status": "OK"}, "status=&#34;OK&#34;"),
        (ESL | {"esl_status": "", "status_texts": "true, subst, none"}, "status=&#34;true&#34;"),
        (ISE_XML | {"ise_status": "V"}, "status=&#34;V&#34;"),
        (MSCONS | {"sender_qualifier": "ZZ"}, "UNB+UNOC:3+12X-EXAMPLE----Z:ZZ+12X-EXAMPLE----Z:500"),
        (MSCONS | {"receiver_qualifier": "ZZ"}, "UNB+UNOC:3+12X-EXAMPLE----Z:500+12X-EXAMPLE----Z:ZZ"),
        (MSCONS | {"sender_agency": "89"}, "NAD+MS+12X-EXAMPLE----Z::89"),
        (MSCONS | {"receiver_agency": "89"}, "NAD+MR+12X-EXAMPLE----Z::89"),
    ],
)
def test_further_settings_are_written_kept_and_shown_again(
    session: Session, browser: FlaskClient, form: dict[str, str], words: str
) -> None:
    browser.post("/exports/formatters/new", data=form)
    page = browser.get(f"/exports/formatters/{_only(session, form['name']).id}").text
    assert words in page
    shown = _filled_in(page)
    assert form.items() <= shown.items()


def test_every_setting_of_a_format_is_a_field() -> None:
    for kind, writer in WRITERS.items():
        known = {field.name for field in dataclasses.fields(writer.settings)}
        reached = {NAMED.get(name, name) for name in SHOWN[kind]}
        assert known - {"identifier", "obis", "zone"} <= reached, kind


@pytest.mark.parametrize(
    ("form", "chosen"),
    [
        (
            MSCONS,
            {"missing": "Z30", "substitute_method": "Z88", "substitute_reason": "Z74", "correction_reason": "ZB9"},
        ),
        (MSCONS, {"decimals": 4}),
        (SDAT, {"version": "1.6", "community": "109900-1", "community_type": "CT02", "decimals": 5}),
    ],
)
def test_settings_below_the_first_lines_are_kept(
    session: Session, browser: FlaskClient, form: dict[str, str], chosen: dict[str, object]
) -> None:
    browser.post("/exports/formatters/new", data=form | chosen)
    assert chosen.items() <= _only(session, form["name"]).settings.items()


def test_more_settings_are_open_where_one_of_them_is_wrong(browser: FlaskClient) -> None:
    for form, is_open in ((MSCONS | {"sender": ""}, False), (MSCONS | {"sender_agency": "a"}, True)):
        page = lxml.html.fromstring(browser.post("/exports/formatters/new", data=form).text)
        (part,) = (box for box in page.iter("details") if box.findtext("summary") == "More settings")
        assert ("open" in part.attrib) == is_open


def test_the_settings_of_other_formats_are_not_kept(session: Session, browser: FlaskClient) -> None:
    browser.post("/exports/formatters/new", data=ESL | {"columns": "identifier", "kind": "reading"})
    assert {"columns", "kind"}.isdisjoint(_only(session, "IS-E").settings)


def test_fields_carry_the_formats_they_belong_to(browser: FlaskClient) -> None:
    page = lxml.html.fromstring(browser.get("/exports/formatters/new").text)
    shown = {
        field.get("name"): box.get("data-formats")
        for box in page.iter("div")
        if box.get("data-formats")
        for field in box.iter("input", "select")
    }
    assert shown["kind"] == "mscons"
    assert shown["per"] == "csv xlsx"
    assert shown["sender"] == "sdat mscons"
    assert {"name", "format", "identifier", "file_name"}.isdisjoint(shown)


def test_decimal_mark_and_separator_must_differ(browser: FlaskClient) -> None:
    answer = browser.post("/exports/formatters/new", data=CSV | {"separator": ",", "decimal_mark": ","})
    assert answer.status_code == 422
    assert "must differ" in answer.text


def test_a_name_is_used_once(browser: FlaskClient) -> None:
    browser.post("/exports/formatters/new", data=ESL)
    assert "with this name" in browser.post("/exports/formatters/new", data=ESL).text


def test_the_preview_shows_own_meters(session: Session, scene: Scene, logged_in: LogIn) -> None:
    session.commit()
    page = logged_in(scene.owner).post("/exports/formatters/preview", data=ESL).text
    assert "meteringCode=&#34;CH-owner-1&#34;" in page
    assert "1-1:1.9.0" in page
    assert "value=&#34;0.0700&#34;" in page  # of the last day with energy
    assert "<html" not in page


def test_without_meters_the_preview_shows_samples(browser: FlaskClient) -> None:
    page = browser.post("/exports/formatters/preview", data=CSV | {"name": ""}).text
    assert "47110001" in page
    assert "0,000" in page


def test_the_preview_says_what_is_wrong(browser: FlaskClient) -> None:
    def told(form: dict[str, str]) -> str:
        return browser.post("/exports/formatters/preview", data=form).text

    assert "Columns: Unknown: nonsense" in told(CSV | {"columns": "nonsense"})
    assert "Code of the sender: This must be filled in." in told(SDAT | {"sender": ""})
    assert "Code of the receiver: The last character" in told(SDAT | {"receiver": "12X-EXAMPLE----1"})
    assert browser.post("/exports/formatters/preview", data={}).status_code == 200


def test_it_is_changed(session: Session, browser: FlaskClient) -> None:
    browser.post("/exports/formatters/new", data=ESL)
    row = _only(session, "IS-E")
    browser.post(f"/exports/formatters/{row.id}", data=ESL | {"name": "Other", "identifier": "internal_no"})
    session.expire_all()
    assert _only(session, "Other").identifier == "internal_no"


@pytest.fixture
def used(session: Session, scene: Scene) -> Formatter:
    """The formatter of a task, as its form would have it; the second of two meters has no InternalNo."""
    row = scene.formatter
    row.name, row.format, row.obis = "IS-E", "esl_xml", "1-1:1.9.0"
    row.settings = {"system_from": "Piquet", "system_to": "IS-E", "values": "advance"}
    scene.connectors[0].internal_no, scene.connectors[1].internal_no = "7", ""
    session.commit()
    return row


def test_a_change_that_its_tasks_could_not_be_written_with_is_refused(
    session: Session, scene: Scene, used: Formatter, logged_in: LogIn
) -> None:
    browser = logged_in(scene.owner)
    answer = browser.post(f"/exports/formatters/{used.id}", data=ESL | {"identifier": "internal_no"})
    assert answer.status_code == 422
    assert "could not be written any more: Monthly to IS-E." in answer.text
    assert 'id="identifier-error"' in answer.text
    assert f'href="/exports/tasks/{scene.task.id}">Monthly to IS-E</a>: 1 of 2 meters have no InternalNo' in answer.text
    assert f'href="/connectors/{scene.connectors[1].id}">Centro · 2' in answer.text
    session.expire_all()
    assert used.identifier == "metering_code"


def test_it_is_refused_at_the_setting_that_was_changed(
    session: Session, scene: Scene, used: Formatter, logged_in: LogIn
) -> None:
    scene.connectors[1].internal_no = " padded"
    session.commit()
    browser = logged_in(scene.owner)
    assert browser.post(f"/exports/formatters/{used.id}", data=ESL).status_code == 302
    answer = browser.post(f"/exports/formatters/{used.id}", data=ESL | {"further_identifiers": "internal_no"})
    assert 'id="further_identifiers-error"' in answer.text
    assert "Centro · 2 has blanks around its InternalNo." in answer.text


def test_another_format_asks_its_own_rule(session: Session, scene: Scene, used: Formatter, logged_in: LogIn) -> None:
    answer = logged_in(scene.owner).post(f"/exports/formatters/{used.id}", data=MSCONS | {"swiss_codes": "y"})
    assert answer.status_code == 422
    assert "Centro · 1 has a Metering Code that is not CH and 31 characters" in answer.text


def test_a_task_that_is_broken_already_forbids_no_change(
    session: Session, scene: Scene, used: Formatter, logged_in: LogIn
) -> None:
    scene.connectors[1].metering_code = None
    session.commit()
    assert logged_in(scene.owner).post(f"/exports/formatters/{used.id}", data=ESL | {"obis": "1-1:1.9.1"}).location
    session.expire_all()
    assert used.obis == "1-1:1.9.1"


def test_of_those_who_borrow_it_nothing_is_told(
    session: Session, scene: Scene, used: Formatter, logged_in: LogIn
) -> None:
    lender = world.account(session, "lender@demo.example")
    used.owner_id = lender.id
    session.add(FormatterLoan(formatter_id=used.id, email=scene.owner.email, lent_by_id=lender.id))
    session.commit()
    change = ESL | {"identifier": "internal_no"}
    answer = logged_in(lender).post(f"/exports/formatters/{used.id}", data=change)
    assert answer.status_code == 422
    assert "Who borrows this formatter could not use it any more." in answer.text
    assert "Centro" not in answer.text
    assert "Monthly" not in answer.text
    session.execute(sa.delete(FormatterLoan))
    session.commit()
    assert logged_in(lender).post(f"/exports/formatters/{used.id}", data=change).status_code == 302


def test_a_copy_gets_a_free_name(session: Session, browser: FlaskClient) -> None:
    browser.post("/exports/formatters/new", data=CSV)
    row = _only(session, "Table")
    browser.post(f"/exports/formatters/{row.id}/copy")
    browser.post(f"/exports/formatters/{row.id}/copy")
    assert _only(session, "Table 3").settings == row.settings


def test_an_unused_one_is_deleted_a_used_one_kept(session: Session, scene: Scene, logged_in: LogIn) -> None:
    session.commit()
    browser = logged_in(scene.owner)
    browser.post("/exports/formatters/new", data=ESL)
    free = _only(session, "IS-E")
    browser.post(f"/exports/formatters/{free.id}/delete")
    assert "Monthly to IS-E" in browser.get(f"/exports/formatters/{scene.formatter.id}/delete").text
    browser.post(f"/exports/formatters/{scene.formatter.id}/delete")
    assert session.scalars(sa.select(Formatter.id)).all() == [scene.formatter.id]


@pytest.mark.parametrize("path", ["", "/delete"])
def test_a_stranger_finds_nothing(session: Session, scene: Scene, browser: FlaskClient, path: str) -> None:
    assert browser.get(f"/exports/formatters/{scene.formatter.id}{path}").status_code == 404
    assert browser.post(f"/exports/formatters/{scene.formatter.id}{path or '/copy'}").status_code == 404
