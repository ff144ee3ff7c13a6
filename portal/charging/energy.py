"""Energy of meters in a period, with how complete it is: what exports and reports are made of.

A quarter hour with energy is W (measured) or E (substitute). One without is W with 0 Wh inside the coverage of its
connector, and F (missing) outside it. Sums are integer Wh, straight from the sessions' quarter hours.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging.models import ChargingSession, Coverage, QuarterHour
from portal.formats.rows import Meter, MeterPeriod, Quarter

QUARTER = timedelta(minutes=15)
CONNECTORS_AT_ONCE = 200  # bounds the memory of a page of quarter hours: 200 x 2,976 in a month

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class EnergySource:
    """A meter of an export and where its energy comes from: its connectors, and for a virtual meter the one driver."""

    row: Meter
    connector_ids: tuple[int, ...]
    driver_id: int | None = None


def meter_periods(
    session: Session, sources: Iterable[EnergySource], starts_at: datetime, ends_at: datetime, *, quarters: bool = False
) -> Iterator[MeterPeriod]:
    """One row per source, in their order, for the period from `starts_at` to before `ends_at` (UTC, on quarter hours).

    With `quarters` each row carries every quarter hour of the period. Three SQL statements per 200 connectors at most.
    A virtual meter is missing a quarter as soon as one of its connectors is.
    """
    for some in _portions(sources):
        connector_ids = sorted({connector_id for source in some for connector_id in source.connector_ids})
        gaps = uncovered(session, connector_ids, starts_at, ends_at)
        stamped = quarters or any(gaps.values()) or any(len(source.connector_ids) > 1 for source in some)
        totals = _quarters(session, some, starts_at, ends_at) if stamped else _sums(session, some, starts_at, ends_at)
        for source in some:
            missing = _merged(gap for connector_id in source.connector_ids for gap in gaps[connector_id])
            yield _row(source, totals[source], missing, (starts_at, ends_at), quarters=quarters)


def uncovered(
    session: Session, connector_ids: Sequence[int], starts_at: datetime, ends_at: datetime
) -> dict[int, list[Span]]:
    """For each connector the spans of the period that no coverage reaches, in order; [] where all is covered."""
    overlaps = (Coverage.connector_id.in_(connector_ids), Coverage.starts_at < ends_at, Coverage.ends_at > starts_at)
    columns = (Coverage.connector_id, Coverage.starts_at, Coverage.ends_at)
    reached = dict.fromkeys(connector_ids, starts_at)
    gaps: dict[int, list[Span]] = {connector_id: [] for connector_id in connector_ids}
    for connector_id, covers_from, covers_to in session.execute(
        sa.select(*columns).where(*overlaps).order_by(*columns)
    ):
        if covers_from > reached[connector_id]:
            gaps[connector_id].append((reached[connector_id], covers_from))
        reached[connector_id] = max(reached[connector_id], min(covers_to, ends_at))
    for connector_id, until in reached.items():
        if until < ends_at:
            gaps[connector_id].append((until, ends_at))
    return gaps


@dataclass(slots=True)
class _Total:
    energy_wh: int = 0
    with_energy: int = 0
    substitute: int = 0
    stamps: dict[datetime, tuple[int, str]] | None = None


def _portions(sources: Iterable[EnergySource]) -> Iterator[list[EnergySource]]:
    waiting = iter(sources)
    while portion := list(islice(waiting, CONNECTORS_AT_ONCE)):
        yield portion


def _stamped(
    sources: Sequence[EnergySource], starts_at: datetime, ends_at: datetime
) -> sa.Select[int, datetime, int, str]:
    """Connector, quarter hour, its energy and its worst quality ("E" before "W"), of these sources' sessions."""
    connector_ids = sorted({connector_id for source in sources for connector_id in source.connector_ids})
    energy, quality = sa.func.sum(QuarterHour.energy_wh), sa.func.min(QuarterHour.quality)
    query = sa.select(QuarterHour.connector_id, QuarterHour.starts_at, energy.label("wh"), quality.label("quality"))
    query = query.where(QuarterHour.connector_id.in_(connector_ids))
    query = query.where(QuarterHour.starts_at >= starts_at, QuarterHour.starts_at < ends_at)
    if sources[0].driver_id is not None:
        query = query.join(ChargingSession, ChargingSession.id == QuarterHour.session_id)
        query = query.where(ChargingSession.driver_id == sources[0].driver_id)
    return query.group_by(QuarterHour.connector_id, QuarterHour.starts_at)


def _by_connector(sources: Sequence[EnergySource]) -> dict[int, EnergySource]:
    return {connector_id: source for source in sources for connector_id in source.connector_ids}


def _sums(
    session: Session, sources: Sequence[EnergySource], starts_at: datetime, ends_at: datetime
) -> dict[EnergySource, _Total]:
    """Totals only, summed by the database: quick where nothing is missing and no format wants the quarters."""
    stamped = _stamped(sources, starts_at, ends_at).subquery()
    substitute = sa.func.count().filter(stamped.c.quality == "E")
    columns = (stamped.c.connector_id, sa.func.sum(stamped.c.wh), sa.func.count(), substitute)
    owners, totals = _by_connector(sources), {source: _Total() for source in sources}
    for connector_id, energy_wh, with_energy, count in session.execute(sa.select(*columns).group_by(columns[0])):
        total = totals[owners[connector_id]]
        total.energy_wh += int(energy_wh)
        total.with_energy += with_energy
        total.substitute += count
    return totals


def _quarters(
    session: Session, sources: Sequence[EnergySource], starts_at: datetime, ends_at: datetime
) -> dict[EnergySource, _Total]:
    owners = _by_connector(sources)
    stamps: dict[EnergySource, dict[datetime, tuple[int, str]]] = defaultdict(dict)
    for connector_id, at, energy_wh, quality in session.execute(_stamped(sources, starts_at, ends_at)):
        held = stamps[owners[connector_id]]
        before, worst = held.get(at, (0, "W"))
        held[at] = (before + int(energy_wh), min(worst, quality))
    return {source: _total(stamps[source]) for source in sources}


def _total(stamps: dict[datetime, tuple[int, str]]) -> _Total:
    substitute = sum(quality == "E" for _, quality in stamps.values())
    return _Total(sum(energy_wh for energy_wh, _ in stamps.values()), len(stamps), substitute, stamps)


def _row(source: EnergySource, total: _Total, gaps: list[Span], period: Span, *, quarters: bool) -> MeterPeriod:
    starts_at, ends_at = period
    stamps = total.stamps or {}
    missing = sum(stamp not in stamps for gap in gaps for stamp in _stamps(*gap))
    return MeterPeriod(
        meter=source.row,
        starts_at=starts_at,
        ends_at=ends_at,
        energy_wh=total.energy_wh,
        measured=(ends_at - starts_at) // QUARTER - total.substitute - missing,
        substitute=total.substitute,
        missing=missing,
        quarters=_filled(stamps, gaps, period) if quarters else None,
    )


def _filled(stamps: dict[datetime, tuple[int, str]], gaps: list[Span], period: Span) -> Iterator[Quarter]:
    lacking = {stamp for gap in gaps for stamp in _stamps(*gap)}
    for stamp in _stamps(*period):
        energy_wh, quality = stamps.get(stamp, (0, "F" if stamp in lacking else "W"))
        yield Quarter(stamp, energy_wh, quality)  # type: ignore[arg-type]  # W, E or F by the column's CHECK


def _stamps(starts_at: datetime, ends_at: datetime) -> Iterator[datetime]:
    """The quarter hours that a span touches."""
    into_the_quarter = timedelta(minutes=starts_at.minute % 15, seconds=starts_at.second)
    stamp = starts_at - into_the_quarter - timedelta(microseconds=starts_at.microsecond)
    while stamp < ends_at:
        yield stamp
        stamp += QUARTER


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for starts_at, ends_at in sorted(spans):
        if merged and starts_at <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends_at))
        else:
            merged.append((starts_at, ends_at))
    return merged
