"""Why an address may do something to a station group or a station, and why it may not: every path that leads there,
and what is missing on those that do not.

It says what `portal.core.authz` decides, for addresses that have an account and for those that have none, and to the
same extent: see `portal.sharing.paths` for what is never told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import authz
from portal.core.audit import AuditEntry
from portal.licences import queries as licences
from portal.licences.models import Kind
from portal.sharing import paths
from portal.sharing.paths import Missing, Path
from portal.stations import group_list
from portal.stations.models import Grant, Station, StationGroup, StationGroupStation

LOOKED_THROUGH = 2000  # the owner's latest entries of the audit log in which a removal is looked for
NEAR = 5  # paths to other station groups that are told beside


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one address and one action. `paths` act, `blocked` would act if nothing were missing, `gone` are
    over or never led here. `partial`: the reader knows only the station groups that he administrates."""

    email: str
    action: str
    paths: Sequence[Path]
    blocked: Sequence[Path]
    gone: Sequence[Path]
    partial: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the address may do it; of a partial explanation, by the groups that the reader may know."""
        return bool(self.paths)

    @property
    def would_be_allowed(self) -> bool:
        """Whether he may not do it now, and could once what is missing is there."""
        return not self.paths and any(path.line for path in self.blocked)

    @property
    def was_allowed(self) -> bool:
        """Whether some path led there once."""
        return any(missing.kind != "elsewhere" for path in self.gone for missing in path.missing if path.line)

    @property
    def waits_for(self) -> frozenset[str]:
        """The kinds of what is missing on paths that would act otherwise."""
        return frozenset(missing.kind for path in self.blocked for missing in path.missing)


def explain(
    session: Session, reader_id: int, group: StationGroup, email: str, action: str = "station_group:view"
) -> Explanation:
    """Why the address may do the action to the station group, or why not. For readers who may access:explain it."""
    owner = session.get_one(Account, group.owner_id)
    found = paths.of_address(session, email, Grant.station_group_id == group.id, action, reader_id=reader_id)
    if owner.email == email:
        found.insert(0, _owners(owner, group, action))
    if reader_id == owner.id and not any(path.acts for path in found):
        found += _left(session, owner, [group], email, action)
    return _sorted(email, action, _with_licence(session, reader_id, email, action, found))


def explain_station(
    session: Session,
    reader_id: int,
    station: Station,
    here: Sequence[StationGroup],
    email: str,
    action: str = "station:view",
) -> Explanation:
    """The same for a station, by those of its station groups that the reader may explain: `groups_to_explain`."""
    owner = session.get_one(Account, station.owner_id)
    is_owner = reader_id == owner.id
    ids = [group.id for group in here]
    found = paths.of_address(session, email, Grant.station_group_id.in_(ids), action, reader_id=reader_id)
    if owner.email == email:
        found.insert(0, _owners(owner, None, action))
    if not any(path.acts for path in found):
        found += _elsewhere(session, reader_id, station, ids, email, action)
        found += _left(session, owner, here, email, action) if is_owner else []
    return _sorted(email, action, _with_licence(session, reader_id, email, action, found), partial=not is_owner)


def groups_to_explain(session: Session, reader_id: int, station: Station) -> Sequence[StationGroup]:
    """The groups of the station for its owner; for others those of them on which they may access:explain."""
    member = StationGroupStation
    groups = sa.select(StationGroup).join(member, member.station_group_id == StationGroup.id)
    groups = groups.where(member.station_id == station.id)
    if reader_id != station.owner_id:
        groups = groups.where(StationGroup.id.in_(authz.visible(reader_id, "access:explain")))
    return session.scalars(groups.order_by(StationGroup.name, StationGroup.id)).all()


def _owners(owner: Account, group: StationGroup | None, action: str) -> Path:
    line = paths.line_for("owner", action)
    missing = () if line else (Missing("weaker"),)
    return Path(group, "owner", owner_name=owner.name or owner.email, missing=missing, line=line)


def _with_licence(session: Session, reader_id: int, email: str, action: str, found: list[Path]) -> list[Path]:
    """The paths with what the action needs besides a permission: a licence of whoever does it. Of others than the
    reader no more is told than that they must act."""
    kind = authz.licence_for(action)
    if kind is None:
        return found
    own = session.get_one(Account, reader_id).email == email
    held = licences.held_by_address(session, email, Kind(kind))
    told = []
    for path in found:
        lack = Missing("own_licence" if own else "other_side" if path.grant else "licence")
        known = held or path.is_over or lack in path.missing
        told.append(replace(path, besides=kind, missing=path.missing if known else (*path.missing, lack)))
    return told


def _sorted(email: str, action: str, found: Iterable[Path], *, partial: bool = False) -> Explanation:
    found = list(found)
    acting = [path for path in found if path.acts]
    gone = [path for path in found if path.is_over]
    blocked = [path for path in found if not path.acts and not path.is_over]
    acting.sort(key=lambda path: authz.ROLES.index(path.role))
    return Explanation(email, action, acting, blocked, gone, partial)


def _left(session: Session, owner: Account, groups: Sequence[StationGroup], email: str, action: str) -> list[Path]:
    """Grants to user groups of the owner that the address has been taken out of or has left, by the audit log."""
    by_id = {group.id: group for group in groups}
    inside = sa.select(UserGroupMember.id).where(
        UserGroupMember.user_group_id == Grant.user_group_id, UserGroupMember.email == email
    )
    rows = session.execute(
        sa.select(Grant, UserGroup.name)
        .join(UserGroup, UserGroup.id == Grant.user_group_id)
        .where(Grant.station_group_id.in_(by_id), *group_list.stands(), ~inside.exists())
        .limit(paths.MOST)
    ).all()
    if not rows:
        return []
    subjects = {f"user_group/{grant.user_group_id}" for grant, _name in rows}
    ways = ("user_group:remove_member", "user_group:leave")
    removed = _latest(session, owner.id, ways, subjects, ("email", email))
    found = []
    for grant, name in rows:
        if entry := removed.get(f"user_group/{grant.user_group_id}"):
            path = Path(by_id[grant.station_group_id], grant.role, grant, name, owner_name=owner.name or owner.email)
            missing = Missing("left", *entry)
            found.append(replace(path, missing=(missing,), line=paths.line_for(grant.role, action)))
    return found


def _elsewhere(
    session: Session, reader_id: int, station: Station, here: Sequence[int], email: str, action: str
) -> list[Path]:
    """Grants that stand on station groups in which this station is not."""
    within = sa.and_(
        paths.explainable(session, reader_id, "access:explain"),
        Grant.owner_id == station.owner_id,
        Grant.station_group_id.not_in(here),
        *group_list.stands(),
    )
    near = paths.of_address(session, email, within, action, reader_id=reader_id, most=NEAR)
    subjects = {f"station_group/{path.group.id}" for path in near if path.group}
    is_owner = reader_id == station.owner_id
    ways = ("station_group:remove_station",)
    taken = _latest(session, station.owner_id, ways, subjects, ("station", station.id)) if near and is_owner else {}
    found = []
    for path in near:
        entry = taken.get(f"station_group/{path.group.id}") if path.group else None
        missing = Missing("taken_out", *entry) if entry else Missing("elsewhere")
        found.append(replace(path, missing=(missing,)))
    return found


def _latest(
    session: Session, owner_id: int, actions: Sequence[str], subjects: Iterable[str], about: tuple[str, str | int]
) -> dict[str, tuple[datetime, str]]:
    """When and by whom each subject last saw one of these actions, among the owner's latest entries: the log only
    grows, and a page does not read it to its beginning."""
    entry, (name, value) = AuditEntry, about
    latest = (
        sa.select(entry.id).where(entry.owner_id == owner_id).order_by(entry.at.desc()).limit(LOOKED_THROUGH).subquery()
    )
    part = entry.detail[name].as_integer() if isinstance(value, int) else entry.detail[name].as_string()
    rows = session.execute(
        sa.select(entry.subject, entry.at, sa.func.coalesce(accounts.shown_name(), ""))
        .join(latest, latest.c.id == entry.id)
        .outerjoin(Account, Account.id == entry.actor_id)
        .where(entry.action.in_(actions), entry.subject.in_(subjects), part == value)
        .order_by(entry.at)
    )
    return {subject: (at, by) for subject, at, by in rows}
