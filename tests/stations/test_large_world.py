"""First pages in the world of the benchmarks: few statements, and no large table read from end to end."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks import browsers, large_world
from benchmarks.large_world import LARGE, OPERATOR, TYPICAL
from portal.core.db import session_factory
from portal.models import Base
from tests.statements import plan, recorded, scans_of

MOST_STATEMENTS = 12
MANY = 9_000  # rows of a table that no page reads from end to end
PATHS = (
    "/station-groups", "/stations", "/stations?show=owned", "/stations?show=managed", "/stations?show=viewed",
    "/stations?q=basilea+1", "/stations?q=charger", "/stations?q=35", "/stations?q=nowhere", "/stations?page=3",
)  # fmt: skip
OF_THE_TYPICAL = ("/",)  # an overview of thousands of groups reads all sessions, and may
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


def many(session: Session) -> set[str]:
    """The tables with MANY rows or more."""
    counts = {table.name: session.scalar(sa.select(sa.func.count()).select_from(table)) for table in TABLES}
    session.rollback()  # or the browser waits for SQLite's lock
    return {name for name, count in counts.items() if count >= MANY}


TABLES = Base.metadata.sorted_tables


@pytest.mark.parametrize("account", [TYPICAL, LARGE, OPERATOR], ids=["typical", "large", "operator"])
def test_no_first_page_reads_a_large_table(url: str, looking: Session, account: int) -> None:
    large = many(looking)
    browser = browsers.browser(browsers.application(url), account)
    for path in PATHS + (OF_THE_TYPICAL if account == TYPICAL else ()):
        with recorded() as statements:
            browsers.get(browser, path)
        assert len(statements) <= MOST_STATEMENTS, path
        assert not scans_of(looking, statements, large), path
        looking.rollback()


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
    assert not scans_of(looking, [("SELECT name FROM station WHERE id = 7", {})], tables)


def test_the_typical_account_sees_the_same_in_a_smaller_world(url: str, tmp_path: Path) -> None:
    small = f"sqlite:///{tmp_path / 'small.db'}"
    large_world.fill(small, 100)
    for path in ("/station-groups", "/stations"):
        pages = [browsers.get(browsers.browser(browsers.application(at), TYPICAL), path) for at in (url, small)]
        rows = [re.findall(r'href="(/station[^"]*/\d+)"', page) for page in pages]
        assert len(rows[0]) >= 12
        assert rows[0] == rows[1]
