"""The end of an import: the time it covers, for which charging points, and sessions that overlap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.coverage import cover
from portal.charging.file_reading import mapping_of
from portal.charging.models import ChargingSession, Covers, SessionImport
from portal.charging.reading import Reading
from portal.core import clock
from portal.core.db import among
from portal.stations.models import Connector, Station, StationGroupStation
from portal.stations.queries import visible_stations

OVERLAPPING = "overlapping"


@dataclass(slots=True)
class FileSpan:
    """First start and last end of the good rows of a file."""

    first: datetime | None = None
    last: datetime | None = None

    def add(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            if reading.good and reading.session is not None:
                start, end = reading.session.started_at, reading.session.ended_at
                self.first = start if self.first is None else min(self.first, start)
                self.last = end if self.last is None else max(self.last, end)

    def days(self, zone: ZoneInfo, today: date | None = None) -> tuple[date, date] | None:
        """First and last whole local day, the last one over by now; None when there is none."""
        if self.first is None or self.last is None:
            return None
        yesterday = (today or clock.now().astimezone(zone).date()) - timedelta(days=1)
        first, last = self.first.astimezone(zone).date(), min(self.last.astimezone(zone).date(), yesterday)
        return (first, last) if first <= last else None


def instants(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the first day's beginning to the end of the last day in a zone, as instants in UTC: what lies between two
    local times is not always what their difference says."""
    return (
        datetime.combine(first, time(), zone).astimezone(UTC),
        datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC),
    )


def finish(session: Session, row: SessionImport, span: FileSpan, in_file: set[int], warnings: dict[str, int]) -> None:
    """Note what the import covers, and count the sessions that overlap. The caller commits."""
    values: dict[str, object] = {}
    period = _period(row, span)
    if period is not None and row.covers != Covers.NONE.value:
        cover(session, _connectors(session, row, in_file), *period, row.id)
        values = {"covers_from": period[0], "covers_to": period[1]}
    overlapping = _overlapping(session, row.id, sorted(in_file), span)
    if overlapping:
        warnings[OVERLAPPING] = overlapping
    values["warnings"] = warnings
    session.execute(sa.update(SessionImport).where(SessionImport.id == row.id).values(values))


def _period(row: SessionImport, span: FileSpan) -> tuple[datetime, datetime] | None:
    if row.covers_from is not None and row.covers_to is not None:
        return row.covers_from, row.covers_to
    zone = mapping_of(row).zone
    days = span.days(zone)
    return instants(*days, zone) if days else None


def _connectors(session: Session, row: SessionImport, in_file: set[int]) -> Iterable[int]:
    wanted = sa.select(Connector.id).join(Station, Station.id == Connector.station_id)
    wanted = wanted.with_for_update(read=True, key_share=True, of=Connector)  # none changes its owner meanwhile
    wanted = wanted.where(Station.owner_id == row.owner_id, visible_stations(row.account_id, "session:import"))
    if row.covers == Covers.FILE.value:
        return session.scalars(wanted.where(among(session, Connector.id, in_file), Connector.owner_id == row.owner_id))
    if row.covers == Covers.GROUP.value:
        member = StationGroupStation
        wanted = wanted.where(
            Station.id.in_(sa.select(member.station_id).where(member.station_group_id == row.covers_group_id))
        )
    return session.scalars(wanted).all()


def _overlapping(session: Session, import_id: int, connector_ids: Sequence[int], span: FileSpan) -> int:
    """How many sessions of the import begin before an earlier one on their connector has ended."""
    if span.first is None or span.last is None:
        return 0
    table, count = ChargingSession, 0
    latest_end = sa.func.max(table.ended_at).over(
        partition_by=table.connector_id, order_by=(table.started_at, table.id), rows=(None, -1)
    )
    for start in range(0, len(connector_ids), 500):
        some = connector_ids[start : start + 500]
        held = (table.connector_id.in_(some), table.started_at >= span.first, table.started_at <= span.last)
        lines = sa.select(table.import_id, table.started_at, latest_end.label("busy_until")).where(*held).subquery()
        begins_early = (lines.c.import_id == import_id, lines.c.busy_until > lines.c.started_at)
        count += session.scalar(sa.select(sa.func.count()).select_from(lines).where(*begins_early)) or 0
    return count
