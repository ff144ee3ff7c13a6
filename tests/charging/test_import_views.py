"""The screens of an import, step by step."""

import io
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from portal.accounts.models import Account
from portal.charging import jobs
from portal.charging.models import ChargingSession, Coverage, ImportMapping, ImportState, SessionImport
from portal.core.files import StoredFile
from portal.licences.models import Kind
from tests import world
from tests.charging.files import EPFL, HEAD, PERTH, TRONDHEIM, imported, queued, stations
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
ROWS = b"".join(b"%d;A;%02d.03.2024 10:00;%02d.03.2024 11:00;5,5;Ann\n" % (day, day, day) for day in range(9, 20))
AMBIGUOUS = b"1;A;03.04.2024 10:00;03.04.2024 11:00;5,5;Ann\n2;A;05.04.2024 10:00;05.04.2024 11:00;6,5;Ann\n"


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example")
    stations(session, row, "A")
    return row


def upload(browser: FlaskClient, owner: Account, content: bytes, name: str = "march.csv") -> TestResponse:
    return browser.post("/imports/new", data={"owner": owner.id, "file": (io.BytesIO(content), name)})


def fields(page: TestResponse) -> dict[str, str]:
    """What a browser would send of the largest form on a page as it stands."""
    form = max(html.fromstring(page.text).forms, key=lambda one: len(one.inputs.keys()))
    return {key: value or "" for key, value in form.form_values()}


def mapped(browser: FlaskClient, owner: Account, content: bytes) -> str:
    """The address of the import, its columns and their meaning confirmed as proposed."""
    at = upload(browser, owner, content).location.rsplit("/", 1)[0]
    for step in ("columns", "mapping"):
        answer = browser.post(f"{at}/{step}", data=fields(browser.get(f"{at}/{step}")))
        assert answer.status_code == 302, answer.text
    return at


def test_every_step_leads_to_the_next_and_the_last_one_imports(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + ROWS)
    answer = browser.post(f"{at}/dates", data=fields(browser.get(f"{at}/dates")))
    assert answer.location.endswith("/preview"), answer.text
    page = browser.get(f"{at}/preview")
    assert "60.50 kWh" in page.text
    assert 'value="2024-03-09"' in page.text
    assert browser.post(f"{at}/preview", data=fields(page)).status_code == 302
    assert "Waits for a worker" in browser.get(at).text
    jobs.run_due(sessionmaker(session.get_bind()))
    assert "11 sessions were added." in browser.get(at).text


def test_it_proposes_an_order_that_alone_fits(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    page = browser.get(f"{mapped(browser, owner, HEAD + ROWS)}/dates")
    assert fields(page)["date_order"] == "day_month_year"


def test_it_never_chooses_an_order_when_several_fit(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + AMBIGUOUS)
    page = browser.get(f"{at}/dates")
    assert "date_order" not in fields(page)
    assert "3 April 2024" in page.text
    assert "4 March 2024" in page.text
    refused = browser.post(f"{at}/dates", data=fields(page))
    assert refused.status_code == 422
    assert "Choose how the dates are to be read." in refused.text


def test_back_keeps_what_was_said(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + AMBIGUOUS)
    chosen = fields(browser.get(f"{at}/dates")) | {"date_order": "month_day_year", "time_zone": "Europe/Oslo"}
    browser.post(f"{at}/dates", data=chosen)
    browser.post(f"{at}/columns", data=fields(browser.get(f"{at}/columns")))
    browser.post(f"{at}/mapping", data=fields(browser.get(f"{at}/mapping")))
    kept = fields(browser.get(f"{at}/dates"))
    assert (kept["date_order"], kept["time_zone"]) == ("month_day_year", "Europe/Oslo")


def test_a_missing_column_stands_at_its_field(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = upload(browser, owner, HEAD + ROWS).location.rsplit("/", 1)[0]
    said = fields(browser.get(f"{at}/mapping")) | {"energy": "", "driver": "5"}
    answer = browser.post(f"{at}/mapping", data=said)
    assert answer.status_code == 422
    assert 'id="energy-error"' in answer.text


def test_the_columns_can_be_read_in_another_way(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = upload(browser, owner, HEAD + ROWS).location.rsplit("/", 1)[0]
    said = fields(browser.get(f"{at}/columns")) | {"separator": "|", "header": "no", "look": "1"}
    assert browser.post(f"{at}/columns", data=said).location.endswith("/columns")
    row = session.scalars(sa.select(SessionImport)).one()
    assert (row.shape["separator"], row.shape["header"], row.shape["columns"]) == ("|", False, ["#1"])


def test_a_mapping_is_saved_applied_and_deleted(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + ROWS)
    browser.post(f"{at}/dates", data=fields(browser.get(f"{at}/dates")))
    browser.post(f"{at}/save-mapping", data={"name": "Housing"})
    saved = session.scalars(sa.select(ImportMapping)).one()
    session.commit()
    other = upload(browser, owner, HEAD + ROWS).location.rsplit("/", 1)[0]
    browser.post(f"{other}/mapping/apply/{saved.id}")
    assert browser.get(other).location.endswith("/preview")
    browser.post(f"{other}/mapping/delete/{saved.id}")
    assert session.scalar(sa.select(sa.func.count()).select_from(ImportMapping)) == 0


def test_it_deletes_an_import_that_was_not_started(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = upload(browser, owner, HEAD + ROWS).location.rsplit("/", 1)[0]
    assert "Nothing of it was imported" in browser.get(f"{at}/delete").text
    browser.post(f"{at}/delete")
    assert session.scalar(sa.select(sa.func.count()).select_from(SessionImport)) == 0
    assert session.scalar(sa.select(sa.func.count()).select_from(StoredFile)) == 0


def test_it_does_not_delete_a_started_one(session: Session, owner: Account, logged_in: LogIn) -> None:
    row = imported(session, owner, HEAD + ROWS)
    assert logged_in(owner).post(f"/imports/{row.id}/delete").status_code == 302
    assert session.get_one(SessionImport, row.id, populate_existing=True).state == ImportState.DONE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "This file is empty."),
        (b"%PDF-1.7 \x00\x01", "This is not a table."),
        (b"PK\x03\x04garbage", "This file is damaged."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "old Excel file"),
    ],
)
def test_garbage_is_refused_at_the_field(owner: Account, logged_in: LogIn, content: bytes, words: str) -> None:
    answer = upload(logged_in(owner), owner, content, "garbage.csv")
    assert answer.status_code == 422
    assert words in answer.text


def test_a_file_above_the_limit_is_refused(owner: Account, logged_in: LogIn) -> None:
    answer = upload(logged_in(owner), owner, bytes(102 << 20), "zeros.csv")
    assert answer.status_code == 413


@pytest.mark.parametrize("number", ["9" * 30, "-" + "9" * 30])
def test_an_owner_that_no_database_holds_is_not_there(owner: Account, logged_in: LogIn, number: str) -> None:
    assert logged_in(owner).post("/imports/new", data={"owner": number}).status_code == 404


def test_a_form_without_its_token_is_refused(owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    browser.application.config["WTF_CSRF_ENABLED"] = True
    assert upload(browser, owner, HEAD + ROWS).status_code == 400


def test_the_real_files_reach_their_dates(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    for path, orders in ((TRONDHEIM, 1), (PERTH, 2), (EPFL, 1)):
        at = upload(browser, owner, path.read_bytes(), path.name).location.rsplit("/", 1)[0]
        browser.post(f"{at}/mapping", data=fields(browser.get(f"{at}/mapping")))
        page = browser.get(f"{at}/dates")
        assert page.text.count('name="date_order"') == orders, path


def test_display_may_not_import_manage_may_and_a_stranger_finds_nothing(session: Session, logged_in: LogIn) -> None:
    owner, display, manage, stranger = (
        world.account(session, f"{name}@demo.example", Kind.AUTHORISATION)
        for name in ("owner", "display", "manage", "stranger")
    )
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    world.grant(session, group, "display", display.email)
    world.grant(session, group, "manage", manage.email)
    session.commit()
    assert upload(logged_in(display), owner, HEAD + ROWS).status_code == 403
    assert upload(logged_in(stranger), owner, HEAD + ROWS).status_code == 404
    assert upload(logged_in(manage), owner, HEAD + ROWS).status_code == 302


def test_an_import_is_seen_by_owner_and_importer_alone_and_no_longer_when_the_grant_ends(
    session: Session, logged_in: LogIn
) -> None:
    owner, manage, other = (
        world.account(session, f"{name}@demo.example", Kind.AUTHORISATION) for name in ("owner", "manage", "other")
    )
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    given = world.grant(session, group, "manage", manage.email)
    world.grant(session, group, "administrate", other.email)
    row = imported(session, manage, HEAD + ROWS, owner=owner)
    browsers = [logged_in(account) for account in (owner, manage, other)]
    assert [browser.get(f"/imports/{row.id}").status_code for browser in browsers] == [200, 200, 404]
    given.ends_at = given.starts_at
    session.commit()
    assert browsers[1].get(f"/imports/{row.id}").status_code == 404
    assert "march" not in browsers[1].get("/imports").text


def test_the_owner_is_told_whose_stations_only_when_there_is_a_choice(session: Session, logged_in: LogIn) -> None:
    owner, manage = (world.account(session, f"{name}@demo.example", Kind.AUTHORISATION) for name in ("owner", "manage"))
    group = world.station_group(session, owner)
    world.grant(session, group, "manage", manage.email)
    assert "Whose stations" in logged_in(manage).get("/imports/new").text
    assert "Whose stations" not in logged_in(owner).get("/imports/new").text


def test_a_day_that_is_not_over_cannot_be_complete(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + ROWS)
    browser.post(f"{at}/dates", data=fields(browser.get(f"{at}/dates")))
    said = fields(browser.get(f"{at}/preview")) | {"covers_to": "2199-01-01"}
    answer = browser.post(f"{at}/preview", data=said)
    assert answer.status_code == 422
    assert "Only days that are over" in answer.text
    assert session.scalar(sa.select(sa.func.count()).select_from(ChargingSession)) == 0


def test_flagged_rows_come_as_csv_without_formulas(session: Session, owner: Account, logged_in: LogIn) -> None:
    row = imported(session, owner, HEAD + ROWS + b"77;A;01.03.2024 10:00;01.03.2024 11:00;-1,5;=HYPERLINK()\n")
    answer = logged_in(owner).get(f"/imports/{row.id}/flagged.csv")
    assert answer.text.splitlines()[1].endswith("-1,5;'=HYPERLINK()")
    assert "Negative energy" in answer.text


def test_the_list_costs_the_same_for_many_imports(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + ROWS)
    browser = logged_in(owner)
    browser.get("/imports")
    with recorded() as one:
        browser.get("/imports")
    for _ in range(4):
        imported(session, owner, HEAD + ROWS)
    with recorded() as many:
        browser.get("/imports")
    assert len(many) == len(one)


def test_the_progress_stops_asking_when_it_is_done(session: Session, owner: Account, logged_in: LogIn) -> None:
    row = queued(session, owner, HEAD + ROWS)
    browser = logged_in(owner)
    assert "hx-get" in browser.get(f"/imports/{row.id}/progress").text
    jobs.run_due(sessionmaker(session.get_bind()))
    done = browser.get(f"/imports/{row.id}/progress").text
    assert "hx-get" not in done
    assert "<html" not in done


def test_the_file_can_cover_a_station_group(session: Session, owner: Account, logged_in: LogIn) -> None:
    group = world.station_group(session, owner)
    inside = world.station(session, owner, "quiet", group)
    world.station(session, owner, "outside")
    browser = logged_in(owner)
    at = mapped(browser, owner, HEAD + ROWS)
    browser.post(f"{at}/dates", data=fields(browser.get(f"{at}/dates")))
    said = fields(browser.get(f"{at}/preview")) | {"covers": "group"}
    assert "Choose a station group." in browser.post(f"{at}/preview", data=said).text
    browser.post(f"{at}/preview", data=said | {"covers_group": str(group.id)})
    jobs.run_due(sessionmaker(session.get_bind()))
    covered = session.scalars(sa.select(Coverage.connector_id)).all()
    assert covered == [inside.connectors[0].id]
