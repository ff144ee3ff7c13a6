"""What the files of a run hold, counted while they are written."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from portal.exports.gaps import Gaps
from portal.exports.values import Said
from portal.formats.rows import MeterPeriod


@dataclass(slots=True)
class Totals:
    """Rows are meters, or meters and days where each day has a file. `said`: what they say of each meter; `gaps`: which
    quarter hours they lack."""

    rows: int = 0
    energy_wh: int = 0
    quarters_measured: int = 0
    quarters_substitute: int = 0
    quarters_missing: int = 0
    said: Said | None = None
    gaps: Gaps = field(default_factory=Gaps)

    def count(self, rows: Iterable[MeterPeriod]) -> Iterator[MeterPeriod]:
        for row in rows:
            self.rows += 1
            self.energy_wh += row.energy_wh
            self.quarters_measured += row.measured
            self.quarters_substitute += row.substitute
            self.quarters_missing += row.missing
            self.gaps.note(row)
            yield row

    def values(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__ if name not in ("said", "gaps")}
