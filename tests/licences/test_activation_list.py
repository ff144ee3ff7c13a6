"""Many licences from a file: every row is judged, nothing is written before it is confirmed."""

import io
from collections.abc import Callable
from datetime import date

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.errors import RuleBroken
from portal.core.files import StoredFile
from portal.core.mail import MailMessage
from portal.licences import activation_list, requests
from portal.licences.models import Kind, Licence, LicenceRequest
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
HERE = "/operator/licences/list"
NAMES = {kind.value: kind for kind in Kind}
TODAY = date(2027, 1, 15)


@pytest.fixture
def browser(session: Session, logged_in: LogIn) -> FlaskClient:
    for name in ("anna", "beat"):
        world.account(session, f"{name}@demo.example")
    return logged_in(world.account(session, "operator@demo.example", operator=True))


def read(text: str | bytes) -> list[activation_list.Row]:
    return activation_list.read(text if isinstance(text, bytes) else text.encode(), NAMES, TODAY)


def send(browser: FlaskClient, text: str) -> str:
    """Upload, and the preview."""
    file = {"file": (io.BytesIO(text.encode()), "licences.csv")}
    return browser.post(HERE, data=file, follow_redirects=True).text


def count(session: Session, table: type[Licence | MailMessage | StoredFile | LicenceRequest]) -> int:
    session.commit()
    found = session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    session.commit()
    return found


@pytest.mark.parametrize("mark", [";", ",", "\t"])
@pytest.mark.parametrize("head", ["", "email{0}licence{0}first day{0}last day\r\n", "\ufeffE-Mail{0}Lizenz\n"])
def test_it_reads_the_usual_files(mark: str, head: str) -> None:
    cells = mark.join([" Anna@Demo.example ", "Auto_Export", "01.02.2027", "2027-12-31"])
    (row,) = read(f"{head.format(mark)}{cells}\n\n")
    assert (row.email, row.kind, row.problem) == ("anna@demo.example", Kind.AUTO_EXPORT, "")
    assert (row.first_day, row.last_day) == (date(2027, 2, 1), date(2027, 12, 31))


def test_empty_days_are_today_and_no_end() -> None:
    (row,) = read("anna@demo.example;reports")
    assert (row.first_day, row.last_day) == (TODAY, None)


def test_latin_1_is_read_as_well() -> None:
    (row,) = read("anna@demo.example;Prüfung;;".encode("latin-1"))
    assert row.cells[1] == "Prüfung"
    assert row.problem == activation_list.NO_KIND


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("anna@demo.example;everything;;", "no such licence"),
        ("anna@demo.example;reports;soon;", "no day"),
        ("anna@demo.example;reports;2027-02-30;", "no day"),
        ("anna@demo.example;reports;0001-01-01;", "millennium"),
        ("anna@demo.example;reports;;9999-12-31", "millennium"),
        ("anna@demo.example;reports;2027-02-01;2027-01-01", "before the first"),
        ("no address;reports;;", "e-mail address"),
        ('"anna@demo.example"";reports;;', "e-mail address"),
    ],
)
def test_a_bad_row_says_why_and_harms_no_other(line: str, problem: str) -> None:
    rows = read(f"beat@demo.example;reports;;\n{line}\n")
    assert rows[0].problem == ""
    assert problem in rows[1].problem


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", b"email;licence;first;last", b"PK\x03\x04\0\0", b"x" * 1_000_001, b'"' + b"x" * 200_000],
    ids=["empty", "blank", "headings", "binary", "large", "one long cell"],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(RuleBroken) as broken:
        read(data)
    assert broken.value.field == "file"


def test_it_takes_ten_thousand_rows_and_no_more() -> None:
    line = "a@b.example;reports;;\n"
    assert len(read(line * 10_000)) == 10_000
    with pytest.raises(RuleBroken, match="10000 rows"):
        read(line * 10_001)


def test_the_preview_judges_every_row_and_writes_nothing(session: Session, browser: FlaskClient) -> None:
    anna = session.scalars(sa.select(Account).where(Account.email == "anna@demo.example")).one()
    world.licence(session, anna, Kind.REPORTS)
    session.commit()
    page = send(
        browser,
        "email;licence;first;last\n"
        "anna@demo.example;authorisation;2027-01-01;2027-06-30\n"
        "anna@demo.example;authorisation;2027-07-01;\n"
        "anna@demo.example;authorisation;2028-01-01;\n"
        "anna@demo.example;reports;;\n"
        "nobody@demo.example;reports;;\n"
        "<b>;reports;;\n",
    )
    assert "2 rows activate a licence" in page
    assert "4 rows are left out" in page
    assert "stands in the file already" in page
    assert "has this licence in some of these days" in page
    assert "No account has this address" in page
    assert "<b>" not in page
    assert count(session, Licence) == 1
    assert count(session, MailMessage) == 0


def test_confirming_activates_all_tells_and_settles_requests(session: Session, browser: FlaskClient) -> None:
    anna = session.scalars(sa.select(Account).where(Account.email == "anna@demo.example")).one()
    requests.ask(session, anna, Kind.AUTHORISATION)
    session.commit()
    send(browser, "anna@demo.example;Authorisation;;\nbeat@demo.example;auto-export;;\nnobody@demo.example;reports;;")
    answer = browser.post(f"{HERE}/activate", data={"expected": "2"})
    assert answer.location == "/operator/accounts"
    assert count(session, Licence) == count(session, MailMessage) == 2
    assert count(session, StoredFile) == 0
    assert session.scalars(sa.select(LicenceRequest)).one().approved is True
    session.commit()
    browser.post(f"{HERE}/activate", data={"expected": "2"})
    assert count(session, Licence) == 2


def test_what_has_changed_since_is_looked_at_again(session: Session, browser: FlaskClient) -> None:
    send(browser, "anna@demo.example;reports;;\nbeat@demo.example;reports;;")
    beat = session.scalars(sa.select(Account).where(Account.email == "beat@demo.example")).one()
    world.licence(session, beat, Kind.REPORTS)
    session.commit()
    answer = browser.post(f"{HERE}/activate", data={"expected": "2"}, follow_redirects=True)
    assert "nothing is activated yet" in answer.text
    assert "1 row activates a licence" in answer.text
    assert count(session, Licence) == 1


def test_discarding_keeps_nothing(session: Session, browser: FlaskClient) -> None:
    send(browser, "anna@demo.example;reports;;")
    send(browser, "anna@demo.example;reports;;")
    assert count(session, StoredFile) == 1
    browser.post(f"{HERE}/discard")
    assert count(session, StoredFile) == count(session, Licence) == 0
    assert browser.get(f"{HERE}/preview").location == HERE


def test_a_wrong_file_is_refused_at_its_field(session: Session, browser: FlaskClient) -> None:
    answer = browser.post(HERE, data={"file": (io.BytesIO(b"\0\0"), "a.xlsx")})
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text
    assert browser.post(HERE, data={}).status_code == 422


def test_a_preview_costs_the_same_with_many_rows(session: Session, browser: FlaskClient) -> None:
    for number in range(120):
        session.add(Account(email=f"a{number}@many.example", name=""))
    session.commit()
    send(browser, "".join(f"a{number}@many.example;reports;;\n" for number in range(120)))
    with recorded() as asked:
        assert "Page 2 of 3" in browser.get(f"{HERE}/preview?page=2").text
    assert len(asked) <= 10
    with recorded() as asked:
        browser.post(f"{HERE}/activate", data={"expected": "120"})
    assert count(session, Licence) == 120
    assert len([text for text, _values in asked if text.startswith(("SELECT", "WITH"))]) <= 20  # what is written grows
