"""Reading the audit log. However long it is, a page reads WINDOW entries of an index at most: where a filter finds
little in them, the page says how far it has looked, and the next one goes on there."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.audit import kinds
from portal.core.audit import AuditEntry
from portal.core.paging import SIZE
from portal.stations.models import Station, StationGroup

WINDOW = 5000
MOST_THINGS = 200  # of one name that a search looks for

Condition = sa.ColumnElement[bool]


class Place(NamedTuple):
    """A place in the log, which runs from the newest entry to the oldest."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for. `owner_id`: whose entries, none for all there are; `before`: where to begin."""

    owner_id: int | None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    kind: str = ""
    person: str = ""
    text: str = ""
    before: Place | None = None


class Found(NamedTuple):
    """Entries, newest first; where the next page begins; `searched_to` where the page ends by its window."""

    entries: Sequence[AuditEntry]
    following: Place | None
    searched_to: datetime | None


def page(session: Session, wanted: Wanted, size: int = SIZE) -> Found:
    """The entries that fit, at most `size`; five statements at most."""
    person_id = _account_id(session, wanted.person)
    branches = _branches(wanted, person_id)
    filters = _filters(session, wanted, person_id)
    horizon = _horizon(session, branches, wanted) if filters else None
    bounds = [*_bounds(wanted), *([_not_before(horizon)] if horizon else [])]
    newest = (AuditEntry.at.desc(), AuditEntry.id.desc())
    parts = [
        sa.select(AuditEntry.id, AuditEntry.at).where(branch, *bounds, *filters).order_by(*newest).limit(size + 1)
        for branch in branches
    ]
    ids = {row.id for part in parts for row in session.execute(part)}
    query = sa.select(AuditEntry).where(AuditEntry.id.in_(ids)).order_by(*newest).limit(size + 1)
    rows = session.scalars(query).all() if ids else []
    if len(rows) > size:
        return Found(rows[:size], Place(rows[size - 1].at, rows[size - 1].id), None)
    return Found(rows, horizon, horizon.at if horizon else None)


def everything(session: Session, wanted: Wanted, size: int = 1000) -> Iterator[Sequence[AuditEntry]]:
    """All entries that fit, in portions that are forgotten as the next one is read."""
    while True:
        found = page(session, wanted, size)
        yield found.entries
        session.expunge_all()
        if found.following is None:
            return
        wanted = replace(wanted, before=found.following)


def _branches(wanted: Wanted, person_id: int | None) -> list[Condition]:
    """Conditions that each follow one index: an account's property, or what somebody did and what concerns him."""
    if wanted.owner_id is not None:
        return [AuditEntry.owner_id == wanted.owner_id]
    if person_id is not None:
        return [AuditEntry.actor_id == person_id, AuditEntry.owner_id == person_id]
    return [sa.true()]


def _filters(session: Session, wanted: Wanted, person_id: int | None) -> list[Condition]:
    """What no index knows."""
    filters = []
    if wanted.kind in kinds.KINDS:
        filters.append(kinds.condition(wanted.kind))
    if wanted.person and (wanted.owner_id is not None or person_id is None):
        did = AuditEntry.actor_id == person_id if person_id is not None else sa.false()
        filters.append(sa.or_(did, _mentions(wanted.person)))
    if wanted.text:
        things = _things_named(session, wanted.text, wanted.owner_id or person_id)
        at_subject = AuditEntry.subject.icontains(wanted.text, autoescape=True)
        filters.append(sa.or_(at_subject, _mentions(wanted.text), AuditEntry.subject.in_(things)))
    return filters


def _mentions(text: str) -> Condition:
    """Whether the detail holds the text; letters beyond ASCII stand escaped in its JSON."""
    return sa.cast(AuditEntry.detail, sa.Text).icontains(json.dumps(text)[1:-1], autoescape=True)


def _things_named(session: Session, text: str, owner_id: int | None) -> list[str]:
    """Subjects of the owner's stations and groups whose name of today holds the text."""
    if owner_id is None:
        return []
    found = []
    for table in (StationGroup, Station):
        fits = sa.select(table.id).where(table.owner_id == owner_id, table.name.icontains(text, autoescape=True))
        found += [f"{table.__tablename__}/{row_id}" for row_id in session.scalars(fits.limit(MOST_THINGS))]
    return found


def _account_id(session: Session, email: str) -> int | None:
    account = accounts.by_email(session, email.lower()) if email else None
    return account.id if account else None


def _bounds(wanted: Wanted) -> list[Condition]:
    bounds = []
    if wanted.starts_at:
        bounds.append(AuditEntry.at >= wanted.starts_at)
    if wanted.ends_at:
        bounds.append(AuditEntry.at < wanted.ends_at)
    if wanted.before:
        at, row_id = wanted.before
        bounds.append(AuditEntry.at <= at)
        bounds.append(sa.or_(AuditEntry.at < at, AuditEntry.id < row_id))
    return bounds


def _not_before(place: Place) -> Condition:
    return sa.and_(AuditEntry.at >= place.at, sa.or_(AuditEntry.at > place.at, AuditEntry.id >= place.id))


def _horizon(session: Session, branches: Sequence[Condition], wanted: Wanted) -> Place | None:
    """The last entry that a page may look at; none where the log ends before."""
    bounds = _bounds(wanted)
    places = []
    for branch in branches:
        query = sa.select(AuditEntry.at, AuditEntry.id).where(branch, *bounds)
        last = query.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).offset(WINDOW - 1).limit(1)
        places += [Place(*row) for row in session.execute(last)]
    return max(places, default=None)
