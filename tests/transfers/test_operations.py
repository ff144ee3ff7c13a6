"""What goes over with a transfer, what ends, and what is refused."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access import price_rules, special_users
from portal.access.models import PriceRule, SpecialUser
from portal.access.offers import Offer
from portal.access.prices import Price
from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.charging import energy
from portal.charging.models import ChargingSession, Coverage, Driver, QuarterHour, SessionImport
from portal.core import authz, clock
from portal.core.audit import AuditEntry
from portal.core.errors import NotAllowed, NotThere, RuleBroken
from portal.core.vault import Vault
from portal.delivery import sending
from portal.delivery.loans import DESTINATIONS
from portal.exports import meters, readiness, rights
from portal.exports import queries as exports
from portal.exports.models import ExportRun, ExportTask
from portal.licences.models import Kind as Licence
from portal.maintenance import operations as maintenance
from portal.maintenance import recipients
from portal.maintenance.models import MaintenanceEntry, MaintenanceRecipient
from portal.sharing.models import Invitation, Transfer
from portal.stations import queries, reach, station_list
from portal.stations.models import Connector, Grant, Station, StationGroup, StationGroupStation
from portal.transfers import inventory, operations, things
from portal.transfers.things import Kind, State, Thing
from tests import world
from tests.transfers.conftest import AT, charge

DAYS = (AT - timedelta(hours=10), AT + timedelta(days=2))


def offered(session: Session, place: SimpleNamespace, what: str = "group") -> Transfer:
    thing = {
        "group": lambda: things.of_group(place.group),
        "station": lambda: things.of_station(place.a),
        "account": lambda: things.of_account(place.giver),
    }[what]()
    return operations.offer(session, place.giver, thing, "Receiver@x.example ", "Yours from May on.")


def taken(session: Session, place: SimpleNamespace, what: str = "group") -> Transfer:
    row = offered(session, place, what)
    operations.accept(session, place.receiver, row)
    return row


def total_wh(session: Session) -> int:
    return session.scalar(sa.select(sa.func.sum(QuarterHour.energy_wh))) or 0


def owners(session: Session, table: type[Station] | type[Connector] | type[ChargingSession]) -> set[int]:
    return set(session.scalars(sa.select(table.owner_id)))


def grants(session: Session) -> list[Grant]:
    return list(session.scalars(sa.select(Grant).order_by(Grant.id)))


def a_task(session: Session, place: SimpleNamespace, owner: Account, name: str = "Task") -> ExportTask:
    from portal.delivery.models import Destination
    from portal.exports.models import Formatter

    named = {"owner_id": owner.id, "name": name}
    destination = Destination(**named, host="sftp.example", username="piquet", login="password")
    formatter = Formatter(**named, format="esl_xml", identifier="metering_code", settings={})
    session.add_all([destination, formatter])
    session.flush()
    row = ExportTask(
        **named,
        scope="charging_points",
        user_id=place.group.owner_id,
        station_group_id=place.group.id,
        formatter_id=formatter.id,
        destination_id=destination.id,
        interval="month",
        starts_on=AT.date(),
    )
    session.add(row)
    session.flush()
    return row


def test_an_offer_changes_nothing_and_names_no_account(session: Session, place: SimpleNamespace) -> None:
    row = offered(session, place)
    assert (row.to_email, row.state, row.moved) == ("receiver@x.example", "offered", {"name": "Lugano Centro"})
    assert row.expires_at - clock.now() > timedelta(days=13, hours=23)
    assert place.group.owner_id == place.giver.id
    assert not authz.may(session, place.receiver.id, "station_group:view", [place.group.id])


def test_one_thing_is_offered_once_at_a_time(session: Session, place: SimpleNamespace) -> None:
    row = offered(session, place)
    with pytest.raises(RuleBroken, match="offered to somebody already"):
        offered(session, place)
    operations.withdraw(session, place.giver, row)
    again = offered(session, place)
    again.expires_at = clock.now()
    session.flush()
    offered(session, place)


@pytest.mark.parametrize(("email", "field"), [("giver@x.example", "email"), ("no address", "email")])
def test_nothing_is_offered_to_oneself_or_nowhere(
    session: Session, place: SimpleNamespace, email: str, field: str
) -> None:
    with pytest.raises(RuleBroken) as broken:
        operations.offer(session, place.giver, things.of_group(place.group), email)
    assert broken.value.field == field


def test_only_the_owner_offers_and_an_empty_account_offers_nothing(session: Session, place: SimpleNamespace) -> None:
    with pytest.raises(NotAllowed):
        operations.offer(session, place.sub, things.of_group(place.group), "receiver@x.example")
    with pytest.raises(RuleBroken, match="nothing to transfer"):
        operations.offer(session, place.sub, things.of_account(place.sub), "receiver@x.example")


def test_a_group_goes_over_with_its_stations_and_what_they_charged(session: Session, place: SimpleNamespace) -> None:
    before, group_id = total_wh(session), place.group.id
    row = taken(session, place)
    assert place.group.id == group_id
    assert place.group.owner_id == place.receiver.id
    assert owners(session, Station) == owners(session, Connector) == {place.receiver.id}
    assert owners(session, ChargingSession) == {place.receiver.id}
    assert total_wh(session) == before
    figures = {"stations": 2, "connectors": 3, "groups": 1, "sessions": 4, "grants_ended": 0}
    assert (row.state, row.moved) == ("accepted", {"name": "Lugano Centro", **figures})


def test_the_stations_of_a_group_stay_in_it_and_leave_the_givers_others(
    session: Session, place: SimpleNamespace
) -> None:
    taken(session, place)
    inside = session.execute(sa.select(StationGroupStation.station_group_id, StationGroupStation.station_id)).all()
    assert sorted(inside) == [(place.group.id, place.a.id), (place.group.id, place.b.id)]
    assert place.other.owner_id == place.giver.id


def test_every_grant_on_a_group_ends_and_is_deleted_but_told_to_its_old_owner(
    session: Session, place: SimpleNamespace
) -> None:
    above = world.grant(session, place.group, "administrate", place.users)
    world.grant(session, place.group, "display", "nobody@x.example", under_grant_id=above.id)
    world.grant(session, place.group, "display", "gone@x.example", revoked_at=clock.now())
    stays = world.grant(session, place.other, "display", place.users)
    row = taken(session, place)
    assert [grant.id for grant in grants(session)] == [stays.id]
    assert row.moved["grants_ended"] == 2
    told = session.scalars(sa.select(AuditEntry.owner_id).where(AuditEntry.action == "grant:revoke")).all()
    assert told == [place.giver.id] * 2


def test_access_of_the_givers_people_is_dead_at_once(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "manage", place.users)
    world.grant(session, place.other, "manage", "sub@x.example")
    a, b = place.a.id, place.b.id
    assert station_list.stations(session, reach.of(session, place.sub.id)).total == 2
    taken(session, place)
    for account in (place.giver, place.sub):
        assert authz.why(session, account.id, place.group.id, "station_group:view") == []
        stations = [session.get_one(Station, row_id) for row_id in (a, b)]
        assert not any(queries.may(session, account.id, "station:view", station) for station in stations)
        assert station_list.stations(session, reach.of(session, account.id)).total == 0
    assert station_list.stations(session, reach.of(session, place.receiver.id)).total == 2


def test_a_station_leaves_every_group_of_its_old_owner(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "manage", "sub@x.example")
    taken(session, place, "station")
    assert place.a.owner_id == place.receiver.id
    assert {connector.owner_id for connector in place.a.connectors} == {place.receiver.id}
    assert session.scalars(sa.select(StationGroupStation.station_id)).all() == [place.b.id]
    assert [grant.revoked_at for grant in grants(session)] == [None]
    assert not queries.may(session, place.sub.id, "station:view", place.a)
    assert place.b.owner_id == place.group.owner_id == place.giver.id


def test_drivers_of_a_station_go_over_without_name_address_and_card(session: Session, place: SimpleNamespace) -> None:
    session.add(Driver(owner_id=place.receiver.id, label="Driver 1"))
    taken(session, place, "station")
    rows = session.execute(
        sa.select(Driver.label, Driver.email, Driver.metering_code, ChargingSession.card)
        .join(ChargingSession, ChargingSession.driver_id == Driver.id)
        .where(ChargingSession.owner_id == place.receiver.id)
    ).all()
    assert sorted(rows) == [("Driver 2", None, None, None), ("Driver 3", None, None, None)]
    assert (place.ann.owner_id, place.ann.label) == (place.giver.id, "Ann")
    kept = session.scalars(sa.select(ChargingSession.driver_id).where(ChargingSession.owner_id == place.giver.id)).all()
    assert kept == [place.ann.id]


def test_imports_stay_and_reach_nothing_any_more(session: Session, place: SimpleNamespace) -> None:
    place.imported.covers, place.imported.covers_group_id = "group", place.group.id
    taken(session, place)
    assert set(session.scalars(sa.select(ChargingSession.import_id))) == {None}
    assert set(session.scalars(sa.select(Coverage.import_id))) == {None}
    row = session.get_one(SessionImport, place.imported.id)
    assert (row.owner_id, row.covers_group_id) == (place.giver.id, None)


def test_the_energy_of_every_charging_point_is_the_same_to_the_wh(session: Session, place: SimpleNamespace) -> None:
    def rows() -> list[tuple[int, int, int]]:
        found = energy.meter_periods(session, meters.meters_of_group(session, place.group.id), *DAYS)
        return [(row.energy_wh, row.measured, row.missing) for row in found]

    before = rows()
    assert sum(energy_wh for energy_wh, _, _ in before) == total_wh(session)
    taken(session, place)
    assert rows() == before


def test_a_task_of_the_receiver_exports_what_came(session: Session, place: SimpleNamespace) -> None:
    theirs = a_task(session, place, place.receiver, "Theirs")
    old = a_task(session, place, place.giver, "Old")
    taken(session, place)
    assert theirs.user_id == place.receiver.id
    assert old.user_id == place.giver.id
    new = a_task(session, place, place.receiver, "New")
    found = list(energy.meter_periods(session, meters.meters(session, new), *DAYS))
    assert sum(row.energy_wh for row in found) == total_wh(session)
    assert not authz.may(session, place.giver.id, "export:create", [place.group.id])


def test_all_property_of_an_account_goes_over(session: Session, place: SimpleNamespace) -> None:
    alone, before = world.station(session, place.giver, "Alone"), total_wh(session)
    inside = set(session.execute(sa.select(StationGroupStation.station_group_id, StationGroupStation.station_id)).all())
    row = taken(session, place, "account")
    for table in (Station, Connector, StationGroup, UserGroup, Driver, ChargingSession, StationGroupStation):
        assert set(session.scalars(sa.select(table.owner_id))) == {place.receiver.id}, table
    after = session.execute(sa.select(StationGroupStation.station_group_id, StationGroupStation.station_id)).all()
    assert set(after) == inside
    assert alone.owner_id == place.receiver.id
    assert total_wh(session) == before
    counts = {"stations": 3, "groups": 2, "user_groups": 1, "sessions": 4, "drivers": 2, "connectors": 4}
    assert counts.items() <= row.moved.items()


def test_exports_go_along_with_everything_and_keep_history_loans_and_secrets(
    session: Session, place: SimpleNamespace
) -> None:
    task, his = a_task(session, place, place.giver), a_task(session, place, place.receiver)
    vault = Vault(("dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",))
    server = task.destination
    server.sealed_secret = vault.seal(sending.place(server), "secret")
    day = {"period_start": AT.date(), "period_end": AT.date() + timedelta(days=1), "starts_at": AT, "ends_at": AT}
    run = ExportRun(task_id=task.id, interval="daily", state="delivered", energy_wh=4000, **day)
    session.add(run)
    lent = [DESTINATIONS.lend(session, place.giver, server, f"{name}@x.example") for name in ("sub", "receiver")]
    row = taken(session, place, "account")
    assert (task.owner_id, task.user_id, task.formatter.owner_id) == (place.receiver.id,) * 3
    assert (task.name, task.formatter.name, server.name, his.name) == ("Task (2)", "Task (2)", "Task (2)", "Task")
    assert (task.destination_id, server.owner_id) == (server.id, place.receiver.id)
    assert vault.open(sending.place(server), server.sealed_secret) == "secret"
    assert [loan.ended_at is None for loan in lent] == [True, False]
    assert DESTINATIONS.may_use(session, place.sub.id, server.id)
    assert not DESTINATIONS.may_use(session, place.giver.id, server.id)
    assert exports.run(session, place.receiver.id, "export:view", run.id).energy_wh == 4000
    assert not rights.stops(session, [task])
    with pytest.raises(NotThere):
        exports.run(session, place.giver.id, "export:view", run.id)
    assert {"tasks": 1, "destinations": 1, "formatters": 1}.items() <= row.moved.items()


def test_a_task_on_a_group_of_somebody_else_stays_with_what_it_alone_uses(
    session: Session, place: SimpleNamespace
) -> None:
    there, goes = world.station_group(session, place.sub, "Of others"), a_task(session, place, place.giver)
    world.grant(session, there, "manage", place.giver.email)
    stays, waits = (a_task(session, place, place.giver, name) for name in ("Stays", "Waits"))
    for task in (stays, waits):
        task.station_group_id, task.user_id = there.id, place.sub.id
    waits.destination_id = goes.destination_id
    session.flush()
    found = inventory.of(session, things.of_account(place.giver), "receiver@x.example")
    assert (found.tasks, found.tasks_staying, found.destinations, found.formatters) == (1, 2, 2, 1)
    assert found.tasks_stopping == 0
    row = taken(session, place, "account")
    assert (stays.owner_id, waits.owner_id, goes.owner_id) == (place.giver.id, place.giver.id, place.receiver.id)
    assert (stays.destination.owner_id, stays.formatter.owner_id) == (place.giver.id, place.giver.id)
    assert readiness.stop(session, stays) is None
    assert readiness.stop(session, waits).code == "not_lent"
    assert {name: row.moved[name] for name in ("tasks", "destinations", "formatters")} == {
        "tasks": found.tasks, "destinations": found.destinations, "formatters": found.formatters,
    }  # fmt: skip


@pytest.mark.parametrize("what", ["group", "station"])
def test_with_a_group_or_station_no_export_goes_along(session: Session, place: SimpleNamespace, what: str) -> None:
    task = a_task(session, place, place.giver)
    taken(session, place, what)
    assert {task.owner_id, task.destination.owner_id, task.formatter.owner_id} == {place.giver.id}
    assert [*rights.stops(session, [task]).values()] == ([{"code": "permission"}] if what == "group" else [])


def test_the_grants_of_an_account_go_over_as_they_are(session: Session, place: SimpleNamespace) -> None:
    to_users = world.grant(session, place.group, "manage", place.users, first_used_at=AT)
    to_address = world.grant(session, place.other, "display", "sub@x.example", under_grant_id=None)
    ended = world.grant(session, place.group, "display", place.users, revoked_at=AT)
    before = {grant.id: (grant.user_group_id, grant.email, grant.revoked_at) for grant in grants(session)}
    taken(session, place, "account")
    assert {grant.id: (grant.user_group_id, grant.email, grant.revoked_at) for grant in grants(session)} == before
    assert {grant.owner_id for grant in (to_users, to_address, ended)} == {place.receiver.id}
    assert authz.may(session, place.sub.id, "station:edit", [place.group.id])
    assert not authz.standings(session, place.giver.id, [place.group.id, place.other.id])


def test_grants_to_the_receiver_end_with_those_given_under_them(session: Session, place: SimpleNamespace) -> None:
    his = world.grant(session, place.group, "administrate", "receiver@x.example")
    under = world.grant(session, place.group, "display", "sub@x.example", under_grant_id=his.id)
    row = taken(session, place, "account")
    assert his.revoked_at is not None
    assert under.revoked_at is not None
    assert row.moved["grants_ended"] == 2


def test_the_giver_keeps_nothing_by_his_own_user_groups(session: Session, place: SimpleNamespace) -> None:
    session.add(UserGroupMember(user_group_id=place.users.id, email="giver@x.example"))
    world.grant(session, place.group, "administrate", place.users)
    taken(session, place, "account")
    assert authz.standings(session, place.giver.id, [place.group.id]) == []
    emails = session.scalars(sa.select(UserGroupMember.email).order_by(UserGroupMember.email)).all()
    assert emails == ["nobody@x.example", "sub@x.example"]
    removed = sa.select(AuditEntry).where(AuditEntry.action == "user_group:remove_member")
    (entry,) = session.scalars(removed)
    assert (entry.actor_id, entry.owner_id) == (place.receiver.id, place.giver.id)
    assert (entry.subject, entry.detail["email"]) == (f"user_group/{place.users.id}", "giver@x.example")


def test_invitations_go_over_with_their_grant(session: Session, place: SimpleNamespace) -> None:
    grant, giver = world.grant(session, place.group, "display", "new@x.example"), place.giver.id
    member = place.users.members[0].id
    for of in ({"grant_id": grant.id}, {"member_id": member}):
        session.add(Invitation(email="new@x.example", owner_id=giver, invited_by_id=giver, **of))
    taken(session, place, "account")
    assert session.scalars(sa.select(Invitation.owner_id)).all() == [place.receiver.id] * 2


def test_drivers_of_an_account_are_merged_by_address_or_renamed(session: Session, place: SimpleNamespace) -> None:
    receiver = place.receiver.id
    known = Driver(owner_id=receiver, label="A. Nn", email="ann@x.example")
    session.add_all([known, Driver(owner_id=receiver, label="Bob")])
    session.flush()
    bob = place.bob.id
    taken(session, place, "account")
    labels = session.execute(sa.select(Driver.label, Driver.email).order_by(Driver.label)).all()
    assert labels == [("A. Nn", "ann@x.example"), ("Bob", None), ("Bob (2)", "bob@x.example")]
    drivers = session.scalars(sa.select(ChargingSession.driver_id).order_by(ChargingSession.id)).all()
    assert drivers == [known.id, bob, known.id, None]
    assert set(session.scalars(sa.select(ChargingSession.card))) == {"CARD-1"}


def test_names_that_clash_get_a_number(session: Session, place: SimpleNamespace) -> None:
    world.station_group(session, place.receiver, "Lugano Centro")
    world.station_group(session, place.receiver, "Lugano Centro (2)")
    world.user_group(session, place.receiver, "Piquet")
    taken(session, place, "account")
    assert (place.group.name, place.other.name, place.users.name) == ("Lugano Centro (3)", "On call", "Piquet (2)")


@pytest.mark.parametrize("what", ["group", "account"])
def test_references_and_identifiers_in_use_refuse_the_acceptance(
    session: Session, place: SimpleNamespace, what: str
) -> None:
    mine = world.station(session, place.receiver)
    place.a.reference = mine.reference = "BOX-1"
    place.b.connectors[0].factory_no = mine.connectors[0].factory_no = "756.1"
    row = offered(session, place, what)
    with pytest.raises(RuleBroken, match=r"BOX-1, 756\.1"):
        operations.accept(session, place.receiver, row)
    assert (row.state, place.a.owner_id) == ("offered", place.giver.id)


def test_sessions_of_the_same_number_refuse_the_acceptance(session: Session, place: SimpleNamespace) -> None:
    his = charge(session, world.station(session, place.receiver).connectors[0], 1)
    his.external_id = place.charged[0].external_id
    row = offered(session, place)
    with pytest.raises(RuleBroken, match="would come: 1"):
        operations.accept(session, place.receiver, row)


def test_only_the_verified_address_accepts(session: Session, place: SimpleNamespace) -> None:
    row = offered(session, place)
    with pytest.raises(NotAllowed):
        operations.accept(session, place.sub, row)
    place.receiver.verified_at = None
    session.flush()
    with pytest.raises(NotAllowed):
        operations.accept(session, place.receiver, row)
    place.receiver.verified_at, place.receiver.email = clock.now(), "moved@x.example"
    session.flush()
    with pytest.raises(NotAllowed):
        operations.accept(session, place.receiver, row)


@pytest.mark.parametrize("act", [operations.accept, operations.decline])
def test_what_is_withdrawn_or_expired_is_not_answered(session: Session, place: SimpleNamespace, act: object) -> None:
    row = offered(session, place)
    row.expires_at = clock.now()
    session.flush()
    with pytest.raises(RuleBroken, match="expired"):
        act(session, place.receiver, row)  # type: ignore[operator]
    row = offered(session, place)
    operations.withdraw(session, place.giver, row)
    with pytest.raises(RuleBroken, match="withdrawn"):
        act(session, place.receiver, row)  # type: ignore[operator]


def test_what_is_no_longer_the_givers_is_not_accepted(session: Session, place: SimpleNamespace) -> None:
    station = offered(session, place, "station")
    taken(session, place, "group")
    assert (station.state, things.state(station)) == ("withdrawn", State.WITHDRAWN)
    late = Transfer(kind="station", from_id=place.giver.id, to_email="sub@x.example", station_id=place.a.id)
    late.expires_at, late.moved = clock.now() + timedelta(days=1), {"name": "A"}
    session.add(late)
    session.flush()
    with pytest.raises(RuleBroken, match="no longer belongs"):
        operations.accept(session, place.sub, late)


def test_both_owners_read_of_it_in_the_audit_log(session: Session, place: SimpleNamespace) -> None:
    taken(session, place)
    entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "transfer:accept")).all()
    assert {entry.owner_id for entry in entries} == {place.giver.id, place.receiver.id}
    assert {(entry.actor_id, entry.subject) for entry in entries} == {
        (place.receiver.id, f"station_group/{place.group.id}")
    }
    assert entries[0].detail["stations"] == 2


def test_the_inventory_tells_what_the_acceptance_does(session: Session, place: SimpleNamespace) -> None:
    world.grant(session, place.group, "manage", place.users)
    world.grant(session, place.other, "display", "sub@x.example")
    a_task(session, place, place.giver)
    found = inventory.of(session, things.of_group(place.group), "receiver@x.example")
    assert (found.stations, found.connectors, found.sessions, found.drivers) == (2, 3, 4, 2)
    assert (found.grants_ending, found.tasks_stopping) == (1, 1)
    assert (found.groups_left, found.grants_losing, found.tasks_losing) == (1, 1, 0)
    whole = inventory.of(session, Thing(Kind.ACCOUNT, place.giver.id, place.giver.id, "Giver"), "sub@x.example")
    assert (whole.groups, whole.user_groups, whole.members, whole.drivers) == (2, 1, 2, 2)
    assert (whole.grants, whole.grants_ending, whole.sessions) == (2, 1, 4)


def receiving(session: Session) -> list[tuple[int, str | None, int | None]]:
    row = MaintenanceRecipient
    return [
        tuple(one) for one in session.execute(sa.select(row.owner_id, row.email, row.user_group_id).order_by(row.id))
    ]


def maintained(session: Session, place: SimpleNamespace) -> None:
    world.licence(session, place.giver, Licence.MAINTENANCE)
    recipients.add(session, place.giver, place.group, "technician@x.example", place.users.id)
    recipients.add(session, place.giver, place.a, "station@x.example", place.users.id)
    maintenance.note(session, place.giver, place.a, "Lock is stiff")


@pytest.mark.parametrize("what", ["station", "group"])
def test_who_receives_the_maintenance_stays_behind_and_its_history_goes_over(
    session: Session, place: SimpleNamespace, what: str
) -> None:
    maintained(session, place)
    thing = things.of_group(place.group) if what == "group" else things.of_station(place.a)
    told = inventory.of(session, thing, "receiver@x.example")
    assert (told.receiving, told.entries) == ((4 if what == "group" else 2), 1)
    taken(session, place, what)
    assert len(receiving(session)) == (0 if what == "group" else 2)
    assert [entry.owner_id for entry in session.scalars(sa.select(MaintenanceEntry))] == [place.receiver.id]


def test_with_an_account_they_go_over(session: Session, place: SimpleNamespace) -> None:
    maintained(session, place)
    before = receiving(session)
    taken(session, place, "account")
    assert receiving(session) == [(place.receiver.id, *rest) for _, *rest in before]


def admitted(session: Session, place: SimpleNamespace) -> tuple[list[tuple[int, str | None]], list[int]]:
    """Owner and address of every special user, and the owner of every price rule."""
    users = session.execute(sa.select(SpecialUser.owner_id, SpecialUser.email).order_by(SpecialUser.id))
    return [(owner_id, email) for owner_id, email in users], list(session.scalars(sa.select(PriceRule.owner_id)))


def let_charge(session: Session, place: SimpleNamespace) -> None:
    special_users.add(session, place.giver, place.group, user_group=place.users)
    special_users.add(session, place.giver, place.a, email="driver@x.example")
    special_users.add(session, place.giver, place.other, email="other@x.example")
    price_rules.add(session, place.giver, place.users.id, place.group.id, Offer(Price(3000)))
    price_rules.add(session, place.giver, place.users.id, None, Offer(Price(2000)))


@pytest.mark.parametrize(("what", "left", "rules"), [("group", 1, 1), ("station", 2, 2)])
def test_nobody_is_a_special_user_of_the_receiver_whom_the_giver_entered(
    session: Session, place: SimpleNamespace, what: str, left: int, rules: int
) -> None:
    let_charge(session, place)
    thing = things.of_group(place.group) if what == "group" else things.of_station(place.a)
    ending = inventory.of(session, thing, place.receiver.email)
    assert (ending.special_users, ending.price_rules) == (3 - left, 2 - rules)
    taken(session, place, what)
    users, owners_of_rules = admitted(session, place)
    assert [owner_id for owner_id, _email in users] == [place.giver.id] * left
    assert owners_of_rules == [place.giver.id] * rules


def test_a_whole_account_takes_its_special_users_and_price_rules_along(
    session: Session, place: SimpleNamespace
) -> None:
    let_charge(session, place)
    taken(session, place, "account")
    users, owners_of_rules = admitted(session, place)
    assert users == [
        (place.receiver.id, None),
        (place.receiver.id, "driver@x.example"),
        (place.receiver.id, "other@x.example"),
    ]
    assert owners_of_rules == [place.receiver.id] * 2
