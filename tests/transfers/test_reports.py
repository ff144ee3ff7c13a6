"""Monthly reports and reports when what they are about goes to another account."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core import clock
from portal.licences.models import Kind as Licence
from portal.licences.models import Licence as Held
from portal.reports import jobs, schedules, telling
from portal.reports import operations as reports
from portal.reports.models import Report, ReportSchedule, Subject
from portal.reports.schedules import Wanted
from portal.transfers import inventory, operations, things
from tests import world
from tests.transfers.test_operations import taken

LogIn = Callable[[Account], FlaskClient]
LINKS = Links("secret", "http://piquet.example")
MARCH = (date(2026, 3, 1), date(2026, 3, 31))
LATER = datetime(2099, 5, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def licensed(session: Session, place: SimpleNamespace) -> None:
    for account in (place.giver, place.receiver, place.sub):
        world.licence(session, account, Licence.REPORTS)


def monthly(session: Session, account: Account, about: tuple[Subject, int], recipients: str = "") -> ReportSchedule:
    return schedules.create(session, account, Wanted(about, ["csv"], None, recipients))


def about(place: SimpleNamespace, what: str) -> tuple[Subject, int]:
    return {
        "station": (Subject.STATION, place.a.id),
        "group": (Subject.STATION_GROUP, place.group.id),
        "other": (Subject.STATION_GROUP, place.other.id),
        "driver": (Subject.DRIVER, place.ann.id),
    }[what]


def ordered_after(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The subject and the account of each report that is made when some months have passed."""
    monkeypatch.setattr(clock, "now", lambda: LATER)
    session.execute(sa.update(Held).values(ends_at=None))
    session.execute(sa.update(ReportSchedule).values(next_month=date(2099, 4, 1)))
    schedules.make_due(session, LINKS)
    return [(row.subject, row.account_id) for row in session.scalars(sa.select(Report).order_by(Report.id))]


@pytest.mark.parametrize(("what", "stopping"), [("station", {"station"}), ("group", {"station", "group"})])
def test_monthly_reports_about_a_place_that_goes_stop(
    session: Session, place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, what: str, stopping: set[str]
) -> None:
    rows = {one: monthly(session, place.giver, about(place, one)) for one in ("station", "group", "other", "driver")}
    taken(session, place, what)
    assert {one for one, row in rows.items() if row.stopped_at is not None} == stopping
    assert {row.account_id for row in rows.values()} == {place.giver.id}
    made = {subject for subject, _account in ordered_after(session, monkeypatch)}
    assert made == {"station_group", "driver"}


def test_the_receivers_own_goes_on_and_that_of_others_stops(session: Session, place: SimpleNamespace) -> None:
    for email in (place.receiver.email, place.sub.email):
        world.grant(session, place.group, "manage", email)
    his = monthly(session, place.receiver, about(place, "group"))
    others = monthly(session, place.sub, about(place, "station"))
    assert inventory.of(session, things.of_group(place.group), place.receiver.email).schedules_stopping == 1
    taken(session, place)
    assert his.stopped_at is None
    assert others.stopped_at is not None


def test_with_everything_they_go_to_the_receiver(
    session: Session, place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = world.station_group(session, place.sub, "Theirs")
    world.grant(session, foreign, "manage", place.giver.email)
    stays = monthly(session, place.giver, (Subject.STATION_GROUP, foreign.id))
    known = Driver(owner_id=place.receiver.id, label="A. Nn", email="ann@x.example")
    session.add(known)
    session.flush()
    rows = [
        monthly(session, place.giver, about(place, one), "sub@x.example receiver@x.example")
        for one in ("station", "group", "driver")
    ]
    row = taken(session, place, "account")
    assert row.moved["schedules"] == 3
    assert {one.account_id for one in rows} == {place.receiver.id}
    assert {tuple(one.recipients) for one in rows} == {("sub@x.example",)}
    assert (rows[2].driver_id, stays.account_id) == (known.id, place.giver.id)
    assert {one.stopped_at for one in (*rows, stays)} == {None}
    whose = {account for _subject, account in ordered_after(session, monkeypatch) if account != place.giver.id}
    assert whose == {place.receiver.id}


def test_a_report_that_was_made_stays_open_to_its_old_owner_alone(
    session: Session, sessions: sessionmaker[Session], place: SimpleNamespace, logged_in: LogIn
) -> None:
    world.grant(session, place.group, "manage", "sub@x.example")
    made = [reports.order(session, who, about(place, "group"), MARCH, ["csv"]) for who in (place.giver, place.sub)]
    session.commit()
    assert jobs.run_due(sessions) == 2
    giver, sub, receiver = logged_in(place.giver), logged_in(place.sub), logged_in(place.receiver)
    taken(session, place)
    urls = [f"/reports/{one.id}" for one in made]
    files = [f"/reports/files/{one.files[0].id}" for one in made]
    session.commit()
    assert giver.get(files[0]).status_code == 200
    page = giver.get(urls[0]).text
    assert files[0] in page
    assert "Another period" not in page
    assert sub.get(files[1]).status_code == 404
    assert "This report is closed" in sub.get(urls[1]).text
    assert receiver.get(urls[0]).status_code == 404


def test_one_that_was_not_made_yet_fails_and_nobody_is_told(
    session: Session, sessions: sessionmaker[Session], place: SimpleNamespace
) -> None:
    row = reports.order(session, place.giver, about(place, "station"), MARCH, ["csv"])
    row.to_tell = True
    taken(session, place, "station")
    session.commit()
    jobs.run_due(sessions)
    session.refresh(row)
    assert (row.state, row.error, row.files) == ("failed", "not_allowed", [])
    assert telling.tell_of_finished(session, LINKS) == 0


def test_a_report_about_a_driver_whom_the_receiver_has_already_names_that_one(
    session: Session, place: SimpleNamespace
) -> None:
    known = Driver(owner_id=place.receiver.id, label="A. Nn", email="ann@x.example")
    session.add(known)
    made = reports.order(session, place.giver, about(place, "driver"), MARCH, ["csv"])
    session.flush()
    taken(session, place, "account")
    session.refresh(made)
    assert (made.driver_id, made.account_id) == (known.id, place.giver.id)


def test_both_sides_read_it_before_and_the_giver_sees_the_end(
    session: Session, place: SimpleNamespace, logged_in: LogIn
) -> None:
    row = monthly(session, place.giver, about(place, "group"))
    monthly(session, place.giver, about(place, "other"))
    session.commit()
    giver, receiver = logged_in(place.giver), logged_in(place.receiver)
    assert "2 monthly reports with their further recipients" in giver.get("/profile/transfer").text
    transfer = operations.offer(session, place.giver, things.of_group(place.group), "receiver@x.example")
    session.commit()
    for page in (giver.get(f"/station-groups/{place.group.id}/transfer"), receiver.get(f"/transfers/{transfer.id}")):
        assert "1 monthly report about what goes over stops." in page.text
        assert "1 monthly report no longer tells of them." in page.text
    receiver.post(f"/transfers/{transfer.id}/accept")
    assert "Belongs to another account since" in giver.get("/reports/monthly").text
    edit = f"/reports/monthly/{row.id}/edit"
    assert "This monthly report has stopped" in giver.get(edit).text
    giver.post(edit, data={"subject": f"station_group-{place.other.id}", "kinds": ["csv"]})
    session.refresh(row)
    assert (row.stopped_at, row.next_month) == (None, clock.now().date().replace(day=1))
    assert "Belongs to another account" not in giver.get("/reports/monthly").text


def test_one_whose_account_lost_the_grant_rests(session: Session, place: SimpleNamespace, logged_in: LogIn) -> None:
    grant = world.grant(session, place.group, "manage", "sub@x.example")
    for one in ("group", "station", "driver"):
        monthly(session, place.sub, about(place, one))
    session.commit()
    sub = logged_in(place.sub)
    assert "You may not see what it is about" not in sub.get("/reports/monthly").text
    grant.revoked_at = clock.now()
    session.commit()
    assert sub.get("/reports/monthly").text.count("You may not see what it is about") == 3
