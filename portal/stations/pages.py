"""What the pages of this domain share: how they read a query string, and what tells the reader where he stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.core import authz
from portal.core.authz import Standing
from portal.stations import queries
from portal.stations.models import Station, StationGroup
from portal.stations.reach import Relation


@dataclass(frozen=True, slots=True)
class Place:
    """What the reader is to what he looks at: its owner, or the permission and group that let him see it."""

    role: str
    group: StationGroup | None
    owner: str  # name or address of the owner, the one to ask for more
    actions: frozenset[str]  # all that the reader may do here


def relation() -> Relation | None:
    """The filter chosen in the address; anything unknown means all."""
    chosen = request.args.get("show", "")
    return Relation(chosen) if chosen in list(Relation) else None


def whole_number(name: str) -> int | None:
    """A number in the address, such as an id; none for anything else."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


Named = Iterable[tuple[StationGroup, str]]  # groups with the name or address of their owners


def place_at_station(session: Session, account_id: int, station: Station, groups: Named = ()) -> Place:
    """What an account that may see the station is to it, by all its standings in the station's groups. A statement
    less where these `groups` are at hand."""
    if station.owner_id == account_id:
        return Place("owner", None, owner_name(session, account_id), authz.owner_actions())
    return _place(session, queries.held_at(session, account_id, station.id), groups)


def place_at_group(session: Session, account_id: int, group: StationGroup, owner: str = "") -> Place:
    """What an account that may see the group is to it. A statement less where the owner's name is at hand."""
    return _place(session, queries.held_on(session, account_id, group.id), [(group, owner)] if owner else ())


def _place(session: Session, held: Sequence[Standing], groups: Named) -> Place:
    strongest = next(s for s in held if (s.role, s.licence, "station_group:view") in authz.ALLOWED)
    known = {group.id: (group, owner) for group, owner in groups}
    group, owner = known.get(strongest.station_group_id) or _named(session, strongest.station_group_id)
    return Place(strongest.role, group, owner, authz.actions(held))


def _named(session: Session, station_group_id: int) -> tuple[StationGroup, str]:
    found = sa.select(StationGroup, accounts.shown_name()).join(Account, Account.id == StationGroup.owner_id)
    group, owner = session.execute(found.where(StationGroup.id == station_group_id)).one()
    return group, owner


def group_tabs(
    group: StationGroup, active: str, *, sees_grants: bool, sees_special_users: bool = True
) -> list[dict[str, Any]]:
    """The tabs of a group's pages, as the component takes them. `active` is stations, sharing, special_users, charging,
    maintenance or exports; `sees_grants` and `sees_special_users` say whether the reader may grant:view and
    special_user:view."""
    special = url_for("special_users.list_users_station_group", station_group_id=group.id) if sees_special_users else ""
    grants = url_for("sharing.list_grants", station_group_id=group.id) if sees_grants else ""
    known = (
        ("stations", url_for("station_groups.show", station_group_id=group.id), gettext("Stations")),
        ("sharing", grants, gettext("Sharing")),
        ("special_users", special, gettext("Special users")),
        ("charging", url_for("charging.list_sessions", group=group.id), gettext("Charging sessions")),
        ("maintenance", url_for("maintenance.show_group", station_group_id=group.id), gettext("Maintenance")),
        ("exports", url_for("exports.list_tasks", station_group_id=group.id), gettext("Exports")),
    )
    return [{"url": url, "label": label, "active": name == active} for name, url, label in known if url]


def owner_name(session: Session, account_id: int) -> str:
    account = accounts.by_id(session, account_id)
    return (account.name or account.email) if account else ""
