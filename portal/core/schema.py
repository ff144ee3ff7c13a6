"""Bringing a database to the present schema, and asking whether it is there."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def _config(database_url: str = "") -> Config:
    config = Config(str(MIGRATIONS / "alembic.ini"))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str) -> None:
    """Apply every migration that the database lacks; each is one transaction."""
    command.upgrade(_config(database_url), "head")


def is_current(engine: Engine) -> bool:
    """Whether the database has the schema that this code needs."""
    try:
        with engine.connect() as connection:
            found = connection.scalar(sql("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError:
        return False
    return bool(found == ScriptDirectory.from_config(_config()).get_current_head())
