"""The list of stations that an account owns, manages or may see, page by page.

Order: the account's own first, then owner by owner, by name. That is the order of the index (owner_id, name, id), so
that a page costs what a page holds, however many stations there are.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, joinedload, selectinload

from portal.accounts.models import Account
from portal.core import clock, paging
from portal.core.db import among
from portal.core.errors import NotThere
from portal.core.paging import Page
from portal.stations import reach, search, states
from portal.stations.models import Station, StationGroup, StationGroupStation
from portal.stations.reach import Reach, Relation
from portal.stations.states import DisplayState

AT_ONCE = 500  # stations of a download that are in memory at a time
ORDER = (Station.owner_id, Station.name, Station.id)
REACHABLE = 10_000  # rows counted and paged through; beyond it one searches
FEW = 1000  # stations of a group up to which they are fetched by their ids instead of walking their owner's list


@dataclass(frozen=True, slots=True)
class StationRow:
    station: Station
    owner: str  # name or address of the owner
    relation: Relation
    state: DisplayState


@dataclass(frozen=True, slots=True)
class Branch:
    """Stations of some owners that are in one group of every list of `within`, and in none of `outside`."""

    owners: Collection[int]
    within: tuple[Collection[int], ...] = ()
    outside: Collection[int] = ()


def stations(
    session: Session,
    mine: Reach,
    *,
    relation: Relation | None = None,
    text: str = "",
    station_group_id: int | None = None,
    number: int = 1,
) -> Page[StationRow]:
    """A page of the stations the account owns, manages and views, or of one of these relations, that contain the text
    and are in the group; NotThere for a group it may not see. `total` is exact up to REACHABLE."""
    branches = reached(session, mine, relation, station_group_id)
    page = _page(session, branches, search.cleaned(text), number)
    return replace(page, items=_rows(session, mine, page.items))


def every(
    session: Session,
    account_id: int,
    *,
    relation: Relation | None = None,
    text: str = "",
    station_group_id: int | None = None,
) -> Iterator[Sequence[Station]]:
    """All stations of `stations`, in the same order, with their connectors, AT_ONCE at a time. NotThere at once for a
    group that the account may not see; what is revoked meanwhile is no longer in what follows."""
    reached(session, reach.of(session, account_id), relation, station_group_id)
    return _batches(session, account_id, relation, search.cleaned(text), station_group_id)


def _batches(
    session: Session, account_id: int, relation: Relation | None, text: str, group_id: int | None
) -> Iterator[Sequence[Station]]:
    part, last = 0, None
    while True:
        try:
            branches = reached(session, reach.of(session, account_id), relation, group_id)
        except NotThere:  # revoked since the last rows
            return
        if part >= len(branches):
            return
        following = sa.true() if last is None else sa.tuple_(*ORDER) > (last.owner_id, last.name, last.id)
        walked = sa.select(Station).where(*_conditions(session, branches[part], text), following).order_by(*ORDER)
        found = session.scalars(walked.limit(AT_ONCE).options(selectinload(Station.connectors))).all()
        if found:
            yield found
        part, last = (part, found[-1]) if len(found) == AT_ONCE else (part + 1, None)


def ids(
    session: Session,
    account_id: int,
    *,
    relation: Relation | None = None,
    text: str = "",
    station_group_id: int | None = None,
    most: int,
) -> Sequence[int]:
    """The ids of the first `most` stations of `stations`, in the same order."""
    branches = reached(session, reach.of(session, account_id), relation, station_group_id)
    if not branches:
        return []
    found = _found([_conditions(session, branch, search.cleaned(text)) for branch in branches], most)
    return session.scalars(sa.select(found.limit(most).subquery().c.id)).all()


def of_group(session: Session, group: StationGroup, *, text: str = "", number: int = 1) -> Page[Station]:
    """A page of the stations in a group that the caller has loaded through the gate."""
    return _page(session, [Branch([group.owner_id], within=([group.id],))], search.cleaned(text), number)


def not_in_group(session: Session, group: StationGroup, *, text: str = "", number: int = 1) -> Page[Station]:
    """A page of the owner's stations that are not in this group yet."""
    return _page(session, [Branch([group.owner_id], outside=[group.id])], search.cleaned(text), number)


def reached(session: Session, mine: Reach, relation: Relation | None, group_id: int | None) -> list[Branch]:
    """Of what `stations` lists, the parts, which have no station in common; none for nothing. NotThere for a group that
    the account may not see."""
    shared = [] if relation == Relation.OWNED else _shared(mine, relation)
    owned = [Branch([mine.account_id])] if relation in (None, Relation.OWNED) else []
    if group_id is None:
        return owned + shared
    if group_id in mine.groups:
        return [_narrowed(mine, branch, group_id) for branch in shared]
    own = sa.select(StationGroup.id).where(StationGroup.id == group_id, StationGroup.owner_id == mine.account_id)
    if session.scalar(own) is None:
        raise NotThere
    return [replace(branch, within=([group_id],)) for branch in owned]


def _narrowed(mine: Reach, branch: Branch, group_id: int) -> Branch:
    others = tuple(groups for groups in branch.within if group_id not in groups)
    return replace(branch, owners=mine.owners([group_id]), within=([group_id], *others))


def _shared(mine: Reach, relation: Relation | None) -> list[Branch]:
    groups = mine.ids(relation)
    if not groups:
        return []
    outside = mine.ids(Relation.MANAGED) if relation == Relation.VIEWED else ()
    return [Branch(mine.owners(groups), within=(groups,), outside=outside)]


def _page(session: Session, branches: Sequence[Branch], text: str, number: int) -> Page[Any]:
    number = min(max(1, number), REACHABLE // paging.SIZE)
    if not branches:
        return Page([], 1, 0)
    parts = [_conditions(session, branch, text) for branch in branches]
    upto = number * paging.SIZE
    found = _found(parts, upto).limit(paging.SIZE).offset(paging.offset(number)).subquery("found")
    columns = (found.c.part, found.c.owner_id, found.c.name, found.c.id)
    statement = sa.select(Station).join(found, found.c.id == Station.id).order_by(*columns)
    items = session.scalars(statement.options(joinedload(Station.connectors))).unique().all()
    if number > 1 and not items:
        return _page(session, branches, text, 1)
    total = paging.offset(number) + len(items) if len(items) < paging.SIZE else _count(session, parts)
    return Page(items, number, total)


def _conditions(session: Session, branch: Branch, text: str) -> list[sa.ColumnElement[bool]]:
    conditions = [among(session, Station.owner_id, branch.owners)]
    are_few = bool(text) and not branch.within and _own_few(session, branch.owners)
    for groups in branch.within:
        few = _few(session, groups)
        are_few = are_few or few is not None
        conditions.append(reach.in_groups(session, groups) if few is None else among(session, Station.id, few))
    if branch.outside:
        conditions.append(~reach.in_groups(session, branch.outside))
    return [*conditions, search.matching(session, text, among_few=are_few)]


def _own_few(session: Session, owners: Collection[int]) -> bool:
    """Whether these owners have few stations; asked on PostgreSQL alone, whose search depends on it."""
    if session.get_bind().dialect.name == "sqlite":
        return False
    some = sa.select(Station.id).where(among(session, Station.owner_id, owners))
    few = some.order_by(*ORDER).limit(FEW + 1)
    return len(session.scalars(few).all()) <= FEW


def _few(session: Session, group_ids: Collection[int]) -> Sequence[int] | None:
    """The stations in these groups, if they are few."""
    member = StationGroupStation
    inside = among(session, member.station_group_id, group_ids)
    ids = session.scalars(sa.select(member.station_id).where(inside).limit(FEW + 1)).all()
    return ids if len(ids) <= FEW else None


def _found(parts: Sequence[Sequence[sa.ColumnElement[bool]]], upto: int) -> sa.Select[Any]:
    """The first `upto` rows of each part in the order of the index, one part after the other."""
    united = _walked(parts, upto)
    return sa.select(united).order_by(united.c.part, united.c.owner_id, united.c.name, united.c.id)


def _count(session: Session, parts: Sequence[Sequence[sa.ColumnElement[bool]]]) -> int:
    rows = _walked(parts, REACHABLE)
    return min(REACHABLE, session.scalar(sa.select(sa.func.count()).select_from(rows)) or 0)


def _walked(parts: Sequence[Sequence[sa.ColumnElement[bool]]], upto: int) -> sa.Subquery:
    """Each part in the order of the index, also where only their number counts: the order keeps a planner from reading
    the whole table."""
    selects = []
    for number, conditions in enumerate(parts):
        columns = (sa.literal(number).label("part"), *ORDER)
        walked = sa.select(*columns).where(*conditions).order_by(*ORDER).limit(upto).subquery()
        selects.append(sa.select(walked))
    return (sa.union_all(*selects) if len(selects) > 1 else selects[0]).subquery()


def _rows(session: Session, mine: Reach, found: Sequence[Station]) -> list[StationRow]:
    now = clock.now()
    owners = _owners(session, {station.owner_id for station in found})
    managed = _managed(session, mine, [s.id for s in found if s.owner_id != mine.account_id])
    return [
        StationRow(
            station,
            owners[station.owner_id],
            _relation(mine, managed, station),
            states.of_station(station.connectors, now),
        )
        for station in found
    ]


def _relation(mine: Reach, managed: Collection[int], station: Station) -> Relation:
    if station.owner_id == mine.account_id:
        return Relation.OWNED
    return Relation.MANAGED if station.id in managed else Relation.VIEWED


def _owners(session: Session, ids: Collection[int]) -> dict[int, str]:
    if not ids:
        return {}
    rows = session.execute(sa.select(Account.id, Account.name, Account.email).where(Account.id.in_(ids)))
    return {id_: name or email for id_, name, email in rows}


def _managed(session: Session, mine: Reach, station_ids: Collection[int]) -> Collection[int]:
    groups = mine.ids(Relation.MANAGED)
    if not station_ids or not groups:
        return ()
    member = StationGroupStation
    inside = among(session, member.station_group_id, groups)
    return set(session.scalars(sa.select(member.station_id).where(member.station_id.in_(station_ids), inside)))
