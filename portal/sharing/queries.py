"""Grants, as their givers and their holders may see them.

Of the other side of a grant only one thing is ever told: whether it has to do something. Whether an address has no
account, an unverified one or one without licence is the same here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.paging import SIZE, Page, offset
from portal.sharing import needs
from portal.sharing.needs import Need
from portal.sharing.terms import ends_soon
from portal.stations.models import Grant, StationGroup

# Accounts with an active licence Authorisation; the SQL stands in the migrations beside `standing`.
licensed = sa.table("licensed", sa.column("account_id", sa.Integer))


# Maintenance stands above this domain and imports it; here it is a table of who is entered for a station group.
receiving = sa.table(
    "maintenance_recipient",
    sa.column("station_group_id", sa.Integer),
    sa.column("user_group_id", sa.Integer),
    sa.column("email", sa.String),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A grant in the list of its station group."""

    grant: Grant
    user_group_name: str | None  # none: given to an address
    members: int  # addresses in the user group
    given_by: str  # name or address
    revoked_by: str
    missing_here: bool  # the owner's licence Authorisation is missing
    missing_there: bool  # the other side has to do something before the grant acts for anybody
    missing_for_some: bool  # it acts for some members of the user group, others have to do something
    receives_maintenance: bool  # of the station group, entered by hand
    need: Need | None  # the last confirmation that it is still needed

    @property
    def state(self) -> str:
        """revoked, ended, planned, used or invited; whether one of the last two acts is `inert`."""
        if self.grant.revoked_at is not None:
            return "revoked"
        if self.grant.ends_at is not None and self.grant.ends_at <= clock.now():
            return "ended"
        if self.grant.starts_at > clock.now():
            return "planned"
        return "used" if self.grant.first_used_at else "invited"

    @property
    def inert(self) -> bool:
        return self.state in ("used", "invited") and (self.missing_here or self.missing_there)

    @property
    def ends_soon(self) -> bool:
        return self.state in ("used", "invited") and ends_soon(self.grant, clock.now())


class Inert(NamedTuple):
    """Station groups of one owner that would be open to the account if no licence were missing. Their content is not
    told. `missing_here` is the account's own licence, `missing_there` something on the owner's side."""

    owner_name: str
    owner_email: str
    station_groups: int
    missing_here: bool
    missing_there: bool


def not_over(now: datetime) -> sa.ColumnElement[bool]:
    """The condition that a grant's end has not come."""
    return sa.or_(Grant.ends_at.is_(None), Grant.ends_at > now)


def is_licensed(session: Session, account_id: int) -> bool:
    """Whether the account holds an active licence Authorisation."""
    return bool(session.scalar(sa.select(sa.exists().where(licensed.c.account_id == account_id))))


class Listed(NamedTuple):
    """The grants of a station group: those that are neither revoked nor ended, the newest first, and the others, the
    latest end first; and whether the group's owner holds the licence Authorisation."""

    live: Page[Line]
    past: Page[Line]
    licensed: bool


def listed(
    session: Session, group: StationGroup, page: int = 1, history: int = 1, text: str = "", reader_id: int = 0
) -> Listed:
    """A page of either; five statements. With `text` only grants in whose recipient or giver it stands. Only the owner
    as the reader is told the names of those in his user groups."""
    over = sa.or_(Grant.revoked_at.is_not(None), Grant.ends_at <= clock.now())
    here = sa.and_(Grant.station_group_id == group.id, _holds(text))
    ready = sa.exists().where(licensed.c.account_id == group.owner_id)
    counts = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((over, 1), else_=0)), 0), ready)
    total, gone, owner_licensed = session.execute(counts.select_from(Grant).where(here)).one()
    there = sa.and_(here, Grant.revoked_at.is_(None), not_over(clock.now()))
    live = _rows(session, there, Grant.granted_at.desc(), page, reader_id)
    past = _rows(
        session, sa.and_(here, over), sa.func.coalesce(Grant.revoked_at, Grant.ends_at).desc(), history, reader_id
    )
    lines = _lines(session, [*live, *past], not owner_licensed)
    return Listed(
        Page(lines[: len(live)], page, total - int(gone)),
        Page(lines[len(live) :], history, int(gone)),
        bool(owner_licensed),
    )


def chosen(session: Session, group: StationGroup, grant_ids: Collection[int]) -> Sequence[Grant]:
    """Those of these grants that are of the station group and have not ended."""
    mine = sa.select(Grant).where(Grant.station_group_id == group.id, Grant.id.in_(grant_ids))
    return session.scalars(mine.where(Grant.revoked_at.is_(None), not_over(clock.now())).order_by(Grant.id)).all()


def held_besides(session: Session, grant: Grant) -> Sequence[Grant]:
    """What the grant's recipient holds on the same station group besides it."""
    same = Grant.email == grant.email if grant.email else Grant.user_group_id == grant.user_group_id
    others = sa.select(Grant).where(Grant.station_group_id == grant.station_group_id, same, Grant.id != grant.id)
    return session.scalars(others.where(Grant.revoked_at.is_(None), not_over(clock.now())).order_by(Grant.id)).all()


def granted_to(session: Session, group: UserGroup) -> Sequence[tuple[Grant, str]]:
    """What is granted to the user group now: grant and name of the station group."""
    rows = session.execute(
        sa.select(Grant, StationGroup.name)
        .join(StationGroup, StationGroup.id == Grant.station_group_id)
        .where(Grant.user_group_id == group.id, Grant.revoked_at.is_(None), not_over(clock.now()))
        .order_by(StationGroup.name, Grant.id)
    )
    return [(grant, name) for grant, name in rows]


def recipient(session: Session, grant: Grant) -> str:
    """Whom the grant is given to: the name of the user group, or the address."""
    return grant.email or session.get_one(UserGroup, grant.user_group_id).name


def group_names(session: Session, grant_ids: Sequence[int]) -> dict[int, str]:
    """The name of the station group that each of these grants is on."""
    rows = sa.select(Grant.id, StationGroup.name).join(StationGroup, StationGroup.id == Grant.station_group_id)
    return {row.id: row.name for row in session.execute(rows.where(Grant.id.in_(grant_ids)))}


def own_end(session: Session, account_id: int, station_group_id: int, action: str) -> datetime | None:
    """Until when the account may do the action to the station group by its grants; none: no end is set, or it is the
    owner."""
    ids = [held.grant_id for held, _line in authz.why(session, account_id, station_group_id, action)]
    if None in ids:
        return None
    ends = session.scalars(sa.select(Grant.ends_at).where(Grant.id.in_(ids))).all()
    return None if None in ends else max((end for end in ends if end), default=None)


def has_twin(session: Session, grant: Grant) -> bool:
    """Whether the recipient already holds the same on the same station group."""
    same_end = Grant.ends_at.is_(None) if grant.ends_at is None else Grant.ends_at == grant.ends_at
    twin = sa.select(Grant.id).where(
        Grant.station_group_id == grant.station_group_id,
        Grant.user_group_id.is_(None) if grant.email else Grant.user_group_id == grant.user_group_id,
        Grant.email == grant.email if grant.email else Grant.email.is_(None),
        Grant.role == grant.role,
        Grant.hides_drivers == grant.hides_drivers,
        Grant.revoked_at.is_(None),
        not_over(clock.now()),
        Grant.starts_at <= grant.starts_at,
        same_end,
    )
    return session.scalar(twin.limit(1)) is not None


def inert_for(session: Session, account: Account) -> Sequence[Inert]:
    """What would be open to the account if no licence were missing, by owner; one statement."""
    held = authz.out_of_reach(account.id, "station_group:view").subquery()
    counted = sa.select(StationGroup.owner_id, sa.func.count().label("groups"))
    waiting = counted.join(held, held.c.station_group_id == StationGroup.id).group_by(StationGroup.owner_id).subquery()
    # One look for each owner: of an EXISTS PostgreSQL may make the set of all who hold a licence.
    licence = sa.select(licensed.c.account_id).limit(1)
    owner_ready = licence.where(licensed.c.account_id == Account.id).correlate(Account).scalar_subquery()
    here_ready = licence.where(licensed.c.account_id == account.id).scalar_subquery()
    ready = (owner_ready.is_not(None), here_ready.is_not(None))
    rows = session.execute(
        sa.select(Account.name, Account.email, waiting.c.groups, *ready)
        .join_from(waiting, Account, Account.id == waiting.c.owner_id)
        .order_by(Account.email)
    ).all()
    return [Inert(name, email, count, not here, not ready) for name, email, count, ready, here in rows]


def use_is_due(account_id: int, before: datetime) -> sa.ColumnElement[bool]:
    """The condition that the last use of a Grant, or of it by the account as a member of its user group, lies before
    that instant, or that there was none."""
    by_member = memberships_to_note(account_id, before).where(UserGroupMember.user_group_id == Grant.user_group_id)
    return sa.or_(Grant.last_used_at.is_(None), Grant.last_used_at < before, by_member.correlate(Grant).exists())


def memberships_to_note(account_id: int, before: datetime) -> sa.Select[int]:
    """The ids of the account's memberships by which it last opened something before that instant or never."""
    member = UserGroupMember
    by_address = sa.select(member.id).join(Account, Account.email == member.email).where(Account.id == account_id)
    return by_address.where(sa.or_(member.last_used_at.is_(None), member.last_used_at < before))


def receives_maintenance() -> sa.ColumnElement[bool]:
    """The condition that whom a Grant is given to receives the maintenance of its station group: entered as he is, or
    the address in a user group that is."""
    here = receiving.c.station_group_id == Grant.station_group_id
    same = sa.or_(receiving.c.email == Grant.email, receiving.c.user_group_id == Grant.user_group_id)
    member = UserGroupMember.user_group_id == receiving.c.user_group_id
    inside = sa.select(receiving.c.user_group_id).where(here, member, UserGroupMember.email == Grant.email)
    entered = sa.select(receiving.c.station_group_id).where(here, same)
    return sa.or_(entered.correlate(Grant).exists(), inside.correlate(Grant).exists())


def _rows(
    session: Session, condition: sa.ColumnElement[bool], order: sa.UnaryExpression[datetime], page: int, reader_id: int
) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    giver, revoker = aliased(Account), aliased(Account)
    return session.execute(
        sa.select(Grant, UserGroup.name, giver.name, giver.email, revoker.name, revoker.email, receives_maintenance())
        .add_columns(*needs.columns(reader_id))
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
        .join(giver, giver.id == Grant.granted_by_id)
        .outerjoin(revoker, revoker.id == Grant.revoked_by_id)
        .where(condition)
        .order_by(order, Grant.id.desc())
        .limit(SIZE)
        .offset(offset(page))
    ).all()


def _lines(session: Session, rows: Sequence[sa.Row[*tuple[Any, ...]]], missing_here: bool) -> list[Line]:
    ready_emails = _ready_emails(session, {row[0].email for row in rows if row[0].email})
    counts = _members(session, {row[0].user_group_id for row in rows if row[0].user_group_id})
    lines = []
    for row in rows:
        grant, name, giver_name, giver_email, revoker_name, revoker_email, receives, *need = tuple(row)
        members, ready = counts.get(grant.user_group_id or 0, (0, 0)) if name else (1, int(grant.email in ready_emails))
        lines.append(
            Line(
                grant=grant,
                user_group_name=name,
                members=members if name else 0,
                given_by=giver_name or giver_email,
                revoked_by=revoker_name or revoker_email or "",
                missing_here=missing_here,
                missing_there=ready == 0,
                missing_for_some=0 < ready < members,
                receives_maintenance=bool(receives),
                need=needs.read(*need),
            )
        )
    return lines


def _holds(text: str) -> sa.ColumnElement[bool]:
    """The condition that the text stands in the address or the user group a grant is given to, or in its giver's name
    or address."""
    wanted = text.strip()
    if not wanted:
        return sa.true()
    to, by = aliased(UserGroup), aliased(Account)
    named = sa.exists().where(to.id == Grant.user_group_id, to.name.icontains(wanted, autoescape=True))
    typed = sa.or_(by.name.icontains(wanted, autoescape=True), by.email.icontains(wanted, autoescape=True))
    givers = sa.exists().where(by.id == Grant.granted_by_id, typed)
    return sa.or_(Grant.email.icontains(wanted, autoescape=True), named, givers)


def _is_ready() -> sa.ColumnElement[bool]:
    return sa.and_(Account.verified_at.is_not(None), sa.exists().where(licensed.c.account_id == Account.id))


def _ready_emails(session: Session, emails: set[str]) -> set[str]:
    return set(session.scalars(sa.select(Account.email).where(Account.email.in_(emails), _is_ready())))


def _members(session: Session, user_group_ids: set[int]) -> dict[int, tuple[int, int]]:
    """Per user group: addresses, and how many of them can use a grant now."""
    ready = sa.select(1).where(Account.email == UserGroupMember.email, _is_ready()).exists()
    rows = session.execute(
        sa.select(UserGroupMember.user_group_id, sa.func.count(), sa.func.sum(sa.case((ready, 1), else_=0)))
        .where(UserGroupMember.user_group_id.in_(user_group_ids))
        .group_by(UserGroupMember.user_group_id)
    )
    return {group_id: (total, ready) for group_id, total, ready in rows}
