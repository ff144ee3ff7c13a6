"""Days, weeks and months of the overview, and what each is compared with."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

DAY = timedelta(days=1)
FIRST = date(2000, 1, 1)  # nothing that charges is older


class Kind(StrEnum):
    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, both ends included."""

    kind: Kind
    first: date
    last: date

    @property
    def before(self) -> "Period":
        """The period of the same kind before it."""
        return around(self.kind, self.first - DAY)

    @property
    def after(self) -> "Period":
        return around(self.kind, self.last + DAY)

    def has_begun(self, today: date) -> bool:
        return self.first <= today

    def is_under_way(self, today: date) -> bool:
        return self.first <= today < self.last

    def days(self) -> list[date]:
        return [date.fromordinal(n) for n in range(self.first.toordinal(), self.last.toordinal() + 1)]

    def compared(self, today: date) -> tuple[date, date]:
        """First and last day of the period before that this one is compared with: all of it, or as many of its days as
        have begun of a period that is under way."""
        before = self.before
        if not self.is_under_way(today):
            return before.first, before.last
        return before.first, min(before.last, before.first + (today - self.first))


def around(kind: Kind, day: date) -> Period:
    """The period of this kind that holds the day."""
    if kind is Kind.DAY:
        return Period(kind, day, day)
    if kind is Kind.WEEK:
        monday = day - timedelta(days=day.weekday())
        return Period(kind, monday, monday + timedelta(days=6))
    return Period(kind, day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
