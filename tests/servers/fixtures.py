"""The servers as fixtures; each is started once in a test run, by the first test that asks for it."""

from collections.abc import Iterator

import pytest

from tests.servers.drop_box import DropBox, run_drop_box
from tests.servers.postgres import PostgresServer, run_postgres
from tests.servers.requirements import need
from tests.servers.smtp import SmtpServer, run_smtp
from tests.servers.sshd import Sshd, run_sshd
from tests.servers.valkey import run_valkey


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """OpenSSH with an ed25519, an ECDSA and an RSA host key."""
    with run_sshd() as server:
        yield server


@pytest.fixture(scope="session")
def drop_box() -> Iterator[DropBox]:
    with run_drop_box() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with run_valkey() as url:
        yield url


@pytest.fixture(scope="session")
def smtp_server() -> Iterator[SmtpServer]:
    with run_smtp() as server:
        yield server


@pytest.fixture(scope="session")
def chromium_path() -> str:
    return need("chromium")
