"""Alembic's environment: migrates the database of MIGRATION_DATABASE_URL, by default that of DATABASE_URL."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.schema import SchemaItem

from portal.core.db import UtcDateTime, engine_options, prepare
from portal.models import Base

# Made by hand-written SQL of the migrations, not by the models: search indexes, and the parts of quarter_hour.
BY_HAND = ("station_search", "ix_station_search", "ix_station_group_search", "ix_account_search", "quarter_hour_")


ADDED_TO_ONLY = ("audit_entry", "audit_seal")  # the application adds rows, and nobody changes them
READ_ONLY = ("alembic_version",)
LOCK = 0x50697175  # "Piqu": any number that no other program locks in this database


def render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write our time type as plain SQLAlchemy into a migration, so that old migrations need no code of ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def ours(_item: SchemaItem, name: str | None, *_rest: Any) -> bool:
    return not (name or "").startswith(BY_HAND)


def url() -> str:
    given = context.config.attributes.get("database_url")
    if given:
        return str(given)
    from flask import current_app

    return str(current_app.extensions["settings"].migration_database_url)


def role() -> str | None:
    """The database role of the application, by DATABASE_URL."""
    given = context.config.attributes.get("application_url")
    if given is None and not context.config.attributes.get("database_url"):
        from flask import current_app

        given = current_app.extensions["settings"].database_url
    return sa.make_url(given).username if given else None


def give_rights(connection: sa.Connection, name: str | None) -> None:
    """What the application's role may do with what the migrating role owns: with rows everything, but with those of
    the audit log only read and add them, and nothing with the schema. A role that migrates itself owns it all."""
    if connection.dialect.name != "postgresql":
        return
    present = connection.scalar(sa.text("SELECT current_user"))
    if name in (None, present):
        return
    quoted = connection.dialect.identifier_preparer.quote_identifier(str(name))
    schema = connection.dialect.identifier_preparer.quote_identifier(
        str(connection.scalar(sa.text("SELECT current_schema()")))
    )
    kept = ", ".join(ADDED_TO_ONLY)
    for right in (
        f"GRANT USAGE ON SCHEMA {schema} TO {quoted}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {quoted}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {quoted}",
        f"REVOKE ALL ON {kept} FROM {quoted}",
        f"GRANT SELECT, INSERT ON {kept} TO {quoted}",
        f"REVOKE INSERT, UPDATE, DELETE ON {', '.join(READ_ONLY)} FROM {quoted}",
    ):
        connection.execute(sa.text(right))


def alone(connection: sa.Connection) -> None:
    """Let nobody else migrate this PostgreSQL database until the connection ends. On SQLite the one transaction of
    all migrations, which begins with its write lock, does the same."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        connection.commit()


def run() -> None:
    engine = prepare(sa.create_engine(url(), **engine_options(url()), poolclass=sa.NullPool))
    if engine.dialect.name == "sqlite":  # a table that is made anew must not take with it what refers to it
        sa.event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=OFF"))
    with engine.connect() as connection:
        alone(connection)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render,
            include_object=ours,
            compare_type=True,
            render_as_batch=connection.dialect.name == "sqlite",
            transactional_ddl=True,
        )
        with context.begin_transaction():
            context.run_migrations()
            give_rights(connection, role())
    engine.dispose()


run()
