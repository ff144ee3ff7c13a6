"""Bringing a database to the present schema, and asking whether it is there."""

from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from portal.core.db import Base, engine_options, reading_only
from portal.core.errors import SettingsError

MIGRATIONS = Path(__file__).parents[1] / "migrations"
OLDEST_POSTGRESQL = 15


def _config(database_url: str = "", application_url: str | None = None) -> Config:
    config = Config(str(MIGRATIONS / "alembic.ini"))
    config.attributes["database_url"] = database_url
    config.attributes["application_url"] = application_url
    return config


@lru_cache(maxsize=1)
def _head() -> str:
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def upgrade(database_url: str, application_url: str | None = None) -> None:
    """Apply every migration that the database lacks, all of them or none. Of processes that do it at the same time
    one works and the others wait. The role of `application_url`, where it is another one, gets its rights on the
    tables. SettingsError when the database cannot be used, or is ahead of this code."""
    engine = sa.create_engine(database_url, **engine_options(database_url), poolclass=sa.NullPool)
    _reach(engine)
    try:
        command.upgrade(_config(database_url, application_url), "head")
    except CommandError:
        raise _other_version(engine, f"its schema {_revision(engine)} is unknown here") from None
    except SQLAlchemyError as error:
        raise SettingsError(f"The database could not be brought to the present schema: {_words(error)}.") from error


def is_current(engine: sa.Engine) -> bool:
    """Whether the database has the schema that this code needs; False too when it does not answer."""
    try:
        return _revision(engine) == _head()
    except SQLAlchemyError:
        return False


def check(engine: sa.Engine) -> None:
    """SettingsError, in one plain sentence, unless the database answers and has the schema that this code needs."""
    _reach(engine)
    found = _revision(engine)
    if found != _head():
        raise SettingsError(
            f"The database has schema {found or 'none'}, but this version of Piquet needs {_head()}; "
            "`flask --app wsgi db upgrade` brings it there."
        )
    with reading_only(), engine.connect() as connection:
        there = sa.inspect(connection).get_multi_columns()
    columns = {(table, column["name"]) for (_, table), found in there.items() for column in found}
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if (table.name, column.name) not in columns:
                raise _other_version(engine, f"it lacks {table.name}.{column.name}")


def _reach(engine: sa.Engine) -> None:
    try:
        with reading_only(), engine.connect() as connection:
            sa.inspect(connection).has_table("alembic_version")  # on SQLite the first that reads the file
            version = int((connection.dialect.server_version_info or (0,))[0])
    except SQLAlchemyError as error:
        raise SettingsError(f"The database of DATABASE_URL cannot be used: {_words(error)}.") from None
    if engine.dialect.name == "postgresql" and version < OLDEST_POSTGRESQL:
        raise SettingsError(f"Piquet needs PostgreSQL {OLDEST_POSTGRESQL} or newer; DATABASE_URL names {version}.")


def _revision(engine: sa.Engine) -> str | None:
    with reading_only(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _other_version(engine: sa.Engine, why: str) -> SettingsError:
    where = engine.url.database or "database"
    return SettingsError(f"{where} was made by another version of Piquet ({why}); use that one, or another database.")


def _words(error: SQLAlchemyError) -> str:
    """The database's own words in one line; they never hold the password."""
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    return said.strip().partition("\n")[0].rstrip(".")
