"""What goes over with a transfer and what ends, in figures: shown to both sides before anything happens."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.models import PriceRule, SpecialUser
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.charging.models import ChargingSession, Driver, FlaggedRow, FlaggedState
from portal.exports.models import ExportTask
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.reports.models import ReportSchedule
from portal.stations.group_list import stands
from portal.stations.models import Connector, Grant, Station, StationGroupStation
from portal.transfers import exporting, reporting
from portal.transfers.things import Kind, Thing

NAMED = 20


@dataclass(frozen=True, slots=True)
class Inventory:
    """Figures of this moment. `names` are the first stations by name."""

    stations: int
    connectors: int
    sessions: int
    drivers: int  # of these sessions, or of the whole account
    groups: int
    user_groups: int
    members: int
    grants: int  # live ones on the groups that go over
    grants_ending: int  # of these; without those given under them
    tasks: int  # export tasks that go along
    tasks_staying: int  # export tasks of the giver on groups of others, which stay with him
    destinations: int
    formatters: int
    lent: int  # of these destinations and formatters, to how many addresses
    tasks_stopping: int  # export tasks on these groups whose owner loses the right
    schedules: int  # monthly reports that go along
    schedules_stopping: int  # monthly reports about what goes over, of all but the receiver
    groups_left: int  # groups of the giver that lose stations and stay behind
    grants_losing: int  # live grants on those, which no longer reach the stations
    tasks_losing: int  # export tasks on those
    schedules_losing: int  # monthly reports about those
    receiving: int  # who receives the maintenance of what goes over
    entries: int  # maintenance entries of the stations
    special_users: int  # at what goes over
    price_rules: int  # for the station groups that go over, or all of the account
    flagged: int  # open flagged rows of the giver, which stay
    names: Sequence[str]


def of(session: Session, thing: Thing, to_email: str) -> Inventory:
    """The inventory, in two statements; with `to_email` "" nothing is counted as ending because of the receiver."""
    figures = {name: count.scalar_subquery() for name, count in _counts(thing, to_email).items()}
    row = session.execute(sa.select(*(figure.label(name) for name, figure in figures.items()))).one()
    names = sa.select(Station.name).where(Station.id.in_(thing.stations())).order_by(Station.name).limit(NAMED)
    return Inventory(**row._mapping, names=session.scalars(names).all())


def _counts(thing: Thing, to_email: str) -> dict[str, sa.Select[int]]:
    groups, stations = thing.groups(), thing.stations()
    connectors = sa.select(Connector.id).where(Connector.station_id.in_(stations))
    member, whole = StationGroupStation, thing.kind is Kind.ACCOUNT
    mine = sa.select(UserGroup.id).where(UserGroup.owner_id == thing.owner_id if whole else sa.false())
    on_these = (Grant.station_group_id.in_(groups), *stands())
    left = sa.select(member.station_group_id).where(
        member.station_id.in_(stations), ~member.station_group_id.in_(groups)
    )
    charged: sa.ColumnElement[bool] = ChargingSession.connector_id.in_(connectors)
    if whole:
        charged = ChargingSession.owner_id == thing.owner_id
    drivers = sa.select(sa.func.count(ChargingSession.driver_id.distinct())).where(charged)
    if whole:
        drivers = _count(Driver.id).where(Driver.owner_id == thing.owner_id)
    return {
        "stations": sa.select(sa.func.count()).select_from(stations.subquery()),
        "connectors": sa.select(sa.func.count()).select_from(connectors.subquery()),
        "sessions": _count(ChargingSession.id).where(charged),
        "drivers": drivers,
        "groups": sa.select(sa.func.count()).select_from(groups.subquery()),
        "user_groups": sa.select(sa.func.count()).select_from(mine.subquery()),
        "members": _count(UserGroupMember.id).where(UserGroupMember.user_group_id.in_(mine)),
        "grants": _count(Grant.id).where(*on_these),
        "grants_ending": _count(Grant.id).where(*on_these, _ends(thing, to_email)),
        **_exports(thing),
        "tasks_stopping": _count(ExportTask.id).where(ExportTask.station_group_id.in_(groups), _stops(thing, to_email)),
        **_reports(thing, to_email, left),
        "groups_left": sa.select(sa.func.count(member.station_group_id.distinct())).where(
            member.station_id.in_(stations), ~member.station_group_id.in_(groups)
        ),
        "grants_losing": _count(Grant.id).where(Grant.station_group_id.in_(left), *stands()),
        "tasks_losing": _count(ExportTask.id).where(ExportTask.station_group_id.in_(left)),
        "receiving": _count(MaintenanceRecipient.id).where(
            sa.or_(MaintenanceRecipient.station_id.in_(stations), MaintenanceRecipient.station_group_id.in_(groups))
        ),
        "special_users": _count(SpecialUser.id).where(
            sa.or_(SpecialUser.station_id.in_(stations), SpecialUser.station_group_id.in_(groups))
        ),
        "price_rules": _count(PriceRule.id).where(
            PriceRule.owner_id == thing.owner_id if whole else PriceRule.station_group_id.in_(groups)
        ),
        "entries": _count(MaintenanceEntry.id).where(MaintenanceEntry.station_id.in_(stations)),
        "flagged": _count(FlaggedRow.id).where(
            FlaggedRow.owner_id == thing.owner_id, FlaggedRow.state == FlaggedState.OPEN.value
        ),
    }


def _exports(thing: Thing) -> dict[str, sa.Select[int]]:
    """Of the exports what goes along with everything that an account owns; nothing else takes any."""
    whole = sa.literal(thing.kind is Kind.ACCOUNT)
    found, lent = {}, []
    for part, used_as, lent_as in exporting.PARTS:
        coming = sa.and_(whole, exporting.coming(part, used_as, thing.owner_id))
        found[f"{part.__tablename__}s"] = sa.select(sa.func.count(part.id)).where(coming)
        open_loans = sa.select(sa.func.count(lent_as)).join(part, part.id == lent_as)
        lent.append(open_loans.where(coming, lent_as.class_.ended_at.is_(None)).scalar_subquery())
    return {
        **found,
        "lent": sa.select(lent[0] + lent[1]),
        "tasks": _count(ExportTask.id).where(whole, exporting.coming_tasks(thing.owner_id)),
        "tasks_staying": _count(ExportTask.id).where(whole, exporting.staying_tasks(thing.owner_id)),
    }


def _reports(thing: Thing, to_email: str, left: sa.Select[int]) -> dict[str, sa.Select[int]]:
    """Monthly reports that go along with everything that an account owns, and what is to become of the others."""
    table, whole = ReportSchedule, sa.literal(thing.kind is Kind.ACCOUNT)
    going = sa.or_(table.station_id.in_(thing.stations()), table.station_group_id.in_(thing.groups()))
    receiver = sa.select(Account.id).where(Account.email == to_email)
    counts = {
        "schedules": sa.and_(whole, reporting.coming_schedules(thing.owner_id)),
        "schedules_stopping": sa.and_(~whole, going, ~table.account_id.in_(receiver)),
        "schedules_losing": table.station_group_id.in_(left),
    }
    return {name: _count(table.id).where(which, table.stopped_at.is_(None)) for name, which in counts.items()}


def _count(column: sa.orm.InstrumentedAttribute[int]) -> sa.Select[int]:
    return sa.select(sa.func.count(column))


def _ends(thing: Thing, to_email: str) -> sa.ColumnElement[bool]:
    if thing.kind is Kind.ACCOUNT:
        giver = sa.select(Account.email).where(Account.id == thing.owner_id).scalar_subquery()
        return sa.or_(Grant.email == to_email, Grant.email == giver)
    return sa.true()


def _stops(thing: Thing, to_email: str) -> sa.ColumnElement[bool]:
    if thing.kind is Kind.ACCOUNT:
        return sa.false()
    receiver = sa.select(Account.id).where(Account.email == to_email)
    return ~ExportTask.owner_id.in_(receiver)
