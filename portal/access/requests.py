"""Requests to be entered as special user: whoever holds a station group by an authorisation asks, its owner decides.

Consent is the owner's. A request ends with its cause, as the Limited rule does (`limited`). Nothing commits.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import limited, special_users
from portal.access.limited import Area
from portal.access.models import SpecialUserRequest
from portal.accounts.links import Links
from portal.accounts.models import Account, UserGroup
from portal.core import audit, authz, clock, letters, mail
from portal.core.db import LARGEST_ID, among
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.sharing import turns
from portal.stations.models import StationGroup

MOST_WAITING = 200  # requests that the overview tells of
ASK_AGAIN = timedelta(days=30)  # after the owner has declined


def request(session: Session, account_id: int, action: str, row_id: int) -> SpecialUserRequest:
    """The request, for the owner of its station group. NotThere for others, NotAllowed for what no owner may."""
    row = session.get(SpecialUserRequest, row_id) if row_id <= LARGEST_ID else None
    if row is None or row.owner_id != account_id:
        raise NotThere
    if not authz.owner_may(action):
        raise NotAllowed
    return row


def waiting_for(session: Session, owner_id: int) -> Sequence[StationGroup]:
    """The station groups of the owner on which somebody who still holds them has asked and is not answered yet, by
    name; one statement where nobody has, else three."""
    table, held = SpecialUserRequest, authz.standing
    open_ones = sa.select(table.account_id, table.station_group_id).where(table.owner_id == owner_id)
    pairs = [tuple(row) for row in session.execute(open_ones.where(table.declined_at.is_(None)).limit(MOST_WAITING))]
    if not pairs:
        return []
    holds = sa.tuple_(held.c.account_id, held.c.station_group_id).in_(pairs)
    ids = set(session.scalars(sa.select(held.c.station_group_id).where(holds)))
    wanted = sa.select(StationGroup).where(among(session, StationGroup.id, ids), StationGroup.owner_id == owner_id)
    return session.scalars(wanted.order_by(StationGroup.name)).all() if ids else []


def ask(session: Session, to: Links, actor: Account, group: StationGroup) -> None:
    """Ask the owner to enter the actor at the station group, and tell him by mail in his language. RuleBroken where the
    actor lacks nothing, or where the owner has declined within ASK_AGAIN; asked twice is asked once."""
    turns.take(session, [group.id])
    if actor.id == group.owner_id or not limited.of_holder(session, Area(group.owner_id, [group.id]), actor)[0]:
        raise RuleBroken("", "You are a special user wherever it is needed already.")
    table = SpecialUserRequest
    same = sa.select(table).where(table.account_id == actor.id, table.station_group_id == group.id)
    row = session.scalars(same).one_or_none()
    if row is not None and row.declined_at is None:
        return
    if row is not None and row.declined_at is not None and row.declined_at > clock.now() - ASK_AGAIN:
        raise RuleBroken("", "The owner has declined. You can ask again after %(days)s days.", days=ASK_AGAIN.days)
    row = row or SpecialUserRequest(station_group_id=group.id, owner_id=group.owner_id, account_id=actor.id)
    row.asked_at, row.declined_at = clock.now(), None
    session.add(row)
    session.flush()
    subject = f"station_group/{group.id}"
    audit.record(session, "special_user:ask", subject, actor_id=actor.id, owner_id=group.owner_id)
    owner, page = session.get_one(Account, group.owner_id), to.page(f"/station-groups/{group.id}")
    told = {"asker": actor.email, "group": group.name, "page": page}
    letter = letters.post(session, owner.email, owner.language, "special_user_asked", **told)
    mail.judge_at_sending(letter, "special_user_request", [row.id])


def is_waiting(session: Session, recipient: str, ids: Sequence[int]) -> bool:
    """Whether all these requests still wait for the answer of the account with this address: judges the letter."""
    table = SpecialUserRequest
    mine = sa.select(sa.func.count()).select_from(table).join(Account, Account.id == table.owner_id)
    mine = mine.where(table.id.in_(ids), table.declined_at.is_(None), Account.email == recipient)
    return session.scalar(mine) == len(ids)


def decline(session: Session, actor: Account, row: SpecialUserRequest) -> None:
    """Say no to a request; harmless when it has been said already."""
    row.declined_at = row.declined_at or clock.now()
    asker = session.get_one(Account, row.account_id)
    subject = f"station_group/{row.station_group_id}"
    detail = {"email": asker.email}
    audit.record(session, "special_user:decline", subject, actor_id=actor.id, owner_id=row.owner_id, **detail)


def admit(
    session: Session,
    actor: Account,
    groups: Sequence[StationGroup],
    email: str = "",
    user_group_id: int | None = None,
) -> int:
    """Enter as special users of these station groups whom the Limited rule misses there: this address, this user group,
    or without either all of them; says how many entries that made. Nobody else is entered by it, and nobody at a group
    where his entry at one before admits him already."""
    asking = [_wanted(session, actor, group, email, user_group_id).addresses for group in groups]
    added = 0
    for group in groups:
        wanted = _wanted(session, actor, group, email, user_group_id)
        for one in sorted(wanted.whole):
            special_users.add(session, actor, group, user_group=session.get_one(UserGroup, one))
        special_users.add_all(session, actor, group, sorted(wanted.emails))
        added += len(wanted.whole) + len(wanted.emails)
    for group, addresses in zip(groups, asking, strict=True):
        _close(session, group, addresses)
    return added


class _Wanted(NamedTuple):
    """Whom to enter: single addresses, and user groups as a whole; `addresses` are all that this admits."""

    emails: set[str]
    whole: set[int]
    addresses: set[str]


def _wanted(session: Session, actor: Account, group: StationGroup, email: str, user_group_id: int | None) -> _Wanted:
    found = limited.among_holders(session, Area(group.owner_id, [group.id]), actor.email)
    emails = {address for one in found if one.holder.user_group_id is None or email for address in one.addresses}
    whole = {one.holder.user_group_id for one in found if one.holder.user_group_id is not None}
    if email or user_group_id is not None:
        emails, whole = emails & {email}, whole & {user_group_id or 0}
    members = (one.addresses for one in found if one.holder.user_group_id in whole)
    return _Wanted(emails, whole, emails.union(*members))


def _close(session: Session, group: StationGroup, emails: Collection[str]) -> None:
    """The requests of those who are entered are answered."""
    table = SpecialUserRequest
    askers = sa.select(Account.id).where(Account.email.in_(emails))
    session.execute(sa.delete(table).where(table.station_group_id == group.id, table.account_id.in_(askers)))
