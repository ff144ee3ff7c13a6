"""Moving what is held to another owner, in statements on whole sets of rows.

The schema keeps the owner in every composite foreign key, so the order counts: memberships go, stations and groups
change their owner (connectors and grants follow by cascade), memberships come back.
"""

from collections.abc import Callable, Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.access.models import PriceRule, SpecialUser, SpecialUserRequest
from portal.accounts.models import UserGroup, UserGroupMember
from portal.charging.models import Driver, SessionImport
from portal.core.db import among
from portal.delivery.models import Destination
from portal.exports.models import ExportTask, Formatter, Scope
from portal.maintenance.models import MaintenanceRecipient
from portal.sharing.models import Invitation
from portal.stations.models import Grant, Station, StationGroup, StationGroupStation
from portal.transfers.things import Held

NOBODY = "moving@transfer.invalid"  # stands in a grant to a user group while both of its sides change their owner
UNSYNCHRONISED = {"synchronize_session": False}
LONGEST_NAME = 120

Part = Destination | Formatter
Named = StationGroup | UserGroup | Driver | ExportTask | Part


def stations_and_groups(session: Session, held: Held, to_id: int) -> None:
    """Stations and station groups with all that hangs on them. What of a station's memberships is in a group that
    does not come along ends."""
    member = StationGroupStation
    here = among(session, member.station_id, held.station_ids)
    rows = session.execute(sa.select(member.station_group_id, member.station_id).where(here)).all()
    session.execute(sa.delete(member).where(here), execution_options=UNSYNCHRONISED)
    _set_owner(session, Station, held.station_ids, to_id)
    if not held.group_ids:
        return
    free_names(session, StationGroup, StationGroup.name, held.group_ids, to_id)
    _set_owner(session, StationGroup, held.group_ids, to_id)
    coming = set(held.group_ids)
    again = [
        {"station_group_id": group_id, "station_id": station_id, "owner_id": to_id}
        for group_id, station_id in rows
        if group_id in coming
    ]
    if again:
        session.execute(sa.insert(member), again)


def with_user_groups(session: Session, held: Held, to_id: int, move: Callable[[], None]) -> None:
    """Do `move`, which changes the owner of the station groups, and bring the user groups along with their grants.

    A grant refers to both with one column for the owner, and only one of the two foreign keys cascades: for the time
    of the move the grant is to nobody's address.
    """
    pairs = session.execute(
        sa.select(Grant.user_group_id, Grant.id).where(
            among(session, Grant.station_group_id, held.group_ids), Grant.user_group_id.is_not(None)
        )
    ).all()
    by_group: dict[int, list[int]] = {}
    for user_group_id, grant_id in pairs:
        by_group.setdefault(user_group_id or 0, []).append(grant_id)
    parked = among(session, Grant.id, [grant_id for _, grant_id in pairs])
    _update(session, sa.update(Grant).where(parked).values(user_group_id=None, email=NOBODY))
    free_names(session, UserGroup, UserGroup.name, held.user_group_ids, to_id)
    _set_owner(session, UserGroup, held.user_group_ids, to_id)
    move()
    for user_group_id, grant_ids in by_group.items():
        back = sa.update(Grant).where(among(session, Grant.id, grant_ids))
        _update(session, back.values(user_group_id=user_group_id, email=None))
    _invitations(session, held, to_id)


def _invitations(session: Session, held: Held, to_id: int) -> None:
    grants = sa.select(Grant.id).where(among(session, Grant.station_group_id, held.group_ids))
    members = sa.select(UserGroupMember.id).where(among(session, UserGroupMember.user_group_id, held.user_group_ids))
    coming = sa.or_(Invitation.grant_id.in_(grants), Invitation.member_id.in_(members))
    _update(session, sa.update(Invitation).where(coming).values(owner_id=to_id))


def forget_special_users(session: Session, held: Held) -> None:
    """Delete who may charge at what goes over, at what price: their new owner begins with a clean sheet, and does not
    learn who the drivers are."""
    at_groups = among(session, SpecialUser.station_group_id, held.group_ids)  # type: ignore[arg-type]  # may be NULL
    at_stations = among(session, SpecialUser.station_id, held.station_ids)  # type: ignore[arg-type]  # may be NULL
    of_groups = among(session, PriceRule.station_group_id, held.group_ids)  # type: ignore[arg-type]  # may be NULL
    session.execute(sa.delete(SpecialUser).where(sa.or_(at_groups, at_stations)), execution_options=UNSYNCHRONISED)
    session.execute(sa.delete(PriceRule).where(of_groups), execution_options=UNSYNCHRONISED)
    asked = among(session, SpecialUserRequest.station_group_id, held.group_ids)
    session.execute(sa.delete(SpecialUserRequest).where(asked), execution_options=UNSYNCHRONISED)


def rules_for_all_stations(session: Session, from_id: int, to_id: int) -> None:
    """Price rules of the user groups that go over, as far as they are for all stations of their owner; those for a
    station group follow it by cascade, as special users follow their place."""
    rules = sa.update(PriceRule).where(PriceRule.owner_id == from_id, PriceRule.station_group_id.is_(None))
    _update(session, rules.values(owner_id=to_id))


def forget_recipients(session: Session, held: Held) -> None:
    """Delete who receives the maintenance of what goes over: the giver's addresses and user groups stay his."""
    session.execute(sa.delete(MaintenanceRecipient).where(_receiving(session, held)), execution_options=UNSYNCHRONISED)


def with_recipients(session: Session, held: Held, to_id: int, move: Callable[[], None]) -> None:
    """Do `move`, which changes the owner of everything, and let those who receive maintenance stay what they are. Their
    rows refer to a place and a user group with one column for the owner, so they are taken out meanwhile."""
    columns = MaintenanceRecipient.__table__.columns
    rows = session.execute(sa.select(*columns).where(_receiving(session, held))).mappings().all()
    forget_recipients(session, held)
    move()
    if rows:
        session.execute(sa.insert(MaintenanceRecipient), [{**row, "owner_id": to_id} for row in rows])


def _receiving(session: Session, held: Held) -> sa.ColumnElement[bool]:
    return sa.or_(
        among(session, MaintenanceRecipient.station_id, held.station_ids),  # type: ignore[arg-type]  # may be NULL
        among(session, MaintenanceRecipient.station_group_id, held.group_ids),  # type: ignore[arg-type]  # may be NULL
    )


def forget_grants(session: Session, held: Held) -> None:
    """Delete the grants of the groups, ended ones too: their new owner begins with a clean sheet."""
    here = among(session, Grant.station_group_id, held.group_ids)
    session.execute(sa.delete(Grant).where(here), execution_options=UNSYNCHRONISED)


def tasks_and_imports(session: Session, held: Held, from_id: int, to_id: int) -> None:
    """Export tasks of the charging points go on in the new owner's name where they may go on at all; the old owner's
    imports no longer name a group that is not his."""
    if not held.group_ids:
        return
    points = sa.and_(ExportTask.scope == Scope.CHARGING_POINTS.value, ExportTask.user_id == from_id)
    here = among(session, ExportTask.station_group_id, held.group_ids)
    others = sa.update(ExportTask).where(here, points, ExportTask.owner_id != from_id)
    _update(session, others.values(user_id=to_id))
    covers = among(session, SessionImport.covers_group_id, held.group_ids)  # type: ignore[arg-type]  # may be NULL
    _update(session, sa.update(SessionImport).where(covers).values(covers_group_id=None))


def free_names(
    session: Session, table: type[Named], column: InstrumentedAttribute[str], ids: Collection[int], to_id: int
) -> None:
    """Give those of the rows a number behind their name that the receiver has a row of the same name for."""
    if not ids:
        return
    coming = among(session, table.id, ids)
    wanted = sa.select(column).where(coming)
    clashing = session.scalars(sa.select(column).where(table.owner_id == to_id, column.in_(wanted))).all()
    if not clashing:
        return
    rows = session.execute(sa.select(table.id, column).where(coming, column.in_(clashing)).order_by(table.id)).all()
    taken = set(session.scalars(sa.select(column).where(sa.or_(table.owner_id == to_id, coming))))
    for row_id, name in rows:
        free = _numbered(name, taken)
        taken.add(free)
        _update(session, sa.update(table).where(table.id == row_id).values({column: free}))


def _numbered(name: str, taken: Collection[str]) -> str:
    number = 2
    while True:
        tail = f" ({number})"
        free = name[: LONGEST_NAME - len(tail)] + tail
        if free not in taken:
            return free
        number += 1


def _set_owner(
    session: Session, table: type[Station] | type[StationGroup] | type[UserGroup], ids: Sequence[int], to_id: int
) -> None:
    if ids:
        _update(session, sa.update(table).where(among(session, table.id, ids)).values(owner_id=to_id))


def _update(session: Session, statement: sa.Update) -> None:
    session.execute(statement, execution_options=UNSYNCHRONISED)
