"""The Limited rule: who holds stations by an authorisation and is no special user where they are Limited."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.access import limited
from portal.access.limited import Entered, Holder, Missing, Point
from portal.access.models import SpecialUser, SpecialUserRequest
from portal.accounts.models import Account, UserGroupMember
from portal.core import clock
from portal.core.mail import MailMessage, may_leave
from portal.licences.models import Kind
from portal.stations.models import Connector, Grant, OpeningTime, StationGroupStation
from tests import world
from tests.statements import recorded

LogIn = Callable[[Account], FlaskClient]
Row = TypeVar("Row", SpecialUser, SpecialUserRequest, MailMessage)
GROUP, OTHER, USERS = 1, 2, 9
ADA, BOB = "ada@x.example", "bob@x.example"
POINTS = [Point(11, 1, GROUP), Point(12, 1, GROUP), Point(21, 2, GROUP)]
INSIDE = {1: {GROUP, OTHER}, 2: {GROUP}}
ada, team = Holder(GROUP, ADA), Holder(GROUP, None, USERS, frozenset({ADA, BOB}))


def at(group: int | None = None, station: int | None = None, connector: int | None = None) -> Entered:
    return Entered(group, station, connector, None, frozenset({ADA}))


@pytest.mark.parametrize(
    ("entered", "left"),
    [
        ([], 3),
        ([at(GROUP)], 0),
        ([at(OTHER)], 1),  # station 1 is in that group as well
        ([at(None, 1)], 1),
        ([at(None, 1, 11)], 2),
        ([at(None, 1, 11), at(None, 2)], 1),
        ([at(77), at(None, 78)], 3),
    ],
)
def test_an_address_lacks_the_connectors_at_which_nothing_admits_it(entered: list[Entered], left: int) -> None:
    found = limited.missing(POINTS, entered, INSIDE, [ada])
    assert found == ([Missing(ada, left, frozenset({ADA}))] if left else [])


def test_a_user_group_is_admitted_as_a_whole_or_member_by_member() -> None:
    whole = Entered(GROUP, None, None, USERS, frozenset())
    each = [Entered(GROUP, None, None, None, frozenset({address})) for address in (ADA, BOB)]
    assert limited.missing(POINTS, [whole], INSIDE, [team]) == []
    assert limited.missing(POINTS, each, INSIDE, [team]) == []
    assert limited.missing(POINTS, each[:1], INSIDE, [team]) == [Missing(team, 3, frozenset({BOB}))]


def test_a_user_group_without_members_lacks_nothing() -> None:
    assert limited.missing(POINTS, [], INSIDE, [Holder(GROUP, None, USERS)]) == []


def test_a_holder_lacks_only_what_is_in_the_group_he_holds() -> None:
    assert limited.missing(POINTS, [], INSIDE, [Holder(OTHER, ADA)]) == []


class Scene:
    """A property account whose group, with a station that is Limited at night, a utility's master account manages."""

    def __init__(self, session: Session) -> None:
        self.owner = world.account(session, "property@x.example", Kind.AUTHORISATION)
        self.utility = world.account(session, "utility@x.example", Kind.AUTHORISATION)
        self.stranger = world.account(session, "stranger@x.example", Kind.AUTHORISATION)
        self.group = world.station_group(session, self.owner, "Garage")
        self.station = world.station(session, self.owner, "Bay", self.group, connectors=2)
        world.grant(session, self.group, "manage", self.utility.email)
        self.connector: Connector = self.station.connectors[0]
        self.session = session
        at_night(self.connector)
        session.flush()

    @property
    def missing(self) -> list[str]:
        """Who is missing in the group, by address or name, as its owner is told."""
        area = limited.Area(self.owner.id, [self.group.id])
        found = limited.among_holders(self.session, area, self.owner.email)
        self.session.commit()
        return [one.holder.email or one.holder.name for one in found]

    def stored(self, kind: type[Row]) -> Sequence[Row]:
        """What is stored now; nothing stays locked."""
        rows = self.session.scalars(sa.select(kind).execution_options(populate_existing=True)).all()
        self.session.commit()
        return rows

    def enter(self, **fields: object) -> SpecialUser:
        row = SpecialUser(owner_id=self.owner.id, added_by_id=self.owner.id, **fields)
        if not fields.keys() & {"station_id", "station_group_id"}:
            row.station_group_id = self.group.id
        self.session.add(row)
        self.session.flush()
        return row


def at_night(connector: Connector) -> None:
    night = {"opens": 1320, "closes": 1440, "access": "limited", "price_per_kwh": 0, "price_per_hour": 0}
    connector.opening_times = [OpeningTime(weekday=day, **night) for day in range(7)]


@pytest.fixture
def scene(session: Session) -> Scene:
    return Scene(session)


def test_a_utilitys_master_account_that_manages_a_property(scene: Scene) -> None:
    assert scene.missing == ["utility@x.example"]


def test_a_sub_account_of_a_utilitys_own_stations(session: Session) -> None:
    master = world.account(session, "master@x.example", Kind.AUTHORISATION)
    group = world.station_group(session, master)
    world.station(session, master, "", group).connectors[0].access = "limited"
    world.grant(session, group, "display", "sub@x.example")
    found = limited.among_holders(session, limited.Area(master.id, [group.id]), master.email)
    assert [(one.holder.email, one.connectors) for one in found] == [("sub@x.example", 1)]


def test_a_user_group_on_the_other_side(session: Session, scene: Scene) -> None:
    users = world.user_group(session, scene.owner, "On call", ADA, BOB, scene.owner.email)
    world.grant(session, scene.group, "manage", users)
    assert scene.missing == ["On call", "utility@x.example"]
    scene.enter(email=ADA)
    assert "On call" in scene.missing
    scene.enter(email=BOB)
    assert scene.missing == ["utility@x.example"]


def test_opening_times_bring_it_and_end_it(session: Session, scene: Scene) -> None:
    scene.connector.opening_times = []
    session.flush()
    assert scene.missing == []
    scene.connector.access = "limited"
    session.flush()
    assert scene.missing == ["utility@x.example"]


def test_sharing_brings_it_and_its_end_ends_it(session: Session, scene: Scene) -> None:
    now = clock.now()
    grant = world.grant(session, scene.group, "display", ADA)
    world.grant(session, scene.group, "display", "later@x.example", starts_at=now + timedelta(days=1))
    assert scene.missing == [ADA, "utility@x.example"]
    grant.revoked_at = now
    session.flush()
    assert scene.missing == ["utility@x.example"]


@pytest.mark.parametrize("place", ["group", "station", "connector", "other group"])
def test_a_special_user_at_any_place_ends_it(session: Session, scene: Scene, place: str) -> None:
    other = world.station_group(session, scene.owner)
    session.add(StationGroupStation(station_group_id=other.id, station_id=scene.station.id, owner_id=scene.owner.id))
    ids = {"station_id": scene.station.id}
    places = {
        "group": {},
        "station": ids,
        "connector": ids | {"connector_id": scene.connector.id},
        "other group": {"station_group_id": other.id},
    }
    row = scene.enter(email=scene.utility.email, **places[place])
    assert scene.missing == []
    row.ends_at = clock.now() - timedelta(hours=1)
    session.flush()
    assert scene.missing == ["utility@x.example"]


def test_a_user_group_that_is_a_special_user_follows_its_members(session: Session, scene: Scene) -> None:
    drivers = world.user_group(session, scene.owner, "Drivers", scene.utility.email)
    scene.enter(user_group_id=drivers.id)
    assert scene.missing == []
    session.delete(session.scalars(sa.select(UserGroupMember).filter_by(user_group_id=drivers.id)).one())
    session.flush()
    assert scene.missing == ["utility@x.example"]


def test_a_special_user_of_somebody_else_ends_nothing(session: Session, scene: Scene) -> None:
    theirs = world.station_group(session, scene.utility)
    session.add(
        SpecialUser(
            owner_id=scene.utility.id,
            added_by_id=scene.utility.id,
            station_group_id=theirs.id,
            email=scene.utility.email,
        )
    )
    session.flush()
    assert scene.missing == ["utility@x.example"]


def test_it_takes_four_statements_however_many_hold_the_group(session: Session, scene: Scene) -> None:
    other = world.station_group(session, scene.owner)
    for number in range(20):
        world.station(session, scene.owner, "", scene.group, other).connectors[0].access = "limited"
        world.grant(session, scene.group, "display", f"a{number}@x.example")
        scene.enter(email=f"a{number}@x.example", station_group_id=other.id)
    session.commit()
    with recorded() as statements:
        assert len(scene.missing) == 21
    assert len(statements) <= 4


# ---- pages ----


@pytest.fixture
def pages(scene: Scene) -> tuple[str, str, str]:
    group = f"/station-groups/{scene.group.id}"
    return group, f"{group}/sharing", f"/connectors/{scene.connector.id}"


WARNS, WARNS_HOLDER = "Who manages here may not charge here", "You may not charge at 1 charging point here"


def test_the_owner_is_warned_on_group_share_and_connector(
    scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    browser = logged_in(scene.owner)
    for address in pages:
        page = browser.get(address).text
        assert WARNS in page, address
        assert "utility@x.example" in page
        assert WARNS_HOLDER not in page


def test_one_click_of_the_owner_adds_and_ends_it(scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]) -> None:
    browser, back = logged_in(scene.owner), pages[1]
    form = {"email": scene.utility.email, "back": back}
    assert browser.post(f"{pages[0]}/special-users/missing", data=form).location == back
    rows = scene.stored(SpecialUser)
    assert [(row.email, row.station_group_id) for row in rows] == [(scene.utility.email, scene.group.id)]
    assert all(WARNS not in browser.get(address).text for address in pages)
    assert WARNS_HOLDER not in logged_in(scene.utility).get(pages[0]).text


def test_a_user_group_is_added_as_a_whole_and_all_at_once(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    users = world.user_group(session, scene.owner, "On call", ADA, BOB)
    world.grant(session, scene.group, "manage", users)
    browser = logged_in(scene.owner)
    browser.post(f"{pages[0]}/special-users/missing", data={"user_group": users.id})
    assert [row.user_group_id for row in scene.stored(SpecialUser)] == [users.id]
    browser.post(f"{pages[0]}/special-users/missing")
    assert scene.missing == []


def test_nobody_is_added_who_is_not_missing(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    theirs = world.user_group(session, scene.utility, "Theirs", ADA)
    browser = logged_in(scene.owner)
    for form in ({"email": "any@x.example"}, {"user_group": theirs.id}):
        browser.post(f"{pages[0]}/special-users/missing", data=form)
    assert scene.stored(SpecialUser) == []


def test_the_holder_is_warned_of_himself_alone(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    world.grant(session, scene.group, "display", ADA)
    scene.enter(email=BOB)
    browser = logged_in(scene.utility)
    for address in (pages[0], f"/stations/{scene.station.id}"):
        page = browser.get(address).text
        assert WARNS_HOLDER in page, address
        assert WARNS not in page
        assert ADA not in page
        assert BOB not in page


def test_who_administrates_the_group_is_warned_of_himself_alone(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    administrator = world.account(session, ADA, Kind.AUTHORISATION)
    world.grant(session, scene.group, "administrate", ADA)
    browser = logged_in(administrator)
    assert WARNS not in browser.get(pages[1]).text
    assert browser.post(f"{pages[0]}/special-users/missing", data={"email": ADA}).status_code == 403


def test_a_holder_asks_and_the_owner_accepts(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    utility, owner = logged_in(scene.utility), logged_in(scene.owner)
    for _twice in range(2):
        assert utility.post(f"{pages[0]}/special-users/ask").location == pages[0]
    (letter,) = scene.stored(MailMessage)
    assert letter.recipient == scene.owner.email
    assert may_leave(session, letter)
    session.commit()
    assert "asked on" in utility.get(pages[0]).text
    assert "somebody asks to be a special user" in owner.get("/").text
    owner.post(f"{pages[0]}/special-users/missing", data={"email": scene.utility.email})
    assert scene.missing == []
    assert scene.stored(SpecialUserRequest) == []
    assert not may_leave(session, letter)


def test_a_holder_asks_and_the_owner_declines(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    utility, owner = logged_in(scene.utility), logged_in(scene.owner)
    utility.post(f"{pages[0]}/special-users/ask")
    asked = scene.stored(SpecialUserRequest)[0]
    assert "asks for it since" in owner.get(pages[0]).text
    assert owner.post(f"/special-user-requests/{asked.id}/decline").location == pages[0]
    assert "asks for it since" not in owner.get(pages[0]).text
    assert "The owner declined on" in utility.get(pages[0]).text
    again = utility.post(f"{pages[0]}/special-users/ask", follow_redirects=True).text
    assert "You can ask again after 30 days" in again
    assert scene.stored(SpecialUser) == []


def test_a_request_is_answered_by_the_owner_alone(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    logged_in(scene.utility).post(f"{pages[0]}/special-users/ask")
    asked = scene.stored(SpecialUserRequest)[0]
    for who in (scene.utility, scene.stranger):
        assert logged_in(who).post(f"/special-user-requests/{asked.id}/decline").status_code == 404
    assert logged_in(scene.stranger).post(f"{pages[0]}/special-users/ask").status_code == 404
    assert logged_in(scene.owner).post(f"{pages[0]}/special-users/ask").status_code == 403


def test_who_lacks_nothing_asks_for_nothing(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    scene.enter(email=scene.utility.email)
    session.commit()
    logged_in(scene.utility).post(f"{pages[0]}/special-users/ask")
    assert scene.stored(SpecialUserRequest) == []


def test_the_request_of_somebody_who_lost_the_group_is_shown_no_more(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    logged_in(scene.utility).post(f"{pages[0]}/special-users/ask")
    owner = logged_in(scene.owner)
    assert "somebody asks to be a special user" in owner.get("/").text
    session.execute(sa.update(Grant).values(revoked_at=clock.now()))
    session.commit()
    assert "somebody asks to be a special user" not in owner.get("/").text
    assert WARNS not in owner.get(pages[0]).text


def test_all_are_added_in_every_group_that_the_charging_point_is_shared_by(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    """One holder of both groups is entered once; who asked in the other group is answered with it."""
    other = world.station_group(session, scene.owner, "On call")
    session.add(StationGroupStation(station_group_id=other.id, station_id=scene.station.id, owner_id=scene.owner.id))
    for email in (scene.utility.email, ADA):
        world.grant(session, other, "manage", email)
    request = {"station_group_id": other.id, "owner_id": scene.owner.id, "account_id": scene.utility.id}
    session.add(SpecialUserRequest(**request, asked_at=clock.now()))
    session.commit()
    browser = logged_in(scene.owner)
    page = browser.get(pages[2]).text
    form = page[: page.index("Add all of them")].rpartition("<form")[2]
    fields = re.findall(r'name="also" value="(\d+)"', form)
    action = re.findall(r'action="([^"]+)"', form)[0]
    browser.post(action, data={"also": fields, "back": pages[2]})
    entered = {(row.email, row.station_group_id) for row in scene.stored(SpecialUser)}
    assert entered == {(scene.utility.email, scene.group.id), (ADA, other.id)}
    assert scene.stored(SpecialUserRequest) == []
    assert WARNS not in browser.get(pages[2]).text


def test_no_group_of_somebody_else_is_taken_along(
    session: Session, scene: Scene, logged_in: LogIn, pages: tuple[str, str, str]
) -> None:
    theirs = world.station_group(session, scene.stranger, "Theirs")
    session.commit()
    answer = logged_in(scene.owner).post(f"{pages[0]}/special-users/missing", data={"also": theirs.id})
    assert answer.status_code == 404
    assert scene.stored(SpecialUser) == []
