"""Destinations over FTPS: set up, look at the certificate, test; and what may be entered."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination
from portal.delivery.sending import place
from portal.transports import UNREACHABLE
from tests.servers.certificates import self_signed
from tests.servers.ftp import AUTHORITY, FtpServer, run_ftp

FORM = {
    "name": "Utility",
    "protocol": "ftps_explicit",
    "host": "ftp.company.example",
    "port": "",
    "username": "piquet",
    "login": "key",  # hidden there, and not counted
    "certificate_check": "system",
    "writing": "hidden",
}


@pytest.fixture(scope="module")
def server() -> Iterator[FtpServer]:
    with run_ftp("vsftpd", certificate=self_signed()) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, server: FtpServer) -> Settings:
    return replace(settings, delivery_allowed_ports=(21, 22, 990, server.port))


@pytest.fixture
def row(session: Session, vault: Vault, server: FtpServer, owner: Account) -> Destination:
    """Complete but for the certificate, which is to be confirmed."""
    row = Destination(
        owner_id=owner.id,
        name="Utility",
        protocol="ftps_explicit",
        host=server.host,
        port=server.port,
        username=server.username,
        login="password",
        certificate_check="pin",
    )
    session.add(row)
    session.flush()
    row.sealed_secret = vault.seal(place(row), server.password)
    session.commit()
    return row


def url(row: Destination, path: str = "") -> str:
    return f"/exports/destinations/{row.id}{path}"


def only(session: Session) -> Destination:
    session.rollback()
    session.expire_all()
    row = session.scalars(sa.select(Destination)).one()
    session.commit()
    return row


@pytest.mark.parametrize(("protocol", "port"), [("sftp", 22), ("ftps_explicit", 21), ("ftps_implicit", 990)])
def test_an_empty_port_is_the_usual_one(session: Session, browser: FlaskClient, protocol: str, port: int) -> None:
    browser.post("/exports/destinations/new", data=FORM | {"protocol": protocol, "login": "password"})
    assert (only(session).protocol, only(session).port, only(session).login) == (protocol, port, "password")


@pytest.mark.parametrize(
    ("fields", "at", "words"),
    [
        ({"certificate_check": "own_ca"}, "own_ca", "no certificates in PEM"),
        ({"certificate_check": "own_ca", "own_ca": self_signed().pem}, "own_ca", "private key"),
        ({"host": "127.0.0.1.", "port": "990"}, "", ""),
        ({"host": "::ffff:10.0.0.1"}, "host", UNREACHABLE),
        ({"host": "169.254.169.254"}, "host", UNREACHABLE),
        ({"port": "25"}, "port", "Only these ports"),
        ({"directory": "in/{hour}"}, "directory", "only {year}"),
        ({"directory": "in/{year"}, "directory", "only {year}"),
        ({"directory": "in/{year!r:>99}"}, "directory", "only {year}"),
        ({"writing": "directory"}, "temporary_directory", "another directory"),
        ({"writing": "directory", "directory": "a", "temporary_directory": "a/"}, "temporary_directory", "another"),
        ({"done_suffix": "/../x"}, "done_suffix", "such as .done"),
        ({"username": "a\nDELE x"}, "username", "must be filled in"),
    ],
)
def test_bad_input_stands_at_its_field(
    session: Session, browser: FlaskClient, fields: dict[str, str], at: str, words: str
) -> None:
    answer = browser.post("/exports/destinations/new", data=FORM | fields)
    if not at:
        assert answer.status_code == 302  # the tests allow loopback
        return
    assert answer.status_code == 422
    assert f'id="{at}-error"' in answer.text
    assert words in answer.text.replace("&#39;", "'")


def test_an_own_authority_is_kept_as_certificates_alone(session: Session, browser: FlaskClient) -> None:
    browser.post(
        "/exports/destinations/new",
        data=FORM | {"certificate_check": "own_ca", "own_ca": f"Our CA\n{AUTHORITY.pem}\nthanks"},
    )
    assert only(session).own_ca == AUTHORITY.pem


def test_the_shown_certificate_is_confirmed_and_the_test_passes(
    session: Session, row: Destination, browser: FlaskClient, server: FtpServer
) -> None:
    page = browser.get(url(row, "/host-key"))
    assert server.certificate.fingerprint in page.text
    answer = browser.post(url(row, "/host-key"), data={"type": "", "fingerprint": server.certificate.fingerprint})
    assert answer.location == url(row, "/test")
    kept = only(session)
    assert (kept.certificate_fingerprint, kept.certificate_check) == (server.certificate.fingerprint, "pin")
    assert kept.certificate_confirmed_by_id == kept.owner_id
    assert "Everything works" in browser.post(url(row, "/test")).text
    assert [step["name"] for step in only(session).test_steps][2] == "certificate"
    assert not list(server.root.iterdir())


def test_another_certificate_than_the_shown_one_is_not_confirmed(
    session: Session, row: Destination, browser: FlaskClient
) -> None:
    answer = browser.post(url(row, "/host-key"), data={"type": "", "fingerprint": "AB:" * 31 + "AB"})
    assert answer.status_code == 422
    assert only(session).certificate_fingerprint is None


def test_a_changed_certificate_alarms_and_shows_both_until_one_is_confirmed(
    session: Session, row: Destination, browser: FlaskClient, server: FtpServer
) -> None:
    confirmed, shown = "AB:" * 31 + "AB", server.certificate.fingerprint
    row.certificate_fingerprint = confirmed
    session.commit()
    browser.post(url(row, "/test"))
    assert only(session).changed_to == shown
    for path in ("", "/host-key"):
        page = browser.get(url(row, path)).text
        assert confirmed in page
        assert shown in page
        assert "Nothing is sent" in page
    assert "Changed" in browser.get("/exports/destinations").text
    actions = session.scalars(sa.select(AuditEntry.action)).all()
    assert "destination.peer_changed" in actions
    session.commit()
    browser.post(url(row, "/host-key"), data={"type": "", "fingerprint": shown})
    assert only(session).changed_to is None


def test_a_self_signed_certificate_does_not_pass_the_usual_authorities(
    session: Session, row: Destination, browser: FlaskClient
) -> None:
    row.certificate_check = "system"
    session.commit()
    page = browser.post(url(row, "/test")).text
    assert "The certificate of the server does not pass: self-signed certificate" in page
    assert only(session).test_steps[-1]["name"] == "certificate"


@pytest.mark.parametrize(
    "changes",
    [{"protocol": "sftp"}, {"host": "ftp.elsewhere.example"}, {"port": "990"}, {"certificate_check": "system"}],
)
def test_a_password_goes_to_no_other_server_and_to_none_trusted_otherwise(
    session: Session, row: Destination, browser: FlaskClient, server: FtpServer, changes: dict[str, str]
) -> None:
    same = FORM | {"host": server.host, "port": str(server.port), "certificate_check": "pin", "login": "password"}
    browser.post(url(row, "/edit"), data=same | {"directory": "in"})
    assert only(session).sealed_secret is not None
    assert browser.post(url(row, "/edit"), data=same | changes).status_code == 302
    assert only(session).sealed_secret is None


@pytest.mark.parametrize("path", ["", "/edit", "/log-in", "/host-key", "/test", "/delete"])
def test_no_page_shows_the_password(
    row: Destination, browser: FlaskClient, server: FtpServer, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    caplog.set_level(0)
    assert server.password not in browser.get(url(row, path)).text + caplog.text


def test_a_wrong_password_is_told_without_it(
    session: Session, vault: Vault, row: Destination, browser: FlaskClient, server: FtpServer,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(0)
    row.certificate_fingerprint = server.certificate.fingerprint
    row.sealed_secret = vault.seal(place(row), "not-the-pass-word")
    session.commit()
    page = browser.post(url(row, "/test")).text
    assert "refused the user name" in page
    assert "not-the-pass-word" not in page + caplog.text + str(only(session).test_steps)
