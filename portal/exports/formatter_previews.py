"""What a formatter makes of real values: those of a station group and of days that the reader chooses."""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging import energy
from portal.core import clock
from portal.core.errors import RuleBroken
from portal.exports import previews
from portal.exports.meters import meters_of_group
from portal.exports.models import ExportTask, Formatter, Scope
from portal.exports.periods import Interval
from portal.exports.previews import Preview

MOST_DAYS = 366
FEW = 3  # meters: enough for the first lines while somebody types


@dataclass(frozen=True, slots=True)
class Sources:
    """A station group that the reader may export, and local days, both inclusive."""

    station_group_id: int
    first_day: date
    last_day: date


def sources(
    session: Session, account: Account, station_group_id: int, first_day: date | None, last_day: date | None
) -> Sources:
    """What was chosen, and for days left empty the last one on which the group's first meters gave energy, or
    yesterday. RuleBroken."""
    first_day = first_day or last_day or _last_day(session, account, station_group_id)
    last_day = last_day or first_day
    if (last_day - first_day).days >= MOST_DAYS:
        raise RuleBroken("last_day", "These are more than %(most)s days: choose fewer days.", most=MOST_DAYS)
    return Sources(station_group_id, first_day, last_day)


def _last_day(session: Session, account: Account, station_group_id: int) -> date:
    found = meters_of_group(session, station_group_id)[:FEW]
    charged_at = energy.last_at(session, [number for meter in found for number in meter.connector_ids])
    at = charged_at or clock.now() - timedelta(days=1)
    return at.astimezone(ZoneInfo(account.time_zone)).date()


def build(
    session: Session, account: Account, formatter: Formatter, chosen: Sources, most: int = previews.MOST_METER_DAYS
) -> Preview:
    """As `previews.build`, with one value a month where the format has one for each period. RuleBroken."""
    task = ExportTask(name=formatter.name or "Preview", scope=Scope.CHARGING_POINTS, interval=Interval.MONTHLY)
    task.station_group_id, task.time_zone, task.formatter = chosen.station_group_id, account.time_zone, formatter
    return previews.build(session, task, chosen.first_day, chosen.last_day, most)
