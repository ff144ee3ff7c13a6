"""Special users out of a text file: read it, judge it row by row, enter all that can be."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from portal.access import offers, special_users
from portal.access.offers import Offer
from portal.access.special_users import NOTHING, Spot
from portal.accounts import emails
from portal.accounts.models import Account
from portal.core import text_tables
from portal.core.errors import N_, RuleBroken

# What may stand at the head of each column, in the languages of the portal and as a program would write it.
HEADINGS = (
    {"e-mail", "email", "mail", "e-mail address", "e-mail-adresse", "adresse e-mail", "indirizzo e-mail"},
    {"price per kwh", "price_per_kwh", "preis pro kwh", "prix par kwh", "prezzo per kwh"},
    {"price per hour", "per hour", "price_per_hour", "preis pro stunde", "prix par heure", "prezzo all’ora"},
    {"price per session", "per session", "price_per_session", "preis pro ladevorgang", "prix par recharge",
     "prezzo per sessione"},
    {"from", "first day", "von", "ab", "erster tag", "du", "premier jour", "dal", "primo giorno"},
    {"to", "last day", "bis", "letzter tag", "au", "dernier jour", "al", "ultimo giorno"},
)  # fmt: skip
LONGEST = 254
NO_ROW = N_("The file holds no row: an e-mail address, then prices and days where wanted.")


@dataclass(slots=True)
class Row:
    """A row of the file; `problem` says why it cannot be entered."""

    line: int
    email: str
    offer: Offer = NOTHING
    problem: RuleBroken | None = None


def read(data: bytes) -> list[Row]:
    """The rows of a file below its headings, if it has any. RuleBroken on `file` for what is no such file, for one
    with more than text_tables.MOST_ROWS rows, and for a column that stands at a wrong place."""
    table = text_tables.read(
        data, columns=len(HEADINGS) + 1, longest=LONGEST + 1, nothing=NO_ROW, is_heading=_is_heading
    )
    return [_row(line, cells) for line, cells in table]


def _is_heading(line: int, cells: Sequence[str]) -> bool:
    """A row without any address that names at least one of the columns."""
    known = set().union(*HEADINGS)
    names = [cell.casefold() for cell in cells]
    if any("@" in name for name in names) or not known.intersection(names):
        return False
    for number, name in enumerate(names):
        if name and (number >= len(HEADINGS) or name not in HEADINGS[number]):
            message = N_("Row %(row)s: column %(number)s is headed “%(name)s”, which does not belong there.")
            raise RuleBroken("file", message, row=line, number=number + 1, name=cells[number][:80])
    return True


def _row(line: int, cells: Sequence[str]) -> Row:
    row = Row(line, cells[0])
    try:
        row.email = emails.normalise(cells[0])
        if cells[len(HEADINGS)]:
            raise RuleBroken("file", "This row has more than six columns.")
        price = offers.price(*cells[1:4])
        row.offer = Offer(price, offers.day("starts_on", cells[4]), offers.day("ends_on", cells[5]))
    except RuleBroken as broken:
        row.problem = broken
    return row


def judge(session: Session, actor: Account, place: Spot, rows: Sequence[Row]) -> None:
    """Mark the rows that cannot be entered at the place: as they are read, because of what is there already, or
    because of a row further up."""
    wanted = special_users.Wanted(session, actor, place, {row.email for row in rows if not row.problem})
    first: dict[str, int] = {}
    for row in rows:
        if row.problem:
            continue
        try:
            wanted.add(row.email, row.offer)
        except RuleBroken as broken:
            row.problem = broken
            if row.email in first:
                message = N_("This address stands in row %(row)s already, for some of the same days.")
                row.problem = RuleBroken("email", message, row=first[row.email])
        else:
            first.setdefault(row.email, row.line)


def write(session: Session, actor: Account, place: Spot, rows: Sequence[Row]) -> int:
    """Enter every row without a problem, judged anew, all in the caller's transaction; how many they are."""
    special_users.hold(session, actor, place)
    judge(session, actor, place, rows)
    good = [(row.email, row.offer) for row in rows if not row.problem]
    return len(special_users.add_each(session, actor, place, good)) if good else 0
