"""Which quarter hours the files of a run lack: noted while they are written, and kept as they were then."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.exports.models import ExportGap
from portal.formats.rows import QUARTER_HOUR, MeterPeriod

MOST_SHOWN = 50  # on a page
MOST_KEPT = 10_000  # with a run; of more the number alone is known
AT_ONCE = 1000


class Gap(NamedTuple):
    """Quarter hours of a meter, one behind the other, of which nothing is known."""

    meter: str
    starts_at: datetime
    ends_at: datetime

    @property
    def quarters(self) -> int:
        return (self.ends_at - self.starts_at) // QUARTER_HOUR


class Gaps:
    """The gaps of a run as its rows pass by: the first MOST_KEPT, and how many there are. A gap that goes on in the
    next part of its meter, such as a day, is one."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Gap] = []
        self._last: dict[int, tuple[datetime, int]] = {}  # by the meter's object, which whoever reads the rows holds

    def note(self, row: MeterPeriod) -> None:
        for starts_at, ends_at in row.gaps:
            until, position = self._last.get(id(row.meter), (None, 0))
            if until != starts_at:
                position = self.count
                self.count += 1
                if position < MOST_KEPT:
                    self.kept.append(Gap(row.meter.name[:300], starts_at, ends_at))
            elif position < MOST_KEPT:
                self.kept[position] = self.kept[position]._replace(ends_at=ends_at)
            self._last[id(row.meter)] = (ends_at, position)


def keep(session: Session, run_id: int, found: Iterable[Gap]) -> None:
    """Store the gaps of a run, in place of what was stored for it."""
    session.execute(sa.delete(ExportGap).where(ExportGap.run_id == run_id))
    waiting = iter(enumerate(found))
    while some := list(islice(waiting, AT_ONCE)):
        rows = [gap._asdict() | {"run_id": run_id, "position": position} for position, gap in some]
        session.execute(sa.insert(ExportGap), rows)


def first(session: Session, run_id: int) -> Sequence[Gap]:
    """The first MOST_SHOWN gaps of a run."""
    return [Gap(*row) for row in session.execute(_stored(run_id).limit(MOST_SHOWN))]


def stored(session: Session, run_id: int) -> Iterator[Gap]:
    """All gaps that are kept with a run, read as they are asked for."""
    for some in session.execute(_stored(run_id).execution_options(yield_per=AT_ONCE)).partitions():
        yield from (Gap(*row) for row in some)


def _stored(run_id: int) -> sa.Select[str, datetime, datetime]:
    columns = (ExportGap.meter, ExportGap.starts_at, ExportGap.ends_at)
    return sa.select(*columns).where(ExportGap.run_id == run_id).order_by(ExportGap.position)
