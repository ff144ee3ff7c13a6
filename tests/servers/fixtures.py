"""The servers as fixtures; each is started once in a test run, by the first test that asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.drop_box import DropBox, run_drop_box
from tests.servers.postgres import PostgresServer, run_postgres
from tests.servers.requirements import need
from tests.servers.smtp import SmtpServer, run_smtp
from tests.servers.sshd import Sshd, run_sshd
from tests.servers.valkey import run_valkey
from tests.servers.web import Listener, listening


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


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A web server by https, with a certificate that this machine trusts for the test."""
    authority = Authority()
    (tmp_path / "ca.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with listening(authority.issue(), tmp_path) as found:
        yield found
