"""Mass change of identifiers by a file old;new."""

import io
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import identifier_list
from portal.charging.models import Driver
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.stations.models import Connector
from tests import world

LogIn = Callable[[Account], FlaskClient]
CODE = "metering_code"


@pytest.fixture
def owner(session: Session) -> Account:
    owner = world.account(session, "owner@demo.example")
    group = world.station_group(session, owner, "Lugano")
    for connector, code in zip(
        world.station(session, owner, "Centro", group, connectors=3).connectors, "ABC", strict=True
    ):
        connector.metering_code = code
    session.add(Driver(owner_id=owner.id, label="Fleet", metering_code="D"))
    session.commit()
    return owner


def judged(session: Session, owner: Account, text: str) -> list[tuple[str, str]]:
    rows = identifier_list.read(text.encode())
    identifier_list.judge(session, owner, CODE, rows)
    return [(row.name, row.problem) for row in rows]


def codes(session: Session, owner: Account) -> list[str | None]:
    session.commit()
    found = sa.select(Connector.metering_code).where(Connector.owner_id == owner.id).order_by(Connector.number)
    return [*session.scalars(found), session.scalar(sa.select(Driver.metering_code))]


def test_every_row_names_its_meter(session: Session, owner: Account) -> None:
    assert judged(session, owner, "old;new\nA;X\nD;Y\n") == [("Centro · 1", ""), ("Fleet", "")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Z;X", identifier_list.UNKNOWN),
        ("A;", identifier_list.NO_NEW),
        (";X", identifier_list.NO_OLD),
        ("A;A", identifier_list.SAME),
        ("A;B", identifier_list.TAKEN),
        ("A;D", identifier_list.TAKEN),
        ("A;X\nA;Y", identifier_list.TWICE),
        ("A;X\nB;X", identifier_list.SAME_NEW),
        (f"A;{'x' * 81}", identifier_list.LONG),
        ("A;x\u0085y".replace("\u0085", "\u009c"), identifier_list.CONTROLS),
    ],
)
def test_a_row_that_cannot_be_written_says_why(session: Session, owner: Account, text: str, problem: str) -> None:
    assert judged(session, owner, text)[0][1] == problem


def test_values_are_handed_on_within_one_file(session: Session, owner: Account) -> None:
    rows = identifier_list.read(b"A;B\nB;C\nC;A\n")
    assert identifier_list.write(session, owner, CODE, rows) == 3
    assert codes(session, owner) == ["B", "C", "A", "D"]


def test_a_value_that_its_meter_does_not_give_away_after_all_stays_taken(session: Session, owner: Account) -> None:
    assert [problem for _, problem in judged(session, owner, "A;B\nB;C\n")] == [identifier_list.TAKEN] * 2


def test_another_owners_meters_are_unknown(session: Session, owner: Account) -> None:
    stranger = world.account(session, "stranger@demo.example")
    assert judged(session, stranger, "A;X")[0][1] == identifier_list.UNKNOWN
    assert identifier_list.write(session, stranger, CODE, identifier_list.read(b"A;X")) == 0
    assert codes(session, owner) == ["A", "B", "C", "D"]


@pytest.mark.parametrize("data", [b"", b"\0\1", b"x" * 1_000_001, b"a;b\n" * 10_001])
def test_what_is_no_such_file_is_refused_whole(data: bytes) -> None:
    with pytest.raises(RuleBroken) as refused:
        identifier_list.read(data)
    assert refused.value.field == "file"


def test_a_file_is_looked_at_and_then_written(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser: FlaskClient = logged_in(owner)
    file = (io.BytesIO(b"alt;neu\nA;X\nZ;Y\n"), "meters.csv")
    page = browser.post("/identifiers", data={"identifier": CODE, "file": file}, follow_redirects=True).text
    assert "Centro · 1" in page
    assert "None of your meters has this identifier." in page
    assert codes(session, owner) == ["A", "B", "C", "D"]
    browser.post("/identifiers/write", data={"expected": "1"})
    assert codes(session, owner) == ["X", "B", "C", "D"]
    entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "connector:edit")).one()
    assert entry.detail["changed"] == {CODE: ["A", "X"]}


def test_what_changed_since_the_preview_is_shown_first(session: Session, owner: Account, logged_in: LogIn) -> None:
    browser: FlaskClient = logged_in(owner)
    file = (io.BytesIO(b"A;X\n"), "meters.csv")
    browser.post("/identifiers", data={"identifier": CODE, "file": file})
    page = browser.post("/identifiers/write", data={"expected": "2"}, follow_redirects=True).text
    assert "Something has changed since you looked" in page
    assert codes(session, owner) == ["A", "B", "C", "D"]
