"""What is told of the confirmations that a grant is still needed, to who may view the grant."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroupMember
from portal.stations.models import Grant


class Need(NamedTuple):
    """The last confirmation that a grant is still needed. `by`: empty where the reader may not know who is in the user
    group; `addresses`: how many of the user group have confirmed it, 1 for a grant to an address."""

    at: datetime
    by: str
    addresses: int


def columns(reader_id: int) -> tuple[sa.ColumnElement[Any], ...]:
    """Of a Grant, what `read` makes a Need of. Looked up for the rows of a page, in their statement."""
    member, direct = UserGroupMember, Grant.email.is_not(None)
    # What a member confirmed before the grant was given says nothing about it.
    since = sa.and_(member.user_group_id == Grant.user_group_id, member.needed_at >= Grant.granted_at)
    newest = (member.needed_at.desc(), member.id)
    shown = accounts.shown_name()
    at = sa.select(member.needed_at).where(since).order_by(*newest).limit(1)
    by = sa.select(shown).join_from(member, Account, Account.id == member.needed_by_id).where(since)
    holder = sa.select(shown).where(Account.id == Grant.needed_by_id)
    count = sa.select(sa.func.count()).select_from(member).where(since)
    # Who is in a user group is its owner's to know.
    told = sa.case(
        (direct, holder.correlate(Grant).scalar_subquery()),
        (Grant.owner_id == reader_id, by.order_by(*newest).limit(1).correlate(Grant).scalar_subquery()),
        else_="",
    )
    return (
        sa.case((direct, Grant.needed_at), else_=at.correlate(Grant).scalar_subquery()),
        sa.func.coalesce(told, ""),
        sa.case((direct, 1), else_=count.correlate(Grant).scalar_subquery()),
    )


def read(at: datetime | None, by: str, addresses: int) -> Need | None:
    """None: nobody has confirmed it."""
    return Need(at, by, addresses) if at else None


def unconfirmed(since: datetime) -> sa.ColumnElement[bool]:
    """That a Grant was given before that instant, and that nobody has confirmed from then on that he needs it."""
    members = sa.select(UserGroupMember.id).where(
        UserGroupMember.user_group_id == Grant.user_group_id, UserGroupMember.needed_at >= since
    )
    own = sa.func.coalesce(Grant.needed_at, Grant.granted_at) < since
    return sa.and_(Grant.granted_at < since, own, ~members.correlate(Grant).exists())
