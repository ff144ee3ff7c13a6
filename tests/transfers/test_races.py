"""Two things at the same moment: the outcome is always that of one after the other."""

from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession
from portal.charging.storing import ChangedOwner, hold
from portal.core import authz
from portal.core.audit import AuditEntry
from portal.core.errors import NotThere
from portal.sharing import operations as sharing
from portal.sharing.models import Transfer
from portal.sharing.operations import Offer
from portal.stations.models import Connector, Grant, Permission, StationGroup, StationGroupStation
from portal.stations.operations import add_stations
from portal.transfers import operations, things
from tests import world
from tests.sharing.test_races import race as run_at_once
from tests.transfers.conftest import charge

ROUNDS = 8
Act = Callable[[Session], object]


def race(session: Session, url: str, *acts: Act) -> None:
    """Do the acts at the same moment, each in a session of its own, and look at the outcome with fresh eyes."""
    run_at_once(url, *acts)
    session.expire_all()


def offer(session: Session, place: SimpleNamespace) -> int:
    """A new group with a station, offered to the receiver; the id of the transfer."""
    group = world.station_group(session, place.giver)
    world.station(session, place.giver, "", group)
    row = operations.offer(session, place.giver, things.of_group(group), place.receiver.email)
    session.commit()
    return row.id


def accepts(row: int, place: SimpleNamespace) -> Act:
    receiver = place.receiver.id
    return lambda own: operations.accept(own, own.get_one(Account, receiver), own.get_one(Transfer, row))


def group_of(session: Session, row: int) -> StationGroup:
    return session.get_one(StationGroup, session.get_one(Transfer, row).station_group_id)


def test_of_two_acceptances_one_counts(session: Session, place: SimpleNamespace, database_url: str) -> None:
    for _ in range(ROUNDS):
        row = offer(session, place)
        race(session, database_url, accepts(row, place), accepts(row, place))
        transfer = session.get_one(Transfer, row)
        assert transfer.state == "accepted"
        subject = f"station_group/{transfer.station_group_id}"
        told = sa.select(sa.func.count()).where(AuditEntry.action == "transfer:accept", AuditEntry.subject == subject)
        assert session.scalar(told) == 2
        session.commit()


def test_of_acceptance_and_withdrawal_one_counts(session: Session, place: SimpleNamespace, database_url: str) -> None:
    giver = place.giver.id
    for _ in range(ROUNDS):
        row = offer(session, place)
        withdraws = lambda own, row=row: operations.withdraw(  # noqa: E731  as short as the other
            own, own.get_one(Account, giver), own.get_one(Transfer, row)
        )
        race(session, database_url, accepts(row, place), withdraws)
        owner = group_of(session, row).owner_id
        assert (session.get_one(Transfer, row).state, owner) in {
            ("accepted", place.receiver.id),
            ("withdrawn", place.giver.id),
        }
        session.commit()


def test_no_grant_survives_that_is_given_meanwhile(session: Session, place: SimpleNamespace, database_url: str) -> None:
    """By the owner, and by an administrator under his own grant."""
    for number in range(ROUNDS):
        row = offer(session, place)
        group = group_of(session, row)
        world.grant(session, group, "administrate", place.sub.email)
        session.commit()
        whom, by = Offer(Permission.DISPLAY, f"a{number}@x.example"), (place.giver.id, place.sub.id)[number % 2]

        def gives(own: Session, by: int = by, group: int = group.id, whom: Offer = whom) -> None:
            try:
                sharing.give(own, own.get_one(Account, by), own.get_one(StationGroup, group), whom)
            except sa.exc.DBAPIError:  # the database has the last word, whatever the page makes of it
                own.rollback()

        race(session, database_url, accepts(row, place), gives)
        assert group_of(session, row).owner_id == place.receiver.id
        assert session.scalars(sa.select(Grant.id).where(Grant.station_group_id == group.id)).all() == []
        assert not authz.standings(session, place.sub.id, [group.id])
        session.commit()


def test_a_station_added_meanwhile_goes_along_or_stays_whole(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    giver = place.giver.id
    for _ in range(ROUNDS):
        row = offer(session, place)
        group, station = group_of(session, row).id, world.station(session, place.giver)
        session.commit()

        def adds(own: Session, group: int = group, station: int = station.id) -> None:
            with suppress(NotThere):  # when the group had gone before the giver asked for it
                add_stations(own, own.get_one(Account, giver), own.get_one(StationGroup, group), [station])

        race(session, database_url, accepts(row, place), adds)
        session.refresh(station)
        inside = session.get(StationGroupStation, (group, station.id)) is not None
        owner = session.get_one(StationGroup, group).owner_id
        assert inside == (station.owner_id == owner)
        session.commit()


def test_no_session_is_stored_for_the_old_owner_behind_a_transfer(
    session: Session, place: SimpleNamespace, database_url: str
) -> None:
    giver = place.giver.id
    for number in range(ROUNDS):
        row = offer(session, place)
        inside = sa.select(StationGroupStation.station_id)
        group = session.get_one(Transfer, row).station_group_id
        found = sa.select(Connector.id).where(
            Connector.station_id.in_(inside.where(StationGroupStation.station_group_id == group))
        )
        connector = session.scalars(found).one()
        session.commit()

        def stores(own: Session, connector: int = connector, number: int = number) -> None:
            try:
                hold(own, giver, {connector})
            except ChangedOwner:
                return
            charge(own, own.get_one(Connector, connector), 100 + number)

        race(session, database_url, accepts(row, place), stores)
        owners = session.scalars(sa.select(ChargingSession.owner_id).where(ChargingSession.connector_id == connector))
        assert set(owners) <= {place.receiver.id}
        session.commit()
