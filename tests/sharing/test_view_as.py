"""With the eyes of somebody else: everything that he would see of what is the reader's, and nothing else."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.charging.models import ChargingSession, Driver
from portal.core import authz, clock
from portal.delivery.models import Destination
from portal.exports.models import ExportTask, Formatter
from portal.sharing import view_as
from portal.stations.models import Grant, Station, StationGroup
from tests import world
from tests.statements import recorded
from tests.test_guards import TOKEN

Browser = Callable[[Account], FlaskClient]
LISTS = ("/view-as/station-groups", "/view-as/stations", "/sessions/view-as", "/exports/view-as")


def charged(session: Session, station: Station, number: str) -> ChargingSession:
    driver = Driver(owner_id=station.owner_id, label=f"Anna {number}")
    session.add(driver)
    session.flush()
    row = ChargingSession(
        owner_id=station.owner_id,
        connector_id=station.connectors[0].id,
        driver_id=driver.id,
        started_at=clock.now() - timedelta(hours=2),
        ended_at=clock.now(),
        energy_wh=1000,
        source="file",
        external_id=number,
    )
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def seen(session: Session, place: SimpleNamespace) -> SimpleNamespace:
    """What sub sees: the master's group with hidden drivers. Besides, what is not to be told of to the master: a group
    that the stranger shares with sub, and sub's own; and what sub does not see: another group of the master's."""
    closed = world.station_group(session, place.master, "Closed group")
    others = world.station_group(session, place.stranger, "Chiasso of the stranger")
    own = world.station_group(session, place.sub, "Mendrisio of the sub")
    for group, owner in ((closed, place.master), (others, place.stranger), (own, place.sub)):
        charged(session, world.station(session, owner, f"At {group.name}", group), group.name)
    row = charged(session, place.stations[0], "S-1")
    world.grant(session, place.group, "manage", "sub@x.example", hides_drivers=True)
    world.grant(session, others, "administrate", "sub@x.example")
    session.commit()
    return SimpleNamespace(row=row, secrets=("Closed group", "Chiasso", "Mendrisio"))


def rows(page: str) -> list[str]:
    """The lines of the table, as text."""
    found = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.S)
    return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in found]


@pytest.mark.parametrize(
    ("url", "real"), [("/view-as/station-groups", "/station-groups"), ("/view-as/stations", "/stations")]
)
def test_the_lists_are_the_others_own_of_what_is_mine(
    seen: SimpleNamespace, master: FlaskClient, sub: FlaskClient, url: str, real: str
) -> None:
    page = master.get(f"{url}?email=sub@x.example").text
    mine = [row for row in rows(sub.get(real).text) if row.endswith("Master")]
    assert mine
    assert rows(page) == mine
    assert not [secret for secret in seen.secrets if secret in page]
    assert "You look with the eyes of sub@x.example" in page


def test_the_sessions_are_those_he_sees_with_the_drivers_hidden(seen: SimpleNamespace, master: FlaskClient) -> None:
    page = master.get("/sessions/view-as?email=sub@x.example").text
    assert (len(rows(page)), "Station 1" in page, f"#{seen.row.driver_id}" in page) == (1, True, True)
    assert "Anna" not in page
    assert not [secret for secret in seen.secrets if secret in page]
    assert not rows(master.get("/sessions/view-as?email=sub@x.example&q=Anna").text)
    one = master.get(f"/sessions/{seen.row.id}/view-as?email=sub@x.example").text
    assert (f"#{seen.row.driver_id}" in one, "Anna" in one) == (True, False)


def task(session: Session, owner: Account, group: StationGroup, name: str, **fields: object) -> None:
    row = ExportTask(
        owner_id=owner.id,
        station_group_id=group.id,
        name=name,
        starts_on=date(2026, 11, 1),
        interval="monthly",
        **fields,
    )
    row.formatter = Formatter(
        owner_id=owner.id, name=f"Format of {name}", format="csv", identifier="metering_code", settings={}
    )
    row.destination = Destination(
        owner_id=owner.id, name=f"To of {name}", host="h.example", username="p", login="password"
    )
    session.add(row)


def test_the_exports_are_those_he_sees_of_what_is_mine(
    session: Session, seen: SimpleNamespace, place: SimpleNamespace, master: FlaskClient, sub: FlaskClient
) -> None:
    groups = {group.name: group for group in session.scalars(sa.select(StationGroup))}
    points = {"scope": "charging_points", "user_id": place.master.id}
    task(session, place.master, place.group, "Of the master", **points)
    task(session, place.sub, place.group, "Of the sub", **points)
    task(session, place.master, place.group, "On a driver", scope="driver", user_id=place.master.id)
    task(session, place.master, groups["Closed group"], "On the closed one", **points)
    task(session, place.stranger, groups["Chiasso of the stranger"], "Of the stranger", **points)
    session.commit()
    page = master.get("/exports/view-as?email=sub@x.example").text
    told = [
        name
        for name in ("Of the master", "Of the sub", "On a driver", "On the closed", "Of the stranger")
        if name in page
    ]
    assert told == ["Of the master", "Of the sub"]
    assert "Format of" not in page
    own = sub.get("/exports").text
    assert "Of the master" in own
    for shown in (page, own):  # the tasks stand as they do, whoever looks
        assert "Waiting" in shown
        assert "Stopped" not in shown


def test_a_session_that_he_does_not_see_is_not_there(
    session: Session, seen: SimpleNamespace, place: SimpleNamespace, master: FlaskClient
) -> None:
    alone = charged(session, world.station(session, place.master, "Alone"), "S-2")
    session.commit()
    assert master.get(f"/sessions/{alone.id}").status_code == 200
    assert master.get(f"/sessions/{alone.id}/view-as?email=sub@x.example").status_code == 404


def test_links_stay_with_the_eyes_and_nothing_can_be_sent(
    seen: SimpleNamespace, place: SimpleNamespace, master: FlaskClient
) -> None:
    connector = place.stations[0].connectors[0].id
    one = (f"/stations/{place.stations[0].id}/view-as", f"/connectors/{connector}/view-as")
    for url in (*LISTS, *one, f"/station-groups/{place.group.id}/view-as"):
        main = master.get(f"{url}?email=sub@x.example").text.partition("<main")[2].partition("</main>")[0]
        assert "eyes of sub@x.example" in main, url
        assert 'method="post"' not in main, url
        led = re.findall(r'<th scope="row">(?:<div>)?<a href="([^"]*)"', main)
        assert all("/view-as?email=sub@x.example" in link for link in led), (url, led)
    assert f"/connectors/{connector}/view-as?email=" in master.get(f"{one[0]}?email=sub@x.example").text


def test_a_filter_keeps_the_eyes(seen: SimpleNamespace, master: FlaskClient) -> None:
    for url in LISTS[:3]:
        page = master.get(f"{url}?email=sub@x.example&q=nothing").text
        assert '<input type="hidden" name="email" value="sub@x.example">' in page, url


def test_nothing_is_told_of_who_sees_nothing_of_mine_or_has_no_account(
    session: Session, seen: SimpleNamespace, place: SimpleNamespace, master: FlaskClient
) -> None:
    world.account(session, "unlicensed@x.example")
    for email in ("unlicensed@x.example", "no-account@x.example"):
        world.grant(session, place.group, "display", email)
    session.commit()
    for url in LISTS:
        assert "sees nothing of yours" in master.get(f"{url}?email=stranger@x.example").text
        pages = {name: master.get(f"{url}?email={name}@x.example").text for name in ("unlicensed", "no-account")}
        alike = {TOKEN.sub("", page.replace(name, "")) for name, page in pages.items()}
        assert len(alike) == 1, url
        assert "Not yet: no-account@x.example will see this" in pages["no-account"]


def test_while_it_lasts_nobody_else_is_anything_and_nothing_of_it_stays(
    session: Session, seen: SimpleNamespace, place: SimpleNamespace
) -> None:
    def visible(account_id: int) -> list[int]:
        return list(session.scalars(authz.visible(account_id, "station:view").order_by(sa.text("1"))))

    before = {account.id: visible(account.id) for account in (place.master, place.sub, place.stranger)}
    view = view_as.of_all(session, place.master.id, "sub@x.example")
    assert view
    with view_as.eyes(session, view) as eyes:
        assert visible(eyes) == [place.group.id]
        assert [visible(account_id) for account_id in before] == [[], [], []]
    assert {account_id: visible(account_id) for account_id in before} == before
    assert visible(eyes) == []


def test_the_pages_ask_few_questions(session: Session, place: SimpleNamespace, master: FlaskClient) -> None:
    for number in range(60):
        group = world.station_group(session, place.master, f"Group {number}")
        charged(session, world.station(session, place.master, f"Of {number}", group), str(number))
        world.grant(session, group, "manage", "sub@x.example")
    session.commit()
    for url in LISTS:
        with recorded() as statements:
            assert master.get(f"{url}?email=sub@x.example").status_code == 200
        assert len(statements) <= 12, (url, len(statements), statements)


def test_what_is_open_is_that_of_the_gate(session: Session, seen: SimpleNamespace, place: SimpleNamespace) -> None:
    """For every action what the eyes may do is what the account may do, on what is the owner's."""
    view = view_as.of_all(session, place.master.id, "sub@x.example")
    assert view
    mine = sa.select(StationGroup.id).where(StationGroup.owner_id == place.master.id)
    for action in sorted(authz.ACTIONS):
        real = authz.visible(place.sub.id, action)
        found = set(session.scalars(real.where(authz.standing.c.station_group_id.in_(mine))))
        with view_as.eyes(session, view) as eyes:
            assert set(session.scalars(authz.visible(eyes, action))) == found, action
    assert session.scalar(sa.select(sa.func.count()).select_from(Grant)) == 2
