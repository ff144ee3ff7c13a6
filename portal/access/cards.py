"""RFID cards of an account and of its user groups: registered one by one, by pasting or by a file; blocked, replaced.

A card has one holder on the whole platform. Whose it is, is never told to another: only that it is taken. Nothing
commits.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.access.models import Card, CardState
from portal.accounts.models import Account, UserGroup
from portal.core import audit, authz, clock, text_tables
from portal.core.errors import N_, NotAllowed, NotThere, RuleBroken
from portal.core.paging import SIZE, Page, offset

Holder = Account | UserGroup
NUMBER = re.compile("[0-9A-Z]{4,64}")
LONGEST_LABEL = 120
MOST_ELSEWHERE = 20  # of one list: nobody learns of hundreds of numbers at once that they are in use
HEADINGS = (
    {"number", "card", "card number", "nummer", "karte", "kartennummer", "numéro", "carte", "numéro de carte",
     "numero", "carta", "tessera", "numero della tessera"},
    {"label", "name", "bezeichnung", "désignation", "designazione", "nom", "nome"},
)  # fmt: skip
NO_NUMBER = N_("This is no card number: 4 to 64 letters and figures.")
LONG = N_("A label has 120 characters at most.")
TWICE = N_("This card stands further up already.")
YOURS = N_("You have registered this card already.")
ELSEWHERE = N_("This card is registered already elsewhere.")
NO_ROW = N_("There is no card in it: one in each row, its number, then its label.")
SURPLUS = N_("This row has more than two columns.")


class ManyElsewhere(RuleBroken):
    """More of the cards are registered elsewhere than anybody is told of at once."""


@dataclass(slots=True)
class Row:
    """A row of a list of cards. `problem` is a gettext key, empty where the card can be registered."""

    line: int
    text: str
    label: str
    number: str = ""
    problem: str = ""


def compared(text: str) -> str:
    """A card's number as cards are compared: without blanks, colons and hyphens, in capitals."""
    return re.sub(r"[\s:\-]", "", text).upper()


def normalise(text: str, field: str = "number") -> str:
    """As `compared`; RuleBroken on the field for what is no card number."""
    number = compared(text)
    if re.search(r"[^\s!-~]", text) or not NUMBER.fullmatch(number):  # the capitals of ß are SS
        raise RuleBroken(field, NO_NUMBER)
    return number


def card(session: Session, account_id: int, action: str, row_id: int) -> Card:
    """The card, for its account or the owner of its user group; NotThere for everybody else."""
    wanted = sa.select(Card).outerjoin(UserGroup, UserGroup.id == Card.user_group_id).where(Card.id == row_id)
    row = session.scalar(wanted.where(sa.or_(Card.account_id == account_id, UserGroup.owner_id == account_id)))
    if row is None:
        raise NotThere
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    return row


def holder(session: Session, row: Card) -> Holder:
    """Whose card it is."""
    if row.user_group_id is not None:
        return session.get_one(UserGroup, row.user_group_id)
    return session.get_one(Account, row.account_id)


def held(session: Session, of: Holder, text: str = "", page: int = 1) -> Page[Card]:
    """A page of the holder's cards, or of those with the text in number or label; two statements."""
    wanted = [_of(of)]
    if text.strip():
        in_number = Card.number.contains(compared(text) or text, autoescape=True)
        wanted.append(sa.or_(in_number, Card.label.icontains(text.strip(), autoescape=True)))
    total = session.scalar(sa.select(sa.func.count()).select_from(Card).where(*wanted)) or 0
    rows = sa.select(Card).where(*wanted).order_by(Card.state, Card.label, Card.number)
    return Page(session.scalars(rows.limit(SIZE).offset(offset(page))).all(), page, total)


def _of(holder: Holder) -> sa.ColumnElement[bool]:
    return Card.user_group_id == holder.id if isinstance(holder, UserGroup) else Card.account_id == holder.id


def read(data: bytes, field: str = "file") -> list[Row]:
    """The rows of a list, a number and a label in each; headings are passed over. RuleBroken on the field for what is
    no such list, for a column at a wrong place, and for more than text_tables.MOST_ROWS rows."""
    try:
        table = text_tables.read(
            data, columns=len(HEADINGS) + 1, longest=LONGEST_LABEL + 1, nothing=NO_ROW, is_heading=_is_heading
        )
    except RuleBroken as broken:
        raise RuleBroken(field, broken.message, **broken.params) from None
    return [_row(line, *cells) for line, cells in table]


def _is_heading(line: int, cells: Sequence[str]) -> bool:
    names = [cell.casefold() for cell in cells]
    if not set().union(*HEADINGS).intersection(names):
        return False
    for number, name in enumerate(names):
        if name and (number >= len(HEADINGS) or name not in HEADINGS[number]):
            message = "Row %(row)s: column %(number)s is headed “%(name)s”, which does not belong there."
            raise RuleBroken("file", message, row=line, number=number + 1, name=cells[number][:80])
    return True


def _row(line: int, text: str, label: str, surplus: str) -> Row:
    row = Row(line, text[:80], " ".join(label.split()))
    try:
        row.number = normalise(text)
    except RuleBroken as broken:
        row.problem = broken.message
    if len(label) > LONGEST_LABEL:
        row.problem = LONG
    if surplus:
        row.problem = SURPLUS
    return row


def judge(session: Session, actor: Account, rows: Sequence[Row], field: str = "file") -> int:
    """Mark the rows that cannot be registered; how many of them are registered elsewhere. ManyElsewhere on the
    field, which names none, where these are more than MOST_ELSEWHERE."""
    taken = _taken(session, actor, {row.number for row in rows if not row.problem})
    seen: set[str] = set()
    for row in rows:
        if not row.problem and row.number in seen:
            row.problem = TWICE
        if not row.problem and row.number in taken:
            row.problem = YOURS if taken[row.number] else ELSEWHERE
        seen.add(row.number)
    elsewhere = sum(row.problem == ELSEWHERE for row in rows)
    if elsewhere > MOST_ELSEWHERE:
        message = "More than %(most)s of these cards are registered already elsewhere. None was registered."
        raise ManyElsewhere(field, message, most=MOST_ELSEWHERE)
    return elsewhere


def _taken(session: Session, actor: Account, numbers: Collection[str]) -> dict[str, bool]:
    """Which of the numbers are registered, and whether with the actor."""
    his = sa.or_(Card.account_id == actor.id, UserGroup.owner_id == actor.id)
    found: dict[str, bool] = {}
    for some in _portions(sorted(numbers)):
        wanted = sa.select(Card.number, sa.func.coalesce(his, sa.false()))
        wanted = wanted.outerjoin(UserGroup, UserGroup.id == Card.user_group_id).where(Card.number.in_(some))
        found |= {number: bool(mine) for number, mine in session.execute(wanted)}
    return found


def _portions(values: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]


def add(session: Session, actor: Account, to: Holder, rows: Sequence[Row]) -> list[Card]:
    """Register the rows without a problem; `actor` is the holder or owns it. RuleBroken where one was registered by
    somebody else a moment ago; then none is."""
    _must_be_of(actor, to)
    whose = {"user_group_id": to.id} if isinstance(to, UserGroup) else {"account_id": to.id}
    cards = [Card(number=row.number, label=row.label, **whose) for row in rows if not row.problem]
    try:
        with session.begin_nested():
            session.add_all(cards)
    except IntegrityError:
        raise RuleBroken("", "Something has changed since you looked: nothing is written yet. Look again.") from None
    for one in cards:
        _record(session, "card:add", actor, one)
    session.flush()
    return cards


def _must_be_of(actor: Account, holder: Holder) -> None:
    if (holder.owner_id if isinstance(holder, UserGroup) else holder.id) != actor.id:
        raise NotAllowed


def block(session: Session, actor: Account, row: Card) -> None:
    """Let the card stand for nobody from now on. What is blocked or replaced already stays as it is."""
    if _locked(session, row).state == CardState.ACTIVE:
        row.state, row.ended_at = CardState.BLOCKED.value, clock.now()
        _record(session, "card:block", actor, row)
    session.flush()


def unblock(session: Session, actor: Account, row: Card) -> None:
    """Let a blocked card stand for its holder again. RuleBroken for one that was replaced."""
    if _locked(session, row).state == CardState.REPLACED:
        raise RuleBroken("", "This card was replaced. Delete it to register its number anew.")
    if row.state == CardState.BLOCKED:
        row.state, row.ended_at = CardState.ACTIVE.value, None
        _record(session, "card:unblock", actor, row)
    session.flush()


def replace(session: Session, actor: Account, row: Card, text: str) -> Card:
    """Another card takes over holder and label; the old one stays as replaced, so that what it charged keeps its
    holder. RuleBroken: number."""
    if _locked(session, row).state == CardState.REPLACED:
        raise RuleBroken("", "This card was replaced already.")
    new = Row(1, text, row.label, normalise(text))
    judge(session, actor, [new], "number")
    if new.problem:
        raise RuleBroken("number", new.problem)
    (card,) = add(session, actor, holder(session, row), [new])
    row.state, row.replaced_by_id, row.ended_at = CardState.REPLACED.value, card.id, row.ended_at or clock.now()
    _record(session, "card:replace", actor, row, by=card.number)
    session.flush()
    return card


def delete(session: Session, actor: Account, row: Card) -> None:
    """Forget the card; its number can be registered by anybody. Costs of its sessions stay as they are."""
    _record(session, "card:delete", actor, row)
    session.delete(row)
    session.flush()


def _locked(session: Session, row: Card) -> Card:
    """The card as it is now; of two people the second sees what the first has done. NotThere where it has gone."""
    wanted = sa.select(Card).where(Card.id == row.id).with_for_update()
    found = session.scalar(wanted.execution_options(populate_existing=True))
    if found is None:
        raise NotThere
    return found


def _record(session: Session, action: str, actor: Account, row: Card, **detail: object) -> None:
    group = {"user_group": row.user_group_id} if row.user_group_id else {}
    told = {"name": row.number, "label": row.label, **group, **detail}
    audit.record(session, action, f"card/{row.id}", actor_id=actor.id, owner_id=actor.id, **told)
