"""The ways in which station groups reach an address: its grants, direct and through user groups, with what each lacks.

Everything is found by the address, never by an account. Of the other side one thing is told, and it is the same for
three cases: whether it can use what it was given. An address without account, one not verified and one without licence
cannot be told apart here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.db import NO_ROW, among
from portal.sharing.queries import licensed, not_over
from portal.stations.models import Grant, StationGroup

MOST = 200  # paths told at once


class Missing(NamedTuple):
    """Why a path does not lead there. kind: licence (of the owner), own_licence (of the reader, asking about himself),
    other_side, revoked, ended, not_begun, weaker (the permission does not contain the action), left (is no longer in
    the user group), elsewhere (the station is not in this station group) or taken_out (it was); `at` and `by` as far as
    they are known."""

    kind: str
    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """A way from an owner to an address. `grant` is none for the owner himself. It acts when nothing is missing."""

    group: StationGroup | None  # none: a station that its owner has in no group
    role: str
    grant: Grant | None = None
    user_group_name: str = ""
    member_since: datetime | None = None  # known to the owner alone
    first_used_at: datetime | None = None
    given_by: str = ""
    owner_name: str = ""
    missing: tuple[Missing, ...] = ()
    line: tuple[str, ...] = field(default=())  # the line of the policy that allows the action by this path
    besides: str = ""  # the kind of licence that whoever does the action must hold himself; empty for most

    @property
    def acts(self) -> bool:
        return not self.missing

    @property
    def is_over(self) -> bool:
        """Whether the grant has ended for good, or never led here."""
        return any(missing.kind in ("revoked", "ended", "left", "elsewhere", "taken_out") for missing in self.missing)


def licence_of(role: str) -> str:
    """The licence at which a role is at its strongest: what is asked of the policy once every side is ready."""
    return "inactive" if role == "owner" else "active"


def line_for(role: str, action: str) -> tuple[str, ...]:
    """The line of the policy by which the role allows the action once every side is ready; empty when none does."""
    return authz.ALLOWED.get((role, licence_of(role), action), ())


def of_address(
    session: Session, email: str, within: sa.ColumnElement[bool], action: str, *, reader_id: int, most: int = MOST
) -> list[Path]:
    """Every grant to the address, direct or through a user group, among those that fulfil `within`: what stands first,
    the newest first. One statement."""
    rows = session.execute(_rows(email, within).limit(most))
    return [_path(row, action, reader_id) for row in rows]


def _path(row: sa.Row[*tuple[Any, ...]], action: str, reader_id: int) -> Path:
    grant, group, users, member_since, member_used, giver, owner, revoker, owner_ready, ready = tuple(row)
    missing = [*_over(grant, revoker)]
    if not missing:
        missing += [Missing("not_begun", grant.starts_at)] if grant.starts_at > clock.now() else []
        missing += [] if owner_ready else [Missing("licence")]
        missing += [] if ready else [Missing("other_side")]
    line = line_for(grant.role, action)
    return Path(
        group=group,
        role=grant.role,
        grant=grant,
        user_group_name=users or "",
        member_since=member_since if reader_id == grant.owner_id else None,
        first_used_at=member_used if users else grant.first_used_at,
        given_by=giver,
        owner_name=owner,
        missing=tuple(missing if line else [*missing, Missing("weaker")]),
        line=line,
    )


def _rows(email: str, within: sa.ColumnElement[bool]) -> sa.Select[*tuple[Any, ...]]:
    # Two searches by index side by side: an OR of them would read all grants there are.
    no_member = sa.literal(None, sa.Integer).label("member_id")
    direct = sa.select(Grant.id, no_member).where(Grant.email == email, within)
    through = (
        sa.select(Grant.id, UserGroupMember.id)
        .join(UserGroupMember, UserGroupMember.user_group_id == Grant.user_group_id)
        .where(UserGroupMember.email == email, within)
    )
    found = sa.union_all(direct, through).subquery("found")
    giver, revoker, owner = aliased(Account), aliased(Account), aliased(Account)
    member = UserGroupMember
    stands = sa.and_(Grant.revoked_at.is_(None), not_over(clock.now()))
    return (
        sa.select(
            Grant,
            StationGroup,
            UserGroup.name,
            member.added_at,
            member.first_used_at,
            *(accounts.shown_name(one) for one in (giver, owner, revoker)),
            sa.exists().where(licensed.c.account_id == Grant.owner_id),
            _is_ready(email),
        )
        .join(found, found.c.id == Grant.id)
        .join(StationGroup, StationGroup.id == Grant.station_group_id)
        .join(owner, owner.id == Grant.owner_id)
        .join(giver, giver.id == Grant.granted_by_id)
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
        .outerjoin(member, member.id == found.c.member_id)
        .outerjoin(revoker, revoker.id == Grant.revoked_by_id)
        .order_by(sa.case((stands, 0), else_=1), StationGroup.name, Grant.granted_at.desc(), Grant.id.desc())
    )


def _over(grant: Grant, revoker: str | None) -> Iterable[Missing]:
    if grant.revoked_at is not None:
        yield Missing("revoked", grant.revoked_at, revoker or "")
    elif grant.ends_at is not None and grant.ends_at <= clock.now():
        yield Missing("ended", grant.ends_at)


def _is_ready(email: str) -> sa.ColumnElement[bool]:
    """Whether the other side can use what it is given."""
    return sa.exists().where(
        Account.email == email,
        Account.verified_at.is_not(None),
        sa.exists().where(licensed.c.account_id == Account.id),
    )


def explainable(session: Session, reader_id: int, action: str) -> sa.ColumnElement[bool]:
    """That a grant is one on a station group on which the reader may do the action: his own, or one he administrates.
    Laid out so that a large owner's own groups are not listed for it. One statement, for the groups of others: as a
    part of the condition, PostgreSQL would read all grants rather than ask it for each."""
    others = authz.visible(reader_id, action).where(authz.standing.c.role != "owner")
    of_others = among(session, Grant.station_group_id, set(session.scalars(others)) or {NO_ROW})
    return sa.or_(Grant.owner_id == reader_id, of_others) if authz.owner_may(action) else of_others


def known_addresses(session: Session, owner_id: int, group_ids: Sequence[int], *, as_owner: bool) -> Sequence[str]:
    """Addresses to offer in the field: those in the lists of grants of these station groups, and for their owner those
    in his user groups. At most MOST."""
    direct = sa.select(Grant.email).where(Grant.station_group_id.in_(group_ids))
    return _offered(session, direct, _members_of(owner_id) if as_owner else None)


def known_to_owner(session: Session, owner_id: int) -> Sequence[str]:
    """The same for all that is the reader's: at most MOST of each kind."""
    return _offered(session, sa.select(Grant.email).where(Grant.owner_id == owner_id), _members_of(owner_id))


def _members_of(owner_id: int) -> sa.Select[str]:
    users = sa.select(UserGroup.id).where(UserGroup.owner_id == owner_id)
    return sa.select(UserGroupMember.email).where(UserGroupMember.user_group_id.in_(users))


def _offered(session: Session, direct: sa.Select[Any], members: sa.Select[str] | None) -> Sequence[str]:
    parts = [direct.where(Grant.email.is_not(None)), *([members] if members is not None else [])]
    first = [sa.select(part.limit(MOST).subquery()) for part in parts]
    return sorted(set(session.scalars(sa.union_all(*first))))
