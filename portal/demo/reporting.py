"""The demo's reports: one of the shared group's last whole month, and the same every month."""

from datetime import date, timedelta

from sqlalchemy.orm import Session

from portal.accounts import queries
from portal.demo.dates import Shift
from portal.reports import operations, schedules
from portal.reports.models import FileKind, Subject
from portal.reports.schedules import Wanted
from portal.stations.models import StationGroup

KINDS = (FileKind.PDF.value, FileKind.EXTENDED_CSV.value, FileKind.XLSX.value)


def load(session: Session, shift: Shift) -> None:
    """Order the report; a worker makes it within seconds. The monthly one goes to whom the group is shared with."""
    master = queries.by_email(session, "master@demo.example")
    group = session.query(StationGroup).filter_by(name="Bl2").one()
    if master is None:
        raise LookupError("the demo's accounts are missing")
    about = (Subject.STATION_GROUP, group.id)
    operations.order(session, master, about, _last_whole_month(shift.last_day), KINDS)
    schedules.create(session, master, Wanted(about, KINDS, recipients="manage@demo.example"))


def _last_whole_month(last_day: date) -> tuple[date, date]:
    end = (last_day + timedelta(days=1)).replace(day=1) - timedelta(days=1)
    return end.replace(day=1), end
