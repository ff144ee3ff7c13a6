"""The servers that the other tests rely on."""

import ftplib
import io
import os
import smtplib
import ssl
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import create_engine, text

from tests import install_servers
from tests.install_servers import Program
from tests.servers.ftp import FtpServer, run_ftp
from tests.servers.postgres import PostgresServer
from tests.servers.processes import folder, running
from tests.servers.requirements import need
from tests.servers.smtp import SmtpServer

ABSENT = Program("absentd", ("absentd",), "absent-server", "the tests of absence")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more needed program, which no machine has."""
    for module in ("tests.install_servers", "tests.servers.requirements"):
        monkeypatch.setattr(f"{module}.PROGRAMS", (*install_servers.PROGRAMS, ABSENT))
    monkeypatch.setenv("CI", "")


@pytest.mark.usefixtures("absent")
def test_a_missing_program_skips_with_one_line() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"absentd \(Debian: absent-server\).* out the tests of absence"):
        need("absentd")


@pytest.mark.usefixtures("absent")
def test_a_missing_program_fails_on_the_build_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="absentd"):
        need("absentd")


@pytest.mark.usefixtures("absent")
def test_without_root_the_installer_says_what_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install_servers.main() == 0
    assert capsys.readouterr().out == "Not installed: absent-server. Left out: the tests of absence.\n"


def test_the_installer_is_quick_where_nothing_is_missing() -> None:
    for program in install_servers.PROGRAMS:
        need(program.name)
    script = Path(install_servers.__file__)
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
        times.append(time.monotonic() - started)
        assert done.stdout + done.stderr == ""
    assert min(times) < 0.3


def test_databases_are_copies_of_their_template_and_apart(postgres_server: PostgresServer) -> None:
    with psycopg.connect(psycopg_url(postgres_server.create_database("a_template"))) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    first, second = (create_engine(postgres_server.create_database(template="a_template")) for _ in range(2))
    with first.begin() as connection_to_first:
        connection_to_first.execute(text("INSERT INTO kept VALUES (1)"))
    with second.connect() as connection_to_second:
        assert connection_to_second.scalar(text("SELECT count(*) FROM kept")) == 0
    for engine in (first, second):
        postgres_server.drop_database(engine.url.render_as_string())
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(psycopg_url(first.url.render_as_string()))


def psycopg_url(url: str) -> str:
    return url.replace("+psycopg", "")


def test_the_valkey_server_answers_on_its_socket(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set("a", "1")
        assert client.get("a") == b"1"
        client.flushall()


def test_mail_is_kept_with_its_envelope(smtp_server: SmtpServer) -> None:
    with smtplib.SMTP(smtp_server.host, smtp_server.port) as client:
        content = "Subject: Zähler\r\nTo: a@piquet.example\r\n\r\nGrüezi".encode()
        client.sendmail("portal@piquet.example", ["a@piquet.example", "b@piquet.example"], content)
    (message,) = smtp_server.messages_to("b@piquet.example")
    assert (message["Subject"], message["X-Envelope-From"]) == ("Zähler", "portal@piquet.example")
    smtp_server.clear()
    assert smtp_server.messages() == []


def test_a_server_that_does_not_start_says_why() -> None:
    with folder() as home, pytest.raises(RuntimeError, match="out of order"):  # noqa: SIM117
        with running(["sh", "-c", "echo out of order; exit 1"], home / "log", answers=lambda: False):
            pass


def upload(server: FtpServer) -> str:
    """What the server says to an upload whose data channel begins a TLS session of its own."""
    trusting = ssl.create_default_context(cadata=server.authority)
    with ftplib.FTP_TLS(context=trusting, timeout=10) as client:
        client.connect(server.host, server.port)
        client.login(server.username, server.password)
        client.prot_p()
        try:
            return client.storbinary("STOR x.csv", io.BytesIO(b"x"))
        except ftplib.Error as refused:
            return str(refused)
        except OSError:  # the data channel broke before the answer came
            return client.getmultiline()


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("kind", "refusal", "not_required"),
    [
        ("vsftpd", "522 SSL connection failed: session reuse required", "require_ssl_reuse=NO"),
        ("proftpd", "425 Unable to build data connection", "TLSOptions NoSessionReuseRequired"),
    ],
)
def test_an_upload_that_resumes_no_tls_session_is_refused(kind: str, refusal: str, not_required: str, tls: str) -> None:
    with run_ftp(kind, tls=tls) as server:
        assert upload(server).startswith(refusal)
        assert sum(path.stat().st_size for path in server.root.iterdir()) == 0
    with run_ftp(kind, not_required, tls=tls) as server:
        assert upload(server).startswith("226")
