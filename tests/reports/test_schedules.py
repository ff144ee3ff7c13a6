"""Monthly reports: on the first, once, also after a downtime; told to whoever may see them, and to nobody else."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock, mail
from portal.core.mail import MailMessage
from portal.licences.models import Kind, Licence
from portal.reports import jobs, schedules, telling
from portal.reports.models import Report, ReportSchedule, Subject
from portal.reports.schedules import Wanted
from portal.stations.models import Grant, StationGroup
from tests import world
from tests.reports.test_jobs import content

Browser = Callable[[Account], FlaskClient]
LINKS = Links("secret", "http://piquet.example")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda instant: monkeypatch.setattr(clock, "now", lambda: instant)


@pytest.fixture
def row(session: Session, owner: Account, group: StationGroup) -> ReportSchedule:
    """From March 2024 on, also for reader@, who may see the group without its drivers, and nobody@, who has nothing."""
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION)
    reader.language = "de"
    world.account(session, "nobody@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "display", reader.email, hides_drivers=True)
    for licence in session.scalars(sa.select(Licence)):
        licence.starts_at = datetime(2024, 1, 1, tzinfo=UTC)
    about = (Subject.STATION_GROUP, group.id)
    typed = "Reader@demo.example, nobody@demo.example; noaccount@demo.example"
    made = schedules.create(session, owner, Wanted(about, ["extended_csv"], None, typed))
    made.next_month = date(2024, 3, 1)
    session.commit()
    return made


def make(session: Session) -> int:
    made = schedules.make_due(session, LINKS)
    session.commit()
    return made


def readers(session: Session) -> list[tuple[str, date, date]]:
    query = sa.select(Account.email, Report.first_day, Report.last_day)
    found = session.execute(query.join(Account, Account.id == Report.account_id).order_by(Report.id))
    return [(email, first, last) for email, first, last in found]


def test_it_is_made_once_on_the_first_in_the_accounts_time_zone(
    session: Session, row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 3, 31, 21, 59, tzinfo=UTC))
    assert make(session) == 0
    at(datetime(2024, 3, 31, 22, 1, tzinfo=UTC))  # past midnight in Zurich
    assert (make(session), make(session)) == (2, 0)
    march = (date(2024, 3, 1), date(2024, 3, 31))
    assert readers(session) == [("owner@demo.example", *march), ("reader@demo.example", *march)]


def test_every_month_that_was_missed_is_made(
    session: Session, row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    row.recipients = []
    at(datetime(2024, 6, 17, tzinfo=UTC))
    assert make(session) == 3
    assert [first.month for _email, first, _last in readers(session)] == [3, 4, 5]


def test_each_sees_by_his_own_eyes(
    session: Session, sessions: sessionmaker[Session], row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 4, 2, tzinfo=UTC))
    make(session)
    assert jobs.run_due(sessions) == 2
    of_owner, of_reader = session.scalars(sa.select(Report).order_by(Report.id)).all()
    assert b"cmd@x" not in content(session, of_reader, "extended_csv")
    assert b"cmd@x" in content(session, of_owner, "extended_csv")
    assert (of_owner.language, of_reader.language) == ("en", "de")


def test_mails_go_to_those_who_may_see_it_when_written_and_when_sent(
    session: Session, sessions: sessionmaker[Session], row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 4, 2, tzinfo=UTC))
    make(session)
    assert telling.tell_of_finished(session, LINKS) == 0, "none is done yet"
    session.commit()
    jobs.run_due(sessions)
    assert (telling.tell_of_finished(session, LINKS), telling.tell_of_finished(session, LINKS)) == (2, 0)
    session.commit()
    letters = {one.recipient: one for one in session.scalars(sa.select(MailMessage)).all()}
    assert letters.keys() == {"owner@demo.example", "reader@demo.example"}
    assert "März 2024" in letters["reader@demo.example"].subject
    assert "http://piquet.example/reports/" in letters["owner@demo.example"].body
    assert "owner@demo.example" in letters["reader@demo.example"].body
    assert all(mail.may_leave(session, one) for one in letters.values())
    session.execute(sa.delete(Grant))
    session.commit()
    assert [mail.may_leave(session, letters[f"{who}@demo.example"]) for who in ("owner", "reader")] == [True, False]


def test_who_lost_the_right_meanwhile_gets_no_letter(
    session: Session, sessions: sessionmaker[Session], row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 4, 2, tzinfo=UTC))
    make(session)
    jobs.run_due(sessions)
    session.execute(sa.delete(Grant))
    assert telling.tell_of_finished(session, LINKS) == 1


def test_without_the_licence_it_waits_and_then_catches_up(
    session: Session, row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 5, 2, tzinfo=UTC))
    licence = session.scalars(
        sa.select(Licence).where(Licence.account_id == row.account_id, Licence.kind == "reports")
    ).one()
    licence.ends_at = datetime(2024, 4, 1, tzinfo=UTC)
    assert make(session) == 0
    licence.ends_at = None
    assert make(session) == 4


def test_what_its_account_may_no_longer_see_is_not_made(
    session: Session, group: StationGroup, row: ReportSchedule, at: Callable[[datetime], None]
) -> None:
    at(datetime(2024, 4, 2, tzinfo=UTC))
    reader = session.scalars(sa.select(Account).where(Account.email == "nobody@demo.example")).one()
    row.account_id, row.recipients = reader.id, []
    assert make(session) == 0
    assert row.next_month == date(2024, 4, 1), "no old month is told to whoever gets access later"


def test_it_is_set_up_changed_and_ended_on_its_pages(
    session: Session, owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    browser = logged_in(owner)
    assert "No monthly report yet" in browser.get("/reports/monthly").text
    data = {"subject": f"station_group-{group.id}", "kinds": ["pdf"], "recipients": "a@x.example\nb@x.example"}
    answer = browser.post("/reports/monthly/new", data=data, follow_redirects=True)
    assert "The monthly report is saved." in answer.text
    number = session.scalars(sa.select(ReportSchedule.id)).one()
    session.commit()
    page = browser.get(f"/reports/monthly/{number}/edit").text
    assert "a@x.example\nb@x.example" in page
    browser.post(f"/reports/monthly/{number}/edit", data=data | {"recipients": "", "vat": "8.1"})
    found = session.scalars(sa.select(ReportSchedule)).one()
    assert (found.recipients, found.vat_permille) == ([], 81)
    session.commit()
    browser.post(f"/reports/monthly/{number}/stop")
    assert session.scalars(sa.select(ReportSchedule)).all() == []
    session.commit()
    text = browser.get("/audit?kind=reports").text
    for verb in ("Set up", "Changed", "Ended"):
        assert f"{verb} the monthly report Garage" in text


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"recipients": "a@x.example, nonsense"}, "recipients", "Enter an e-mail address such as name@company.ch."),
        ({"recipients": " ".join(f"a{n}@x.example" for n in range(51))}, "recipients", "At most 50 addresses."),
        ({"kinds": []}, "kinds", "Choose at least one kind of file."),
        ({"subject": ""}, "subject", "Choose what the report is about."),
    ],
)
def test_a_wrong_entry_is_said_at_its_field(
    owner: Account, group: StationGroup, logged_in: Browser, changed: dict[str, str], field: str, said: str
) -> None:
    data = {"subject": f"station_group-{group.id}", "kinds": ["pdf"], "recipients": "", **changed}
    answer = logged_in(owner).post("/reports/monthly/new", data=data)
    assert answer.status_code == 422
    assert said in answer.text.split(f'id="{field}-error"')[1].split("</div>")[0]


def test_nobody_sets_one_up_for_what_he_may_not_see(
    session: Session, group: StationGroup, row: ReportSchedule, logged_in: Browser
) -> None:
    browser = logged_in(session.scalars(sa.select(Account).where(Account.email == "nobody@demo.example")).one())
    data = {"subject": f"station_group-{group.id}", "kinds": ["pdf"]}
    assert browser.post("/reports/monthly/new", data=data).status_code == 404
    number = row.id
    session.commit()
    assert browser.post(f"/reports/monthly/{number}/stop").status_code == 404
