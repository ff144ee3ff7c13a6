"""Alembic's environment: migrates the database of MIGRATION_DATABASE_URL, by default that of DATABASE_URL."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.schema import SchemaItem

from portal.core.db import UtcDateTime, engine_options
from portal.models import Base

# Made by hand-written SQL of the migrations, not by the models: search indexes.
BY_HAND = ("station_search", "ix_station_search", "ix_station_group_search")


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


def run() -> None:
    engine = sa.create_engine(url(), **engine_options(url()), poolclass=sa.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render,
            include_object=ours,
            compare_type=True,
            render_as_batch=connection.dialect.name == "sqlite",
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
