"""Licences, as rows: what an account holds now, held before, and will hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.core.errors import NotThere
from portal.core.paging import SIZE, Page, offset
from portal.licences.models import Kind, Licence

# What the view `holding` of the migrations tells: which account holds which station group of which owner.
HOLDING = sa.table(
    "holding",
    sa.column("account_id", sa.Integer),
    sa.column("station_group_id", sa.Integer),
    sa.column("owner_id", sa.Integer),
    sa.column("role", sa.String),
)


@dataclass(slots=True)
class Held:
    """One kind of licence of one account: the active period, the last one before it, and the next one after it."""

    kind: Kind
    active: Licence | None = None
    last: Licence | None = None
    next: Licence | None = None
    until: datetime | None = field(default=None)  # end of the active period and those that follow without a gap

    @property
    def is_active(self) -> bool:
        return self.active is not None


class Listed(NamedTuple):
    """An account in the operator's list, with the kinds of licence that are active."""

    account: Account
    kinds: tuple[Kind, ...]


class Sharing(NamedTuple):
    """Station groups that an account has opened to others, and that others have opened to it."""

    by: int
    with_: int


def _at(at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Licence.starts_at <= at, sa.or_(Licence.ends_at.is_(None), Licence.ends_at > at)


def active(session: Session, account_id: int, kind: Kind, at: datetime | None = None) -> bool:
    """Whether the account holds the licence at the instant (default: now)."""
    mine = (Licence.account_id == account_id, Licence.kind == kind)
    return session.scalar(sa.select(Licence.id).where(*mine, *_at(at or clock.now())).limit(1)) is not None


def held_by_address(session: Session, email: str, kind: Kind) -> bool:
    """Whether an account of this address holds the licence now; one statement, whether or not there is an account."""
    holder = sa.select(Account.id).where(Account.email == email)
    mine = (Licence.account_id.in_(holder), Licence.kind == kind)
    return session.scalar(sa.select(Licence.id).where(*mine, *_at(clock.now())).limit(1)) is not None


def current(session: Session, account_id: int) -> dict[Kind, Held]:
    """What the account holds now, for every kind."""
    now, held = clock.now(), {kind: Held(kind) for kind in Kind}
    for licence in reversed(history(session, account_id)):
        one = held[Kind(licence.kind)]
        if licence.ends_at == licence.starts_at:
            continue  # withdrawn before it began
        if licence.starts_at > now:
            one.next = one.next or licence
        elif licence.ends_at is None or licence.ends_at > now:
            one.active, one.until = licence, licence.ends_at
        else:
            one.last = licence
        if one.active and one.until == licence.starts_at:
            one.until = licence.ends_at
    return held


def lacking(session: Session, account_id: int, action: str) -> Kind | None:
    """The kind of licence that the policy demands of whoever does the action, where the account does not hold it now;
    none: nothing is missing."""
    needed = authz.licence_for(action)
    if needed is None or active(session, account_id, Kind(needed)):
        return None
    return Kind(needed)


def history(session: Session, account_id: int) -> Sequence[Licence]:
    """Every licence the account has or had, the newest first."""
    query = sa.select(Licence).where(Licence.account_id == account_id)
    return session.scalars(query.order_by(Licence.starts_at.desc(), Licence.id.desc())).all()


def overlaps(session: Session, account_id: int, kind: Kind, starts_at: datetime, ends_at: datetime | None) -> bool:
    """Whether the account has a licence of this kind in any part of the period."""
    withdrawn = Licence.ends_at <= Licence.starts_at
    meets = sa.or_(Licence.ends_at.is_(None), sa.and_(Licence.ends_at > starts_at, ~withdrawn))
    if ends_at:
        meets = sa.and_(meets, Licence.starts_at < ends_at)
    query = sa.select(Licence.id).where(Licence.account_id == account_id, Licence.kind == kind, meets)
    return session.scalar(query.limit(1)) is not None


def for_operator(session: Session, account_id: int, action: str, row_id: int) -> Licence:
    """Any licence, for the platform's operator; NotThere for everybody else."""
    reader = session.get(Account, account_id)
    if reader is None or not authz.platform_may(action, operator=reader.is_operator):
        raise NotThere
    row = session.get(Licence, row_id)
    if row is None:
        raise NotThere
    return row


def sharing(session: Session, account_id: int) -> Sharing:
    """How many station groups act only thanks to the account's licence Authorisation, on either side."""
    groups = sa.select(sa.func.count(HOLDING.c.station_group_id.distinct())).where(HOLDING.c.role != "owner")
    mine = sa.select(HOLDING.c.station_group_id).where(HOLDING.c.account_id == account_id, HOLDING.c.role == "owner")
    by = session.scalar(groups.where(HOLDING.c.station_group_id.in_(mine), HOLDING.c.account_id != account_id))
    with_ = session.scalar(groups.where(HOLDING.c.account_id == account_id, HOLDING.c.owner_id != account_id))
    return Sharing(by or 0, with_ or 0)


def accounts(session: Session, text: str, licence: str, number: int) -> Page[Listed]:
    """A page of all accounts, by address. `text` is a part of address or name; `licence` a kind that must be active,
    "none" for accounts without any, or "". Four statements, whatever the number of accounts."""
    conditions = [*_matching(text), *_holding(licence)]
    total = session.scalar(sa.select(sa.func.count()).select_from(Account).where(*conditions)) or 0
    query = sa.select(Account).where(*conditions).order_by(Account.email).limit(SIZE).offset(offset(number))
    rows = session.scalars(query).all()
    kinds = active_kinds(session, [row.id for row in rows])
    return Page([Listed(row, kinds.get(row.id, ())) for row in rows], max(1, number), total)


def _matching(text: str) -> list[sa.ColumnElement[bool]]:
    if not text.strip():
        return []
    escaped = text.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    # The expression of the index ix_account_search; literal, because a bound blank would keep PostgreSQL from it.
    searched = Account.email + sa.literal_column("' '", sa.String) + Account.name
    return [searched.ilike(f"%{escaped}%", escape="\\")]


def _holding(licence: str) -> list[sa.ColumnElement[bool]]:
    held = sa.select(Licence.id).where(Licence.account_id == Account.id, *_at(clock.now()))
    if licence in set(Kind):
        return [held.where(Licence.kind == licence).exists()]
    return [~held.exists()] if licence == "none" else []


def active_kinds(session: Session, account_ids: Iterable[int]) -> dict[int, tuple[Kind, ...]]:
    """The kinds of licence that are active, for each of these accounts that has any."""
    query = sa.select(Licence.account_id, Licence.kind).where(Licence.account_id.in_(account_ids), *_at(clock.now()))
    found: dict[int, set[str]] = {}
    for account_id, kind in session.execute(query):
        found.setdefault(account_id, set()).add(kind)
    return {account_id: tuple(kind for kind in Kind if kind in kinds) for account_id, kinds in found.items()}
