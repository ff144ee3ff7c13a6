"""Flagged rows: seen, corrected, tried again, dismissed, reopened."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import corrections
from portal.charging.models import ChargingSession, FlaggedRow, QuarterHour, SessionImport
from portal.core.audit import AuditEntry
from portal.core.errors import RuleBroken
from portal.licences.models import Kind
from portal.stations.models import Station
from tests import world
from tests.charging.files import HEAD, OSLO, imported, stations

LogIn = Callable[[Account], FlaskClient]
NO_END = b"1;A;01.03.2024 10:00;;5,5;Ann\n"
UNKNOWN = b"2;B;01.03.2024 10:00;01.03.2024 11:00;5,5;Ann\n"
NEGATIVE = b"3;A;01.03.2024 12:00;01.03.2024 13:00;-1,5;Ann\n"
GOOD = b"4;A;01.03.2024 14:00;01.03.2024 15:00;7;Ann\n"


@pytest.fixture
def owner(session: Session) -> Account:
    row = world.account(session, "owner@demo.example")
    stations(session, row, "A")
    return row


def row_of(session: Session, external_id: str) -> FlaggedRow:
    wanted = sa.select(FlaggedRow).where(FlaggedRow.external_id == external_id)
    row = session.scalars(wanted.execution_options(populate_existing=True)).one()
    session.commit()
    return row


def correction(session: Session, **changed: object) -> dict[str, object]:
    station = session.scalars(sa.select(Station).where(Station.reference == "A")).one()
    session.commit()
    said = {"station": station.id, "connector": 1, "start": "2024-03-01 10:00", "end": "2024-03-01 11:00"}
    return said | {"energy": "5.5", "driver": "Ann"} | changed


def test_a_corrected_row_becomes_a_session_under_its_number(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + GOOD + NO_END)
    row, browser = row_of(session, "1"), logged_in(owner)
    assert browser.post(f"/imports/flagged/{row.id}/correct", data=correction(session)).status_code == 302
    made = session.scalars(sa.select(ChargingSession).where(ChargingSession.external_id == "1")).one()
    assert (made.energy_wh, made.source, made.started_at.isoformat()) == (5500, "file", "2024-03-01T09:00:00+00:00")
    quarters = sa.select(sa.func.sum(QuarterHour.energy_wh)).where(QuarterHour.session_id == made.id)
    assert session.scalar(quarters) == 5500
    assert "session:correct" in session.scalars(sa.select(AuditEntry.action)).all()
    assert row_of(session, "1").state == "corrected"


def test_a_corrected_row_is_not_billed_again_by_the_same_file(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    imported(session, owner, HEAD + GOOD + NO_END)
    logged_in(owner).post(f"/imports/flagged/{row_of(session, '1').id}/correct", data=correction(session))
    again = imported(session, owner, HEAD + GOOD + NO_END)
    assert (again.sessions_added, again.rows_flagged, again.rows_known) == (0, 0, 2)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"end": "2024-03-01 09:00"}, "end"),
        ({"end": "2199-03-01 09:00"}, "end"),
        ({"energy": "-1"}, "energy"),
        ({"energy": "9999"}, "energy"),
        ({"energy": "much"}, "energy"),
        ({"start": "01.03.2024"}, "start"),
        ({"start": "0001-01-01 00:00"}, "start"),
        ({"end": "9999-12-31 23:59-12:00"}, "end"),
        ({"start": "2023-10-29 02:30"}, "start"),
        ({"start": "2023-03-26 02:30"}, "start"),
        ({"connector": 9}, "connector"),
        ({"station": ""}, "station"),
    ],
)
def test_a_correction_is_judged_as_the_file_was(
    session: Session, owner: Account, logged_in: LogIn, changed: dict[str, object], field: str
) -> None:
    imported(session, owner, HEAD + GOOD + NO_END)
    answer = logged_in(owner).post(
        f"/imports/flagged/{row_of(session, '1').id}/correct", data=correction(session, **changed)
    )
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert row_of(session, "1").state == "open"


def test_what_was_understood_stands_in_the_form(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + GOOD + UNKNOWN)
    page = logged_in(owner).get(f"/imports/flagged/{row_of(session, '2').id}/correct").text
    assert 'value="2024-03-01 10:00:00"' in page
    assert 'value="5.500"' in page


def test_what_can_be_read_stands_in_the_form_also_where_the_row_is_no_session(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    imported(session, owner, HEAD + GOOD + NO_END)
    page = logged_in(owner).get(f"/imports/flagged/{row_of(session, '1').id}/correct").text
    station = session.scalars(sa.select(Station).where(Station.reference == "A")).one()
    assert f'selected value="{station.id}"' in page
    assert 'value="2024-03-01 10:00:00"' in page
    assert 'value="5.500"' in page


def test_rows_of_a_station_added_since_are_stored_when_tried_again(
    session: Session, owner: Account, logged_in: LogIn
) -> None:
    row = imported(session, owner, HEAD + GOOD + UNKNOWN + NEGATIVE)
    stations(session, owner, "B")
    logged_in(owner).post(f"/imports/{row.id}/try-again")
    assert (row_of(session, "2").state, row_of(session, "3").state) == ("corrected", "open")
    assert session.scalar(sa.select(sa.func.sum(QuarterHour.energy_wh))) == 12_500


def test_a_row_that_differs_replaces_the_stored_session(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + GOOD)
    imported(session, owner, HEAD + GOOD.replace(b";7;", b";8;"))
    said = correction(session, start="2024-03-01 14:00", end="2024-03-01 15:00", energy="8")
    logged_in(owner).post(f"/imports/flagged/{row_of(session, '4').id}/correct", data=said)
    assert session.scalars(sa.select(ChargingSession.energy_wh)).all() == [8000]
    assert session.scalar(sa.select(sa.func.sum(QuarterHour.energy_wh))) == 8000


def test_many_are_dismissed_at_once_and_reopened(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + GOOD + NO_END + UNKNOWN)
    ids, browser = [row_of(session, "1").id, row_of(session, "2").id], logged_in(owner)
    assert (
        "2 rows were dismissed."
        in browser.post("/imports/flagged/dismiss", data={"row": ids}, follow_redirects=True).text
    )
    assert row_of(session, "1").state == row_of(session, "2").state == "dismissed"
    browser.post("/imports/flagged/reopen", data={"row": ids})
    assert row_of(session, "1").state == "open"


def test_the_list_is_filtered_by_problem_and_state(session: Session, owner: Account, logged_in: LogIn) -> None:
    row = imported(session, owner, HEAD + GOOD + NO_END + UNKNOWN + NEGATIVE)
    browser = logged_in(owner)
    page = browser.get(f"/imports/flagged?import={row.id}&problem=negative_energy").text
    assert page.count('name="row"') == 1
    assert "Unknown station (1)" in page
    assert browser.get("/imports/flagged?state=dismissed").text.count('name="row"') == 0


def test_nobody_else_sees_or_settles_them(session: Session, owner: Account, logged_in: LogIn) -> None:
    imported(session, owner, HEAD + GOOD + NO_END)
    row, stranger = row_of(session, "1"), logged_in(world.account(session, "stranger@demo.example"))
    assert stranger.get(f"/imports/flagged/{row.id}/correct").status_code == 404
    assert stranger.post("/imports/flagged/dismiss", data={"row": row.id}).status_code == 403
    assert 'name="row"' not in stranger.get("/imports/flagged").text
    assert row_of(session, "1").state == "open"


def test_a_manager_corrects_to_the_stations_of_his_group_only(session: Session, logged_in: LogIn) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    mine = world.station(session, owner, "A", group)
    other = world.station(session, owner, "B")
    world.grant(session, group, "manage", manage.email)
    imported(session, manage, HEAD + GOOD + NO_END, owner=owner)
    row, browser = row_of(session, "1"), logged_in(manage)
    said = {"connector": 1, "start": "2024-03-01 10:00", "end": "2024-03-01 11:00", "energy": "5.5"}
    refused = browser.post(f"/imports/flagged/{row.id}/correct", data=said | {"station": other.id})
    assert refused.status_code == 422
    assert browser.post(f"/imports/flagged/{row.id}/correct", data=said | {"station": mine.id}).status_code == 302


def test_the_import_keeps_its_figures(session: Session, owner: Account) -> None:
    row = imported(session, owner, HEAD + GOOD + NO_END + UNKNOWN)
    assert session.get_one(SessionImport, row.id).rows_flagged == 2


def test_the_rule_refuses_a_foreign_station_also_without_the_form(session: Session) -> None:
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    manage = world.account(session, "manage@demo.example", Kind.AUTHORISATION)
    group = world.station_group(session, owner)
    world.station(session, owner, "A", group)
    other = world.station(session, owner, "B")
    world.grant(session, group, "manage", manage.email)
    of = imported(session, manage, HEAD + GOOD + NO_END, owner=owner)
    said = corrections.Corrected("2024-03-01 10:00", "2024-03-01 11:00", 5500, other.id, 1)
    with pytest.raises(RuleBroken, match="Choose a station"):
        corrections.correct(session, manage, row_of(session, "1"), of, said, OSLO)


def test_of_two_who_settle_a_row_the_second_comes_too_late(session: Session, owner: Account) -> None:
    of = imported(session, owner, HEAD + GOOD + NO_END)
    said = corrections.Corrected("2024-03-01 10:00", "2024-03-01 11:00", 5500, correction(session)["station"], 1)
    seen = row_of(session, "1")
    with Session(session.get_bind(), expire_on_commit=False) as other:
        corrections.correct(other, other.get_one(Account, owner.id), other.get_one(FlaggedRow, seen.id), of, said, OSLO)
        other.commit()
    assert seen.state == "open"
    with pytest.raises(RuleBroken, match="corrected already"):
        corrections.correct(session, owner, seen, of, said, OSLO)
    assert corrections.dismiss(session, owner, [seen]) == 0
