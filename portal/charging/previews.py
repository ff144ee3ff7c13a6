"""What an import would do, computed without writing anything: date orders with examples, and counts."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from sqlalchemy.orm import Session

from portal.charging.date_text import DateOrder
from portal.charging.file_reading import FileReading, column, mapping_of
from portal.charging.finishing import FileSpan
from portal.charging.lookups import StationLookup
from portal.charging.models import SessionImport
from portal.charging.moments import Example, Proposal, examples, propose
from portal.charging.reading import Reading
from portal.charging.storing import Origin, known_rows
from portal.core import clock

MOST_ROWS = 20_000  # about three seconds
FIRST_ROWS = 12
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class DateChoice:
    """An order in which the file's dates can be read, and what it makes of some of them."""

    order: DateOrder
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Dates:
    """The orders that fit every date read; `whole` says whether that was the whole file."""

    proposal: Proposal
    choices: list[DateChoice]
    whole: bool


def dates(session: Session, row: SessionImport, most: int | None = MOST_ROWS) -> Dates:
    """Judge the column of the starts. Nothing fits (no choices) where it holds no dates."""
    start = mapping_of(row).start
    if start is None:
        return Dates(propose(()), [], True)
    proposal = propose(column(session, row, start, most))
    choices = [DateChoice(order, examples(column(session, row, start, most), order)) for order in proposal.orders]
    whole = most is None or next(islice(column(session, row, start), most, None), None) is None
    return Dates(proposal, choices, whole)


@dataclass(slots=True)
class Preview:
    """What was read of the file, and what would become of it. `whole`: to the end."""

    rows: int = 0
    good: int = 0
    known: int = 0
    energy_wh: int = 0
    whole: bool = True
    problems: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    first: list[Reading] = field(default_factory=list)
    unknown_stations: Counter[str] = field(default_factory=Counter)
    connector_ids: set[int] = field(default_factory=set)
    days: tuple[date, date] | None = None

    @property
    def flagged(self) -> int:
        return self.rows - self.good


def preview(session: Session, row: SessionImport, most: int = MOST_ROWS) -> Preview:
    """Read the file, up to `most` rows, as the import will. FileProblem when it is damaged."""
    found, span, mapping = Preview(), FileSpan(), mapping_of(row)
    lookup = StationLookup(session, row.account_id, row.owner_id)
    readings = FileReading(session, row, lookup, clock.now())
    origin = Origin(row.owner_id, row.id, row.source, row.account_id)
    while found.rows < most and (batch := list(islice(readings, min(AT_ONCE, most - found.rows)))):
        found.rows += len(batch)
        span.add(batch)
        found.known += known_rows(session, origin, batch)
        for reading in batch:
            _count(found, reading, mapping.station)
    found.whole = next(readings, None) is None
    found.connector_ids, found.days = lookup.connector_ids, span.days(mapping.zone)
    return found


def _count(found: Preview, reading: Reading, station: int | None) -> None:
    if len(found.first) < FIRST_ROWS:
        found.first.append(reading)
    found.warnings.update(str(warning) for warning in reading.warnings)
    found.problems.update(str(problem) for problem in reading.problems)
    if "unknown_station" in reading.problems and station is not None and station < len(reading.raw):
        found.unknown_stations[reading.raw[station]] += 1
    if reading.good and reading.session is not None:
        found.good += 1
        found.energy_wh += reading.session.energy_wh
