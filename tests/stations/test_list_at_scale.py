"""The lists with 100,000 stations: a bounded number of statements, and no table read from end to end."""

from collections.abc import Callable

import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.licences.models import Kind
from portal.stations.models import StationGroup
from tests import world
from tests.statements import full_scans, recorded

STATIONS = 100_000
MOST_STATEMENTS = 12
LogIn = Callable[[Account], FlaskClient]
NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) SELECT i FROM n",
    "postgresql": "SELECT generate_series(1, :count) AS i",
}


def many_stations(session: Session, owner: Account, count: int) -> None:
    """Stations named Charger 1000001 and so on, with one connector each."""
    numbers = NUMBERS[session.get_bind().dialect.name]
    session.execute(
        sa.text(
            "INSERT INTO station (owner_id, name, reference, description, address, support_contact, created_at) "
            "SELECT :owner, 'Charger ' || (1000000 + i), 'CH-' || i, '', 'Via Basilea ' || i, '', :at "
            f"FROM ({numbers}) AS numbers"
        ),
        {"owner": owner.id, "count": count, "at": "2026-01-01 00:00:00"},
    )
    # Else PostgreSQL looks for the station of each connector from end to end, as it does in the few of other tests.
    session.execute(sa.text("ANALYZE station"))
    session.execute(
        sa.text(
            "INSERT INTO connector (station_id, owner_id, number, plug_type, access, price_per_kwh, price_per_hour, "
            "out_of_service) SELECT id, owner_id, 1, 'type_2', 'public', 0, 0, :no FROM station WHERE owner_id = :owner"
        ),
        {"owner": owner.id, "no": False},
    )


def put_into(session: Session, group: StationGroup, every: int) -> None:
    session.execute(
        sa.text(
            "INSERT INTO station_group_station (station_group_id, station_id, owner_id) "
            "SELECT :group, id, owner_id FROM station WHERE owner_id = :owner AND id % :every = 0"
        ),
        {"group": group.id, "owner": group.owner_id, "every": every},
    )


def large_world(session: Session) -> tuple[Account, Account]:
    """An owner of 100,000 stations in a group of 50,000 and one of 100; and an account that sees both groups."""
    owner = world.account(session, "owner@demo.example", Kind.AUTHORISATION)
    piquet = world.account(session, "piquet1@demo.example", Kind.AUTHORISATION)
    many_stations(session, owner, STATIONS)
    for role, every in (("manage", 2), ("display", 1000)):
        group = world.station_group(session, owner, f"Every {every}")
        put_into(session, group, every)
        world.grant(session, group, role, piquet.email)
    other = world.account(session, "other@demo.example")
    many_stations(session, other, 1000)
    session.commit()
    session.execute(sa.text("ANALYZE"))
    session.commit()
    return owner, piquet


def check(session: Session, browser: FlaskClient, path: str, most: int) -> None:
    with recorded() as statements:
        assert browser.get(path).status_code == 200
    assert len(statements) <= most, path
    assert not full_scans(session, statements), path


def test_no_page_of_the_lists_reads_all_stations(session: Session, logged_in: LogIn) -> None:
    owner, piquet = large_world(session)
    group = session.scalars(sa.select(StationGroup.id).order_by(StationGroup.id)).all()
    queries = [
        "", "?page=150", "?show=owned", "?show=managed", "?show=viewed", "?q=1099", "?q=Via+Basilea", "?q=ch",
        "?q=nowhere", f"?group={group[0]}", f"?group={group[1]}", f"?show=managed&q=1099&group={group[0]}",
    ]  # fmt: skip
    for account in (owner, piquet):
        browser = logged_in(account)
        for path in ("/station-groups", *(f"/stations{query}" for query in queries)):
            check(session, browser, path, MOST_STATEMENTS)
        for path in (f"/station-groups/{group[0]}", f"/station-groups/{group[0]}?q=Basilea+12"):
            check(session, browser, path, MOST_STATEMENTS)


def test_adding_to_a_group_does_not_read_all_stations(session: Session, logged_in: LogIn) -> None:
    owner, _piquet = large_world(session)
    group = session.scalars(sa.select(StationGroup)).first()
    check(session, logged_in(owner), f"/station-groups/{group.id}/add-stations", MOST_STATEMENTS)
