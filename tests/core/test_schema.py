"""Migrations: up, down, by two at once, and what is said when the schema is not the present one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError
from sqlalchemy.orm import Session

from portal import models  # noqa: F401  every table
from portal.accounts.models import Account
from portal.core import schema
from portal.core.db import engine_options, prepare
from portal.core.errors import SettingsError
from tests.servers.postgres import PostgresServer

UPGRADE = "import sys; from portal.core import schema; schema.upgrade(sys.argv[1])"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def engine(empty: str) -> Iterator[sa.Engine]:
    engine = prepare(sa.create_engine(empty, **engine_options(empty)))
    yield engine
    engine.dispose()


def things(engine: sa.Engine) -> set[str]:
    inspector = sa.inspect(engine)
    return {*inspector.get_table_names(), *inspector.get_view_names()}


def test_the_migrations_make_what_the_models_say(empty: str) -> None:
    schema.upgrade(empty)
    command.check(schema._config(empty))


def test_the_check_of_the_models_sees_a_difference(empty: str, engine: sa.Engine) -> None:
    schema.upgrade(empty)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE station_group ADD COLUMN unknown_here INTEGER"))
    with pytest.raises(CommandError, match="unknown_here"):
        command.check(schema._config(empty))


def test_they_go_down_to_nothing_and_up_again(empty: str, engine: sa.Engine) -> None:
    schema.upgrade(empty)
    there = things(engine)
    command.downgrade(schema._config(empty), "base")
    assert things(engine) == {"alembic_version"}
    schema.upgrade(empty)
    assert things(engine) == there
    assert schema.is_current(engine)


def test_several_may_upgrade_at_the_same_time(empty: str, engine: sa.Engine) -> None:
    command_line = [sys.executable, "-c", UPGRADE, empty]
    running = [subprocess.Popen(command_line, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[1] for process in running] == ["", "", ""]
    schema.check(engine)


def test_an_upgrade_that_was_killed_leaves_nothing_by_halves(empty: str, engine: sa.Engine) -> None:
    killed = UPGRADE.replace("schema.upgrade", "import os; from alembic.op import execute; schema.upgrade")
    slow = f"""
import os, sqlalchemy as sa
@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def _(_connection, _cursor, statement, *_rest):
    if "CREATE VIEW standing" in statement:
        os.kill(os.getpid(), 9)
{killed}"""
    assert subprocess.run([sys.executable, "-c", slow, empty], check=False).returncode == -9
    assert things(engine) - {"alembic_version"} == set()
    schema.upgrade(empty)
    schema.check(engine)


def test_an_upgrade_keeps_what_is_there(empty: str, engine: sa.Engine) -> None:
    schema.upgrade(empty)
    with Session(engine) as session:
        session.add(Account(email="a@piquet.example"))
        session.commit()
    schema.upgrade(empty)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM account")) == 1


def test_an_empty_database_is_not_current(engine: sa.Engine) -> None:
    assert not schema.is_current(engine)
    with pytest.raises(SettingsError, match=r"schema none, but this version of Piquet needs .*db upgrade"):
        schema.check(engine)


def test_a_schema_of_a_newer_version_is_refused(empty: str, engine: sa.Engine) -> None:
    schema.upgrade(empty)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"another version of Piquet \(its schema 9999 is unknown here\)"):
        schema.upgrade(empty)
    assert not schema.is_current(engine)


def test_a_schema_without_one_of_our_columns_is_refused(empty: str, engine: sa.Engine) -> None:
    schema.upgrade(empty)
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE account RENAME COLUMN name TO names"))
    with pytest.raises(SettingsError, match=r"it lacks account\.name"):
        schema.check(engine)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is not a database, but a text that is long enough\n" * 20)
    with pytest.raises(SettingsError, match="cannot be used: file is not a database"):
        schema.upgrade(f"sqlite:///{tmp_path / 'text'}")


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(SettingsError, match=r"cannot be used: .*Connection refused") as refused:
        schema.upgrade("postgresql+psycopg://piquet:open-sesame@127.0.0.1:1/piquet")
    assert "open-sesame" not in str(refused.value)
