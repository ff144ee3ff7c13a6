"""Which quarter hours a delivered file lacks, and whether they have come in since."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import energy
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportValue
from portal.formats.rows import QUARTER_HOUR, MeterPeriod

MOST = 50  # spans that a page shows, and meters that are looked at for it


class Gap(NamedTuple):
    """Quarter hours of a meter, one behind the other, of which nothing is known."""

    meter: str
    starts_at: datetime
    ends_at: datetime

    @property
    def quarters(self) -> int:
        return (self.ends_at - self.starts_at) // QUARTER_HOUR


def gaps(session: Session, run: ExportRun) -> Sequence[Gap]:
    """What is missing today of the meters that lacked something when the run was built: MOST spans and one, of the
    first MOST such meters. Four statements for each period among them."""
    return list(islice(_gaps(session, run), MOST + 1))


def _gaps(session: Session, run: ExportRun) -> Iterator[Gap]:
    lacking = (
        sa.select(ExportValue.starts_at, ExportValue.connector_id)
        .where(ExportValue.run_id == run.id, ExportValue.missing > 0)
        .order_by(ExportValue.position, ExportValue.starts_at)
        .limit(MOST)
    )
    found = {(row.starts_at, row.connector_id) for row in session.execute(lacking)}
    sources = [(None if one.driver_id else one.connector_ids[0], one) for one in meters(session, run.task)]
    for period in run.periods():
        wanted = [source for connector_id, source in sources if (period.starts_at, connector_id) in found]
        rows = energy.meter_periods(session, wanted, period.starts_at, period.ends_at, quarters=True)
        for row in rows:
            yield from _of_row(row)


def _of_row(row: MeterPeriod) -> Iterator[Gap]:
    series = row.series
    for span in re.finditer("F+", series.quality if series else ""):
        first, end = (row.starts_at + number * QUARTER_HOUR for number in span.span())
        yield Gap(row.meter.name, first, end)
