"""Reports are made in the background, for whoever may see their subject when they are made."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from io import BytesIO

import openpyxl
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.models import Account
from portal.core import files
from portal.core.errors import NotThere, RuleBroken
from portal.licences.models import Kind
from portal.reports import jobs, operations
from portal.reports.models import Report, ReportFile
from portal.stations.models import Grant, StationGroup
from tests import world

MARCH = (date(2024, 3, 1), date(2024, 3, 31))


def ordered(session: Session, actor: Account, group: StationGroup, *kinds: str) -> Report:
    report = operations.order(session, actor, ("station_group", group.id), MARCH, kinds or ("csv",))
    session.commit()
    return report


def content(session: Session, report: Report, kind: str) -> bytes:
    session.expire_all()
    row = session.scalars(sa.select(ReportFile).where(ReportFile.report_id == report.id, ReportFile.kind == kind)).one()
    return b"".join(files.chunks(session, row.file_id))


def test_every_kind_of_table_holds_the_rows_of_the_period(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup
) -> None:
    report = ordered(session, owner, group, "csv", "extended_csv", "xlsx")
    assert jobs.run_due(sessions) == 1
    short = content(session, report, "csv").decode("utf-8-sig").splitlines()
    assert short[0].startswith("Station;Start;Charging seconds;End;User number;Energy in kWh;Energy price;")
    assert [line.split(";")[5] for line in short[1:]] == ["2.500", "7.000"]
    extended = content(session, report, "extended_csv").decode("utf-8-sig").splitlines()
    assert [line.split(";")[11] for line in extended[1:]] == ["'=cmd@x.example", ""]
    sheet = openpyxl.load_workbook(BytesIO(content(session, report, "xlsx"))).active
    assert sheet is not None
    assert [cell.value for cell in sheet["F"]] == ["Energy in kWh", 2.5, 7]
    assert (report.state, report.sessions, report.energy_wh, report.done_permille) == ("done", 2, 9500, 1000)


def test_it_follows_the_grant(
    session: Session, sessions: sessionmaker[Session], owner: Account, group: StationGroup
) -> None:
    reader = world.account(session, "reader@demo.example", Kind.AUTHORISATION, Kind.REPORTS)
    with pytest.raises(NotThere):
        ordered(session, reader, group)
    world.grant(session, group, "display", reader.email, hides_drivers=True)
    report = ordered(session, reader, group, "extended_csv")
    jobs.run_due(sessions)
    assert b"cmd@x" not in content(session, report, "extended_csv")
    late = ordered(session, reader, group)
    session.execute(sa.delete(Grant))
    session.commit()
    jobs.run_due(sessions)
    session.refresh(late)
    assert (late.state, late.error, late.files) == ("failed", "not_allowed", [])


def test_without_the_licence_nothing_is_made(
    session: Session, sessions: sessionmaker[Session], group: StationGroup, owner: Account
) -> None:
    report = ordered(session, owner, group)
    session.execute(sa.text("UPDATE licence SET ends_at = starts_at WHERE kind = 'reports'"))
    session.commit()
    jobs.run_due(sessions)
    session.refresh(report)
    assert (report.state, report.files) == ("failed", [])


@pytest.mark.parametrize(
    ("days", "kinds", "field"),
    [
        ((MARCH[1], MARCH[0]), ["csv"], "last_day"),
        ((date(2001, 1, 1), date(2024, 1, 1)), ["csv"], "last_day"),
        (MARCH, [], "kinds"),
        (MARCH, ["exe"], "kinds"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    session: Session, owner: Account, group: StationGroup, days: tuple[date, date], kinds: list[str], field: str
) -> None:
    with pytest.raises(RuleBroken) as refused:
        operations.order(session, owner, ("station_group", group.id), days, kinds)
    assert refused.value.field == field


def test_what_goes_wrong_is_tried_three_times(
    session: Session,
    sessions: Callable[[], AbstractContextManager[Session]],
    owner: Account,
    group: StationGroup,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = ordered(session, owner, group)
    monkeypatch.setattr("portal.reports.writers.write", lambda *_: 1 / 0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            jobs.run_one(sessions)
    assert not jobs.run_one(sessions)
    session.refresh(report)
    assert (report.state, report.error) == ("failed", "gave_up")


def test_a_worker_that_lost_its_lease_leaves_no_file(
    session: Session,
    sessions: sessionmaker[Session],
    owner: Account,
    group: StationGroup,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = ordered(session, owner, group)

    def taken_over(*_: object) -> list[bytes]:
        with sessions() as other:
            other.execute(sa.text("UPDATE report SET attempt = attempt + 1"))
            other.commit()
        return [b"late"]

    monkeypatch.setattr("portal.reports.writers.write", taken_over)
    assert jobs.run_one(sessions)
    session.refresh(report)
    assert (report.state, report.files) == ("running", [])
    assert session.scalar(sa.select(sa.func.count()).select_from(files.StoredFile)) == 1  # what was imported
