"""What a formatter makes of the values of a station group on days that the reader chooses."""

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta

import lxml.html
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.exports.models import Formatter, FormatterLoan
from portal.licences.models import Kind
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import START, Scene
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
LIVE = "/exports/formatters/preview"
NEW = "/exports/formatters/new"
DAY = {"first_day": "2026-03-28", "last_day": "2026-03-28"}
CSV = {
    "name": "Table",
    "format": "csv",
    "identifier": "metering_code",
    "obis": "1-1:1.9.0",
    "per": "period",
    "columns": "identifier, period_start, energy_kwh",
    "separator": ";",
    "decimal_mark": ".",
    "stamps": "digits",
    "encoding": "utf-8",
    "status_texts": "W, E, F",
    "files": "",
    "packing": "",
}


@pytest.fixture
def browser(session: Session, logged_in: LogIn, scene: Scene) -> FlaskClient:
    session.commit()
    return logged_in(scene.owner)


@pytest.fixture
def borrower(session: Session, scene: Scene) -> Account:
    """Has a station group of his own, and the owner's formatter lent."""
    account = world.account(session, "borrower@demo.example", Kind.AUTO_EXPORT)
    group = world.station_group(session, account, "Bellinzona")
    connector = world.station(session, account, "Sud", group).connectors[0]
    connector.metering_code = "CH-borrowed"
    scenes.charge(session, connector, scenes.BEGINS_AT + timedelta(hours=8), 330)
    scenes.lend(session, scene, account.email)
    session.commit()
    return account


def _saved(scene: Scene) -> str:
    return f"/exports/formatters/{scene.formatter.id}/preview"


def _lines(page: str) -> list[str]:
    return [block.text_content() for block in lxml.html.fromstring(page).iter("pre")]


def test_the_days_are_chosen(browser: FlaskClient) -> None:
    assert "CH-owner-1;202603280000;1.500" in _lines(browser.post(LIVE, data=CSV | DAY).text)[0]
    both = {"first_day": "2026-03-28", "last_day": "2026-03-29"}
    assert "CH-owner-1;202603280000;1.570" in _lines(browser.post(LIVE, data=CSV | both).text)[0]


def test_without_days_it_is_the_last_one_with_energy(browser: FlaskClient) -> None:
    page = browser.post(LIVE, data=CSV).text
    assert "CH-owner-2;202603290000;0.140" in _lines(page)[0]
    assert "29 Mar 2026" in page


def test_the_station_group_is_chosen(session: Session, scene: Scene, browser: FlaskClient) -> None:
    other = world.station_group(session, scene.owner, "Zug")
    world.station(session, scene.owner, "Nord", other).connectors[0].metering_code = "CH-north"
    session.commit()
    page = browser.post(LIVE, data=CSV | DAY | {"station_group": other.id}).text
    assert "CH-north;202603280000;0.000" in _lines(page)[0]
    assert "CH-owner-1" not in page


def test_the_group_of_somebody_else_is_no_choice(session: Session, borrower: Account, browser: FlaskClient) -> None:
    group_id = session.scalar(sa.text("SELECT id FROM station_group WHERE name = 'Bellinzona'"))
    session.rollback()
    for answer in (
        browser.post(LIVE, data=CSV | DAY | {"station_group": group_id}),
        browser.post(NEW, data=CSV | DAY | {"station_group": group_id, "whole": "1"}),
    ):
        assert "Not a valid choice" in answer.text
        assert "CH-borrowed" not in answer.text


def test_each_file_is_shown_by_its_name(browser: FlaskClient) -> None:
    page = browser.post(LIVE, data=CSV | DAY | {"files": "meter", "file_name": "{meter}.csv"}).text
    assert "CH-owner-2.csv" in page
    assert [("CH-owner-1" in lines, "CH-owner-2" in lines) for lines in _lines(page)] == [(True, False), (False, True)]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({"first_day": "2026-03-29", "last_day": "2026-03-28"}, "lies before the first"),
        ({"first_day": "2020-03-29", "last_day": "2026-03-28"}, "choose fewer days"),
        ({"first_day": "0001-01-01"}, "between 1990 and 2999"),
        ({"first_day": "x"}, "Not a valid date"),
    ],
)
def test_days_that_cannot_be_shown_are_told(
    scene: Scene, browser: FlaskClient, days: dict[str, str], words: str
) -> None:
    assert words in browser.post(LIVE, data=CSV | days).text
    for address, given in ((NEW, CSV), (_saved(scene), {})):
        answer = browser.post(address, data=given | days | {"whole": "1"})
        assert answer.status_code == 422
        assert words in answer.text


def test_a_meter_without_the_identifier_is_told_beside_samples(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    scene.connectors[0].metering_code = None
    session.commit()
    page = browser.post(LIVE, data=CSV | DAY).text
    assert "Centro · 1 has no Metering Code." in page
    assert "CH101230" in _lines(page)[0]


def test_the_whole_file_of_unsaved_settings_is_to_download(session: Session, browser: FlaskClient) -> None:
    before = session.scalar(sa.select(sa.func.count(Formatter.id)))
    session.rollback()
    answer = browser.post(NEW, data=CSV | DAY | {"whole": "1", "file_name": "{task}_{period_start}.csv"})
    assert answer.headers["Content-Disposition"] == "attachment; filename=Table_20260328.csv"
    assert answer.data.splitlines() == [b"CH-owner-1;202603280000;1.500", b"CH-owner-2;202603280000;2.500"]
    assert session.scalar(sa.select(sa.func.count(Formatter.id))) == before


def test_the_download_from_the_edit_page_changes_nothing(session: Session, scene: Scene, browser: FlaskClient) -> None:
    answer = browser.post(f"/exports/formatters/{scene.formatter.id}", data=CSV | DAY | {"whole": "1"})
    assert b"CH-owner-2;202603280000;2.500" in answer.data
    session.rollback()
    assert session.get_one(Formatter, scene.formatter.id, populate_existing=True).name != "Table"


def test_wrong_settings_give_no_file_but_an_error_at_their_field(browser: FlaskClient) -> None:
    answer = browser.post(NEW, data=CSV | DAY | {"whole": "1", "columns": "nonsense"})
    assert answer.status_code == 422
    assert 'id="columns-error"' in answer.text


def test_the_page_of_a_saved_one_shows_lines_and_gives_the_files(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    scene.formatter.settings = {"files": "meter", "file_name": "{meter}.csv"}
    session.commit()
    assert "Build the preview" in browser.get(_saved(scene)).text
    page = browser.post(_saved(scene), data=DAY).text
    for text in ("CH-owner-1.csv", "4.00 kWh", "measured 100"):
        assert text in page
    whole = browser.post(_saved(scene), data=DAY | {"whole": "1"})
    assert zipfile.ZipFile(io.BytesIO(whole.data)).namelist() == ["CH-owner-1.csv", "CH-owner-2.csv"]


def test_one_that_is_lent_is_tried_with_the_borrowers_own_meters(
    session: Session, scene: Scene, borrower: Account, logged_in: LogIn
) -> None:
    browser = logged_in(borrower)
    assert _saved(scene) in browser.get("/exports/formatters").text
    page = browser.post(_saved(scene), data=DAY).text
    assert "CH-borrowed" in page
    assert "CH-owner-1" not in page
    assert b"CH-borrowed" in browser.post(_saved(scene), data=DAY | {"whole": "1"}).data
    session.execute(sa.update(FormatterLoan).values(ended_at=clock.now()))
    session.commit()
    assert browser.get(_saved(scene)).status_code == 404
    assert browser.post(_saved(scene), data=DAY).status_code == 404


def test_who_has_no_station_group_is_told(session: Session, scene: Scene, logged_in: LogIn) -> None:
    account = world.account(session, "bare@demo.example", Kind.AUTO_EXPORT)
    scenes.lend(session, scene, account.email)
    session.commit()
    browser = logged_in(account)
    words = "You have no station group that you may export."
    assert words in browser.get(_saved(scene)).text
    assert words in browser.post(NEW, data=CSV | {"whole": "1"}).text
    assert "Sample" in browser.post(LIVE, data=CSV).text


def test_a_page_of_it_takes_few_statements(browser: FlaskClient) -> None:
    with recorded() as statements:
        browser.post(LIVE, data=CSV | {"first_day": START.isoformat()})
    assert len(statements) <= 12
