"""What the pages of this domain share: how they read a query string, and what tells the reader where he stands."""

from collections.abc import Sequence
from typing import NamedTuple

from flask import current_app, request, url_for
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.core import authz
from portal.stations import queries
from portal.stations.models import Station, StationGroup
from portal.stations.reach import Relation


class Place(NamedTuple):
    """What the reader is to what he looks at: owner, or the group and permission that lets him see it."""

    role: str
    group: StationGroup | None
    owner: str  # name or address of the owner, the one to ask for more


def relation() -> Relation | None:
    """The filter chosen in the address; anything unknown means all."""
    chosen = request.args.get("show", "")
    return Relation(chosen) if chosen in list(Relation) else None


def page_number() -> int:
    text = request.args.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 1


def whole_number(name: str) -> int | None:
    """A number in the address, such as an id; none for anything else."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def place_at_station(session: Session, account_id: int, station: Station) -> Place:
    """What the account is to the station, by its strongest standing with effect."""
    if station.owner_id == account_id:
        return Place("owner", None, owner_name(session, account_id))
    return _place(session, account_id, queries.groups_of(session, station.id), station.owner_id)


def place_at_group(session: Session, account_id: int, group: StationGroup) -> Place:
    return _place(session, account_id, [group.id], group.owner_id)


def _place(session: Session, account_id: int, group_ids: Sequence[int], owner_id: int) -> Place:
    held = authz.standings(session, account_id, group_ids)
    effective = [s for s in held if (s.role, s.licence, "station_group:view") in authz.ALLOWED]
    strongest = effective[0]
    group = session.get(StationGroup, strongest.station_group_id)
    return Place(strongest.role, group, owner_name(session, owner_id))


def owner_name(session: Session, account_id: int) -> str:
    account = accounts.by_id(session, account_id)
    return (account.name or account.email) if account else ""


def link(endpoint: str, **values: object) -> str:
    """The address of a page of another part, or "" where that part is not there."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else ""  # type: ignore[arg-type]
