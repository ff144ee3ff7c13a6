"""Rows into a database of either engine as fast as it takes them: COPY on PostgreSQL, executemany on SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Protocol

import psycopg
import sqlalchemy as sa
from psycopg import sql

Row = tuple[object, ...]
AT_ONCE = 50_000


class Writer(Protocol):
    """Takes the rows of one table after the other. Instants are texts in UTC: "2026-11-24 13:45:00.000001"."""

    def rows(self, table: str, columns: str, rows: Iterable[Row]) -> None: ...


@contextmanager
def writer(url: str) -> Iterator[Writer]:
    """A writer to a database with the present schema, in which nobody else works: no trigger adds up daily totals, they
    are rows like others. At the end it is indexed, its ids go on after the highest, and its planner knows
    the tables."""
    parts = sa.make_url(url)
    if parts.get_backend_name() == "sqlite":
        with sqlite3.connect(parts.database or "", isolation_level=None) as connection:
            yield from _sqlite(connection)
        connection.close()
    else:
        with psycopg.connect(parts.set(drivername="postgresql").render_as_string(hide_password=False)) as server:
            yield from _postgresql(server)


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def rows(self, table: str, columns: str, rows: Iterable[Row]) -> None:
        marks = ", ".join("?" * len(columns.split(",")))
        statement, remaining = f"INSERT INTO {table} ({columns}) VALUES ({marks})", iter(rows)
        while some := list(islice(remaining, AT_ONCE)):
            self.connection.executemany(statement, some)


def _sqlite(connection: sqlite3.Connection) -> Iterator[Writer]:
    for pragma in ("synchronous=OFF", "foreign_keys=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (?, ?)"
    adding_up = connection.execute(query, ("charging_session", "quarter_hour")).fetchall()
    for name, _definition in adding_up:
        connection.execute(f"DROP TRIGGER {name}")
    yield _Sqlite(connection)
    for _name, definition in adding_up:
        connection.execute(definition)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _Postgresql:
    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self.connection = connection

    def rows(self, table: str, columns: str, rows: Iterable[Row]) -> None:
        names = sql.SQL(", ").join(sql.Identifier(name.strip()) for name in columns.split(","))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
        with self.connection.cursor().copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def _postgresql(connection: psycopg.Connection[Row]) -> Iterator[Writer]:
    """The trigram index is made at the end: filling it row by row takes several times as long."""
    for setting in ("timezone = 'UTC'", "session_replication_role = replica", "maintenance_work_mem = '512MB'"):
        connection.execute(sql.SQL("SET " + setting))  # no look at foreign keys
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%gin_trgm_ops%'"
    searches = connection.execute(query).fetchall()
    for name, _definition in searches:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
    yield _Postgresql(connection)
    for _name, definition in searches:
        connection.execute(str(definition).encode())
    _go_on_after_the_highest(connection)
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


def _go_on_after_the_highest(connection: psycopg.Connection[Row]) -> None:
    query = (
        "SELECT table_name FROM information_schema.columns WHERE column_default LIKE 'nextval%' AND column_name = 'id'"
    )
    for (table,) in connection.execute(query).fetchall():
        statement = "SELECT setval(pg_get_serial_sequence({}, 'id'), coalesce(max(id), 0) + 1, false) FROM {}"
        connection.execute(sql.SQL(statement).format(sql.Literal(table), sql.Identifier(str(table))))
