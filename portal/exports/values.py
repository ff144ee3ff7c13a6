"""What the files of a run say of each meter, and what they would say today: the ground of corrections."""

from array import array
from bisect import bisect_right
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
from portal.exports.writers import tells_parts, tells_register
from portal.formats.rows import MeterPeriod

AT_ONCE = 1000
Key = tuple[int | None, datetime]  # the connector (none: the driver's virtual meter) and the start of the period


@dataclass(frozen=True, slots=True)
class Value:
    """One meter in one period of a run: Wh, counts of quarter hours by quality, and where the files tell them the
    running register at the period's end, and a fingerprint of all quarter hours."""

    position: int
    starts_at: datetime
    connector_id: int | None
    meter: str
    identifier: str
    energy_wh: int
    measured: int
    substitute: int
    missing: int
    register_wh: int | None
    fingerprint: str

    @property
    def key(self) -> Key:
        return self.connector_id, self.starts_at

    @property
    def content(self) -> tuple[int, int, int, int, int | None, str]:
        """What a receiver would bill by: two values of the same content need no correction."""
        return self.energy_wh, self.measured, self.substitute, self.missing, self.register_wh, self.fingerprint


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


class Said:
    """What the files of a run say, gathered from its rows as they are written: each is read once, by whoever writes.

    Rows of one meter and period may come in parts, in their order, such as days.
    """

    def __init__(self, run: ExportRun, sources: Iterable[EnergySource]) -> None:
        self._identifier = run.task.formatter.identifier
        self._periods = list(run.periods())
        self._starts = [period.starts_at for period in self._periods]
        self._positions = {_connector(source): position for position, source in enumerate(sources)}
        self._sums: dict[Key, _Sum] = {}

    def note(self, sources: Iterable[EnergySource], rows: Iterable[MeterPeriod]) -> Iterator[MeterPeriod]:
        """The rows of these sources as they come, each noted."""
        for source, row in zip(sources, rows, strict=True):
            period = self._periods[bisect_right(self._starts, row.starts_at) - 1]
            key = (_connector(source), period.starts_at)
            held = self._sums.get(key)
            if held is None:
                held = self._sums[key] = _Sum(source)
            held.add(row, is_last=row.ends_at >= period.ends_at)
            yield row

    def values(self) -> Iterator[Value]:
        """What was said, meter by meter, once all rows were read."""
        for (connector_id, starts_at), held in self._sums.items():
            row = held.source.row
            yield Value(
                position=self._positions[connector_id],
                starts_at=starts_at,
                connector_id=connector_id,
                meter=row.name[:300],
                identifier=(getattr(row, self._identifier) or "")[:80],
                energy_wh=held.energy_wh,
                measured=held.measured,
                substitute=held.substitute,
                missing=held.missing,
                register_wh=held.register_wh,
                fingerprint=held.fingerprint(),
            )


class _Sum:
    """Parts of one meter and period added up, the quarter hours in two running hashes, which go with the last part:
    those of 10,000 meters would take 8 MB."""

    __slots__ = ("_digest", "_hashes", "energy_wh", "measured", "missing", "register_wh", "source", "substitute")

    def __init__(self, source: EnergySource) -> None:
        self.source, self._digest = source, ""
        self.energy_wh = self.measured = self.substitute = self.missing = 0
        self.register_wh: int | None = None
        self._hashes: tuple[blake2b, blake2b] | None = None  # of the energy, of the quality

    def add(self, row: MeterPeriod, *, is_last: bool) -> None:
        self.energy_wh += row.energy_wh
        self.measured += row.measured
        self.substitute += row.substitute
        self.missing += row.missing
        self.register_wh = row.register_wh
        if row.series is not None:
            energy_wh, quality = self._hashes = self._hashes or (blake2b(digest_size=16), blake2b(digest_size=16))
            energy_wh.update(array("q", row.series.energy_wh).tobytes())
            quality.update(row.series.quality.encode("ascii"))
            if is_last:
                self._digest, self._hashes = self.fingerprint(), None

    def fingerprint(self) -> str:
        """Equal for equal quarter hours in whatever parts they came; empty where there were none."""
        if self._hashes is None:
            return self._digest
        energy_wh, quality = self._hashes
        return blake2b(energy_wh.digest() + quality.digest(), digest_size=16).hexdigest()


def _connector(source: EnergySource) -> int | None:
    """What tells the meters of a run apart: their connector; a driver's virtual meter is alone."""
    return None if source.driver_id else source.connector_ids[0]


def present(session: Session, run: ExportRun) -> Iterator[Value]:
    """What the run would say now, meter by meter. Two statements for each 200 connectors and period."""
    sources, formatter = meters(session, run.task), run.task.formatter
    said, parts = Said(run, sources), {"quarters": tells_parts(formatter), "register": tells_register(formatter)}
    for period in run.periods():
        rows = energy.meter_periods(session, sources, period.starts_at, period.ends_at, **parts)
        for _ in said.note(sources, rows):
            pass
    return said.values()


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
