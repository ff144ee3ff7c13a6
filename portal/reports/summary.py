"""What the rows of a report add up to, gathered while they pass."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from portal.access.costs import Cost
from portal.access.prices import vat_within
from portal.reports.rows import ReportRow


class Sum(NamedTuple):
    """What rows add up to, in one currency at one VAT rate."""

    currency: str
    vat_permille: int
    sessions: int
    energy_wh: int
    cost: Cost

    @property
    def vat(self) -> int:
        """The VAT within the total, rounded once."""
        return vat_within(self.cost.total, self.vat_permille)


class Summary:
    """Sums by currency and VAT rate, energy by local day and by driver. `vat_permille` stands for the rate of every
    session, where one is given. It holds days and drivers, never rows."""

    def __init__(self, zone: ZoneInfo, vat_permille: int | None = None) -> None:
        self._zone, self._vat_permille = zone, vat_permille
        self._sums: dict[tuple[str, int], Sum] = {}
        self.days: dict[date, int] = {}  # Wh
        self.drivers: dict[str, int] = {}  # Wh, by what the reader may know of them; "" for unknown ones
        self.sessions = self.energy_wh = self.gaps = 0

    def add(self, row: ReportRow) -> None:
        key = (row.currency, row.vat_permille if self._vat_permille is None else self._vat_permille)
        so_far = self._sums.get(key, Sum(*key, 0, 0, Cost()))
        added = (one + other for one, other in zip(so_far.cost[:6], row.cost[:6], strict=True))
        cost = Cost._make((*added, so_far.cost.gap or row.cost.gap))
        self._sums[key] = Sum(*key, so_far.sessions + 1, so_far.energy_wh + row.energy_wh, cost)
        self.sessions, self.energy_wh, self.gaps = (
            self.sessions + 1,
            self.energy_wh + row.energy_wh,
            self.gaps + row.cost.gap,
        )
        self.drivers[row.driver] = self.drivers.get(row.driver, 0) + row.energy_wh
        for at, energy_wh in row.quarters:
            day = at.astimezone(self._zone).date()
            self.days[day] = self.days.get(day, 0) + energy_wh

    def of(self, rows: Iterable[ReportRow]) -> Iterator[ReportRow]:
        """The rows as they come, each added."""
        for row in rows:
            self.add(row)
            yield row

    @property
    def sums(self) -> list[Sum]:
        """By currency, then by rate."""
        return [self._sums[key] for key in sorted(self._sums)]

    def kept(self) -> list[dict[str, Any]]:
        """The sums as they are stored with the report and shown on its page; money in Rappen."""
        return [
            {
                "currency": one.currency,
                "vat_permille": one.vat_permille,
                "sessions": one.sessions,
                "energy_wh": one.energy_wh,
                "charging": one.cost.energy + one.cost.time + one.cost.start,
                "parking": one.cost.parking,
                "total": one.cost.total,
                "vat": one.vat,
                "gap": one.cost.gap,
            }
            for one in self.sums
        ]


def sums(rows: Iterable[ReportRow], vat_permille: int | None = None) -> list[Sum]:
    """The rows added up by currency and VAT rate."""
    summary = Summary(ZoneInfo("UTC"), vat_permille)
    for row in rows:
        summary.add(row)
    return summary.sums
