"""Notes and planned work at a station: who writes, who reads, what a form refuses."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.errors import RuleBroken
from portal.licences.models import Licence
from portal.maintenance import operations, queries
from portal.maintenance.models import MaintenanceEntry, State
from portal.maintenance.operations import Plan
from tests import world
from tests.statements import recorded, scans_of

Browser = Callable[[Account], FlaskClient]
DAY = timedelta(days=1)
SOON = {"text": "Change the fuse\nof connector 1", "starts_at": "2098-07-01T08:00", "ends_at": "2098-07-01T10:30"}


def url(place: SimpleNamespace, verb: str = "") -> str:
    return f"/stations/{place.station.id}/maintenance" + (f"/{verb}" if verb else "")


def entry(session: Session) -> MaintenanceEntry:
    found = session.scalars(sa.select(MaintenanceEntry).execution_options(populate_existing=True)).one()
    session.commit()
    return found


def planned(session: Session, place: SimpleNamespace, *, starts: timedelta = DAY, text: str = "New fuse") -> int:
    at = clock.now() + starts
    row = operations.plan(session, place.owner, place.station, Plan(text, at, at + DAY))
    session.commit()
    return row.id


def test_work_is_planned_in_local_time_and_shown_to_all_who_see_the_station(
    session: Session, place: SimpleNamespace, owner: FlaskClient, logged_in: Browser
) -> None:
    answer = owner.post(url(place, "plan"), data=SOON, follow_redirects=True)
    assert "Change the fuse<br>of connector 1" in answer.text
    row = entry(session)
    assert row.starts_at == datetime(2098, 7, 1, 6, tzinfo=UTC)
    assert row.ends_at == datetime(2098, 7, 1, 8, 30, tzinfo=UTC)
    guest = logged_in(place.guest)
    for page in (f"/stations/{place.station.id}", url(place), "/maintenance"):
        assert "Change the fuse" in guest.get(page).text, page
    for page in ("/stations", f"/station-groups/{place.group.id}"):
        assert "Work planned: " in guest.get(page).text, page
    assert "Change the fuse" in guest.get(f"/station-groups/{place.group.id}/maintenance").text
    assert "Change the fuse" not in logged_in(place.stranger).get("/maintenance").text


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"ends_at": "2098-07-01T07:59"}, "ends_at", "The end lies before the beginning."),
        ({"ends_at": "2098-07-01T08:00"}, "ends_at", "The end lies before the beginning."),
        ({"starts_at": "2001-01-01T08:00", "ends_at": "2001-01-01T09:00"}, "ends_at", "This has passed."),
        ({"ends_at": "2099-12-01T08:00"}, "ends_at", "Plan a year at most at once."),
        ({"ends_at": "9999-12-31T23:59"}, "ends_at", "Choose a day between 2000 and 2199."),
        ({"starts_at": "0001-01-01T00:00"}, "starts_at", "Choose a day between 2000 and 2199."),
        ({"starts_at": "2098-03-30T02:30"}, "starts_at", "The clock skips this time"),
        ({"starts_at": "tomorrow"}, "starts_at", "Not a valid datetime value."),
        ({"starts_at": ""}, "starts_at", "This must be filled in."),
        ({"text": "  "}, "text", "Say in a few words what it is about."),
        ({"text": "x" * 2001}, "text", "Field cannot be longer than 2000 characters."),
    ],
)
def test_a_wrong_entry_is_refused_at_its_field_and_nothing_is_lost(
    session: Session, place: SimpleNamespace, owner: FlaskClient, changed: dict[str, str], field: str, said: str
) -> None:
    typed = SOON | changed
    answer = owner.post(url(place, "plan"), data=typed)
    assert answer.status_code == 422
    assert said in answer.text.split(f'id="{field}-error"')[1].split("</div>")[0]
    assert all(value.strip() in answer.text for value in typed.values())
    assert session.scalars(sa.select(MaintenanceEntry)).all() == []


def test_an_hour_that_comes_twice_begins_the_first_and_ends_the_second_time(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    twice = {"text": "Night", "starts_at": "2098-10-26T02:30", "ends_at": "2098-10-26T02:30"}
    owner.post(url(place, "plan"), data=twice)
    row = entry(session)
    assert row.starts_at == datetime(2098, 10, 26, 0, 30, tzinfo=UTC)
    assert row.ends_at == datetime(2098, 10, 26, 1, 30, tzinfo=UTC)


def test_who_manages_and_holds_the_licence_writes(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    browser = logged_in(place.technician)
    browser.post(url(place, "note"), data={"text": "Lock is stiff"})
    assert (entry(session).written_by_id, entry(session).owner_id) == (place.technician.id, place.owner.id)
    session.execute(sa.delete(Licence).where(Licence.account_id == place.technician.id, Licence.kind == "maintenance"))
    session.commit()
    for verb in ("note", "plan"):
        assert "The licence “Maintenance” is missing" in browser.get(url(place, verb)).text
        answer = browser.post(url(place, verb), data=SOON)
        assert (answer.status_code, "request it first" in answer.text) == (422, True)
    assert url(place, "plan") not in browser.get(url(place)).text
    assert entry(session).text == "Lock is stiff"


def test_who_may_only_look_writes_nothing(session: Session, place: SimpleNamespace, logged_in: Browser) -> None:
    number, browser = planned(session, place), logged_in(place.guest)
    assert "You can look at this, but not change it." in browser.get(url(place)).text
    for address in (url(place, "plan"), url(place, "note"), *(f"/maintenance/{number}/{v}" for v in ("move", "done"))):
        assert browser.post(address, data=SOON).status_code == 403, address
    assert browser.post(f"/maintenance/{number}/cancel").status_code == 403
    assert logged_in(place.stranger).post(f"/maintenance/{number}/cancel").status_code == 404
    assert entry(session).is_open


def test_work_is_moved_and_the_log_says_from_where_to_where(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    number = planned(session, place)
    assert "New fuse" in owner.get(f"/maintenance/{number}/move").text
    owner.post(f"/maintenance/{number}/move", data=SOON)
    assert entry(session).starts_at == datetime(2098, 7, 1, 6, tzinfo=UTC)
    text = owner.get("/audit?kind=maintenance").text
    assert "Changed planned work at Garage" in text
    assert "New fuse" in text
    assert "Beginning" in text


def test_work_is_done_by_somebody_who_need_not_have_an_account(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    number = planned(session, place)
    assert 'value="Owner"' in owner.get(f"/maintenance/{number}/done").text, "the reader is proposed"
    assert owner.post(f"/maintenance/{number}/done", data={"done_by": " "}).status_code == 422
    data = {"done_by": "Elektro Rossi SA", "remark": "Fuse 16 A"}
    text = owner.post(f"/maintenance/{number}/done", data=data, follow_redirects=True).text
    assert "Done by Elektro Rossi SA: Fuse 16 A" in text
    row = entry(session)
    assert (row.done_by_id, row.state(clock.now())) == (place.owner.id, State.DONE)
    assert "New fuse" not in owner.get(f"/stations/{place.station.id}").text


def test_work_that_is_called_off_stays_in_the_history(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    number = planned(session, place)
    assert "New fuse" in owner.get(f"/maintenance/{number}/cancel").text
    text = owner.post(f"/maintenance/{number}/cancel", follow_redirects=True).text
    assert "The work is called off." in text
    assert "New fuse" in text
    assert "New fuse" not in owner.get("/maintenance").text


def test_of_two_who_end_the_same_work_the_second_is_told(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    number = planned(session, place)
    row = session.get_one(MaintenanceEntry, number)
    operations.cancel(session, place.owner, row)
    session.commit()
    for verb in ("move", "done", "cancel"):
        answer = owner.get(f"/maintenance/{number}/{verb}", follow_redirects=True)
        assert "This work was done or called off meanwhile." in answer.text
    for act in (
        lambda: operations.finish(session, place.owner, row, "me"),
        lambda: operations.cancel(session, place.owner, row),
        lambda: operations.move(session, place.owner, row, Plan("x", clock.now(), clock.now() + DAY)),
    ):
        with pytest.raises(RuleBroken, match="meanwhile"):
            act()


def test_what_is_past_its_end_is_overdue_and_no_longer_announced(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    number = planned(session, place)
    now = clock.now()
    session.get_one(MaintenanceEntry, number).starts_at = now - 2 * DAY
    session.get_one(MaintenanceEntry, number).ends_at = now - DAY
    session.commit()
    assert "Not marked as done" in owner.get("/maintenance").text
    assert "New fuse" not in owner.get(f"/stations/{place.station.id}").text
    assert "Work planned" not in owner.get("/stations").text


@pytest.mark.parametrize(
    ("starts", "ends", "ended", "state"),
    [
        (None, None, None, State.NOTE),
        (1, 2, None, State.PLANNED),
        (-1, 1, None, State.UNDER_WAY),
        (0, 1, None, State.UNDER_WAY),
        (-1, 0, None, State.OVERDUE),
        (1, 2, "done_at", State.DONE),
        (-2, -1, "cancelled_at", State.CANCELLED),
    ],
)
def test_where_an_entry_stands(starts: int | None, ends: int | None, ended: str | None, state: State) -> None:
    now = clock.now()
    dates = {} if starts is None or ends is None else {"starts_at": now + starts * DAY, "ends_at": now + ends * DAY}
    row = MaintenanceEntry(**dates, **({ended: now} if ended else {}))
    assert row.state(now) == state
    assert row.is_open == (state in {State.PLANNED, State.UNDER_WAY, State.OVERDUE})


def test_the_history_goes_with_the_station_and_with_its_end(
    session: Session, place: SimpleNamespace, owner: FlaskClient
) -> None:
    operations.note(session, place.owner, place.station, "Note")
    session.commit()
    owner.post(f"/stations/{place.station.id}/delete")
    assert session.scalars(sa.select(MaintenanceEntry)).all() == []


def test_lists_walk_indexes_among_many_entries(session: Session, place: SimpleNamespace) -> None:
    at = clock.now() + DAY
    others = [world.station(session, place.stranger) for _ in range(40)]
    rows = [
        {
            "station_id": station.id,
            "owner_id": place.stranger.id,
            "text": "x",
            "starts_at": at,
            "ends_at": at + DAY,
            "written_by_id": place.stranger.id,
            "done_at": None if n == 0 else at,
        }
        for station in others
        for n in range(100)
    ]
    session.execute(sa.insert(MaintenanceEntry), rows)
    planned(session, place)
    session.execute(sa.text("ANALYZE"))
    session.commit()
    with recorded() as statements:
        assert [row.station for row in queries.open_work(session, place.guest.id, "", 1).items] == ["Garage"]
        assert queries.planned(session, [place.station.id]).keys() == {place.station.id}
        queries.history(session, place.station, 1)
        queries.open_at(session, place.station)
    assert scans_of(session, statements, {"maintenance_entry"}) == []
