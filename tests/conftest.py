"""The application on a real database, for every test: SQLite and PostgreSQL."""

import functools
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts import passwords
from portal.accounts.models import Account
from portal.app import create_app
from portal.core import background, config, schema
from portal.core.db import db, session_factory, set_reading
from portal.core.vault import Vault
from portal.core.web import limiter
from portal.models import Base
from tests.world import PASSWORD

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

pytest_plugins = ["tests.servers.fixtures"]

passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the real one costs 50 ms a log-in
NOBODY, passwords._NOBODY = passwords._NOBODY, passwords.hasher.hash("nobody")  # and as much for unknown addresses
# The files that take longest, each a minute or more: begun first, so that no process is left alone with one at the end.
LONGEST = ("browser/test_pages", "core/test_authz_random", "exports/test_crashes", "browser/", "test_one_filter",
           "workers/test_supervisor", "demo/", "test_matrix", "core/test_mutations")  # fmt: skip
ENGINES = ("sqlite", "postgresql")
ON_BOTH = ("core", "sharing")  # folders whose pages are asked on both engines, in the short form as well
ENVIRONMENT = {
    "SECRET_KEY": "a secret key that is only good for tests",
    "VAULT_KEYS": "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
    "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    "PUBLIC_URL": "http://piquet.example",
}


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite database to copy."""
    path = tmp_path_factory.mktemp("template") / "piquet.db"
    schema.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_server: "PostgresServer") -> str:
    """The name of a migrated, empty PostgreSQL database to copy."""
    schema.upgrade(postgres_server.create_database("piquet_template"))
    return "piquet_template"


@pytest.fixture
def two_roles(postgres_server: "PostgresServer") -> tuple[str, str]:
    """(as the owner of the schema, as the application) of one database, migrated as the operator would do it."""
    superuser = postgres_server.create_database()
    name = superuser.rpartition("/")[2]
    with psycopg.connect(superuser.replace("+psycopg", ""), autocommit=True) as connection:
        for role in ("schema_owner", "application"):
            connection.execute(f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        connection.execute(f"ALTER DATABASE {name} OWNER TO schema_owner")
    owner, application = (superuser.replace("postgres@", f"{role}@") for role in ("schema_owner", "application"))
    schema.upgrade(owner, application)
    return owner, application


@pytest.fixture(scope="session")
def postgres_url(postgres_server: "PostgresServer", postgres_template: str) -> str:
    """A database for one test after the other: emptying it takes a tenth of the time that a copy takes."""
    return postgres_server.create_database(template=postgres_template)


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database with the present schema: the same one for every test of a process."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        path = template.with_name("present.db")
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        shutil.copy(template, path)
        yield f"sqlite:///{path}"
        return
    url = request.getfixturevalue("postgres_url")
    yield url
    _empty(url)


TABLES = Base.metadata.sorted_tables
# Nobody sweeps up behind deleted rows: a test reads past those of all tests before it. Of a table that has grown the
# file goes, which for many small ones takes longer than to delete their rows.
MOST_BYTES = 4_000_000
LARGE = sa.text("SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'i', 't') AND pg_relation_size(oid) > :bytes")


@functools.cache
def _emptier(url: str) -> sa.Engine:
    """With a connection of its own for all tests: a new one would read the catalogue of all tables first."""
    return sa.create_engine(url, pool_size=1)


def _empty(url: str) -> None:
    """Remove every row, also behind a transaction that a test forgot to end, and count ids from one again."""
    with _emptier(url).begin() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(sa.text(f"{others} AND pid <> pg_backend_pid() AND state <> 'idle'"))
        filled = sa.select(*(sa.exists(sa.select(1).select_from(table)).label(table.name) for table in TABLES))
        row = connection.execute(filled).one()._mapping
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))  # no look at foreign keys
        for table in TABLES:
            if row[table.name]:
                connection.execute(sa.delete(table))
        if connection.scalar(LARGE, {"bytes": MOST_BYTES}):
            connection.execute(sa.text(f"TRUNCATE {', '.join(table.name for table in TABLES)}"))
        connection.execute(sa.text("SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"))


@pytest.fixture(autouse=True)
def _writes_unless_it_says_otherwise() -> Iterator[None]:
    """A GET by a test's own client says "this only reads" for the thread, which is the test's own as well."""
    yield
    set_reading(False)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> config.Settings:
    """Settings on that database, without a queue: what rings is tested where a queue is started."""
    environ = ENVIRONMENT | {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path)}
    return config.from_environment(environ)


@functools.cache
def _sessions(url: str) -> sessionmaker[Session]:
    """One engine for all tests of a process: it remembers the statements that it has compiled."""
    return session_factory(url)


@pytest.fixture
def sessions(database_url: str) -> Iterator[sessionmaker[Session]]:
    """Sessions as jobs have them."""
    made = _sessions(database_url)
    yield made
    _leave(made.kw["bind"])


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One of them."""
    with sessions() as opened:
        yield opened


def _leave(engine: sa.Engine) -> None:
    """After a test: connections to PostgreSQL serve the next one as well; a new file of SQLite needs new ones."""
    if engine.dialect.name == "sqlite":
        engine.dispose()


@pytest.fixture(scope="session")
def put_together(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The application with its addresses and templates, on a database of its own: to put it together costs more than
    most tests."""
    return create_app(config.from_environment(ENVIRONMENT | {"DATA_DIR": str(tmp_path_factory.mktemp("app"))}))


@functools.cache
def _engine(url: str) -> sa.Engine:
    """The application's engine; apart from the tests' own, as it is apart from that of jobs."""
    engine: sa.Engine = session_factory(url).kw["bind"]
    return engine


@pytest.fixture
def app(settings: config.Settings, put_together: Flask) -> Iterator[Flask]:
    """The application with these settings, which a test may change; the next one finds it as it was."""
    app, url, kept = put_together, settings.database_url, dict(put_together.config)
    app.config.update(SQLALCHEMY_DATABASE_URI=url, TESTING=True, WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=True)
    app.extensions |= {"settings": settings, "vault": Vault(settings.vault_keys)}
    db._app_engines[app] = {None: _engine(url)}
    background.connect(settings.redis_url)
    limiter.enabled = False
    yield app
    app.config.clear()
    app.config.update(kept)
    _leave(_engine(url))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser of nobody."""
    return app.test_client()


@pytest.fixture
def logged_in(app: Flask, session: Session) -> Callable[[Account], FlaskClient]:
    """A function: an account → a browser in which it is logged in. Commits what the test has added so far."""

    def log_in(account: Account) -> FlaskClient:
        session.commit()
        browser = app.test_client()
        answer = browser.post("/log-in", data={"email": account.email, "password": PASSWORD})
        assert answer.status_code == 302, answer.text
        return browser

    return log_in


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts and bytes by their argument's name: a key or a packed file differs from run to run, and the processes
    that share a test run must agree on every test's name."""
    return argname if isinstance(val, str | bytes) and len(val) > 30 else None


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(LONGEST) if item.nodeid.startswith(f"tests/{name}")), len(LONGEST))

    items.sort(key=place)
    names = {item.nodeid for item in items}
    for item in items:
        if item.get_closest_marker("either_engine") or _is_a_page(item):
            engine = next((one for one in ENGINES if one in item.nodeid), "")
            both = [item.nodeid.replace(engine, one) for one in ENGINES] if engine else [item.nodeid]
            if names.issuperset(both) and item.nodeid != both[zlib.crc32(both[0].encode()) % len(both)]:
                item.add_marker(pytest.mark.deep)


def _is_a_page(item: pytest.Item) -> bool:
    """Pages are asked on one engine in the short form, as a test's name decides, and on the other in the long form, as
    are tests marked so. Rules, jobs, SQL and what authorisations rest on are on both always."""
    return isinstance(item, pytest.Function) and "app" in item.fixturenames and item.path.parent.name not in ON_BOTH
