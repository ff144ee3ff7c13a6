"""The pages of reports: ordering, following, opening, deleting; who lost the grant gets nothing."""

import re
from collections.abc import Callable
from datetime import date

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.charging.models import Driver
from portal.core.files import StoredFile
from portal.licences.models import Kind
from portal.reports import jobs, queries, schedules, telling
from portal.reports.models import Report, ReportFile, ReportSchedule
from portal.stations.models import Grant, Station, StationGroup
from tests import world
from tests.statements import recorded, scans_of

Browser = Callable[[Account], FlaskClient]
DAYS = {"period": "days", "first_day": "2024-03-01", "last_day": "2024-03-31"}


def order(browser: FlaskClient, subject: str, **data: object) -> str:
    """The address of the report that was ordered."""
    answer = browser.post("/reports/new", data={"subject": subject, "kinds": ["csv"], **DAYS, **data})
    assert answer.status_code == 302, answer.text
    return answer.location


def file_url(page: str) -> str:
    found = re.search(r"/reports/files/\d+", page)
    assert found is not None
    return found.group()


def test_a_report_is_ordered_followed_and_downloaded(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    browser = logged_in(owner)
    assert "No report yet" in browser.get("/reports").text
    url = order(browser, f"station_group-{group.id}", kinds=["csv", "xlsx"])
    assert "Waits for a worker" in browser.get(url).text
    assert 'hx-get="/reports/states' in browser.get("/reports").text
    assert jobs.run_due(sessions) == 1
    page = browser.get(url).text
    assert "9.500 kWh" in page
    assert "hx-get" not in browser.get("/reports").text.split('id="reports"')[1].split("</table>")[0]
    answer = browser.get(file_url(page))
    assert answer.headers["Content-Disposition"] == "attachment; filename=report_Garage_2024-03-01_2024-03-31.csv"
    assert len(answer.data.splitlines()) == 3


def test_who_lost_the_grant_gets_404_and_no_figures(
    session: Session, sessions: sessionmaker[Session], group: StationGroup, logged_in: Browser
) -> None:
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "display", reader.email)
    session.commit()
    browser = logged_in(reader)
    url = order(browser, f"station_group-{group.id}")
    jobs.run_due(sessions)
    file = file_url(browser.get(url).text)
    assert browser.get(file).status_code == 200
    session.execute(sa.delete(Grant))
    session.commit()
    assert browser.get(file).status_code == 404
    page = browser.get(url).text
    assert "This report is closed" in page
    assert "kWh" not in page


def test_a_report_opens_for_nobody_else(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    browser = logged_in(owner)
    url = order(browser, f"station_group-{group.id}")
    jobs.run_due(sessions)
    file = file_url(browser.get(url).text)
    other = world.account(session, "other@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "administrate", other.email)
    session.commit()
    stranger = logged_in(other)
    assert [stranger.get(one).status_code for one in (url, f"{url}/progress", f"{url}/delete", file)] == [404] * 4
    assert stranger.post(f"{url}/delete").status_code == 404


@pytest.mark.parametrize("subject", ["station", "station_group", "driver"])
def test_what_is_not_his_cannot_be_chosen(
    session: Session, group: StationGroup, logged_in: Browser, subject: str
) -> None:
    ids = {"station": Station, "station_group": StationGroup, "driver": Driver}
    number = session.scalars(sa.select(sa.func.min(ids[subject].id))).one()
    session.commit()
    browser = logged_in(world.account(session, "stranger@demo.example", Kind.REPORTS))
    session.commit()
    data = {"subject": f"{subject}-{number}", "kinds": ["csv"], **DAYS}
    assert browser.post("/reports/new", data=data).status_code == 404
    assert browser.get(f"/reports/new?subject={subject}-{number}").status_code == 404
    assert session.scalars(sa.select(Report)).all() == []


def test_a_driver_whom_a_reader_has_never_met_is_not_told(
    session: Session, owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    """He charges at another station of the same owner's."""
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    world.grant(session, group, "manage", reader.email)
    elsewhere = Driver(owner_id=owner.id, label="Secret")
    session.add(elsewhere)
    session.commit()
    met = session.scalars(sa.select(Driver.id).where(Driver.label == "Ben")).one()
    session.commit()
    browser = logged_in(reader)
    assert browser.get(f"/reports/new?subject=driver-{met}").status_code == 200
    assert browser.get(f"/reports/new?subject=driver-{elsewhere.id}").status_code == 404


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"subject": ""}, "subject", "Choose what the report is about."),
        ({"subject": "planet-1"}, "subject", "Choose what the report is about."),
        ({"first_day": ""}, "first_day", "This must be filled in."),
        ({"last_day": "2024-02-01"}, "last_day", "The last day lies before the first."),
        ({"last_day": "9999-12-31"}, "last_day", "Choose a day between 2000 and 2199."),
        ({"kinds": []}, "kinds", "Choose at least one kind of file."),
        ({"vat": "-1"}, "vat", "Number must be between 0 and 100."),
    ],
)
def test_a_wrong_entry_is_said_at_its_field(
    session: Session, owner: Account, group: StationGroup, logged_in: Browser, changed: dict[str, str], field: str,
    said: str,
) -> None:  # fmt: skip
    data = {"subject": f"station_group-{group.id}", "kinds": ["csv"], **DAYS, **changed}
    answer = logged_in(owner).post("/reports/new", data=data)
    assert answer.status_code == 422
    assert said in answer.text.split(f'id="{field}-error"')[1].split("</div>")[0]


def test_the_month_before_is_proposed_and_one_rate_for_all_can_be_chosen(
    session: Session, owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    browser = logged_in(owner)
    page = browser.get(f"/reports/new?subject=station_group-{group.id}").text
    assert 'checked class="form-check-input" id="period-0"' in page
    order(browser, f"station_group-{group.id}", period="last_month", vat="2.6")
    report = session.scalars(sa.select(Report)).one()
    assert (report.first_day.day, report.vat_permille) == (1, 26)
    assert (report.last_day - report.first_day).days in range(27, 31)


def test_without_the_licence_the_page_says_what_it_unlocks(session: Session, logged_in: Browser) -> None:
    browser = logged_in(world.account(session, "poor@demo.example"))
    session.commit()
    for url in ("/reports", "/reports/new"):
        page = browser.get(url).text
        assert "The licence “Reports” is missing" in page
        assert "Request it" in page


def test_it_is_deleted_with_its_files(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup, logged_in: Browser
) -> None:
    browser = logged_in(owner)
    before = session.scalar(sa.select(sa.func.count()).select_from(StoredFile))
    session.commit()
    url = order(browser, f"station_group-{group.id}")
    jobs.run_due(sessions)
    assert "can be made again" in browser.get(f"{url}/delete").text
    assert browser.post(f"{url}/delete").status_code == 302
    session.expire_all()
    assert session.scalars(sa.select(ReportFile)).all() == []
    assert session.scalar(sa.select(sa.func.count()).select_from(StoredFile)) == before
    page = browser.get("/audit?kind=reports").text
    assert "Deleted the report Garage" in page
    assert "Ordered the report Garage, " in page


def test_lists_and_chores_walk_indexes_among_many_reports(
    session: Session, owner: Account, group: StationGroup
) -> None:
    others = [world.account(session, f"other{number}@demo.example").id for number in range(60)] * 50
    same = {"subject": "station_group", "title": "x", "kinds": ["csv"]}
    days = {"first_day": date(2024, 3, 1), "last_day": date(2024, 3, 31), "time_zone": "UTC", "language": "en"}
    made = {**same, **days, "state": "done", "sums": []}
    session.execute(sa.insert(Report), [{**made, "account_id": other, "ordered_by_id": other} for other in others])
    later = [date(2098 + number % 90, 1 + number % 12, 1) for number in range(len(others))]
    monthly = [{"account_id": o, "next_month": day} for o, day in zip(others, later, strict=True)]
    session.execute(sa.insert(ReportSchedule), [{**same, "recipients": [], **one} for one in monthly])
    session.execute(sa.text("ANALYZE"))
    session.commit()
    with recorded() as statements:
        queries.reports(session, owner.id, 1)
        queries.schedules(session, owner.id, 1)
        queries.unfinished(session, owner.id)
        schedules.make_due(session, Links("x", "http://x.example"))
        telling.tell_of_finished(session, Links("x", "http://x.example"))
        jobs.waits_since(session)
    assert scans_of(session, statements, {"report", "report_schedule"}) == []
