"""One row of a session file read into a charging session, with everything that is wrong with it. Pure.

A row with a problem is kept and shown and never billed; a row with warnings only counts.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from portal.charging.amounts import read_duration, read_number, to_wh
from portal.charging.date_text import is_missing, read_moment, text_of
from portal.charging.mapping import (
    AmbiguousHour,
    DurationUnit,
    EnergyUnit,
    Mapping,
    MappingProblem,
)
from portal.charging.mapping_guess import guess
from portal.charging.session_row import (
    FoundConnector,
    Lookup,
    Problem,
    Reading,
    Seen,
    SessionRow,
    Warning,  # noqa: A004 - the counterpart of Problem
)
from portal.charging.session_span import Resolution, Span, resolve
from portal.charging.table_shape import Cell, TableRow

__all__ = [
    "DEFAULT_MAX_POWER_W",
    "AmbiguousHour",
    "DurationUnit",
    "EnergyUnit",
    "FoundConnector",
    "Lookup",
    "Mapping",
    "MappingProblem",
    "Problem",
    "Reading",
    "Seen",
    "SessionRow",
    "Warning",
    "guess",
    "read",
]

DEFAULT_MAX_POWER_W = 400_000
"""Assumed where a connector's power is unknown: the upper end of today's CCS chargers."""

LONGEST = timedelta(days=31)
EXTERNAL_ID_LENGTH = 120


class _Row:
    """A row under its mapping: cells by field, and the findings collected."""

    def __init__(self, row: TableRow, mapping: Mapping) -> None:
        self.row, self.mapping = row, mapping
        self.problems: list[Problem] = []
        self.warnings: list[Warning] = []

    def cell(self, column: int | None) -> Cell:
        if column is None or column >= len(self.row.cells):
            return ""
        cell = self.row.cells[column]
        return "" if is_missing(cell) else cell

    def text(self, column: int | None) -> str:
        return text_of(self.cell(column))


def read(
    row: TableRow,
    mapping: Mapping,
    lookup: Lookup,
    *,
    now: datetime,
    seen: Seen | None = None,
    exists: Callable[[str], bool] | None = None,
) -> Reading:
    """Read one row under a complete mapping (`mapping.open_questions` is empty). Raises nothing for any cells.

    `now` is aware: what lies after it is a problem. `seen` finds duplicates in the file and must be the same
    object for all its rows; `exists` tells whether a session of this external id is stored already.
    """
    given = _Row(row, mapping)
    _judge_width(given)
    connector = _station(given, lookup)
    span = _span(given, now)
    energy = _energy(given)
    registers = _registers(given)
    energy_wh = _judge_energy(given, energy, registers)
    if span is not None and energy_wh is not None and span.end >= span.start:
        power = (connector.max_power_w if connector else None) or DEFAULT_MAX_POWER_W
        _judge_power(given, energy_wh, span, power)
    content = _content(given, connector, span, energy_wh, registers)
    external_id = _external_id(given, content)
    if (seen is not None and seen.repeats(f"id {external_id}", f"content {content}")) or (
        exists is not None and exists(external_id)
    ):
        given.problems.append(Problem.DUPLICATE)
    session = None
    if connector is not None and span is not None and energy_wh is not None:
        session = SessionRow(
            station_ref=connector.station_ref,
            connector_no=connector.connector_no,
            started_at=span.start,
            ended_at=span.end,
            energy_wh=energy_wh,
            register_start_wh=registers[0],
            register_end_wh=registers[1],
            driver=given.text(mapping.driver),
            card=given.text(mapping.card),
            external_id=external_id,
        )
    raw = tuple(text_of(cell) for cell in row.cells)
    return Reading(row.line, session, tuple(given.problems), tuple(given.warnings), external_id, raw)


def _judge_width(given: _Row) -> None:
    width = len(given.mapping.columns)
    if any(text_of(cell) for cell in given.row.cells[width:]):
        given.problems.append(Problem.TOO_MANY_CELLS)
    elif len(given.row.cells) < width:
        given.warnings.append(Warning.TOO_FEW_CELLS)


def _station(given: _Row, lookup: Lookup) -> FoundConnector | None:
    mapping = given.mapping
    station = mapping.constant_station.strip() or given.text(mapping.station)
    connector = lookup(station, given.text(mapping.connector)) if station else None
    if connector is None:
        given.problems.append(Problem.UNKNOWN_STATION)
    return connector


def _span(given: _Row, now: datetime) -> Span | None:
    """The session's instants, or None when one of them is unknown."""
    mapping = given.mapping
    start = _moment(given, mapping.start, mapping.start_time, Problem.MISSING_START, Problem.UNREADABLE_START)
    duration = _duration(given)
    end = None
    if mapping.end is not None:
        end = _moment(given, mapping.end, mapping.end_time, Problem.MISSING_END, Problem.UNREADABLE_END)
        if end is None:
            return None
    if start is None or (end is None and duration is None):
        return None
    span = resolve(start, end, duration, mapping.zone, mapping.ambiguous_hour)
    if span is None:
        given.problems.append(Problem.NONEXISTENT_HOUR)
        return None
    if span.resolution is Resolution.OPEN:
        given.problems.append(Problem.AMBIGUOUS_HOUR)
    elif span.resolution is not Resolution.PLAIN:
        given.warnings.append(Warning(f"hour_decided_by_{span.resolution}"))
    _judge_span(given, span, duration, now)
    return span


def _judge_span(given: _Row, span: Span, duration: timedelta | None, now: datetime) -> None:
    if span.end < span.start:
        given.problems.append(Problem.END_BEFORE_START)
    if span.start > now or span.end > now:
        given.problems.append(Problem.FUTURE)
    if span.end - span.start > LONGEST:
        given.warnings.append(Warning.TOO_LONG)
    # Stamps to the minute leave a duration up to a minute off at each end.
    if duration is not None and abs(span.end - span.start - duration) > timedelta(minutes=2):
        given.warnings.append(Warning.DURATION_DIFFERS)


def _moment(
    given: _Row, column: int | None, time_column: int | None, missing: Problem, unreadable: Problem
) -> datetime | None:
    cell = given.cell(column)
    time_cell = given.cell(time_column) if time_column is not None else None
    if cell == "" or time_cell == "":
        given.problems.append(missing)
        return None
    order = given.mapping.date_order
    moment = read_moment(cell, order, time_cell) if order is not None else None
    if moment is None:
        given.problems.append(unreadable)
    return moment


def _duration(given: _Row) -> timedelta | None:
    mapping = given.mapping
    if mapping.duration is None:
        return None
    cell = given.cell(mapping.duration)
    duration = read_duration(cell, mapping.duration_unit, mapping.decimal_mark) if cell != "" else None
    if duration is None and mapping.end is None:
        given.problems.append(Problem.MISSING_END if cell == "" else Problem.UNREADABLE_END)
    return duration


def _energy(given: _Row) -> Decimal | None:
    """The energy cell's exact Wh."""
    mapping = given.mapping
    if mapping.energy is None:
        return None
    cell = given.cell(mapping.energy)
    if cell == "":
        given.problems.append(Problem.MISSING_ENERGY)
        return None
    number = read_number(cell, mapping.decimal_mark)
    if number is None:
        given.problems.append(Problem.UNREADABLE_ENERGY)
        return None
    return number * 1000 if mapping.energy_unit is EnergyUnit.KWH else number


def _registers(given: _Row) -> tuple[int | None, int | None]:
    mapping = given.mapping
    values: list[int | None] = []
    for column in (mapping.register_start, mapping.register_end):
        cell = given.cell(column)
        number = read_number(cell, mapping.decimal_mark) if cell != "" else None
        if cell != "" and number is None and Problem.UNREADABLE_REGISTER not in given.problems:
            given.problems.append(Problem.UNREADABLE_REGISTER)
        values.append(None if number is None else to_wh(number, mapping.register_unit))
    return values[0], values[1]


def _judge_energy(given: _Row, energy: Decimal | None, registers: tuple[int | None, int | None]) -> int | None:
    """The session's Wh: of the energy column, or the registers' difference where no such column is mapped."""
    first, last = registers
    advance = last - first if first is not None and last is not None else None
    if given.mapping.energy is None:
        if advance is None:
            given.problems.append(Problem.MISSING_ENERGY)
            return None
        energy = Decimal(advance)
    if advance is not None and (advance < 0 or (energy is not None and abs(energy - advance) > 1)):
        given.problems.append(Problem.REGISTER_MISMATCH)
    if energy is None:
        return None
    if energy < 0:
        given.problems.append(Problem.NEGATIVE_ENERGY)
    return to_wh(energy, EnergyUnit.WH)


def _judge_power(given: _Row, energy_wh: int, span: Span, max_power_w: int) -> None:
    """Energy that the outlet cannot have delivered in the time, a minute granted for stamps to the minute."""
    seconds = int((span.end - span.start).total_seconds()) + 60
    if energy_wh * 3600 > max_power_w * seconds:
        given.problems.append(Problem.IMPOSSIBLE_POWER)


def _content(
    given: _Row,
    connector: FoundConnector | None,
    span: Span | None,
    energy_wh: int | None,
    registers: tuple[int | None, int | None],
) -> str:
    """Hash over what was read, or over the cell's text where nothing could be: the order of columns, the unit
    and the way of writing do not change it."""
    mapping = given.mapping
    values: list[object] = [mapping.constant_station.strip() or given.text(mapping.station)]
    values.append(given.text(mapping.connector))
    if connector is not None:
        values = [connector.station_ref, connector.connector_no]
    if span is not None:
        values += [span.start.isoformat(), span.end.isoformat()]
    else:
        columns = (mapping.start, mapping.start_time, mapping.end, mapping.end_time, mapping.duration)
        values += [given.text(column) for column in columns]
    values.append(given.text(mapping.energy) if energy_wh is None else energy_wh)
    values += [*registers, given.text(mapping.driver), given.text(mapping.card)]
    return hashlib.sha256("\x1f".join(map(str, values)).encode(errors="replace")).hexdigest()


def _external_id(given: _Row, content: str) -> str:
    named = given.text(given.mapping.external_id)
    if len(named) > EXTERNAL_ID_LENGTH:
        return hashlib.sha256(named.encode(errors="replace")).hexdigest()
    return named or content
