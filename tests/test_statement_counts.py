"""At most twelve SQL statements for every page of the live URL map, whoever opens it."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account, UserGroup, UserGroupMember
from portal.charging.models import ChargingSession, Driver, FlaggedRow, ImportMapping
from portal.core import clock
from portal.delivery.models import Destination
from portal.exports.models import ExportTask, Formatter
from portal.licences.models import Kind
from portal.stations.models import Access, Connector, Grant, OpeningTime, Station, StationGroup
from tests import world
from tests.statements import recorded
from tests.test_guards import Ids, addresses, examples

MOST = 12
OUTSIDE = ("destinations.host_key",)  # asks a server that is not there


def further(session: Session, owner: Account, ids: Ids) -> None:
    """More of each, so that what is asked row by row shows: a second set of the examples, and grants in every state."""
    for kind, name in ((UserGroup, "user_group_id"), (Formatter, "formatter_id"), (Destination, "destination_id")):
        session.get_one(kind, ids[name]).name = "First"
    driver = session.get_one(Driver, ids["driver_id"])
    driver.label, driver.email = "First", "first@x.example"
    session.get_one(ImportMapping, ids["mapping_id"]).name = "First"
    session.get_one(ExportTask, ids["task_id"]).name = "First"
    session.get_one(ChargingSession, ids["charging_session_id"]).external_id = "first"
    session.get_one(FlaggedRow, ids["row_id"]).external_id = "first"
    examples(session, owner)
    group, now = session.get_one(StationGroup, ids["station_group_id"]), clock.now()
    for number in range(3):
        users = world.user_group(session, owner, f"Users {number}", f"user{number}@x.example", "sub@x.example")
        world.grant(session, group, "display", users)
        world.grant(session, group, "display", f"a{number}@x.example")
        world.grant(session, group, "display", users, revoked_at=now)
        world.grant(session, group, "display", f"b{number}@x.example", revoked_at=now)
        inert = world.station_group(session, world.account(session, f"poor{number}@x.example"))
        world.grant(session, inert, "display", owner.email)
    station = session.get_one(Station, ids["station_id"])
    for number in range(2, 5):
        prices = {"price_per_kwh": 0, "price_per_hour": 0}
        connector = Connector(owner_id=owner.id, number=number, plug_type="ccs", access="public", **prices)
        connector.opening_times = [OpeningTime(weekday=0, opens=0, closes=60, access="public", **prices)]
        station.connectors.append(connector)


def forget_use(session: Session) -> None:
    """Let the next page be the first that is opened by a grant, which it notes."""
    session.execute(sa.update(Grant).values(first_used_at=None, last_used_at=None))
    session.execute(sa.update(UserGroupMember).values(first_used_at=None))
    session.commit()


@pytest.mark.parametrize("who", ["owner", "sub", "member", "operator"])
def test_no_page_takes_more_than_twelve_statements(
    app: Flask, session: Session, logged_in: Callable[[Account], FlaskClient], who: str
) -> None:
    """At the first visit of a day, which notes that a grant and a membership are used, where the Limited rule warns."""
    owner = world.account(session, "master@x.example", *Kind)
    ids = examples(session, owner)
    further(session, owner, ids)
    readers = {"owner": owner} | {
        name: world.account(session, f"{name}@x.example", *Kind) for name in ("sub", "member")
    }
    readers["operator"] = world.account(session, "operator@x.example", operator=True)
    group = session.get_one(StationGroup, ids["station_group_id"])
    world.grant(session, group, "administrate", "sub@x.example")
    world.grant(session, group, "administrate", world.user_group(session, owner, "Night", "member@x.example"))
    session.execute(sa.update(Connector).values(access=Access.LIMITED.value))
    session.commit()
    browser, many = logged_in(readers[who]), {}
    for address in addresses(app):
        if address.method == "GET" and not address.rule.endpoint.startswith(OUTSIDE):
            url = address.url(ids)
            browser.get(url)
            forget_use(session)
            with recorded() as statements:
                browser.get(url)
            if len(statements) > MOST:
                many[url] = len(statements)
    assert not many, "\n".join(f"{n} {u}" for u, n in many.items())
