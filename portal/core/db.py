"""The database: declarative base, engine, sessions, for Flask and for processes without it alike.

SQLite and PostgreSQL (psycopg 3). Times are aware UTC instants on both. Only entry points commit.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, registry, sessionmaker
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

CONNECT_SECONDS = 10
BUSY_SECONDS = 30  # that a transaction on SQLite waits for another one to end
LARGEST_ID = 2**31 - 1  # of an INTEGER column: more would be the database driver's error, not "not there"
# No row has this id. What is not there is looked for all the same, so that the answer takes as long as for what is
# there and not the asker's.
NO_ROW = 0

# A transaction that only reads must not take SQLite's one write lock; one that writes must take it at its first
# statement, because SQLite refuses to turn a stale read into a write, and no waiting helps then.
_reading: ContextVar[bool] = ContextVar("reading", default=False)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    registry = registry(
        metadata=sa.MetaData(naming_convention=NAMING),
        type_annotation_map={datetime: UtcDateTime, dict[str, Any]: sa.JSON, list[Any]: sa.JSON},
    )


db = SQLAlchemy(model_class=Base)


@contextmanager
def reading_only() -> Iterator[None]:
    """Transactions begun inside only read: on SQLite they take no write lock."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def writing() -> Iterator[None]:
    """Transactions begun inside may write, also while a GET request is answered."""
    token = _reading.set(False)
    try:
        yield
    finally:
        _reading.reset(token)


def set_reading(reading: bool) -> None:
    """Say for the rest of this request whether its transactions only read."""
    _reading.set(reading)


def engine_options(url: str) -> dict[str, Any]:
    """Options for create_engine that suit the database of `url`. Errors, which end in logs, show no values."""
    if sa.make_url(url).get_backend_name() == "sqlite":
        return {"hide_parameters": True, "connect_args": {"timeout": BUSY_SECONDS}}
    arguments = {"options": "-c timezone=UTC -c jit=off", "connect_timeout": CONNECT_SECONDS}
    return {"hide_parameters": True, "pool_pre_ping": True, "connect_args": arguments}


def prepare(engine: sa.Engine) -> sa.Engine:
    """Make an engine behave: on SQLite WAL, foreign keys, and transactions that begin where we say."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN" if _reading.get() else "BEGIN IMMEDIATE")


def session_factory(url: str) -> sessionmaker[Session]:
    """Sessions for processes without Flask: workers, scheduler, gateway, command line."""
    return sessionmaker(prepare(sa.create_engine(url, **engine_options(url))), expire_on_commit=False)


@contextmanager
def at_once(engine: sa.Engine) -> Iterator[Session]:
    """A session for what is not worth a wait: on SQLite an OperationalError at once while somebody else writes. On
    PostgreSQL, which locks rows, `with_for_update(skip_locked=True)` leaves out those that others change."""
    with engine.connect() as connection:
        raw = connection.connection.driver_connection if engine.dialect.name == "sqlite" else None
        if raw is not None:
            raw.execute("PRAGMA busy_timeout=0")
        try:
            with Session(connection) as session:
                yield session
        finally:
            if raw is not None:
                raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def database_now(session: Session) -> sa.ColumnElement[datetime]:
    """The database's clock as an SQL expression, so that processes on several hosts agree on leases."""
    if session.get_bind().dialect.name == "sqlite":
        return sa.type_coerce(sa.func.strftime("%Y-%m-%d %H:%M:%f", "now"), UtcDateTime)
    return sa.type_coerce(sa.func.clock_timestamp(), UtcDateTime)


def among(
    session: Session, column: InstrumentedAttribute[int] | sa.ColumnElement[int], ids: Collection[int]
) -> sa.ColumnElement[bool]:
    """That a column is one of many ids, as one parameter: no database limits its length."""
    if len(ids) == 1:
        return column == next(iter(ids))
    if session.get_bind().dialect.name == "sqlite":
        listed = sa.func.json_each(json.dumps(list(ids))).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    return column == sa.any_(sa.literal(list(ids), ARRAY(sa.Integer)))
