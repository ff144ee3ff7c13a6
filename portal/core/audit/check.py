"""Whether the audit log is what was written: a walk along the hash chain in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.audit.chain import BEGINNING, COLUMNS, link
from portal.core.audit.models import AuditEntry, AuditSeal

BATCH = 2000
MOST_SHOWN = 20


class Mark(NamedTuple):
    """A link of the chain as it was noted elsewhere."""

    position: int
    hash: str


NOTHING = Mark(0, BEGINNING)


@dataclass(slots=True)
class Finding:
    """What a walk has found: `problems` in English, the first MOST_SHOWN of `wrong`."""

    sealed: int = 0
    older: int = 0  # written before there was a chain
    last: Mark = NOTHING
    wrong: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        self.wrong += 1
        if len(self.problems) < MOST_SHOWN:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class _Misfit:
    """An entry that does not fit its link."""

    position: int
    before: str
    hash: str
    entry: Any


def check(session: Session, expected: Mark | None = None) -> Finding:
    """Walk along the whole chain and compare it with the entries; `expected` is a link that was noted before, without
    which nobody can see that the newest entries were cut off together with their links."""
    found = Finding()
    misfits: list[_Misfit] = []
    there = expected is None or expected == found.last
    for seal in _seals(session):
        if seal.position != found.last.position + 1:
            found.add(_gap(found.last.position + 1, seal.position - 1))
        if seal.id is None:
            found.add(f"entry {seal.entry_id} at position {seal.position} is missing: it was deleted")
        elif link(found.last.hash, seal) != seal.hash:
            misfits.append(_Misfit(seal.position, found.last.hash, seal.hash, seal))
            if len(misfits) > MOST_SHOWN:  # counted, but not looked into
                misfits.pop()
                found.wrong += 1
        found.last = Mark(seal.position, seal.hash)
        found.sealed += 1
        there = there or found.last == expected
    _tell(session, found, misfits)
    _unsealed(session, found)
    if expected is not None and not there:
        found.add(_lost(expected, found.last))
    return found


def _seals(session: Session) -> Iterator[Any]:
    """Every link in order with its entry, whose columns are empty where it is not there."""
    position = -(2**31)
    while True:
        query = (
            sa.select(AuditSeal.position, AuditSeal.entry_id, AuditSeal.hash, *COLUMNS)
            .outerjoin(AuditEntry, AuditEntry.id == AuditSeal.entry_id)
            .where(AuditSeal.position > position)
        )
        rows = session.execute(query.order_by(AuditSeal.position).limit(BATCH)).all()
        yield from rows
        if len(rows) < BATCH:
            return
        position = rows[-1].position


def _gap(first: int, last: int) -> str:
    where = f"position {first}" if first == last else f"positions {first} to {last}"
    return f"the chain has no {where}: links were deleted"


def _lost(expected: Mark, last: Mark) -> str:
    if expected.position > last.position:
        return f"the chain ends at position {last.position}, before the expected {expected.position}: it was cut off"
    return f"position {expected.position} does not have the expected hash: the chain was written anew"


def _tell(session: Session, found: Finding, misfits: list[_Misfit]) -> None:
    """Entries that fit a link somewhere else were moved; the others were changed."""
    moved = _moved(session, misfits)
    for misfit in misfits:
        where = f"entry {misfit.entry.entry_id} at position {misfit.position}"
        if misfit.position in moved:
            found.add(f"{where} is out of order: the chain was put into another order")
        else:
            found.add(f"{where} does not fit its hash: it was changed")


def _moved(session: Session, misfits: list[_Misfit]) -> set[int]:
    """The positions whose entry fits another misfit's place, or whose link follows another one than the one before."""
    moved = {
        place
        for one in misfits
        for other in misfits
        if one is not other and link(one.before, other.entry) == one.hash
        for place in (one.position, other.position)
    }
    rest = [misfit for misfit in misfits if misfit.position not in moved]
    if rest:
        for seal in _seals(session):
            moved |= {misfit.position for misfit in rest if link(seal.hash, misfit.entry) == misfit.hash}
    return moved


def _unsealed(session: Session, found: Finding) -> None:
    """Entries without a link: those from before the chain are counted, others were put in past the portal."""
    first = session.scalar(sa.select(AuditSeal.entry_id).order_by(AuditSeal.position).limit(1))
    bare = ~sa.exists().where(AuditSeal.entry_id == AuditEntry.id)
    older = sa.true() if first is None else AuditEntry.id < first
    found.older = session.scalar(sa.select(sa.func.count(AuditEntry.id)).where(bare, older)) or 0
    if first is None:
        return
    number = session.scalar(sa.select(sa.func.count(AuditEntry.id)).where(bare, ~older)) or 0
    ids = session.scalars(sa.select(AuditEntry.id).where(bare, ~older).order_by(AuditEntry.id).limit(MOST_SHOWN))
    for entry_id in ids:
        found.add(f"entry {entry_id} is in no link of the chain: it was put in past the portal, or its link deleted")
    found.wrong += max(0, number - MOST_SHOWN)
