"""Energy of meters in a period, with how complete it is: what exports and reports are made of.

Of one connector a quarter hour with energy is W (measured) or E (substitute); one without is W with 0 Wh inside its
coverage, and F (missing) outside it. A virtual meter is as good as its worst connector, because its sum lacks what
that one lacks. Sums are integer Wh, straight from the sessions' quarter hours.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import quarter_columns
from portal.charging.models import ChargingSession, Coverage, QuarterHour
from portal.charging.spreading import quarter_of
from portal.formats.rows import Meter, MeterPeriod, Series

QUARTER = timedelta(minutes=15)
RESOLUTION = timedelta(microseconds=1)
CONNECTORS_AT_ONCE = 200
WITH_QUARTERS_AT_ONCE = 25  # a month of one connector is 2,976 quarter hours, about 120 KB while it is read

Span = tuple[datetime, datetime]
Stamps = dict[datetime, tuple[int, str]]  # quarter hour -> its energy and its quality


@dataclass(frozen=True, slots=True)
class EnergySource:
    """A meter of an export and where its energy comes from: its connectors, and for a virtual meter the one driver."""

    row: Meter
    connector_ids: tuple[int, ...]
    driver_id: int | None = None


@dataclass(slots=True)
class _Total:
    energy_wh: int = 0
    substitute: int = 0
    missing: int = 0
    series: Series | None = None


def meter_periods(
    session: Session,
    sources: Iterable[EnergySource],
    starts_at: datetime,
    ends_at: datetime,
    *,
    quarters: bool = False,
    register: bool = False,
) -> Iterator[MeterPeriod]:
    """One row per source, in their order, for the period from `starts_at` to before `ends_at` (UTC, on quarter hours).

    With `quarters` each row carries every quarter hour of the period, with `register` its running virtual register: two
    SQL statements per 200 connectors, or 25 with quarter hours; a third for the register.
    """
    period = (starts_at, ends_at)
    portions = _portions(sources, WITH_QUARTERS_AT_ONCE if quarters else CONNECTORS_AT_ONCE)
    with quarter_columns.Reader(session, period) as reader:
        some = next(portions, [])
        while some:
            totals = (
                [_of_many(session, some[0], period)]
                if _is_many(some[0])
                else _of_single(session, some, period, reader, quarters=quarters)
            )
            registers = _registers(session, some, ends_at) if register else [None] * len(some)
            following = next(portions, [])
            if quarters and following and not _is_many(following[0]):
                reader.ask(_connector_ids(following))
            for source, total, register_wh in zip(some, totals, registers, strict=True):
                yield _row(source, total, period, register_wh, quarters=quarters)
            some = following


def last_at(session: Session, connector_ids: Sequence[int]) -> datetime | None:
    """When the last quarter hour began in which one of a few connectors gave energy; one statement for each."""
    last = sa.select(sa.func.max(QuarterHour.starts_at))
    each = [session.scalar(last.where(QuarterHour.connector_id == connector_id)) for connector_id in connector_ids]
    return max(filter(None, each), default=None)


def uncovered(
    session: Session, connector_ids: Sequence[int], starts_at: datetime, ends_at: datetime
) -> dict[int, list[Span]]:
    """For each connector the spans of the period that no coverage reaches, in order; [] where all is covered."""
    reached = dict.fromkeys(connector_ids, starts_at)
    gaps: dict[int, list[Span]] = {connector_id: [] for connector_id in connector_ids}
    for some in _in_parts(connector_ids):
        for connector_id, covers_from, covers_to in session.execute(_coverage(some, starts_at, ends_at)):
            if covers_from > reached[connector_id]:
                gaps[connector_id].append((reached[connector_id], covers_from))
            reached[connector_id] = max(reached[connector_id], min(covers_to, ends_at))
    for connector_id, until in reached.items():
        if until < ends_at:
            gaps[connector_id].append((until, ends_at))
    return gaps


def _coverage(
    connector_ids: Sequence[int], starts_at: datetime, ends_at: datetime
) -> sa.Select[int, datetime, datetime]:
    columns = (Coverage.connector_id, Coverage.starts_at, Coverage.ends_at)
    overlaps = (Coverage.connector_id.in_(connector_ids), Coverage.starts_at < ends_at, Coverage.ends_at > starts_at)
    return sa.select(*columns).where(*overlaps).order_by(*columns)


def _portions(sources: Iterable[EnergySource], at_once: int) -> Iterator[list[EnergySource]]:
    """Sources in their order: those of one connector many at a time, virtual meters each alone."""
    for many, run in groupby(sources, _is_many):
        waiting = iter(run)
        while portion := list(islice(waiting, 1 if many else at_once)):
            yield portion


def _in_parts(connector_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(connector_ids), CONNECTORS_AT_ONCE):
        yield connector_ids[first : first + CONNECTORS_AT_ONCE]


def _is_many(source: EnergySource) -> bool:
    """Whether it is a virtual meter, whose energy is added up."""
    return source.driver_id is not None or len(source.connector_ids) > 1


def _connector_ids(sources: Sequence[EnergySource]) -> list[int]:
    return sorted({connector_id for source in sources for connector_id in source.connector_ids})


def _of_single(
    session: Session, sources: Sequence[EnergySource], period: Span, reader: quarter_columns.Reader, *, quarters: bool
) -> list[_Total]:
    """Totals of sources with one connector each: summed by the database where nothing is missing and no quarter is
    wanted, else quarter by quarter."""
    connector_ids = _connector_ids(sources)
    gaps = uncovered(session, connector_ids, *period)
    if quarters or any(gaps.values()):
        by_connector = _totals_by_quarter(reader, connector_ids, period, gaps)
    else:
        by_connector = _sums(session, connector_ids, period)
    empty = _total(_filled({}, [], period)) if quarters else _Total()
    return [by_connector[source.connector_ids[0]] if source.connector_ids else empty for source in sources]


def _sums(session: Session, connector_ids: Sequence[int], period: Span) -> dict[int, _Total]:
    stamped = _stamped(connector_ids, period).subquery()
    substitute = sa.func.count().filter(stamped.c.quality == "E")
    columns = (stamped.c.connector_id, sa.func.sum(stamped.c.wh), substitute)
    totals = {connector_id: _Total() for connector_id in connector_ids}
    for connector_id, energy_wh, count in session.execute(sa.select(*columns).group_by(columns[0])):
        totals[connector_id] = _Total(int(energy_wh), count)
    return totals


def _totals_by_quarter(
    reader: quarter_columns.Reader, connector_ids: Sequence[int], period: Span, gaps: Mapping[int, list[Span]]
) -> dict[int, _Total]:
    held, count = reader.take(connector_ids), (period[1] - period[0]) // QUARTER
    totals = {}
    for connector_id in connector_ids:
        spans = _merged(
            (quarter_of(start), quarter_of(end + QUARTER - RESOLUTION)) for start, end in gaps[connector_id]
        )
        missing = [((start - period[0]) // QUARTER, (end - period[0]) // QUARTER) for start, end in spans]
        totals[connector_id] = _total(
            Series(period[0], *quarter_columns.filled(held.get(connector_id), missing, count))
        )
    return totals


def _of_many(session: Session, source: EnergySource, period: Span) -> _Total:
    """The total of a virtual meter: energy added up, a quarter as good as the worst connector has it."""
    stamps: Stamps = {}
    missing: list[Span] = []
    for some in _in_parts(sorted(set(source.connector_ids))):
        gaps = uncovered(session, some, *period)
        known: dict[int, set[datetime]] = defaultdict(set)
        for connector_id, at, energy_wh, quality in session.execute(_stamped(some, period, source.driver_id)):
            before, worst = stamps.get(at, (0, "W"))
            stamps[at] = (before + int(energy_wh), min(worst, quality))
            known[connector_id].add(at)
        missing += [span for connector_id in some for span in _without(gaps[connector_id], known[connector_id])]
    return _total(_filled(stamps, _merged(missing), period))


def _stamped(
    connector_ids: Sequence[int], period: Span, driver_id: int | None = None
) -> sa.Select[int, datetime, int, str]:
    """Connector, quarter hour, its energy and its worst quality ("E" before "W")."""
    energy, quality = sa.func.sum(QuarterHour.energy_wh), sa.func.min(QuarterHour.quality)
    query = sa.select(QuarterHour.connector_id, QuarterHour.starts_at, energy.label("wh"), quality.label("quality"))
    query = query.where(QuarterHour.connector_id.in_(connector_ids))
    query = query.where(QuarterHour.starts_at >= period[0], QuarterHour.starts_at < period[1])
    return _of_driver(query, driver_id).group_by(QuarterHour.connector_id, QuarterHour.starts_at)


def _of_driver(query: sa.Select, driver_id: int | None) -> sa.Select:  # type: ignore[type-arg]  # keeps its columns
    if driver_id is None:
        return query
    query = query.join(ChargingSession, ChargingSession.id == QuarterHour.session_id)
    return query.where(ChargingSession.driver_id == driver_id)


def _total(series: Series) -> _Total:
    return _Total(sum(series.energy_wh), series.quality.count("E"), series.quality.count("F"), series)


def _registers(session: Session, sources: Sequence[EnergySource], at: datetime) -> list[int]:
    """What each source's quarter hours sum up to before `at`. It comes from the same rows as the energy of a period, so
    that of two registers the difference is the energy between them."""
    held: dict[int, int] = {}
    connector_ids = sorted({connector_id for source in sources for connector_id in source.connector_ids})
    for some in _in_parts(connector_ids):
        query = sa.select(QuarterHour.connector_id, sa.func.sum(QuarterHour.energy_wh))
        query = query.where(QuarterHour.connector_id.in_(some), QuarterHour.starts_at < at)
        query = _of_driver(query, sources[0].driver_id).group_by(QuarterHour.connector_id)
        held.update((connector_id, int(energy_wh)) for connector_id, energy_wh in session.execute(query))
    return [sum(held.get(connector_id, 0) for connector_id in set(source.connector_ids)) for source in sources]


def _row(source: EnergySource, total: _Total, period: Span, register_wh: int | None, *, quarters: bool) -> MeterPeriod:
    starts_at, ends_at = period
    return MeterPeriod(
        meter=source.row,
        starts_at=starts_at,
        ends_at=ends_at,
        energy_wh=total.energy_wh,
        measured=(ends_at - starts_at) // QUARTER - total.substitute - total.missing,
        substitute=total.substitute,
        missing=total.missing,
        series=total.series if quarters else None,
        register_wh=register_wh,
        gaps=_gaps(total.series) if total.series and total.missing else (),
    )


def _gaps(series: Series) -> list[Span]:
    spans = (match.span() for match in re.finditer("F+", series.quality))
    return [(series.starts_at + first * QUARTER, series.starts_at + after * QUARTER) for first, after in spans]


def _filled(stamps: Stamps, missing: Iterable[Span], period: Span) -> Series:
    lacking = set(_stamps_of(missing))
    held = [(at, *stamps.get(at, (0, "W"))) for at in _stamps_of([period])]
    quality = "".join("F" if at in lacking else quality for at, _, quality in held)
    return Series(period[0], [energy_wh for _, energy_wh, _ in held], quality)


def _without(gaps: Iterable[Span], known: Iterable[datetime]) -> list[Span]:
    """The quarter hours that the gaps touch, as spans, without those whose energy is known all the same."""
    whole = _merged((quarter_of(start), quarter_of(end + QUARTER - RESOLUTION)) for start, end in gaps)
    if not whole:
        return []
    held = set(known)
    return _merged((at, at + QUARTER) for at in _stamps_of(whole) if at not in held) if held else whole


def _stamps_of(spans: Iterable[Span]) -> Iterator[datetime]:
    for at, end in spans:
        while at < end:
            yield at
            at += QUARTER  # noqa: PLW2901  the loop's own counter


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for starts_at, ends_at in sorted(spans):
        if merged and starts_at <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ends_at))
        else:
            merged.append((starts_at, ends_at))
    return merged
