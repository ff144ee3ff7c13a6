"""Special users out of a file: every row is looked at first, what is wrong stands at its row, nothing by halves."""

import io
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import special_user_file, special_users
from portal.access.models import SpecialUser
from portal.accounts.models import Account
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
ADA, BOB = "ada@drivers.example", "bob@drivers.example"
HEAD = "e-mail;price per kWh;per hour;per session;from;to\n"


@pytest.fixture
def place(session: Session) -> SimpleNamespace:
    owner = world.account(session, "owner@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner, "Lugano")
    station = world.station(session, owner, "Centro", group)
    return SimpleNamespace(owner=owner, group=group, url=f"/station-groups/{group.id}/special-users", station=station)


def upload(browser: FlaskClient, url: str, text: str) -> str:
    data = {"file": (io.BytesIO(text.encode()), "drivers.csv")}
    return browser.post(f"{url}/upload", data=data, content_type="multipart/form-data", follow_redirects=True).text


def entered(session: Session) -> dict[str | None, tuple[int | None, int | None, int | None]]:
    table = SpecialUser
    rows = session.execute(sa.select(table.email, table.price_per_kwh, table.price_per_hour, table.price_per_session))
    found = {email: tuple(prices) for email, *prices in rows}
    session.commit()  # on SQLite an open transaction of the test would block the application's
    return found  # type: ignore[return-value]  # three of them


def test_nothing_is_entered_before_it_is_confirmed_and_then_all_at_once(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    browser = logged_in(place.owner)
    page = upload(browser, place.url, f"{HEAD} {ADA.upper()} ;0,25;;0.5;01.01.2027;2027-12-31\n{BOB}\n")
    assert "2 rows enter a special user" in page
    assert entered(session) == {}
    answer = browser.post(f"{place.url}/upload/write", data={"expected": "2"}, follow_redirects=True)
    assert "2 special users are entered" in answer.text
    assert entered(session) == {ADA: (2500, 0, 5000), BOB: (None, None, None)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ada at home;0.25", "Enter an e-mail address"),
        (";0.25", "Enter an e-mail address"),
        (f"{ADA};-0.25", "Enter a number from 0 to 1000"),
        (f"{ADA};much", "Enter a number such as"),
        (f"{ADA};;;;31.12.2027;01.01.2027", "The last day is before the first one"),
        (f"{ADA};;;;31.2.2027", "Enter a day such as 31.12.2026"),
        (f"{ADA};;;;;;7", "more than six columns"),
        (BOB, "stands in row 2 already"),
        ("owner@x.example", "your own address"),
        ("old@drivers.example", "is a special user here already"),
    ],
)
def test_a_row_that_cannot_be_entered_says_why_and_is_left_out(
    session: Session, place: SimpleNamespace, logged_in: LogIn, row: str, message: str
) -> None:
    special_users.add(session, place.owner, place.group, email="old@drivers.example")
    browser = logged_in(place.owner)
    page = upload(browser, place.url, f"{HEAD}{BOB};0.1\n{row}\n")
    assert "1 row is left out" in page
    assert re.search(rf">3</td>.*{message}", page, re.DOTALL)
    browser.post(f"{place.url}/upload/write", data={"expected": "1"})
    assert entered(session) == {BOB: (1000, 0, 0), "old@drivers.example": (None, None, None)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no row"),
        ("e-mail;from;to\n" + ADA, "column 2 is headed “from”"),
        ("name;e-mail\nAda;" + ADA, "column 1 is headed “name”"),
        ("\0", "no text file"),
        (f"{ADA}\n" * 10_001, "more than 10,000 rows"),
        ("x" * 1_000_001, "more than 1 MB"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(
    session: Session, place: SimpleNamespace, logged_in: LogIn, text: str, message: str
) -> None:
    page = upload(logged_in(place.owner), place.url, text)
    assert message.replace(",", "") in page.replace(",", "").replace("’", "")
    assert entered(session) == {}


def test_a_file_of_a_hundred_thousand_rows_is_refused_before_any_is_read() -> None:
    with pytest.raises(RuleBroken) as refused:
        special_user_file.read(b"a@b.ch\n" * 100_000)
    assert refused.value.field == "file"


def test_what_has_changed_since_the_preview_is_shown_anew(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    browser = logged_in(place.owner)
    upload(browser, place.url, f"{ADA}\n{BOB}\n")
    special_users.add(session, place.owner, place.group, email=BOB)
    session.commit()
    answer = browser.post(f"{place.url}/upload/write", data={"expected": "2"}, follow_redirects=True)
    assert "Something has changed" in answer.text
    assert entered(session) == {BOB: (None, None, None)}


def test_a_file_is_for_the_place_it_was_uploaded_at(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    browser = logged_in(place.owner)
    upload(browser, place.url, ADA)
    other = f"/stations/{place.station.id}/special-users/upload"
    assert "Choose a file first" in browser.get(f"{other}/preview", follow_redirects=True).text
    browser.post(f"{other}/write", data={"expected": "1"})
    assert entered(session) == {}
    browser.post(f"{place.url}/upload/discard")
    assert "Choose a file first" in browser.get(f"{place.url}/upload/preview", follow_redirects=True).text


def test_a_thousand_rows_take_few_questions(session: Session, place: SimpleNamespace) -> None:
    rows = special_user_file.read("\n".join(f"d{number}@drivers.example;0.3" for number in range(1000)).encode())
    with recorded() as statements:
        assert special_user_file.write(session, place.owner, place.group, rows) == 1000
    assert sum(text.startswith("SELECT") for text, _parameters in statements) < 10
