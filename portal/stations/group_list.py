"""The list of station groups that an account owns, manages or may see: its own first, then owner by owner, by name."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.core import authz, clock, paging
from portal.core.paging import Page
from portal.stations import queries, reach, search
from portal.stations.models import (
    Access,
    Connector,
    Grant,
    OpeningTime,
    Station,
    StationGroup,
    StationGroupStation,
)
from portal.stations.reach import Reach, Relation

COUNTED = 10_000  # stations of a group that are counted; its connectors are those of as many stations
CHOICES = 500  # groups offered in a filter


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group with its figures. `grants` is the number of grants that stand, none where the account may not know."""

    group: StationGroup
    owner: str
    relation: Relation
    stations: int
    connectors: int
    grants: int | None


def groups(
    session: Session, account_id: int, *, relation: Relation | None = None, text: str = "", number: int = 1
) -> Page[GroupRow]:
    """A page of the groups the account owns, manages and views, or of one of these relations, whose name contains the
    text."""
    mine, text = reach.of(session, account_id), search.cleaned(text)
    own = [StationGroup.owner_id == account_id, _named(session, text)]
    owned = _count(session, own) if relation in (None, Relation.OWNED) else 0
    shared = _shared(mine, relation, text)
    total = owned + len(shared)
    number = min(max(1, number), max(1, -(-total // paging.SIZE)))
    first, ids = paging.offset(number), []
    if first < owned:
        listed = sa.select(StationGroup.id).where(*own).order_by(StationGroup.name, StationGroup.id)
        ids = [*session.scalars(listed.limit(paging.SIZE).offset(first))]
    begin = max(0, first - owned)
    found = _found(session, ids + shared[begin : begin + paging.SIZE - len(ids)])
    grants = _grants(session, [row[0].id for row in found if _may_count(mine, row[0])])
    rows = [
        GroupRow(
            group,
            owner,
            Relation.OWNED if group.owner_id == account_id else mine.groups[group.id].relation,
            stations,
            connectors,
            grants.get(group.id, 0) if _may_count(mine, group) else None,
        )
        for group, owner, stations, connectors in found
    ]
    return Page(rows, number, total)


def choices(session: Session, mine: Reach) -> list[tuple[int, str]]:
    """Groups to filter by, as pairs of id and name: the account's own, then those shared with it."""
    own = (
        sa.select(StationGroup.id, StationGroup.name)
        .where(StationGroup.owner_id == mine.account_id)
        .order_by(StationGroup.name)
        .limit(CHOICES)
    )
    listed = [(id_, name) for id_, name in session.execute(own)]
    shared = sorted(mine.groups.values(), key=lambda g: (g.name, g.id))
    return listed + [(g.id, g.name) for g in shared[:CHOICES]]


class Figures(NamedTuple):
    """How many stations, up to COUNTED, and connectors a group has; whether one of them is Limited, always or at times;
    and the name or address of its owner."""

    stations: int
    connectors: int
    limited: bool
    owner: str


def figures(session: Session, group: StationGroup) -> Figures:
    """What the page of the group tells of it. One statement."""
    stations, connectors = _figures()
    member = StationGroupStation
    at_times = sa.exists().where(OpeningTime.connector_id == Connector.id, OpeningTime.access == Access.LIMITED.value)
    limited = (
        sa.select(Connector.id)
        .join(member, member.station_id == Connector.station_id)
        .where(member.station_group_id == group.id)
        .where(sa.or_(Connector.access == Access.LIMITED.value, at_times))
        .exists()
    )
    wanted = sa.select(stations, connectors, limited, _owner()).where(StationGroup.id == group.id)
    return Figures(*session.execute(wanted).one())


def _owner() -> sa.ScalarSelect[str]:
    return sa.select(accounts.shown_name()).where(Account.id == StationGroup.owner_id).scalar_subquery()


def _count(session: Session, conditions: Sequence[sa.ColumnElement[bool]]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(StationGroup).where(*conditions)) or 0


def _shared(mine: Reach, relation: Relation | None, text: str) -> list[int]:
    """The groups shared with the account, owner by owner, by name. They are all at hand, thousands at most; to look
    for them together with its own ones, PostgreSQL would read all groups there are."""
    kept = [g for g in mine.groups.values() if relation in (None, g.relation) and text.lower() in g.name.lower()]
    return [g.id for g in sorted(kept, key=lambda g: (g.owner_id, g.name, g.id))]


def _found(session: Session, ids: Sequence[int]) -> list[tuple[StationGroup, str, int, int]]:
    """The groups with their owners and figures, in the order of the ids. The owners are looked up by themselves: a
    join would tempt the planner to walk along all accounts."""
    rows = session.execute(sa.select(StationGroup, *_figures()).where(StationGroup.id.in_(ids))).all()
    people = sa.select(Account.id, Account.name, Account.email).where(Account.id.in_({row[0].owner_id for row in rows}))
    names = {id_: name or email for id_, name, email in session.execute(people)}
    found = [(group, names[group.owner_id], stations, connectors) for group, stations, connectors in rows]
    return sorted(found, key=lambda row: ids.index(row[0].id))


def _named(session: Session, text: str) -> sa.ColumnElement[bool]:
    if not text:
        return sa.true()
    if session.get_bind().dialect.name != "sqlite":
        return StationGroup.name.icontains(text, autoescape=True)
    spellings = {text.lower(), text.upper()}  # SQLite's LIKE knows capitals of ASCII only
    return sa.or_(*(StationGroup.name.contains(spelling, autoescape=True) for spelling in spellings))


def _figures() -> tuple[sa.ColumnElement[int], sa.ColumnElement[int]]:
    """The numbers of stations, up to COUNTED, and of their connectors. Connectors are asked station by station: a join
    would tempt the planner to read all connectors there are for one large group."""
    member = StationGroupStation
    connectors = sa.select(sa.func.count()).where(Connector.station_id == member.station_id).scalar_subquery()
    inside = sa.select(connectors.label("connectors")).where(member.station_group_id == StationGroup.id)
    counted = inside.correlate(StationGroup).limit(COUNTED).subquery()
    ids = sa.select(member.station_id).where(member.station_group_id == StationGroup.id)
    stations = ids.correlate(StationGroup).limit(COUNTED).subquery()
    total = sa.func.coalesce(sa.func.sum(counted.c.connectors), 0)
    return (
        sa.select(sa.func.count()).select_from(stations).scalar_subquery(),
        sa.select(sa.cast(total, sa.Integer)).scalar_subquery(),
    )


def _may_count(mine: Reach, group: StationGroup) -> bool:
    return group.owner_id == mine.account_id or mine.groups[group.id].administered


def _grants(session: Session, group_ids: Collection[int]) -> dict[int, int]:
    if not group_ids:
        return {}
    statement = (
        sa.select(Grant.station_group_id, sa.func.count())
        .where(Grant.station_group_id.in_(group_ids), *stands())
        .group_by(Grant.station_group_id)
    )
    return {row[0]: row[1] for row in session.execute(statement)}


def stands(grant: type[Grant] = Grant) -> tuple[sa.ColumnElement[bool], ...]:
    """That a grant is neither revoked nor ended, whether or not it has begun."""
    return grant.revoked_at.is_(None), sa.or_(grant.ends_at.is_(None), grant.ends_at > clock.now())


@dataclass(frozen=True, slots=True)
class OfStation:
    """A group of a station; `owner` and `grants` as in GroupRow."""

    group: StationGroup
    owner: str
    grants: int | None


def groups_of_station(session: Session, account_id: int, station: Station) -> list[OfStation]:
    """The groups with this station that the account may see, with the number of grants that stand on each."""
    member, own = StationGroupStation, station.owner_id == account_id
    held = [] if own else queries.held_at(session, account_id, station.id)
    may = {
        id_: authz.actions(s for s in held if s.station_group_id == id_) for id_ in {s.station_group_id for s in held}
    }
    grants = sa.select(sa.func.count()).where(Grant.station_group_id == StationGroup.id, *stands())
    groups = sa.select(StationGroup, _owner(), grants.correlate(StationGroup).scalar_subquery())
    groups = groups.join(member, member.station_group_id == StationGroup.id)
    rows = session.execute(groups.where(member.station_id == station.id).order_by(StationGroup.name))
    found = [row for row in rows if own or "station:view" in may.get(row[0].id, ())]
    return [OfStation(g, owner, n if own or "grant:view" in may[g.id] else None) for g, owner, n in found]
