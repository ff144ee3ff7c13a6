"""Many licences from a text file: read it, judge it row by row, activate what can be. Nothing is kept by the way."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts.models import Account
from portal.core import clock, text_tables
from portal.core.errors import N_, RuleBroken
from portal.licences import operations
from portal.licences.models import Kind, Licence
from portal.licences.operations import Wanted

LONGEST_CELL = 300
DAYS = ("%Y-%m-%d", "%d.%m.%Y")
NO_KIND = N_("There is no such licence.")
NO_DAY = N_("This is no day: write it as 2027-01-31 or 31.01.2027.")
UNKNOWN = N_("No account has this address.")
HELD = N_("The account has this licence in some of these days already.")
TWICE = N_("This stands in the file already, for some of these days.")
Period = tuple[datetime, datetime | None]


@dataclass(slots=True)
class Row:
    """A row of the file with its number. `problem` is a gettext key; without one, it can be activated."""

    line: int
    cells: tuple[str, ...]
    email: str = ""
    kind: Kind | None = None
    first_day: date | None = None
    last_day: date | None = None
    account_id: int | None = None
    starts_at: datetime | None = None
    problem: str = ""

    @property
    def wanted(self) -> Wanted | None:
        """What it activates; none where there is a problem."""
        if self.problem or self.account_id is None or self.kind is None or self.first_day is None:
            return None
        return Wanted(self.account_id, self.kind, self.first_day, self.last_day, self.starts_at)


def read(data: bytes, names: Mapping[str, Kind], today: date) -> list[Row]:
    """The rows of a file "e-mail; licence; first day; last day", with or without headings. `names` are the words for
    each kind in lower case. An empty first day is today, an empty last day is no end. RuleBroken on `file` for what is
    no such file.
    """
    table = text_tables.read(
        data,
        columns=4,
        longest=LONGEST_CELL,
        nothing=N_("The file holds no row: e-mail address, licence, first day, last day."),
        is_heading=lambda line, cells: line == 1 and "@" not in cells[0],
    )
    return [_row(line, cells, names, today) for line, cells in table]


def _row(line: int, cells: tuple[str, ...], names: Mapping[str, Kind], today: date) -> Row:
    row = Row(line, cells)
    address, kind, first_day, last_day = row.cells
    try:
        row.email = emails.normalise(address)
        row.kind = names.get(kind.casefold())
        if row.kind is None:
            raise RuleBroken("kind", NO_KIND)
        row.first_day = _day(first_day) if first_day else today
        row.last_day = _day(last_day) if last_day else None
        operations.period(row.first_day, row.last_day, ZoneInfo("UTC"))
    except RuleBroken as broken:
        row.problem = broken.message
    return row


def _day(text: str) -> date:
    for form in DAYS:
        try:
            return date(*time.strptime(text, form)[:3])
        except ValueError:
            continue
    raise RuleBroken("first_day", NO_DAY)


def judge(session: Session, zone: ZoneInfo, rows: Sequence[Row]) -> None:
    """Find the account of each row, and mark those that cannot be activated. Two statements."""
    people = _accounts(session, {row.email for row in rows if not row.problem})
    taken, today = _taken(session, set(people.values())), clock.now().astimezone(zone).date()
    in_file: dict[tuple[int, Kind], list[Period]] = {}
    for row in rows:
        row.account_id = people.get(row.email)
        if row.problem or row.kind is None or row.first_day is None:
            continue
        if row.account_id is None:
            row.problem = UNKNOWN
            continue
        key, (starts_at, ends_at) = (row.account_id, row.kind), operations.period(row.first_day, row.last_day, zone)
        if row.first_day == today:
            starts_at = operations.from_today(starts_at, [end for _start, end in taken.get(key, ())])
        row.starts_at, period = starts_at, (starts_at, ends_at)
        if _meets(period, taken.get(key, ())):
            row.problem = HELD
        elif _meets(period, in_file.get(key, ())):
            row.problem = TWICE
        else:
            in_file.setdefault(key, []).append(period)


def activate(session: Session, actor: Account, rows: Sequence[Row]) -> list[Licence]:
    """Activate every row without a problem, judged anew with the accounts locked; the others stay as they are."""
    ids = sorted({row.account_id for row in rows if row.account_id is not None})
    session.scalars(sa.select(Account.id).where(Account.id.in_(ids)).order_by(Account.id).with_for_update()).all()
    judge(session, ZoneInfo(actor.time_zone), rows)
    return operations.add(session, actor, [wanted for row in rows if (wanted := row.wanted) is not None])


def _accounts(session: Session, addresses: Iterable[str]) -> dict[str, int]:
    found = session.execute(sa.select(Account.email, Account.id).where(Account.email.in_(addresses)))
    return {row[0]: row[1] for row in found}


def _taken(session: Session, account_ids: Iterable[int]) -> dict[tuple[int, Kind], list[Period]]:
    """When these accounts have which licences."""
    rows = session.execute(
        sa.select(Licence.account_id, Licence.kind, Licence.starts_at, Licence.ends_at).where(
            Licence.account_id.in_(account_ids),
            sa.or_(Licence.ends_at.is_(None), Licence.ends_at > Licence.starts_at),
        )
    )
    taken: dict[tuple[int, Kind], list[Period]] = {}
    for account_id, kind, starts_at, ends_at in rows:
        taken.setdefault((account_id, Kind(kind)), []).append((starts_at, ends_at))
    return taken


def _meets(period: Period, others: Iterable[Period]) -> bool:
    starts_at, ends_at = period
    return any((end is None or end > starts_at) and (ends_at is None or start < ends_at) for start, end in others)
