"""The application on a real database, for every test: each is run on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts import passwords
from portal.accounts.models import Account
from portal.app import create_app
from portal.core import config, schema
from portal.core.db import session_factory
from portal.core.web import limiter
from tests.world import PASSWORD

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

pytest_plugins = (
    ["tests.servers.fixtures"] if Path(__file__).with_name("servers").joinpath("fixtures.py").exists() else []
)

passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # the real one costs 50 ms a log-in
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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with the present schema."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "piquet.db")
        yield f"sqlite:///{tmp_path / 'piquet.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database(template=request.getfixturevalue("postgres_template"))
    yield url
    server.drop_database(url)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> config.Settings:
    """Settings on that database, without a queue: what rings is tested where a queue is started."""
    environ = ENVIRONMENT | {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path)}
    return config.from_environment(environ)


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A plain session, as jobs have it."""
    sessions = session_factory(database_url)
    with sessions() as opened:
        yield opened
    sessions.kw["bind"].dispose()


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=True)
    limiter.enabled = False
    yield app
    with app.app_context():
        from portal.core.db import db

        db.engine.dispose()


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
