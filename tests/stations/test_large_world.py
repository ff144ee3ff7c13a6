"""First pages in the world of the benchmarks: few statements, and no large table read from end to end."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks import browsers, large_world
from benchmarks.large_world import LARGE, OPERATOR, PARTNERS, TYPICAL, email
from portal.core import clock
from portal.core.db import session_factory
from portal.stations.models import Grant, StationGroup, StationGroupStation
from tests.statements import large_tables, plan, recorded, scans_of

MOST_STATEMENTS = 12
WHOLE = 100_000  # station groups of the whole world
MANY = 9_000  # rows of a table that no page reads from end to end
PATHS = (
    "/station-groups", "/stations", "/stations?show=owned", "/stations?show=managed", "/stations?show=viewed",
    "/stations?q=basilea+1", "/stations?q=charger", "/stations?q=35", "/stations?q=nowhere", "/stations?page=3",
    "/map", "/map?canton=TI", "/map?box=8.9,45.9,9.0,46.1", "/map?where=unplaced", "/map?q=basilea+1",
    "/map?show=managed",
)  # fmt: skip
ON = clock.now().date() - timedelta(days=3)
OVERVIEWS = ("/", "/?period=week", "/?period=day", *(f"/?period={kind}&on={ON}" for kind in ("day", "week", "month")))
OF_GROUPS = (
    "/station-groups/{group}", "/station-groups/{group}/sharing", "/station-groups/{group}/sharing/add",
    "/station-groups/{group}/why?email={other}", "/stations/{station}", "/stations/{station}/why?email={other}",
)  # fmt: skip
OF_THE_OWNER = (
    *OF_GROUPS, "/station-groups/{group}/view-as?email={other}", "/stations/{station}/view-as?email={other}",
    *OVERVIEWS, "/sessions", "/audit", "/invitations", "/user-groups", "/access",
)  # fmt: skip
# What is read of thousands of groups and tens of thousands of stations is a good part of all there is, and may be; in a
# small world also these.
OF_ALL = ("/sessions",)
OF_FEW = ("/imports", "/drivers", "/shared-by-me", "/shared-with-me", "/access?email={other}")
OF_THE_OPERATOR = (
    *OVERVIEWS, "/audit", "/operator/audit", "/operator/requests", "/operator/accounts",
    "/operator/accounts?q=person+12",
)  # fmt: skip
# The operator's list counts all accounts and walks along their addresses to the page; SQLite has no index for a part
# of one.
LISTS_ALL = {"/operator/accounts": {"account"}, "/operator/accounts?q=person+12": {"account"}}
World = Callable[[int], str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A function: a scale → the URL of a database with the world at that scale, made once."""
    made: dict[int, str] = {}

    def url(scale: int) -> str:
        if scale not in made:
            made[scale] = f"sqlite:///{tmp_path_factory.mktemp('world') / 'world.db'}"
            if request.param == "postgresql":
                made[scale] = request.getfixturevalue("postgres_server").create_database()
            large_world.fill(made[scale], scale)
        return made[scale]

    return url


@pytest.fixture(scope="module", params=[10, pytest.param(1, marks=pytest.mark.deep)], ids=["a tenth", "the whole"])
def url(request: pytest.FixtureRequest, world: World) -> str:
    return world(request.param)


@pytest.fixture
def looking(url: str) -> Iterator[Session]:
    sessions = session_factory(url)
    with sessions() as session:
        yield session
    sessions.kw["bind"].dispose()


def paths(session: Session, account: int) -> list[str]:
    """The pages of the account; those of a group and a station for one of its own, and for one shared with it that it
    administrates."""
    if account == OPERATOR:
        return [*PATHS, *OF_THE_OPERATOR]
    shared = sa.select(Grant.station_group_id).where(Grant.email == email(account), Grant.role == "administrate")
    lasting = shared.where(Grant.revoked_at.is_(None), Grant.ends_at.is_(None)).limit(1)
    own = sa.select(StationGroup.id).where(StationGroup.owner_id == account).limit(1)
    whole = session.scalar(sa.select(sa.func.count()).select_from(StationGroup)) or 0
    few = account == TYPICAL
    asked = [path for path in OF_THE_OWNER if few or whole >= WHOLE or path not in OF_ALL]
    groups = {session.scalars(own).one(): [*asked, *(OF_FEW if few else ())]}
    groups[session.scalars(lasting).one()] = [*OF_GROUPS]
    member, found = StationGroupStation, [*PATHS]
    for group, asked in groups.items():
        station = session.scalar(sa.select(member.station_id).where(member.station_group_id == group).limit(1))
        found += [path.format(group=group, station=station, other=email(PARTNERS[0])) for path in asked]
    session.rollback()
    return found


@pytest.mark.parametrize("account", [TYPICAL, LARGE, OPERATOR], ids=["typical", "large", "operator"])
def test_no_first_page_reads_a_large_table(url: str, looking: Session, account: int) -> None:
    large, scanned = large_tables(looking, MANY), {}
    browser = browsers.browser(browsers.application(url), account)
    for path in paths(looking, account):
        with recorded() as statements:
            browsers.get(browser, path)
        assert len(statements) <= MOST_STATEMENTS, path
        if found := scans_of(looking, statements, large - LISTS_ALL.get(path, set())):
            scanned[path] = found
        looking.rollback()
    assert not scanned


def test_who_has_few_stations_searches_in_them_alone(url: str, looking: Session) -> None:
    browser = browsers.browser(browsers.application(url), TYPICAL)
    with recorded() as statements:
        browsers.get(browser, "/stations?q=basilea+1")
    if looking.get_bind().dialect.name == "postgresql":
        assert not [text for text in statements if "ix_station_search" in plan(looking, text)]


def test_a_statement_that_reads_a_large_table_is_seen(looking: Session) -> None:
    tables = {"station_group_grant", "station"}
    for text in ("SELECT given.last_used_at FROM station_group_grant AS given", "SELECT count(*) FROM station"):
        assert scans_of(looking, [(text, {})], tables)
    assert scans_of(looking, [("SELECT sum(energy_wh) FROM quarter_hour", {})], large_tables(looking, MANY))
    assert not scans_of(looking, [("SELECT name FROM station WHERE id = 7", {})], tables)


def test_the_typical_account_sees_the_same_in_a_smaller_world(url: str, tmp_path: Path) -> None:
    small = f"sqlite:///{tmp_path / 'small.db'}"
    large_world.fill(small, 100)
    for path in ("/station-groups", "/stations", "/map"):
        pages = [browsers.get(browsers.browser(browsers.application(at), TYPICAL), path) for at in (url, small)]
        rows = [re.findall(r'href="(/station[^"]*/\d+)"', page) for page in pages]
        assert len(rows[0]) >= 12
        assert rows[0] == rows[1]
