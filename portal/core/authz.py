"""Who may do what to which station group.

The view `standing` says what an account is to a station group (role, licence); Casbin says what that allows. Every
question there is gets put to Casbin once, when this module is loaded: a check is then one indexed look-up and a
dictionary hit, a list is one SQL query filtered by the (role, licence) pairs that allow the action. Nothing is cached
beyond the policy itself, so a revoked grant is dead at the next statement in every process; nothing a user typed ever
reaches Casbin.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import casbin
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from portal.core.db import NO_ROW

POLICIES = Path(__file__).parents[2] / "policies"
ROLES = ("owner", "administrate", "manage", "display")  # to a station group, strongest first
PLATFORM_ROLES = ("account", "operator")
LICENCE_ROLES = ("auto_export", "maintenance", "reports")  # the kinds of licence that an action can need besides
LICENCES = ("active", "inactive")

# The SQL of the view stands in the migrations; here are its columns.
standing = sa.table(
    "standing",
    sa.column("account_id", sa.Integer),
    sa.column("station_group_id", sa.Integer),
    sa.column("role", sa.String),
    sa.column("licence", sa.String),
    sa.column("grant_id", sa.Integer),
)


class Standing(NamedTuple):
    """What an account is to a station group."""

    station_group_id: int
    role: str
    licence: str
    grant_id: int | None  # the grant that confers the role; None: the account owns the group


Question = tuple[str, str, str]  # role, licence, action


def decide(policies: Path, name: str = "policy.csv") -> tuple[frozenset[str], dict[Question, tuple[str, ...]]]:
    """Every action (or field) that this file of the policy names, and for each allowed (role, licence, action) the
    policy line that allows it."""
    model = str(policies / "model.conf")
    whole = casbin.Enforcer(model, str(policies / name))
    actions, allowed = frozenset(whole.get_all_actions()), {}
    for action in sorted(actions):
        # With the lines of this action alone: an enforcer goes through all its lines for each question, and every
        # process that starts would take half a second longer.
        enforcer = casbin.Enforcer(model)
        enforcer.add_policies(whole.get_filtered_policy(2, action))
        enforcer.add_grouping_policies(whole.get_grouping_policy())
        for role, licence in product(ROLES + PLATFORM_ROLES + LICENCE_ROLES, LICENCES):
            yes, line = enforcer.enforce_ex(role, licence, action)
            if yes:
                allowed[role, licence, action] = tuple(line)
    return actions, allowed


ACTIONS, ALLOWED = decide(POLICIES)
FIELDS, WRITABLE = decide(POLICIES, "fields.csv")


def _pairs(action: str) -> list[tuple[str, str]]:
    """The standings that allow the action. ValueError for an action that policy.csv does not name."""
    if action not in ACTIONS:
        raise ValueError(f"policy.csv names no action {action!r}")
    return [(role, licence) for role in ROLES for licence in LICENCES if (role, licence, action) in ALLOWED]


def held(account_id: int | sa.BindParameter[int]) -> sa.Select[int, str, str, int | None]:
    """All that the account is to whatever group, as rows of Standing."""
    columns = (standing.c.station_group_id, standing.c.role, standing.c.licence, standing.c.grant_id)
    return sa.select(*columns).where(standing.c.account_id == account_id)


# The one statement that nearly every check is, built once: to build it takes longer than to answer it.
_ON_ONE = held(sa.bindparam("account_id")).where(standing.c.station_group_id == sa.bindparam("station_group_id"))


def standings(session: Session, account_id: int, station_group_ids: Iterable[int] | sa.Select[int]) -> list[Standing]:
    """What the account is to these station groups, given or yet to be found, strongest role first; several standings
    side by side are kept."""
    ids = station_group_ids if isinstance(station_group_ids, sa.Select) else list(station_group_ids)
    if isinstance(ids, list) and not ids:
        return []
    if isinstance(ids, list) and len(ids) == 1:
        rows = session.execute(_ON_ONE, {"account_id": account_id, "station_group_id": ids[0]})
    else:
        rows = session.execute(held(account_id).where(standing.c.station_group_id.in_(ids)))
    return by_strength(Standing(*row) for row in rows)


def by_strength(found: Iterable[Standing]) -> list[Standing]:
    """These standings, the strongest role first, of one role those that act."""
    return sorted(found, key=lambda s: (ROLES.index(s.role), s.licence))


def why(
    session: Session, account_id: int, station_group_id: int, action: str
) -> list[tuple[Standing, tuple[str, ...]]]:
    """Everything that lets the account do this: the standing and the policy line; empty when it may not."""
    pairs = _pairs(action)
    held = standings(session, account_id, [station_group_id])
    return [(s, ALLOWED[s.role, s.licence, action]) for s in held if (s.role, s.licence) in pairs]


def may(session: Session, account_id: int, action: str, station_group_ids: Sequence[int]) -> bool:
    """Whether the account may do the action on at least one of these station groups."""
    pairs = _pairs(action)
    return any((s.role, s.licence) in pairs for s in standings(session, account_id, station_group_ids))


def actions(held: Iterable[Standing]) -> frozenset[str]:
    """All that these standings of one account allow."""
    pairs = {(s.role, s.licence) for s in held}
    return frozenset(action for role, licence, action in ALLOWED if (role, licence) in pairs)


def owner_actions() -> frozenset[str]:
    """All that an owner may do to what is his, in whatever group or in none."""
    return frozenset(action for role, licence, action in ALLOWED if (role, licence) == ("owner", "inactive"))


def owner_may(action: str) -> bool:
    """Whether an owner may do the action to what is his and in no station group at all."""
    _pairs(action)
    return ("owner", "inactive", action) in ALLOWED


def platform_may(action: str, *, operator: bool) -> bool:
    """Whether every account may do the action to what is its own, or the operator to the platform."""
    _pairs(action)
    return ("account", "inactive", action) in ALLOWED or (operator and ("operator", "inactive", action) in ALLOWED)


def visible(account_id: int, action: str) -> sa.Select[int]:
    """The ids of the station groups on which the account may do the action, to stand in an IN (...).

    The one filter of every list, search, count, export, report, mail and page.
    """
    pairs = _is_one_of(_pairs(action))
    return sa.select(standing.c.station_group_id).where(standing.c.account_id == account_id, pairs)


def out_of_reach(account_id: int, action: str) -> sa.Select[int]:
    """The ids of the station groups that the account holds in some way, and on which it may not do the action."""
    allows = sa.case((_is_one_of(_pairs(action)), 1), else_=0)
    held = sa.select(standing.c.station_group_id).where(standing.c.account_id == account_id)
    return held.group_by(standing.c.station_group_id).having(sa.func.max(allows) == 0)


def _is_one_of(pairs: Sequence[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """That a standing is one of these. The view looks its licence up whenever it is named: here once a standing, and
    never where the role alone says it, which counts for an account with thousands of them."""
    roles: dict[tuple[str, ...], list[str]] = {}
    for role in ROLES:
        roles.setdefault(tuple(licence for held, licence in pairs if held == role), []).append(role)
    roles.pop((), None)
    allowed: list[sa.ColumnElement[bool]] = []
    for licences, held in roles.items():
        by_role, by_licence = standing.c.role.in_(held), standing.c.licence.in_(licences)
        allowed.append(by_role if licences == LICENCES else sa.and_(by_role, by_licence))
    return sa.or_(sa.false(), *allowed)


AS_IT_IS = {"imagined": False}


@contextmanager
def imagining(session: Session, held: sa.Select[*tuple[Any, ...]]) -> Iterator[int]:
    """While it lasts nobody is anything to any station group, but for one account whose id it gives and that is
    nobody's: it is what these rows say, which have the columns of `standing`. What it sees is found by the very
    statements that ask for an account; it owns nothing. Statements with the execution options AS_IT_IS ask about what
    everybody really is."""
    rows = held.cte(standing.name)  # within a statement it hides the view of this name

    def hide_the_view(asked: ORMExecuteState) -> None:
        if asked.is_select and asked.execution_options.get("imagined", True):
            asked.statement = asked.statement.add_cte(rows)  # type: ignore[attr-defined]  # every select has it

    event.listen(session, "do_orm_execute", hide_the_view)
    try:
        yield NO_ROW
    finally:
        event.remove(session, "do_orm_execute", hide_the_view)


def licence_for(action: str) -> str | None:
    """The kind of licence that whoever does the action must hold himself, besides what `may` says; none for most."""
    _pairs(action)
    return next((kind for kind in LICENCE_ROLES if (kind, "active", action) in ALLOWED), None)


def writable(held: Iterable[Standing], resource: str) -> frozenset[str]:
    """The fields of a station or a connector ("station", "connector") that an account may write by these standings in
    its station groups. What is his own and in no group: `owner_writes`."""
    return _fields(resource, {(s.role, s.licence) for s in held})


def owner_writes(resource: str) -> frozenset[str]:
    """The fields that an owner may write."""
    return _fields(resource, {("owner", "inactive")})


def _fields(resource: str, held: set[tuple[str, str]]) -> frozenset[str]:
    prefix = f"{resource}."
    named = [field for field in FIELDS if field.startswith(prefix)]
    return frozenset(
        field.removeprefix(prefix)
        for field in named
        if any((role, licence, field) in WRITABLE for role, licence in held)
    )
