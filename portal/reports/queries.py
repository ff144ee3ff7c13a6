"""Reports of an account, and what it may order reports about. No row is loaded past this gate."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ChargingSession, Driver
from portal.core import authz, paging
from portal.core.errors import NotThere
from portal.core.files import StoredFile
from portal.reports import scope
from portal.reports.models import Report, ReportFile, ReportSchedule, ReportState, Subject
from portal.stations.models import Connector, Station, StationGroup
from portal.stations.queries import shows_drivers, visible_stations

TO_CHOOSE = 100  # of each kind in a menu; a longer list is searched
UNFINISHED = (ReportState.QUEUED.value, ReportState.RUNNING.value)
Choices = list[tuple[int, str]]


def report(session: Session, account_id: int, _action: str, row_id: int) -> Report:
    """The account's own report; NotThere for everybody else."""
    row = session.get(Report, row_id)
    if row is None or row.account_id != account_id:
        raise NotThere
    return row


def report_file(session: Session, account_id: int, _action: str, row_id: int) -> ReportFile:
    """A finished file of the account's own report, while the account may open it."""
    row = session.get(ReportFile, row_id)
    parent = session.get(Report, row.report_id if row else 0)
    if row is None or parent is None or parent.account_id != account_id:
        raise NotThere
    if not scope.may_open(session, parent):
        raise NotThere
    return row


def reports(session: Session, account_id: int, number: int) -> paging.Page[Report]:
    """A page of the account's reports, the latest first."""
    mine = Report.account_id == account_id
    total = session.scalar(sa.select(sa.func.count()).select_from(Report).where(mine)) or 0
    wanted = sa.select(Report).where(mine).order_by(Report.created_at.desc(), Report.id.desc())
    rows = session.scalars(wanted.limit(paging.SIZE).offset(paging.offset(number))).all()
    return paging.Page(rows, max(1, number), total)


def schedule(session: Session, account_id: int, _action: str, row_id: int) -> ReportSchedule:
    """The account's own monthly report; NotThere for everybody else."""
    row = session.get(ReportSchedule, row_id)
    if row is None or row.account_id != account_id:
        raise NotThere
    return row


def schedules(session: Session, account_id: int, number: int) -> paging.Page[ReportSchedule]:
    """A page of the account's monthly reports, by name."""
    mine = ReportSchedule.account_id == account_id
    total = session.scalar(sa.select(sa.func.count()).select_from(ReportSchedule).where(mine)) or 0
    wanted = sa.select(ReportSchedule).where(mine).order_by(ReportSchedule.title, ReportSchedule.id)
    rows = session.scalars(wanted.limit(paging.SIZE).offset(paging.offset(number))).all()
    return paging.Page(rows, max(1, number), total)


def resting(session: Session, account_id: int, rows: Sequence[ReportSchedule]) -> set[int]:
    """The ids of those of the account's monthly reports that are not made at present, because the account may not see
    what they are about. One statement."""
    table, charged = ReportSchedule, ChargingSession
    here = visible_stations(account_id, scope.ACTION)
    met = sa.select(charged.driver_id).join(Connector, Connector.id == charged.connector_id)
    met = met.join(Station, Station.id == Connector.station_id).where(here, shows_drivers(account_id))
    seen = sa.or_(
        table.station_id.in_(sa.select(Station.id).where(here)),
        table.station_group_id.in_(authz.visible(account_id, scope.ACTION)),
        table.driver_id.in_(sa.select(Driver.id).where(Driver.owner_id == account_id)),
        sa.exists(met.where(charged.driver_id == table.driver_id).correlate(table)),
    )
    ids = {row.id for row in rows}
    return ids.difference(session.scalars(sa.select(table.id).where(table.id.in_(ids), seen)))


def unfinished(session: Session, account_id: int) -> int:
    """How many reports of the account wait or are being made."""
    waiting = sa.and_(Report.account_id == account_id, Report.state.in_(UNFINISHED))
    return session.scalar(sa.select(sa.func.count()).select_from(Report).where(waiting)) or 0


class FileLine(NamedTuple):
    row: ReportFile
    size: int


def files_of(session: Session, row: Report) -> Sequence[FileLine]:
    """The finished files of a report, with their bytes."""
    wanted = sa.select(ReportFile, StoredFile.size).join(StoredFile, StoredFile.id == ReportFile.file_id)
    found = session.execute(wanted.where(ReportFile.report_id == row.id).order_by(ReportFile.id))
    return [FileLine(*one) for one in found]


def subjects(session: Session, account_id: int, text: str) -> dict[Subject, Choices]:
    """What the account may order reports about and contains the text: the first TO_CHOOSE of each kind, by name.
    Of drivers, those that are the account's own."""
    groups = StationGroup.id.in_(authz.visible(account_id, scope.ACTION))
    here = visible_stations(account_id, scope.ACTION)
    return {
        Subject.STATION_GROUP: _choices(session, StationGroup.id, StationGroup.name, groups, text),
        Subject.STATION: _choices(session, Station.id, Station.name, here, text),
        Subject.DRIVER: _choices(session, Driver.id, Driver.label, Driver.owner_id == account_id, text),
    }


def _choices(
    session: Session,
    key: sa.orm.InstrumentedAttribute[int],
    name: sa.orm.InstrumentedAttribute[str],
    seen: sa.ColumnElement[bool],
    text: str,
) -> Choices:
    wanted = sa.select(key, name).where(seen).order_by(name, key).limit(TO_CHOOSE)
    if text:
        wanted = wanted.where(name.icontains(text, autoescape=True))
    return [(row[0], row[1]) for row in session.execute(wanted)]
