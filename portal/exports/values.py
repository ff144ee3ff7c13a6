"""What the files of a run say of each meter, and what they would say today: the ground of corrections."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.charging import energy
from portal.charging.energy import EnergySource
from portal.exports.meters import meters
from portal.exports.models import ExportRun, ExportValue
from portal.exports.periods import Period
from portal.exports.writers import takes_quarters
from portal.formats.rows import MeterPeriod, Series

AT_ONCE = 1000
Key = tuple[int | None, datetime]  # the connector (none: the driver's virtual meter) and the start of the period


@dataclass(frozen=True, slots=True)
class Value:
    """One meter in one period of a run: Wh, counts of quarter hours by quality, and where the files hold the quarter
    hours a fingerprint of them all."""

    position: int
    starts_at: datetime
    connector_id: int | None
    meter: str
    identifier: str
    energy_wh: int
    measured: int
    substitute: int
    missing: int
    fingerprint: str

    @property
    def key(self) -> Key:
        return self.connector_id, self.starts_at

    @property
    def content(self) -> tuple[int, int, int, int, str]:
        """What a receiver would bill by: two values of the same content need no correction."""
        return self.energy_wh, self.measured, self.substitute, self.missing, self.fingerprint


@dataclass(frozen=True, slots=True)
class Delta:
    """A meter whose value in a period is not what was sent."""

    before: Value
    after: Value

    @property
    def difference_wh(self) -> int:
        return self.after.energy_wh - self.before.energy_wh

    @property
    def only_spread(self) -> bool:
        """The sum is the same; quarter hours within it are others, or known better or worse."""
        return self.difference_wh == 0


def present(session: Session, run: ExportRun) -> Iterator[Value]:
    """What the run would say now, meter by meter. Two statements for each 200 connectors and period."""
    sources, quarters = meters(session, run.task), takes_quarters(run.task.formatter)
    name = run.task.formatter.identifier
    for period in run.periods():
        rows = energy.meter_periods(session, sources, period.starts_at, period.ends_at, quarters=quarters)
        for position, (source, row) in enumerate(zip(sources, rows, strict=True)):
            yield _value(position, source, period, row, name)


def _value(position: int, source: EnergySource, period: Period, row: MeterPeriod, identifier: str) -> Value:
    return Value(
        position=position,
        starts_at=period.starts_at,
        connector_id=None if source.driver_id else source.connector_ids[0],
        meter=source.row.name[:300],
        identifier=(getattr(source.row, identifier) or "")[:80],
        energy_wh=row.energy_wh,
        measured=row.measured,
        substitute=row.substitute,
        missing=row.missing,
        fingerprint=_fingerprint(row.series) if row.series else "",
    )


def _fingerprint(series: Series) -> str:
    text = f"{','.join(map(str, series.energy_wh))} {series.quality}"
    return blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def keep(session: Session, run_id: int, found: Iterable[Value]) -> None:
    """Store what a run says, in place of what was stored for it."""
    session.execute(sa.delete(ExportValue).where(ExportValue.run_id == run_id))
    waiting = iter(found)
    while some := list(islice(waiting, AT_ONCE)):
        session.execute(sa.insert(ExportValue), [asdict(value) | {"run_id": run_id} for value in some])


def stored(session: Session, run_id: int) -> Mapping[Key, Value]:
    """What a run said when its files were built."""
    table = ExportValue
    columns = [getattr(table, name) for name in Value.__dataclass_fields__]
    rows = session.execute(sa.select(*columns).where(table.run_id == run_id).order_by(table.starts_at, table.position))
    return {value.key: value for value in (Value(*row) for row in rows)}


def deltas(before: Mapping[Key, Value], after: Iterable[Value]) -> Sequence[Delta]:
    """Meters that both know and whose content differs. A meter that left the station group since, or came to it, is
    no correction of what was sent."""
    pairs = ((before[value.key], value) for value in after if value.key in before)
    return [Delta(old, new) for old, new in pairs if old.content != new.content]
