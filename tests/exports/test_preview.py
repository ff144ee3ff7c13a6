"""What a task would send, before anything is sent."""

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any

import lxml.html
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.config import Settings
from portal.core.files import StoredFile
from portal.core.vault import Vault
from portal.exports import previews
from portal.exports.models import ExportRun
from portal.licences.models import Kind
from portal.stations.models import Grant
from tests import world
from tests.exports import scene as scenes
from tests.exports.scene import Scene, plan
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
FILE = "Monthly-to-IS-E_20260328.csv"
ONE_DAY = {"first_day": "2026-03-28", "last_day": "2026-03-28"}
DAYS = {"first_day": "2026-03-28", "last_day": "2026-03-29"}


@pytest.fixture
def browser(logged_in: LogIn, scene: Scene) -> FlaskClient:
    return logged_in(scene.owner)


def url(scene: Scene) -> str:
    return f"/exports/tasks/{scene.task.id}/preview"


def test_it_shows_first_lines_rows_energy_and_completeness(scene: Scene, browser: FlaskClient) -> None:
    page = browser.post(url(scene), data=DAYS).text
    for text in (FILE, "CH-owner-1", "4.21 kWh", "measured 100"):
        assert text in page


def test_it_begins_with_the_last_period(session: Session, scene: Scene, browser: FlaskClient) -> None:
    assert 'value="2026-03-28"' in browser.get(url(scene)).text
    plan(session)
    assert browser.get(url(scene)).text.count('value="2026-03-29"') == 2


def test_nothing_is_stored(session: Session, scene: Scene, browser: FlaskClient) -> None:
    browser.post(url(scene), data=DAYS | {"whole": "1"})
    for kind in (ExportRun, StoredFile):
        assert session.scalar(sa.select(sa.func.count()).select_from(kind)) == 0


def test_the_whole_file_is_what_is_sent(
    session: Session, scene: Scene, browser: FlaskClient, settings: Settings, vault: Vault, sessions: Any
) -> None:
    answer = browser.post(url(scene), data=ONE_DAY | {"whole": "1"})
    plan(session)
    scenes.work(session, settings, vault, sessions)
    assert answer.headers["Content-Disposition"] == f"attachment; filename={FILE}"
    assert answer.data == scene.files()[FILE]


def test_several_files_come_as_a_zip(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.formatter.settings = {"files": "meter", "file_name": "{meter}.csv"}
    session.commit()
    page = browser.post(url(scene), data=ONE_DAY).text
    for name in ("CH-owner-1.csv", "CH-owner-2.csv"):
        assert name in page
    held = zipfile.ZipFile(io.BytesIO(browser.post(url(scene), data=ONE_DAY | {"whole": "1"}).data))
    assert held.namelist() == ["CH-owner-1.csv", "CH-owner-2.csv"]
    assert b"CH-owner-2" in held.read("CH-owner-2.csv")


def test_both_files_of_the_ise_pair_are_in_the_zip(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.formatter.format, scene.formatter.settings = "ise_pair", {"file_name": "{period_start}.{extension}"}
    session.commit()
    assert "CH-owner-1;2026-03-28T00:15:00+01:00;0.000;W" in browser.post(url(scene), data=ONE_DAY).text
    held = zipfile.ZipFile(io.BytesIO(browser.post(url(scene), data=ONE_DAY | {"whole": "1"}).data))
    assert held.namelist() == ["20260328.csv", "20260328.xml"]
    assert b'value="1.500"' in held.read("20260328.xml")


@pytest.mark.parametrize("packing", ["gzip", "zip"])
def test_a_packed_file_is_shown_unpacked(session: Session, scene: Scene, browser: FlaskClient, packing: str) -> None:
    scene.formatter.settings = {**scene.formatter.settings, "packing": packing}
    session.commit()
    assert "CH-owner-1" in browser.post(url(scene), data=DAYS).text
    whole = browser.post(url(scene), data=DAYS | {"whole": "1"}).data
    packed = io.BytesIO(whole)
    text = gzip.decompress(whole) if packing == "gzip" else zipfile.ZipFile(packed).read(FILE)
    assert b"CH-owner-1" in text


def test_a_workbook_is_shown_as_lines(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.formatter.format, scene.formatter.settings = "xlsx", {}
    session.commit()
    assert "CH-owner-1 |" in browser.post(url(scene), data=DAYS).text


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ({"first_day": "2026-03-29", "last_day": "2026-03-28"}, "lies before the first"),
        ({"first_day": "1996-03-29", "last_day": "2026-03-28"}, "choose fewer days"),
        ({"first_day": "0001-01-01", "last_day": "2026-03-28"}, "between 1990 and 2999"),
        ({"first_day": "2026-03-28", "last_day": "9999-12-31"}, "between 1990 and 2999"),
        ({"first_day": "", "last_day": "2026-03-28"}, "must be filled in"),
        ({"first_day": "x", "last_day": "2026-03-28"}, "Not a valid date"),
    ],
)
def test_days_that_cannot_be_shown_are_refused(
    scene: Scene, browser: FlaskClient, days: dict[str, str], words: str
) -> None:
    answer = browser.post(url(scene), data=days)
    assert answer.status_code == 422
    assert words in answer.text


def test_a_meter_that_cannot_be_written_is_named(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.connectors[1].metering_code = None
    session.commit()
    answer = browser.post(url(scene), data=DAYS)
    assert answer.status_code == 422
    assert "Centro · 2 has no Metering Code." in answer.text


def test_missing_quarter_hours_are_counted(session: Session, scene: Scene, browser: FlaskClient) -> None:
    session.execute(sa.text("DELETE FROM coverage"))
    session.commit()
    assert "measured 100" not in browser.post(url(scene), data=DAYS).text


def test_a_page_of_it_takes_few_statements_whatever_the_days(
    session: Session, scene: Scene, browser: FlaskClient
) -> None:
    counts = []
    for last_day in ("2026-03-28", "2026-03-31"):
        with recorded() as statements:
            browser.post(url(scene), data={"first_day": "2026-03-28", "last_day": last_day})
        counts.append(len(statements))
    assert counts[0] < 20
    assert counts[1] - counts[0] <= 6  # two for each further day


def test_of_more_meters_than_can_be_built_the_first_are_shown_and_it_says_so(
    scene: Scene, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "MOST_METER_DAYS", 3)
    page = browser.post(url(scene), data=DAYS).text
    assert "Only the first 1 of 2 meters" in page
    assert "CH-owner-1" in page
    assert "CH-owner-2" not in page
    assert "Only the first" not in browser.post(url(scene), data=ONE_DAY).text
    assert b"CH-owner-2" not in browser.post(url(scene), data=DAYS | {"whole": "1"}).data


@pytest.mark.parametrize("limit", ["MOST_SECONDS", "MOST_BYTES"])
@pytest.mark.parametrize("button", [{}, {"whole": "1"}])
def test_what_takes_too_long_or_grows_too_large_ends_at_the_field(
    scene: Scene, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, limit: str, button: dict[str, str]
) -> None:
    monkeypatch.setattr(previews, limit, 0)
    answer = browser.post(url(scene), data=ONE_DAY | button)
    assert answer.status_code == 422
    said = answer.text.split('id="last_day-error"')[1].split("</div>")[0]
    assert "This is too much for a preview: choose fewer days." in said


def test_every_file_is_shown_from_its_own_beginning(session: Session, scene: Scene, browser: FlaskClient) -> None:
    scene.formatter.settings = {"files": "meter", "file_name": "{meter}.csv", "packing": "gzip"}
    session.commit()
    page = lxml.html.fromstring(browser.post(url(scene), data=ONE_DAY).text)
    shown = [block.text_content() for block in page.iter("pre")]
    assert len(shown) == 2
    assert ("CH-owner-1" in shown[0], "CH-owner-2" in shown[0]) == (True, False)
    assert ("CH-owner-1" in shown[1], "CH-owner-2" in shown[1]) == (False, True)


def test_others_write_while_files_are_built(
    session: Session, scene: Scene, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, sessions: Any
) -> None:
    """SQLite has one write lock, and a POST request takes it at its first statement."""

    def write(*_: object) -> None:
        with sessions() as other:
            other.execute(sa.update(Account).values(name="Written meanwhile"))
            other.commit()

    build = previews.build
    monkeypatch.setattr(previews, "build", lambda *given: (write(), build(*given))[1])
    assert browser.post(url(scene), data=DAYS).status_code == 200
    assert set(session.scalars(sa.select(Account.name))) == {"Written meanwhile"}


def test_whoever_may_export_no_more_sees_no_preview(session: Session, scene: Scene, logged_in: LogIn) -> None:
    guest = world.account(session, "guest@demo.example", Kind.AUTHORISATION, Kind.AUTO_EXPORT)
    world.licence(session, scene.owner, Kind.AUTHORISATION)
    world.grant(session, scene.group, "manage", guest.email)
    scene.task.owner_id = guest.id
    browser = logged_in(guest)
    assert browser.post(url(scene), data=DAYS).status_code == 200
    session.execute(sa.update(Grant).values(revoked_at=clock.now()))
    session.commit()
    assert browser.post(url(scene), data=DAYS).status_code == 403
    assert browser.get(url(scene)).status_code == 403
