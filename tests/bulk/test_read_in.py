"""The list of stations read in again: what differs is shown, what cannot be is said at its row, none half-written."""

import csv
import io
from collections.abc import Callable
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from openpyxl import load_workbook
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.bulk import reading
from portal.bulk.columns import LABELS, WORDS
from portal.core.audit import AuditEntry
from portal.core.languages import LANGUAGES
from portal.stations.models import Connector
from portal.stations.operations import ConnectorValues, edit_connector
from tests import world
from tests.bulk.test_change import entries, save
from tests.statements import recorded
from tests.stations.scene import Scene
from tests.stations.test_list_at_scale import many_stations

LogIn = Callable[[Account], FlaskClient]
HERE = "/stations/read-in"
Row = dict[str, str]


def downloaded(browser: FlaskClient) -> list[Row]:
    text = browser.get("/stations/list.csv").data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def written(rows: list[Row]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0].keys(), delimiter=";")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def send(browser: FlaskClient, data: bytes | str | list[Row], name: str = "stations.csv") -> str:
    """Read it in, and the page that follows."""
    if isinstance(data, list):
        data = written(data)
    sent = data if isinstance(data, bytes) else data.encode()
    return browser.post(HERE, data={"file": (io.BytesIO(sent), name)}, follow_redirects=True).text


@pytest.fixture
def browser(scene: Scene, logged_in: LogIn) -> FlaskClient:
    return logged_in(scene.owner)


def test_as_it_was_downloaded_it_changes_nothing(scene: Scene, session: Session, logged_in: LogIn) -> None:
    station, connector = scene.station, scene.connector
    station.name, station.description, station.support_contact = "=Centro", "'=1\n“two; lines”", "+41 91 123 45 67"
    station.latitude, station.longitude, station.vat_permille, station.canton = -33.95, 18.4, 81, "TI"
    connector.metering_code, connector.factory_no, connector.max_power_w = "-007", "0012", 3_700
    connector.price_per_kwh, connector.access = 3755, "limited"
    browser = logged_in(scene.owner)
    for kind in ("csv", "xlsx"):
        page = send(browser, browser.get(f"/stations/list.{kind}").data, f"stations.{kind}")
        assert "There is nothing to change" in page
        assert "5 entries are so already." in page


def test_what_differs_is_shown_and_saved(scene: Scene, session: Session, browser: FlaskClient) -> None:
    rows = downloaded(browser)
    for row in rows:
        if row["Name"] == "Via Nassa":
            row |= {"Address": "Via Nassa 5", "VAT rate in percent": "8,1", "Canton": "ti"}
    rows[2] |= {"Price per kWh in CHF": "0.455", "Access": "public", "Out of service": "YES", "FactoryNo": "F-1"}
    page = send(browser, rows)
    assert "To be changed: 1 station, 1 connector" in page
    for shown in ("Via Nassa 5", "<strong>8.1</strong>", "<strong>0.455</strong>", "<strong>Public</strong>", "F-1"):
        assert shown in page
    assert "Saved: 1 station, 1 connector." in save(browser, page)
    session.expire_all()
    second = scene.station.connectors[1]
    assert (scene.station.address, scene.station.vat_permille, scene.station.canton) == ("Via Nassa 5", 81, "TI")
    assert (second.price_per_kwh, second.access, second.out_of_service, second.factory_no) == (
        4550, "public", True, "F-1",
    )  # fmt: skip
    (edit,) = entries(session, "connector:edit")
    assert edit.detail["changed"]["price_per_kwh"] == [0, 4550]


def test_a_workbook_that_was_changed(scene: Scene, session: Session, browser: FlaskClient) -> None:
    book = load_workbook(io.BytesIO(browser.get("/stations/list.xlsx").data))
    sheet = book.active
    columns = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, columns["Price per hour in CHF"]).value = 1.2
    sheet.cell(2, columns["Reference"]).value = 4711
    changed = io.BytesIO()
    book.save(changed)
    save(browser, send(browser, changed.getvalue(), "stations.xlsx"))
    session.expire_all()
    assert (scene.lonely.reference, scene.lonely.connectors[0].price_per_hour) == ("4711", 12_000)


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_headings_and_words_of_every_language_are_understood(app: Flask, language: str) -> None:
    from flask_babel import force_locale

    with app.test_request_context(), force_locale(language):
        assert len({str(label).casefold() for label in LABELS.values()}) == len(LABELS)
        for name, label in LABELS.items():
            assert reading._headings()[str(label).casefold()] == name
        for field, words in WORDS.items():
            assert {reading._coded(field, str(word).upper()) for word in words.values()} == words.keys()


def test_columns_and_rows_may_be_left_out(scene: Scene, session: Session, browser: FlaskClient) -> None:
    scene.station.address = "Kept"
    session.commit()
    page = send(browser, f"Connector,station id,support contact\n,{scene.station.id},help@x.example\n")
    assert "To be changed: 1 station<" in page
    save(browser, page)
    session.expire_all()
    assert (scene.station.support_contact, scene.station.address) == ("help@x.example", "Kept")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Station ID;Connector;Colour\n1;1;red\n", "These columns are not known: Colour."),
        ("Station ID;Name\n1;A\n", "These columns are missing: Connector."),
        ("Station ID;Connector\n1;1\n", "no column that could change anything"),
        ("Station ID;Connector;Name;Name\n1;1;A;B\n", "These columns stand twice: Name."),
        ("Station ID;Connector;Name\n1;1;A;surplus\n", "Row 2 has more cells than there are headings."),
        ("1;1;A\n2;1;B\n", "The first row must hold the headings"),
        ("", "This file is empty."),
        ("\x00\x01\x02" * 100, "This is not a table."),
        ("Station ID;Connector;Name\n" + "1;1;A\n" * 100_000, "At most 10000 are accepted"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(browser: FlaskClient, text: str, message: str) -> None:
    assert message in send(browser, text)
    assert browser.get("/stations/changes").location == "/stations"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x;1;A;0", "The station ID is missing or is no whole number."),
        (";1;A;0", "The station ID is missing or is no whole number."),
        ("999999;1;A;0", "There is no such station."),
        ("{own};9;Via Nassa;0", "The station has no connector 9."),
        ("{own};x;Via Nassa;0", "The number of the connector is missing or is no whole number."),
        ("{own};;Via Nassa;0.5", "The number of the connector is missing or is no whole number."),
        ("{own};1;Via Nassa;-0.5", "Price per kWh in CHF: Enter a number from 0 to 1000."),
        ("{own};1;Via Nassa;Public", "Price per kWh in CHF: Enter a number such as 0.375."),
        ("{own};1;;0", "Name: This must be filled in."),
        ("{own};1;Via Nassa;0\n{own};1;Via Nassa;1", "This connector stands in the file more than once."),
        ("{own};1;New;0\n{own};2;Via Nassa;0", "Several rows say different things about this station."),
        ("{foreign};1;A;0", "There is no such station."),
    ],
)
def test_what_is_wrong_is_said_at_its_row_and_the_others_are_saved(
    scene: Scene, session: Session, logged_in: LogIn, row: str, message: str
) -> None:
    foreign = world.station(session, scene.stranger, "Foreign")
    browser = logged_in(scene.owner)
    text = row.format(own=scene.station.id, foreign=foreign.id)
    head = "Station ID;Connector;Name;Price per kWh in CHF\n"
    page = send(browser, f"{head}{text}\n{scene.lonely.id};1;Depot;0.7\n")
    assert message in page
    assert "1 entry stays as it is and says why. You can mend the file and read it in again." in page
    assert "Foreign" not in page
    save(browser, page)
    session.expire_all()
    assert scene.lonely.connectors[0].price_per_kwh == 7000
    assert (foreign.name, scene.station.name) == ("Foreign", "Via Nassa")
    assert scene.connector.price_per_kwh == 0


def test_words_that_are_no_choice_are_said_at_the_row(scene: Scene, browser: FlaskClient) -> None:
    rows = downloaded(browser)
    rows[0] |= {"Access": "everybody"}
    rows[1] |= {"Plug type": "plug"}
    rows[2] |= {"Out of service": "perhaps"}
    page = send(browser, rows)
    for message in ("Choose who may charge.", "Choose one of the plug types.", "Enter yes or no."):
        assert message in page


def test_references_and_identifiers_are_handed_on_within_the_file(
    scene: Scene, session: Session, logged_in: LogIn
) -> None:
    first, second = scene.station.connectors
    first.factory_no, second.factory_no, scene.lonely.connectors[0].factory_no = "A", "B", "C"
    scene.station.reference, scene.lonely.reference = "R1", "R2"
    browser = logged_in(scene.owner)
    rows = downloaded(browser)
    for row, number, reference in zip(rows, ("D", "B", "A"), ("R1", "R2", "R2"), strict=True):
        row |= {"FactoryNo": number, "Reference": reference}
    save(browser, send(browser, rows))
    session.expire_all()
    assert [first.factory_no, second.factory_no, scene.lonely.connectors[0].factory_no] == ["B", "A", "D"]
    assert (scene.station.reference, scene.lonely.reference) == ("R2", "R1")


def test_a_value_that_another_has_and_keeps_is_refused(scene: Scene, session: Session, logged_in: LogIn) -> None:
    other = world.station(session, scene.owner, "Other")
    other.connectors[0].metering_code, other.reference = "M", "R"
    browser = logged_in(scene.manage)
    head = "Station ID;Connector;InternalNo;Metering Code\n"
    rows = f"{scene.station.id};1;I;M\n{scene.station.id};2;I2;\n"
    page = send(browser, head + rows)
    assert "Metering Code: Another charging point of this owner has this identifier already." in page
    save(browser, page)
    session.expire_all()
    assert [row.internal_no for row in scene.station.connectors] == [None, "I2"]
    twice = send(browser, f"{head}{scene.station.id};1;I;\n{scene.station.id};2;I;\n")
    assert twice.count("The same value would stand at several: it names one alone.") == 2


def test_a_chain_breaks_down_where_its_end_cannot_be_written(scene: Scene, session: Session, logged_in: LogIn) -> None:
    first, second = scene.station.connectors
    first.factory_no, second.factory_no, scene.lonely.connectors[0].factory_no = "A", "B", "C"
    browser = logged_in(scene.owner)
    head = "Station ID;Connector;FactoryNo\n"
    page = send(browser, f"{head}{scene.station.id};1;B\n{scene.station.id};2;C\n")
    assert page.count("has this identifier already.") == 2
    assert 'name="seen"' not in page


@pytest.mark.parametrize("who", ["manage", "display"])
def test_what_the_actor_may_not_write_is_refused_and_recorded(
    scene: Scene, session: Session, logged_in: LogIn, who: str
) -> None:
    browser = logged_in(getattr(scene, who))
    rows = downloaded(browser)
    for row in rows:
        row["VAT rate in percent"] = "7.7"
    rows[0]["Price per kWh in CHF"] = "0.5"
    page = send(browser, rows)
    assert ("does not include: VAT rate in percent" if who == "manage" else "You may look at this station") in page
    refused = {
        entry.action: entry.detail["fields"]
        for entry in session.scalars(sa.select(AuditEntry))
        if "refused" in entry.action
    }
    assert refused["station:edit_refused"] == ["vat_percent"]
    assert ("connector:edit_refused" in refused) == (who == "display")
    if who == "manage":
        save(browser, page)
    session.rollback()
    assert scene.station.vat_permille is None
    assert scene.connector.price_per_kwh == (5000 if who == "manage" else 0)


def test_what_somebody_else_changed_in_another_cell_meanwhile_stays(
    scene: Scene, session: Session, browser: FlaskClient
) -> None:
    rows = downloaded(browser)
    rows[1]["Price per kWh in CHF"] = "0.5"
    send(browser, rows)
    edit_connector(session, scene.manage, scene.connector, ConnectorValues(max_power_kw=Decimal(11)))
    session.commit()
    save(browser, browser.get("/stations/changes").text)
    session.expire_all()
    assert (scene.connector.max_power_w, scene.connector.price_per_kwh) == (11_000, 5000)


def test_statements_do_not_grow_with_the_rows(session: Session, logged_in: LogIn) -> None:
    counts = []
    for number in (100, 2000):
        owner = world.account(session, f"owner{number}@x.example")
        many_stations(session, owner, number)
        browser = logged_in(owner)
        rows = downloaded(browser)
        for row in rows:
            row |= {"Address": "New", "FactoryNo": f"F{row['Station ID']}"}
        with recorded() as sent:
            browser.post(HERE, data={"file": (io.BytesIO(written(rows)), "stations.csv")})
        with recorded() as preview:
            page = browser.get("/stations/changes").text
        with recorded() as saved:
            save(browser, page)
        if session.get_bind().dialect.name == "sqlite":  # inserts one by one what PostgreSQL takes by the thousand
            saved = [statement for statement in saved if not statement[0].startswith("INSERT")]
        counts.append([len(found) for found in (sent, preview, saved)])
    assert counts[1][0] - counts[0][0] <= 3
    assert counts[1][1] <= 12
    assert counts[1][2] - counts[0][2] <= 2 * 2000 / 200
    assert session.scalar(sa.select(sa.func.count()).where(Connector.factory_no.is_not(None))) == 2100
