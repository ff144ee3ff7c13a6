"""What a transfer is about: a station, a station group with its stations, or all that an account owns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.core import clock
from portal.core.db import among
from portal.sharing.models import Transfer
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation


class Kind(StrEnum):
    STATION = "station"
    STATION_GROUP = "station_group"
    ACCOUNT = "account"


class State(StrEnum):
    """As kept, besides EXPIRED: an offer whose time is over, which nobody has to note."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Thing:
    """What its owner offers; `id` is that of the station, the station group or the account."""

    kind: Kind
    owner_id: int
    id: int
    name: str

    def groups(self) -> sa.Select[int]:
        """The ids of the station groups that go over."""
        column = StationGroup.id
        if self.kind is Kind.STATION:
            return sa.select(column).where(sa.false())
        here = StationGroup.owner_id == self.owner_id
        return sa.select(column).where(here, *([column == self.id] if self.kind is Kind.STATION_GROUP else []))

    def stations(self) -> sa.Select[int]:
        """The ids of the stations that go over."""
        here = Station.owner_id == self.owner_id
        if self.kind is Kind.ACCOUNT:
            return sa.select(Station.id).where(here)
        if self.kind is Kind.STATION:
            return sa.select(Station.id).where(here, Station.id == self.id)
        member = StationGroupStation
        inside = sa.select(member.station_id).where(member.station_group_id == self.id)
        return sa.select(Station.id).where(here, Station.id.in_(inside))


@dataclass(frozen=True, slots=True)
class Held:
    """The rows that go over, locked: nobody changes their owner or hangs anything on them meanwhile."""

    station_ids: Sequence[int]
    connector_ids: Sequence[int]
    group_ids: Sequence[int]
    user_group_ids: Sequence[int]


def of_station(station: Station) -> Thing:
    return Thing(Kind.STATION, station.owner_id, station.id, station.name)


def of_group(group: StationGroup) -> Thing:
    return Thing(Kind.STATION_GROUP, group.owner_id, group.id, group.name)


def of_account(account: Account) -> Thing:
    return Thing(Kind.ACCOUNT, account.id, account.id, account.name or account.email)


def of(session: Session, transfer: Transfer) -> Thing | None:
    """What the transfer offers; None when that is gone or no longer the giver's."""
    if transfer.kind == Kind.ACCOUNT:
        return of_account(session.get_one(Account, transfer.from_id))
    if transfer.kind == Kind.STATION:
        station = session.get(Station, transfer.station_id) if transfer.station_id else None
        return of_station(station) if station and station.owner_id == transfer.from_id else None
    group = session.get(StationGroup, transfer.station_group_id) if transfer.station_group_id else None
    return of_group(group) if group and group.owner_id == transfer.from_id else None


def open_offers(now: datetime | None = None) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions that a Transfer can be accepted still."""
    return Transfer.state == State.OFFERED.value, Transfer.expires_at > (now or clock.now())


def state(transfer: Transfer) -> State:
    if transfer.state == State.OFFERED and transfer.expires_at <= clock.now():
        return State.EXPIRED
    return State(transfer.state)


def hold(session: Session, thing: Thing) -> Held:
    """Lock what goes over, in the order of `portal.sharing.turns` and on from there: user groups, members, station
    groups, stations, connectors. Who writes grants holds their station group, so they are held as well.

    Each row is read again behind its lock, so that what is not the giver's any more is not in the answer.
    """
    user_group_ids = _held_user_groups(session, thing.owner_id) if thing.kind is Kind.ACCOUNT else []
    group_ids = session.scalars(thing.groups().order_by(StationGroup.id).with_for_update()).all()
    stations = thing.stations().order_by(Station.id).with_for_update(of=Station)
    station_ids = session.scalars(stations).all()
    connectors = sa.select(Connector.id).where(among(session, Connector.station_id, station_ids))
    connector_ids = session.scalars(connectors.order_by(Connector.id).with_for_update()).all()
    return Held(station_ids, connector_ids, group_ids, user_group_ids)


def _held_user_groups(session: Session, owner_id: int) -> Sequence[int]:
    mine = sa.select(UserGroup.id).where(UserGroup.owner_id == owner_id).order_by(UserGroup.id)
    ids = session.scalars(mine.with_for_update()).all()
    inside = sa.select(UserGroupMember.id).where(among(session, UserGroupMember.user_group_id, ids))
    session.execute(inside.order_by(UserGroupMember.id).with_for_update()).all()
    return ids
