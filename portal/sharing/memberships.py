"""Who is in a user group, with what follows for grants and invitations. Nothing commits.

Whoever comes in gains what is granted to the group at once, and is told by an invitation; whoever goes out loses it at
once, with what he gave away by it.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import address_files, user_groups
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.errors import NotThere
from portal.sharing import invitations, operations
from portal.sharing.queries import not_over
from portal.stations.models import Grant, StationGroup


class Granted(NamedTuple):
    """What is granted to a user group now, or from a day to come."""

    grant: Grant
    name: str  # of the station group
    given_by: str

    @property
    def is_planned(self) -> bool:
        return self.grant.starts_at > clock.now()


class Planned(NamedTuple):
    """What a row of an uploaded file would do: new, inside (already), twice or bad (not an address)."""

    line: int
    text: str
    outcome: str


class Preview(NamedTuple):
    """What an uploaded file would do; `new` are the addresses that would be added."""

    rows: Sequence[Planned]
    counts: Counter[str]
    new: Sequence[str]


def create(session: Session, actor: Account, name: str, text: str = "") -> UserGroup:
    """As `user_groups.create`; its addresses are invited."""
    group = user_groups.create(session, actor, name, text)
    inside = sa.select(UserGroupMember).where(UserGroupMember.user_group_id == group.id)
    invitations.invite_all(session, actor, session.scalars(inside.order_by(UserGroupMember.id)).all())
    return group


def add(session: Session, actor: Account, group: UserGroup, found: Sequence[str]) -> int:
    """Put these normalised addresses into the group and invite those that are new; says how many."""
    added = user_groups.add_addresses(session, actor, group, found)
    invitations.invite_all(session, actor, added)
    return len(added)


def preview(session: Session, group: UserGroup, rows: Sequence[address_files.Row]) -> Preview:
    """What adding the addresses of an uploaded file would do; what needs a look comes first. Writes nothing."""
    inside = user_groups.inside(session, group)
    planned, new = [], dict[str, None]()
    for row in rows:
        if row.email is None:
            outcome = "bad"
        elif row.email in inside:
            outcome = "inside"
        else:
            outcome = "twice" if row.email in new else "new"
            new[row.email] = None
        planned.append(Planned(row.line, row.text, outcome))
    order = {"bad": 0, "twice": 1, "inside": 2, "new": 3}
    planned.sort(key=lambda one: (order[one.outcome], one.line))
    return Preview(planned, Counter(one.outcome for one in planned), list(new))


def remove(session: Session, actor: Account, members: Collection[UserGroupMember]) -> int:
    """Take these addresses out of their user group; says how many were still in it."""
    removed = 0
    for member in sorted(members, key=lambda one: one.id):
        try:
            operations.remove_member(session, actor, member)
        except NotThere:  # has left meanwhile
            continue
        removed += 1
    return removed


def granted(session: Session, group: UserGroup) -> Sequence[Granted]:
    """Everything that is granted to the user group and has not ended, by station group."""
    rows = session.execute(_granted(group.id).order_by(StationGroup.name, Grant.id))
    return [Granted(grant, name, giver or email) for grant, name, giver, email in rows]


def losses_of_leaving(session: Session, account: Account, member: UserGroupMember) -> tuple[Sequence[Granted], int]:
    """What its holder loses with a membership: what he sees by it, and how much more without effect so far, of which
    no more is told."""
    rows = session.execute(_granted(member.user_group_id).order_by(StationGroup.name, Grant.id)).all()
    ids = {row[0].station_group_id for row in rows}
    visible = authz.visible(account.id, "station_group:view")
    seen = set(
        session.scalars(sa.select(StationGroup.id).where(StationGroup.id.in_(ids), StationGroup.id.in_(visible)))
    )
    told = [
        Granted(grant, name, giver or email) for grant, name, giver, email in rows if grant.station_group_id in seen
    ]
    return told, len(rows) - len(told)


def _granted(user_group_id: int) -> sa.Select[Grant, str, str, str]:
    return (
        sa.select(Grant, StationGroup.name, Account.name, Account.email)
        .join(StationGroup, StationGroup.id == Grant.station_group_id)
        .join(Account, Account.id == Grant.granted_by_id)
        .where(Grant.user_group_id == user_group_id, Grant.revoked_at.is_(None), not_over(clock.now()))
    )
