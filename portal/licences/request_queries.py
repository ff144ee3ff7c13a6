"""Requests for licences, as rows: what an account asked for, and the operator's queue."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.paging import Page, offset
from portal.licences import queries
from portal.licences.models import Kind, Licence, LicenceRequest
from portal.licences.queries import HOLDING, Held

SIZE = 25
SOON = timedelta(days=30)
GRANT = sa.table(
    "station_group_grant",
    sa.column("owner_id", sa.Integer),
    sa.column("station_group_id", sa.Integer),
    sa.column("revoked_at", sa.DateTime),
    sa.column("ends_at", sa.DateTime),
)
TASK = sa.table("export_task", sa.column("owner_id", sa.Integer))


@dataclass(frozen=True, slots=True)
class State:
    """What an account is shown of one kind of licence: what it holds, and its last request for it if it was not
    withdrawn."""

    held: Held
    request: LicenceRequest | None

    @property
    def is_open(self) -> bool:
        return self.request is not None and self.request.decided_at is None

    @property
    def declined(self) -> LicenceRequest | None:
        """The request that was turned down, unless a licence is active since."""
        return None if self.held.is_active or not self.request or self.request.approved is not False else self.request

    @property
    def ends_soon(self) -> bool:
        return self.held.until is not None and self.held.is_active and self.held.until <= clock.now() + SOON


class Waiting(NamedTuple):
    """What the licences of an account keep waiting: station groups it shares, those shared with it, its tasks."""

    by: int
    with_: int
    tasks: int


class Asked(NamedTuple):
    """A request in the operator's queue."""

    request: LicenceRequest
    account: Account
    active: tuple[Kind, ...]
    until: datetime | None  # end of the licence of this kind that is active or to come
    waiting: Waiting


def states(session: Session, account_id: int) -> dict[Kind, State]:
    """All kinds for one account. Two statements."""
    mine = sa.select(LicenceRequest).where(LicenceRequest.account_id == account_id)
    kept = sa.or_(LicenceRequest.decided_at.is_(None), LicenceRequest.approved.is_not(None))
    last = {Kind(row.kind): row for row in session.scalars(mine.where(kept).order_by(LicenceRequest.id))}
    return {kind: State(held, last.get(kind)) for kind, held in queries.current(session, account_id).items()}


def count_open(session: Session) -> int:
    query = sa.select(sa.func.count()).select_from(LicenceRequest).where(LicenceRequest.decided_at.is_(None))
    return session.scalar(query) or 0


def queue(session: Session, number: int) -> Page[Asked]:
    """The open requests, oldest first. Six statements, whatever their number."""
    open_ = LicenceRequest.decided_at.is_(None)
    query = sa.select(LicenceRequest).where(open_).order_by(LicenceRequest.requested_at, LicenceRequest.id)
    rows = session.scalars(query.limit(SIZE).offset(offset(number, SIZE))).all()
    return Page(_asked(session, rows), max(1, number), count_open(session), SIZE)


def chosen(session: Session, request_ids: Sequence[int]) -> list[Asked]:
    """Those of these requests that are open, oldest first."""
    query = sa.select(LicenceRequest).where(LicenceRequest.id.in_(request_ids), LicenceRequest.decided_at.is_(None))
    return _asked(session, session.scalars(query.order_by(LicenceRequest.requested_at, LicenceRequest.id)).all())


def decided(session: Session, number: int) -> Page[tuple[LicenceRequest, str, str]]:
    """What was decided or withdrawn, the newest first: request, address of the account, address of who decided."""
    done = LicenceRequest.decided_at.is_not(None)
    total = session.scalar(sa.select(sa.func.count()).select_from(LicenceRequest).where(done)) or 0
    rows = session.execute(
        sa.select(LicenceRequest, _address(LicenceRequest.account_id), _address(LicenceRequest.decided_by_id))
        .where(done)
        .order_by(LicenceRequest.decided_at.desc(), LicenceRequest.id.desc())
        .limit(SIZE)
        .offset(offset(number, SIZE))
    )
    return Page([(row[0], row[1], row[2] or "") for row in rows], max(1, number), total, SIZE)


def _address(account_id: InstrumentedAttribute[Any]) -> sa.ScalarSelect[str]:
    """The address of the account of this id, looked up row by row: a join would tempt the planner to begin with all
    accounts."""
    return sa.select(Account.email).where(Account.id == account_id).scalar_subquery()


def _asked(session: Session, rows: Sequence[LicenceRequest]) -> list[Asked]:
    if not rows:
        return []  # asked for no account at all, a view is read from end to end
    ids = {row.account_id for row in rows}
    people = {one.id: one for one in session.scalars(sa.select(Account).where(Account.id.in_(ids)))}
    kinds, ends, waits = queries.active_kinds(session, ids), _ends(session, ids), _waiting(session, ids)
    return [
        Asked(
            row,
            people[row.account_id],
            kinds.get(row.account_id, ()),
            ends.get((row.account_id, row.kind)),
            waits[row.account_id],
        )
        for row in rows
    ]


def _ends(session: Session, account_ids: Iterable[int]) -> Mapping[tuple[int, str], datetime]:
    """The last end to come of each kind of licence; the account can have the next one from then on."""
    query = (
        sa.select(Licence.account_id, Licence.kind, sa.func.max(Licence.ends_at))
        .where(Licence.account_id.in_(account_ids), Licence.ends_at > clock.now(), Licence.ends_at > Licence.starts_at)
        .group_by(Licence.account_id, Licence.kind)
    )
    return {(account_id, kind): ends_at for account_id, kind, ends_at in session.execute(query) if ends_at}


def _waiting(session: Session, account_ids: Collection[int]) -> Mapping[int, Waiting]:
    """For each account, in two statements. What others share with it is asked by the numbers of the accounts: row by
    row, SQLite reads all station groups for each."""
    groups = sa.func.count(GRANT.c.station_group_id.distinct())
    not_over = sa.or_(GRANT.c.ends_at.is_(None), GRANT.c.ends_at > sa.literal(clock.now(), Licence.starts_at.type))
    given = sa.select(groups).where(GRANT.c.owner_id == Account.id, GRANT.c.revoked_at.is_(None), not_over)
    tasks = sa.select(sa.func.count()).select_from(TASK).where(TASK.c.owner_id == Account.id)
    counted = (query.correlate(Account).scalar_subquery() for query in (given, tasks))
    own = session.execute(sa.select(Account.id, *counted).where(Account.id.in_(account_ids))).all()
    held = sa.select(HOLDING.c.account_id, sa.func.count(HOLDING.c.station_group_id.distinct()))
    held = held.where(HOLDING.c.account_id.in_(account_ids), HOLDING.c.role != "owner")
    held = held.where(HOLDING.c.owner_id != HOLDING.c.account_id).group_by(HOLDING.c.account_id)
    with_ = {row[0]: row[1] for row in session.execute(held)}
    return {row[0]: Waiting(row[1], with_.get(row[0], 0), row[2]) for row in own}
