"""User groups: named sets of e-mail addresses of one owner, such as an on-call organisation.

Whether an address has an account is never asked here, so nothing about it can be told.
"""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import audit, authz
from portal.core.db import NO_ROW, among
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.core.paging import SIZE, Page, offset

MOST_AT_ONCE = 1000  # addresses in one paste
LONGEST_NAME = 120
SEPARATORS = re.compile(r"[\s,;]+")
NAMED = re.compile(r"[^,;\r\n<>]*<([^<>\r\n]*)>")  # how mail programs copy an address: Name <address>

# Cards stand above this domain and import it; here they are a table that refers to it.
_card = sa.table("card", sa.column("user_group_id", sa.Integer))


class Listed(NamedTuple):
    """A user group in its owner's list."""

    id: int
    name: str
    members: int


class Membership(NamedTuple):
    """A user group that somebody's address is in, as much as he may know of it."""

    id: int  # of the membership
    name: str
    owner_name: str
    owner_email: str


def user_group(session: Session, account_id: int, action: str, row_id: int) -> UserGroup:
    """The user group, for its owner alone; NotThere for everybody else."""
    row = session.get(UserGroup, row_id)
    if row is None or row.owner_id != account_id:
        raise NotThere
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    return row


def owned(session: Session, owner_id: int, page: int = 1) -> Page[Listed]:
    """The owner's user groups by name, with the number of addresses in each; two statements."""
    mine = UserGroup.owner_id == owner_id
    members = (
        sa.select(sa.func.count())
        .where(UserGroupMember.user_group_id == UserGroup.id)
        .correlate(UserGroup)
        .scalar_subquery()
    )
    total = session.scalar(sa.select(sa.func.count()).select_from(UserGroup).where(mine)) or 0
    rows = session.execute(
        sa.select(UserGroup.id, UserGroup.name, members)
        .where(mine)
        .order_by(UserGroup.name, UserGroup.id)
        .limit(SIZE)
        .offset(offset(page))
    )
    return Page([Listed(*row) for row in rows], page, total)


def names(session: Session, owner_id: int) -> Sequence[tuple[int, str]]:
    """(id, name) of the owner's user groups by name, to choose one."""
    rows = session.execute(
        sa.select(UserGroup.id, UserGroup.name).where(UserGroup.owner_id == owner_id).order_by(UserGroup.name)
    )
    return [(row_id, name) for row_id, name in rows]


def memberships(session: Session, account: Account) -> Sequence[Membership]:
    """The user groups of others that the account's address is in, by name; none for an unverified address. Three
    statements: joined at once, PostgreSQL would rather read all user groups where somebody is in many."""
    if account.verified_at is None:
        return []
    mine = sa.select(UserGroupMember.user_group_id, UserGroupMember.id).where(UserGroupMember.email == account.email)
    ids = {row.user_group_id: row.id for row in session.execute(mine)}
    groups = session.scalars(sa.select(UserGroup).where(among(session, UserGroup.id, ids))).all()
    of_others = [group for group in groups if group.owner_id != account.id]
    owners = {group.owner_id for group in of_others}
    names = sa.select(Account.id, Account.name, Account.email).where(among(session, Account.id, owners))
    known = {row.id: row for row in session.execute(names)}
    ordered = sorted(of_others, key=lambda group: (group.name, group.id))
    return [
        Membership(ids[group.id], group.name, known[group.owner_id].name, known[group.owner_id].email)
        for group in ordered
    ]


def members(session: Session, group: UserGroup, page: int = 1, text: str = "") -> Page[UserGroupMember]:
    """The addresses in the group, or those in which the text stands, in alphabetical order; two statements."""
    inside = UserGroupMember.user_group_id == group.id
    if text.strip():
        inside = sa.and_(inside, UserGroupMember.email.contains(text.strip().lower(), autoescape=True))
    total = session.scalar(sa.select(sa.func.count()).select_from(UserGroupMember).where(inside)) or 0
    rows = session.scalars(
        sa.select(UserGroupMember).where(inside).order_by(UserGroupMember.email).limit(SIZE).offset(offset(page))
    ).all()
    return Page(rows, page, total)


def member(session: Session, account_id: int, action: str, row_id: int) -> UserGroupMember:
    """The address in a user group, for the group's owner alone; NotThere for everybody else."""
    row = session.get(UserGroupMember, row_id)
    user_group(session, account_id, action, row.user_group_id if row else NO_ROW)
    if row is None:
        raise NotThere
    return row


def membership(session: Session, account_id: int, action: str, row_id: int) -> UserGroupMember:
    """The membership of the account's own address; NotThere for everybody else."""
    row, account = session.get(UserGroupMember, row_id), session.get_one(Account, account_id)
    if row is None or row.email != account.email or account.verified_at is None:
        raise NotThere
    if not authz.platform_may(action, operator=False):
        raise NotAllowed
    return row


def some_members(session: Session, group: UserGroup, member_ids: Collection[int]) -> Sequence[UserGroupMember]:
    """Those of these members that are in the group, in alphabetical order."""
    mine = sa.select(UserGroupMember).where(UserGroupMember.user_group_id == group.id)
    return session.scalars(mine.where(UserGroupMember.id.in_(member_ids)).order_by(UserGroupMember.email)).all()


def inside(session: Session, group: UserGroup) -> set[str]:
    """The addresses in the group."""
    return set(session.scalars(sa.select(UserGroupMember.email).where(UserGroupMember.user_group_id == group.id)))


def group_of(session: Session, member: UserGroupMember) -> UserGroup:
    """The user group of an address that was loaded by its owner."""
    return session.get_one(UserGroup, member.user_group_id)


def addresses(text: str, field: str = "emails") -> list[str]:
    """The addresses in a pasted text, once each, in its order; separated by line, comma, semicolon or blank, with or
    without the holder's name in front. RuleBroken on `field` quotes every piece that is no address."""
    good: dict[str, None] = {}
    bad: list[str] = []
    for piece in filter(None, SEPARATORS.split(NAMED.sub(r" \1 ", text))):
        try:
            good[emails.normalise(piece, field)] = None
        except RuleBroken:
            bad.append(piece[:80])
    if bad:
        raise RuleBroken(
            field, "Not an e-mail address: %(bad)s. Nothing was added.", bad=", ".join(f"“{text}”" for text in bad[:20])
        )
    if not good:
        raise RuleBroken(field, "Enter at least one e-mail address.")
    if len(good) > MOST_AT_ONCE:
        raise RuleBroken(field, "Enter at most %(most)s addresses at once.", most=MOST_AT_ONCE)
    return list(good)


def cards(session: Session, group: UserGroup) -> int:
    """How many RFID cards are registered for the group: they go with it."""
    mine = sa.select(sa.func.count()).select_from(_card).where(_card.c.user_group_id == group.id)
    return session.scalar(mine) or 0


def create(session: Session, actor: Account, name: str, text: str = "") -> UserGroup:
    """A new user group of the actor with the addresses in `text` (may be empty). RuleBroken: name, emails."""
    name = _free_name(session, actor.id, name)
    found = addresses(text) if text.strip() else []
    group = UserGroup(owner_id=actor.id, name=name)
    session.add(group)
    session.flush()
    _record(session, actor, "user_group:create", group, name=name)
    add_addresses(session, actor, group, found)
    return group


def rename(session: Session, actor: Account, group: UserGroup, name: str) -> None:
    """Give the group another name. RuleBroken: name."""
    before, group.name = group.name, _free_name(session, group.owner_id, name, group)
    _record(session, actor, "user_group:edit", group, name=group.name, before=before)
    session.flush()


def add_members(session: Session, actor: Account, group: UserGroup, text: str) -> int:
    """Put every address of the pasted text into the group and say how many were new. RuleBroken: emails; then
    nothing was written."""
    return len(add_addresses(session, actor, group, addresses(text)))


def add_addresses(
    session: Session, actor: Account, group: UserGroup, found: Sequence[str]
) -> Sequence[UserGroupMember]:
    """Put these normalised addresses into the group; returns those that were not in it. The grants to the group are
    open to them from now on."""
    locked = sa.select(UserGroup.id).where(UserGroup.id == group.id)
    session.execute(locked.with_for_update(key_share=True))  # of two who add the same address one comes second
    present = inside(session, group)
    rows = [{"user_group_id": group.id, "email": email} for email in found if email not in present]
    if not rows:
        return []
    new = session.scalars(sa.insert(UserGroupMember).returning(UserGroupMember, sort_by_parameter_order=True), rows)
    members = new.all()
    for member in members:
        _record(session, actor, "user_group:add_member", group, email=member.email)
    session.flush()
    return members


def remove_member(session: Session, actor: Account, member: UserGroupMember) -> None:
    """Take the address out of its group. What its holder gave away by the group's grants is for
    portal.sharing.operations, which calls this."""
    group = group_of(session, member)
    session.delete(member)
    session.flush()
    left = actor.email == member.email and actor.id != group.owner_id
    action = "user_group:leave" if left else "user_group:remove_member"
    _record(session, actor, action, group, email=member.email, name=group.name)


def delete(session: Session, actor: Account, group: UserGroup) -> None:
    """Delete the group with its members, each of them in the audit log; what was granted to it goes with it. What was
    given under that is for portal.sharing.operations, which calls this."""
    for email in sorted(inside(session, group)):
        _record(session, actor, "user_group:remove_member", group, email=email, name=group.name)
    _record(session, actor, "user_group:delete", group, name=group.name)
    session.delete(group)
    session.flush()


def _free_name(session: Session, owner_id: int, name: str, group: UserGroup | None = None) -> str:
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in name).split())
    if not name:
        raise RuleBroken("name", "Give the user group a name.")
    if len(name) > LONGEST_NAME:
        raise RuleBroken("name", "Use at most %(most)s characters.", most=LONGEST_NAME)
    taken = sa.select(UserGroup.id).where(UserGroup.owner_id == owner_id, UserGroup.name == name)
    if session.scalar(taken if group is None else taken.where(UserGroup.id != group.id)) is not None:
        raise RuleBroken("name", "You already have a user group with this name.")
    return name


def _record(session: Session, actor: Account, action: str, group: UserGroup, **detail: object) -> None:
    audit.record(session, action, f"user_group/{group.id}", actor_id=actor.id, owner_id=group.owner_id, **detail)
