"""Going through what the reader has opened to others.

What somebody else does with a grant is told as the list of grants tells it: when it was first and last used. Whether an
address has an account is asked nowhere here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, authz, clock
from portal.core.db import among
from portal.core.paging import SIZE, Page, offset
from portal.sharing import needs
from portal.sharing.needs import Need
from portal.sharing.queries import not_over
from portal.stations.models import Grant, Permission, StationGroup

SOON, UNUSED, YEAR, RECENT = (timedelta(days=days) for days in (30, 90, 365, 90))
STATES = ("", "in_use", "invited", "planned", "ending", "endless", "unused", "unreviewed", "unneeded", "ended")


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the list is wanted. `text`: a part of an address, a user group or a station group; `role`: a permission
    or ""; `state`: one of STATES, "" for all that stands."""

    text: str = ""
    role: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A grant in the review."""

    grant: Grant
    group_name: str
    owner_name: str
    user_group_name: str  # empty: given to an address
    members: int
    given_by: str
    reviewed_by: str
    revoked_by: str
    need: Need | None
    now: datetime = field(default_factory=clock.now)

    @property
    def who(self) -> str:
        return self.user_group_name or self.grant.email or ""

    @property
    def state(self) -> str:
        """revoked, ended, planned, in_use or invited."""
        if self.grant.revoked_at is not None:
            return "revoked"
        if self.grant.ends_at is not None and self.grant.ends_at <= self.now:
            return "ended"
        if self.grant.starts_at > self.now:
            return "planned"
        return "in_use" if self.grant.first_used_at else "invited"

    @property
    def stands(self) -> bool:
        return self.state not in ("revoked", "ended")

    @property
    def is_unreviewed(self) -> bool:
        """Whether nobody has looked at it for a year."""
        return self.stands and (self.grant.reviewed_at or self.grant.granted_at) < self.now - YEAR

    @property
    def is_unused(self) -> bool:
        return self.stands and (self.grant.last_used_at or self.grant.granted_at) < self.now - UNUSED

    @property
    def ends_soon(self) -> bool:
        return self.stands and self.grant.ends_at is not None and self.grant.ends_at < self.now + SOON


def by_me(session: Session, reader_id: int, wanted: Filter, page: int = 1) -> Page[Line]:
    """A page of the grants on the station groups whose grants the reader may view, by station group and recipient; four
    statements."""
    condition = _wanted(session, reader_id, wanted)
    total = session.scalar(_joined(sa.select(sa.func.count())).where(condition)) or 0
    page = min(page, max(1, -(-total // SIZE)))
    rows = session.execute(_lines(condition, reader_id).limit(SIZE).offset(offset(page))).all()
    return Page([_line(row) for row in rows], page, total)


def all_by_me(session: Session, reader_id: int, wanted: Filter) -> Iterator[Line]:
    """All pages of `by_me` as one stream; nothing is asked before the first is taken."""
    statement = _lines(_wanted(session, reader_id, wanted), reader_id)
    for row in session.execute(statement.execution_options(yield_per=500)):
        yield _line(row)


def chosen(session: Session, reader_id: int, grant_ids: Sequence[int], action: str) -> Sequence[Line]:
    """Those of these grants that stand and on whose station group the reader may do the action."""
    mine = _on_groups(session, reader_id, action)
    condition = sa.and_(Grant.id.in_(grant_ids), mine, Grant.revoked_at.is_(None), not_over(clock.now()))
    return [_line(row) for row in session.execute(_lines(condition, reader_id)).all()]


def confirm(session: Session, actor: Account, grant_ids: Sequence[int]) -> int:
    """Note on each of these grants that the actor has looked at it and it shall stay; says how many there were. Those
    that are over, or that he may not review, are passed by."""
    mine = _on_groups(session, actor.id, "grant:review")
    stands = sa.and_(Grant.revoked_at.is_(None), not_over(clock.now()))
    rows = session.scalars(
        sa.update(Grant)
        .where(Grant.id.in_(grant_ids), mine, stands)
        .values(reviewed_at=clock.now(), reviewed_by_id=actor.id)
        .returning(Grant)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    for grant in rows:
        record(session, actor, "grant:review", grant)
    return len(rows)


def record(session: Session, actor: Account, action: str, grant: Grant) -> None:
    """An entry that somebody has looked at the grant, for the owner of the station group."""
    audit.record(
        session,
        action,
        f"station_group/{grant.station_group_id}",
        actor_id=actor.id,
        owner_id=grant.owner_id,
        grant=grant.id,
        role=grant.role,
        email=grant.email,
        user_group=grant.user_group_id,
    )


def _on_groups(session: Session, reader_id: int, action: str) -> sa.ColumnElement[bool]:
    """That a grant is on one of the station groups on which the reader may do the action. His own are found by their
    owner, those of others by their ids, which are few: an OR of the two would read all grants there are."""
    others = authz.visible(reader_id, action).where(authz.standing.c.role != "owner")
    ids = session.scalars(others.distinct()).all()
    own = Grant.owner_id == reader_id if authz.owner_may(action) else sa.false()
    if not ids:
        return own
    here = aliased(Grant)
    of_others = sa.select(here.id).where(among(session, here.station_group_id, ids))
    if not authz.owner_may(action):
        return Grant.id.in_(of_others)
    return Grant.id.in_(sa.select(here.id).where(here.owner_id == reader_id).union_all(of_others))


def _wanted(session: Session, reader_id: int, wanted: Filter) -> sa.ColumnElement[bool]:
    conditions = [_on_groups(session, reader_id, "grant:view"), _in_state(wanted.state)]
    if wanted.role in list(Permission):
        conditions.append(Grant.role == wanted.role)
    if wanted.text:
        text = wanted.text
        # Who is in a user group is its owner's to know.
        inside = sa.select(UserGroupMember.user_group_id).where(UserGroupMember.email.icontains(text, autoescape=True))
        conditions.append(
            sa.or_(
                Grant.email.icontains(text, autoescape=True),
                UserGroup.name.icontains(text, autoescape=True),
                StationGroup.name.icontains(text, autoescape=True),
                sa.and_(Grant.owner_id == reader_id, Grant.user_group_id.in_(inside)),
            )
        )
    return sa.and_(*conditions)


def _in_state(state: str) -> sa.ColumnElement[bool]:
    now = clock.now()
    stands = sa.and_(Grant.revoked_at.is_(None), not_over(now))
    if state == "ended":
        return sa.or_(
            Grant.revoked_at > now - RECENT,
            sa.and_(Grant.revoked_at.is_(None), Grant.ends_at <= now, Grant.ends_at > now - RECENT),
        )
    begun = Grant.starts_at <= now
    further = {
        "in_use": sa.and_(begun, Grant.first_used_at.is_not(None)),
        "invited": sa.and_(begun, Grant.first_used_at.is_(None)),
        "planned": ~begun,
        "ending": Grant.ends_at < now + SOON,
        "endless": Grant.ends_at.is_(None),
        "unused": sa.func.coalesce(Grant.last_used_at, Grant.granted_at) < now - UNUSED,
        "unreviewed": unreviewed(now),
        "unneeded": needs.unconfirmed(now - YEAR),
    }
    return sa.and_(stands, further[state]) if state in further else stands


def unreviewed(now: datetime) -> sa.ColumnElement[bool]:
    """That nobody has looked at a grant for a year."""
    return sa.func.coalesce(Grant.reviewed_at, Grant.granted_at) < now - YEAR


def _joined(statement: sa.Select[Any]) -> sa.Select[Any]:
    return (
        statement.select_from(Grant)
        .join(StationGroup, StationGroup.id == Grant.station_group_id)
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
    )


def _lines(condition: sa.ColumnElement[bool], reader_id: int) -> sa.Select[Any]:
    members = (
        sa.select(sa.func.count())
        .where(UserGroupMember.user_group_id == Grant.user_group_id)
        .correlate(Grant)
        .scalar_subquery()
    )
    # Each looked up for the rows of the page: to join them, PostgreSQL may walk along all accounts there are.
    names = [_name(key) for key in (Grant.owner_id, Grant.granted_by_id, Grant.reviewed_by_id, Grant.revoked_by_id)]
    return (
        _joined(sa.select(Grant, StationGroup.name, sa.func.coalesce(UserGroup.name, ""), members, *names))
        .add_columns(*needs.columns(reader_id))
        .where(condition)
        .order_by(StationGroup.name, Grant.station_group_id, UserGroup.name, Grant.email, Grant.id)
    )


def _name(account_id: InstrumentedAttribute[Any]) -> sa.ColumnElement[str]:
    return sa.func.coalesce(
        sa.select(accounts.shown_name()).where(Account.id == account_id).correlate(Grant).scalar_subquery(), ""
    )


def _line(row: sa.Row[*tuple[Any, ...]]) -> Line:
    grant, group, users, members, owner, giver, reviewer, revoker, *need = tuple(row)
    return Line(grant, group, owner, users, members, giver, reviewer, revoker, needs.read(*need))
