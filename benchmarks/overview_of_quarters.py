"""The overview on PostgreSQL in the large world, once it holds 100,000,000 quarter hours as well, in a table for each
month: how many statements a page takes, that none of them reads a large table from end to end (AssertionError where
one does), and how long it takes beside the world 100 times smaller.

What the typical account sees is the same in both worlds. This comes last of all that use the world: it makes it larger.
"""

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import sqlalchemy as sa
from flask.testing import FlaskClient

from benchmarks import worlds
from benchmarks.browsers import PAGES, application, browser, get
from benchmarks.large_world import (
    GROUPS_OF_A_PARTNER,
    OWN_GROUPS,
    PARTNERS,
    first_connector,
    stations_of,
)
from benchmarks.large_world_pages import READERS, compared
from benchmarks.result import Result
from benchmarks.worlds import FULL, SMALL
from portal.core.db import session_factory
from tests.statements import large_tables, recorded, scans_of

QUARTERS = 100_000_000
OF_A_SESSION, DAYS = 40, 360
MOST_STATEMENTS, MANY = 12, 9_000
OVERVIEWS = {name: path for name, path in PAGES.items() if name.startswith("dashboard")}

# Behind the connectors that the typical account sees, each in turn has had sessions of ten hours, from six in the
# morning UTC on: on one local day, and never two on the same one.
SESSIONS = """
INSERT INTO charging_session (owner_id, connector_id, started_at, ended_at, energy_wh, source, external_id, created_at)
SELECT owner_id, connector.id, begun, begun + interval '10 hours', 20000, 'file', 'q' || connector.id || '-' || n, begun
FROM generate_series(0, %(each)s) AS n CROSS JOIN connector CROSS JOIN LATERAL (
    SELECT date_trunc('day', now()) - interval '1 day' * (1 + (connector.id * 7 + n * 101) %% %(days)s)
        + interval '6 hours' AS begun
) AS moment
WHERE connector.id > %(behind)s ORDER BY begun, connector.id LIMIT %(sessions)s"""
QUARTER_HOURS = """
INSERT INTO quarter_hour (connector_id, starts_at, session_id, energy_wh, quality)
SELECT connector_id, started_at + interval '15 minutes' * n, id, 500, 'W'
FROM charging_session CROSS JOIN generate_series(0, %(last)s) AS n WHERE external_id LIKE 'q%%'"""
TOTALS = """
INSERT INTO daily_total (connector_id, day, driver_id, owner_id, energy_wh, sessions)
SELECT connector_id, (started_at AT TIME ZONE 'Europe/Zurich')::date, 0, owner_id, energy_wh, 1
FROM charging_session WHERE external_id LIKE 'q%%'
ON CONFLICT (connector_id, day, driver_id) DO UPDATE
SET energy_wh = daily_total.energy_wh + excluded.energy_wh, sessions = daily_total.sessions + 1"""
# Filling them row by row takes several times as long.
INDEXES = {
    "ALTER TABLE quarter_hour DROP CONSTRAINT pk_quarter_hour": "ALTER TABLE quarter_hour"
    " ADD CONSTRAINT pk_quarter_hour PRIMARY KEY (connector_id, starts_at, session_id)",
    "DROP INDEX ix_quarter_hour_session_id": "CREATE INDEX ix_quarter_hour_session_id ON quarter_hour (session_id)",
}


def run() -> Iterator[Result]:
    url = worlds.url("postgresql", FULL)
    started = time.perf_counter()
    rows = _charge(url)
    took = time.perf_counter() - started
    yield Result("quarter hours in the world, postgresql", "rows", rows, "demanded", QUARTERS, ">= 1")
    yield Result("making them", "s", took, "making the world", worlds.making("postgresql").value, "")
    apps = {scale: application(worlds.url("postgresql", scale)) for scale in (FULL, SMALL)}
    most = max(_statements(url, browser(apps[FULL], account)) for account, _rounds, _demand in READERS.values())
    yield Result("statements of an overview, none with a scan", "", most, "allowed", MOST_STATEMENTS, "<= 1")
    yield from compared(apps, OVERVIEWS, "many quarter hours")


def _charge(url: str) -> int:
    """Add the quarter hours with their sessions and daily totals; how many there are then."""
    typical = OWN_GROUPS + len(PARTNERS) * GROUPS_OF_A_PARTNER
    sessions = QUARTERS // OF_A_SESSION
    values = {"behind": first_connector(stations_of(typical)[-1]) + 1, "sessions": sessions, "last": OF_A_SESSION - 1}
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(address, autocommit=True)) as server:
        for setting in ("timezone = 'UTC'", "session_replication_role = replica", "maintenance_work_mem = '1GB'"):
            server.execute(f"SET {setting}".encode())
        server.execute("SELECT quarter_hour_months((now() - interval '13 months')::date, now()::date)")
        connectors = server.execute("SELECT count(*) FROM connector").fetchone() or (0,)
        each = sessions // (int(connectors[0]) - values["behind"])
        for statement in INDEXES:
            server.execute(statement.encode())
        server.execute(SESSIONS, {**values, "days": DAYS, "each": each})
        server.execute(QUARTER_HOURS, values)
        server.execute(TOTALS)
        for statement in INDEXES.values():
            server.execute(statement.encode())
        server.execute("VACUUM ANALYZE")
        (rows,) = server.execute("SELECT count(*) FROM quarter_hour").fetchone() or (0,)
    return int(rows)


def _statements(url: str, opened: FlaskClient) -> int:
    """The most statements that an overview takes; AssertionError where one of them reads a large table."""
    most, sessions = 0, session_factory(url)
    with sessions() as session:
        large = large_tables(session, MANY)
        for path in OVERVIEWS.values():
            with recorded() as statements:
                get(opened, path)
            most = max(most, len(statements))
            if found := scans_of(session, statements, large):
                raise AssertionError(f"{path} reads a large table: {found}")
    sessions.kw["bind"].dispose()
    return most
