"""What others have opened to the reader: the station groups, each with the grant that lets him in first."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz, clock
from portal.core.paging import SIZE, Page, offset
from portal.sharing.reviews import SOON, UNUSED, YEAR, Filter
from portal.stations.models import Grant, Permission, StationGroup

# What is open is neither planned nor ended.
STATES = ("", "in_use", "invited", "ending", "endless", "unused", "unneeded")

# Of a user group's grant the use of the other members is not told.
_FIRST_USE = sa.case((Grant.email.is_not(None), Grant.first_used_at), else_=UserGroupMember.first_used_at)
_LAST_USE = sa.case((Grant.email.is_not(None), Grant.last_used_at), else_=UserGroupMember.last_used_at)
# What the reader has confirmed before the grant was given says nothing about it.
_NEEDED = sa.case(
    (Grant.email.is_not(None), Grant.needed_at),
    (UserGroupMember.needed_at >= Grant.granted_at, UserGroupMember.needed_at),
)


class Received(NamedTuple):
    """A station group that is open to the reader, by his strongest grant. `used_at`: his own last use of the grant, or
    of anything that the user group holds; `needed_at`: when he confirmed last that he needs it, or what the user group
    holds; `is_unneeded`: not for a year."""

    station_group_id: int
    name: str
    owner_name: str
    owner_email: str
    grant_id: int
    role: Permission
    user_group_name: str  # empty: given to his address
    since: datetime
    until: datetime | None
    used_at: datetime | None
    needed_at: datetime | None
    is_unneeded: bool
    hides_drivers: bool


def listed(session: Session, account: Account, wanted: Filter, page: int = 1) -> Page[Received]:
    """A page of the station groups of others that are open to the account, by name; two statements."""
    total = session.scalar(_open_to(account, wanted, sa.func.count())) or 0
    page = min(page, max(1, -(-total // SIZE)))
    names = (StationGroup.name, Account.name, Account.email, UserGroup.name)
    columns = (Grant, *names, _LAST_USE, _NEEDED, _unneeded(clock.now() - YEAR))
    rows = _open_to(account, wanted, *columns).order_by(StationGroup.name, StationGroup.id)
    return Page([_received(row) for row in session.execute(rows.limit(SIZE).offset(offset(page)))], page, total)


def everything(session: Session, account: Account, wanted: Filter) -> Iterator[Received]:
    """Page after page of `listed`."""
    number, pages = 1, 1
    while number <= pages:
        page = listed(session, account, wanted, number)
        yield from page.items
        number, pages = number + 1, page.pages


def _received(row: sa.Row[*tuple[Any, ...]]) -> Received:
    grant, name, owner_name, owner_email, users, used_at, needed_at, is_unneeded = tuple(row)
    return Received(
        grant.station_group_id,
        name,
        owner_name,
        owner_email,
        grant_id=grant.id,
        role=Permission(grant.role),
        user_group_name=users or "",
        since=grant.granted_at,
        until=grant.ends_at,
        used_at=used_at,
        needed_at=needed_at,
        is_unneeded=bool(is_unneeded),
        hides_drivers=grant.hides_drivers,
    )


def _open_to(account: Account, wanted: Filter, *columns: Any) -> sa.Select[*tuple[Any, ...]]:
    """These columns of what is open to the account and fits, a row for each station group."""
    first, member = _first_grants(account.id), UserGroupMember
    mine = sa.and_(member.user_group_id == Grant.user_group_id, member.email == account.email)
    found = (
        sa.select(*columns)
        .select_from(first)
        .join(Grant, Grant.id == first.c.grant_id)
        .join(StationGroup, StationGroup.id == Grant.station_group_id)
        .join(Account, Account.id == StationGroup.owner_id)
        .outerjoin(UserGroup, UserGroup.id == Grant.user_group_id)
        .outerjoin(member, mine)
        .where(first.c.place == 1, StationGroup.owner_id != account.id, _in_state(wanted.state))
    )
    if wanted.role in list(Permission):
        found = found.where(Grant.role == wanted.role)
    if wanted.text:
        texts = (StationGroup.name, Account.name, Account.email)
        found = found.where(sa.or_(*(column.icontains(wanted.text, autoescape=True) for column in texts)))
    return found


def _first_grants(account_id: int) -> sa.Subquery:
    """The grants by which the account may see a station group, numbered within it from the strongest on."""
    held = authz.standing.c
    strength = sa.case({role: number for number, role in enumerate(authz.ROLES)}, value=held.role)
    place = sa.func.row_number().over(partition_by=held.station_group_id, order_by=(strength, held.grant_id))
    seen = authz.visible(account_id, "station_group:view").where(held.grant_id.is_not(None))
    return seen.with_only_columns(held.grant_id, place.label("place")).subquery("first_grant")


def _in_state(state: str) -> sa.ColumnElement[bool]:
    now = clock.now()
    states: dict[str, sa.ColumnElement[bool]] = {
        "in_use": _FIRST_USE.is_not(None),
        "invited": _FIRST_USE.is_(None),
        "ending": Grant.ends_at < now + SOON,
        "endless": Grant.ends_at.is_(None),
        "unused": sa.func.coalesce(_LAST_USE, Grant.granted_at) < now - UNUSED,
        "unneeded": _unneeded(now - YEAR),
    }
    return states.get(state, sa.true())


def _unneeded(since: datetime) -> sa.ColumnElement[bool]:
    """That the grant has been the reader's since before that instant and that he has not confirmed it from then on."""
    member = UserGroupMember
    begun = sa.func.coalesce(member.added_at, Grant.granted_at) < since
    return sa.and_(Grant.granted_at < since, begun, sa.func.coalesce(_NEEDED, Grant.granted_at) < since)
