"""Setting up a destination: address, secret, host key, test, delete."""

import logging
from collections.abc import Callable
from io import BytesIO

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.accounts.models import Account
from portal.core.audit import AuditEntry
from portal.core.vault import Vault
from portal.delivery.models import Destination
from portal.delivery.sending import place
from portal.exports.models import ExportTask
from portal.transports import UNREACHABLE
from portal.transports.ssh_keys import generate_key_pair
from tests import world
from tests.exports.scene import START, add_formatter
from tests.servers.sshd import Sshd

FORM = {
    "name": "Utility",
    "protocol": "sftp",
    "host": "sftp.company.example",
    "port": "22",
    "username": "piquet",
    "login": "password",
    "certificate_check": "system",
    "writing": "hidden",
}
LOCKED = Ed25519PrivateKey.generate().private_bytes(
    Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"open sesame")
)
PATHS = ("", "/edit", "/log-in", "/host-key", "/test", "/delete")


def _only(session: Session) -> Destination:
    session.rollback()
    session.expire_all()
    row = session.scalars(sa.select(Destination)).one()
    session.commit()  # no transaction of the test stands in the way of the next request
    return row


def _url(row: Destination, path: str = "") -> str:
    return f"/exports/destinations/{row.id}{path}"


def _add_task(session: Session, destination: Destination, owner: Account) -> ExportTask:
    task = ExportTask(
        owner_id=owner.id,
        name="Monthly",
        scope="charging_points",
        user_id=owner.id,
        station_group_id=world.station_group(session, owner).id,
        formatter_id=add_formatter(session, owner).id,
        destination_id=destination.id,
        interval="daily",
        starts_on=START,
    )
    session.add(task)
    session.flush()
    return task


def test_an_empty_list_says_what_to_do_first(browser: FlaskClient) -> None:
    page = browser.get("/exports/destinations")
    assert page.status_code == 200
    assert "/exports/destinations/new" in page.text


def test_it_is_created_and_leads_to_the_secret(session: Session, browser: FlaskClient) -> None:
    answer = browser.post("/exports/destinations/new", data=FORM)
    row = _only(session)
    assert answer.location == _url(row, "/log-in")
    assert (row.host, row.sealed_secret, row.host_key_fingerprint) == ("sftp.company.example", None, None)
    assert "Utility" in browser.get("/exports/destinations").text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("host", "169.254.169.254", UNREACHABLE),
        ("host", "10.0.0.7", UNREACHABLE),
        ("host", "sftp://company.example", "without sftp://"),
        ("port", "6379", "Only these ports are allowed"),
        ("directory", "../other", "may not hold"),
        ("name", " ", "must be filled in"),
        ("username", "", "must be filled in"),
    ],
)
def test_bad_input_stands_at_its_field_and_nothing_is_lost(
    session: Session, browser: FlaskClient, field: str, value: str, words: str
) -> None:
    answer = browser.post("/exports/destinations/new", data=FORM | {field: value})
    assert answer.status_code == 422
    assert words in answer.text.replace("&#39;", "'")
    assert f'id="{field}-error"' in answer.text
    assert 'value="piquet"' in answer.text or field == "username"
    assert session.scalar(sa.select(sa.func.count(Destination.id))) == 0


def test_a_name_is_used_once(browser: FlaskClient, destination: Destination, session: Session) -> None:
    session.commit()
    assert browser.post("/exports/destinations/new", data=FORM | {"name": destination.name}).status_code == 422


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_finds_nothing(
    session: Session, destination: Destination, logged_in: Callable[[Account], FlaskClient], path: str
) -> None:
    stranger = logged_in(world.account(session, "stranger@demo.example"))
    assert stranger.get(_url(destination, path)).status_code == 404


@pytest.mark.parametrize("path", ["/edit", "/log-in", "/key", "/host-key", "/test", "/delete"])
def test_a_stranger_changes_nothing(
    session: Session, destination: Destination, logged_in: Callable[[Account], FlaskClient], path: str
) -> None:
    stranger = logged_in(world.account(session, "stranger@demo.example"))
    assert stranger.post(_url(destination, path), data=FORM).status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_no_page_shows_a_secret(
    session: Session, destination: Destination, browser: FlaskClient, sshd: Sshd, path: str
) -> None:
    session.commit()
    page = browser.get(_url(destination, path))
    assert page.status_code == 200
    assert "PRIVATE KEY" not in page.text
    assert sshd.private_key.splitlines()[1] not in page.text


def test_another_port_drops_the_confirmed_host_key(
    session: Session, destination: Destination, browser: FlaskClient
) -> None:
    session.commit()
    browser.post(_url(destination, "/edit"), data=FORM | {"host": "127.0.0.1", "port": "2222", "login": "key"})
    row = _only(session)
    assert (row.port, row.host_key_fingerprint, row.host_key_type) == (2222, None, None)
    assert row.sealed_secret is not None


@pytest.mark.parametrize(("host", "kept"), [("sftp.elsewhere.example", False), ("127.0.0.1", True)])
def test_a_password_goes_to_no_other_server_than_its_own(
    session: Session, vault: Vault, destination: Destination, browser: FlaskClient, sshd: Sshd, host: str, kept: bool
) -> None:
    destination.login = "password"
    destination.sealed_secret = vault.seal(place(destination), "secret")
    session.commit()
    browser.post(_url(destination, "/edit"), data=FORM | {"host": host, "port": str(sshd.port)})
    assert _only(session).host == host
    assert (_only(session).sealed_secret is not None) is kept


def test_another_directory_keeps_it(
    session: Session, destination: Destination, browser: FlaskClient, sshd: Sshd
) -> None:
    session.commit()
    data = FORM | {"host": "127.0.0.1", "port": str(sshd.port), "login": "key", "directory": "in/box"}
    browser.post(_url(destination, "/edit"), data=data)
    row = _only(session)
    assert row.directory == "in/box"
    assert row.host_key_fingerprint is not None


def test_another_way_to_log_in_drops_the_secret(
    session: Session, destination: Destination, browser: FlaskClient, sshd: Sshd
) -> None:
    session.commit()
    browser.post(_url(destination, "/edit"), data=FORM | {"host": "127.0.0.1", "port": str(sshd.port)})
    assert _only(session).sealed_secret is None


def test_a_password_is_sealed_in_its_place(
    session: Session, destination: Destination, browser: FlaskClient, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    destination.login = "password"
    session.commit()
    caplog.set_level(logging.DEBUG)
    answer = browser.post(_url(destination, "/log-in"), data={"password": "s3cr et"})
    row = _only(session)
    assert row.sealed_secret is not None
    assert vault.open(place(row), row.sealed_secret) == "s3cr et"
    assert b"s3cr et" not in row.sealed_secret
    assert "s3cr et" not in answer.text + caplog.text + str(session.scalars(sa.select(AuditEntry.detail)).all())


def test_a_key_is_made_and_its_public_part_shown(
    session: Session, destination: Destination, browser: FlaskClient, vault: Vault
) -> None:
    session.commit()
    browser.post(_url(destination, "/key"))
    row = _only(session)
    assert row.public_key.startswith("ssh-ed25519 ")
    assert "PRIVATE KEY" in vault.open(place(row), row.sealed_secret or b"")
    assert row.public_key in browser.get(_url(row, "/log-in")).text


def test_an_uploaded_key_is_kept_without_being_sent_back(
    session: Session, destination: Destination, browser: FlaskClient, vault: Vault
) -> None:
    session.commit()
    pair = generate_key_pair("mine")
    browser.post(_url(destination, "/log-in"), data={"private_key": pair.private})
    row = _only(session)
    assert row.public_key.split()[1] == pair.public.split()[1]
    damaged = pair.private.replace("\n", "\nAAAA", 1)
    answer = browser.post(_url(row, "/log-in"), data={"private_key": damaged})
    assert answer.status_code == 422
    assert damaged.splitlines()[2] not in answer.text


def _send(browser: FlaskClient, row: Destination, data: bytes, **fields: str) -> TestResponse:
    return browser.post(_url(row, "/log-in"), data={"key_file": (BytesIO(data), "id_ed25519"), **fields})


def test_the_file_of_a_key_is_uploaded_with_its_passphrase(
    session: Session, destination: Destination, browser: FlaskClient, vault: Vault
) -> None:
    session.commit()
    key, lock = Ed25519PrivateKey.generate(), BestAvailableEncryption(b"open sesame")
    answer = _send(
        browser, destination, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock), passphrase="open sesame"
    )
    row = _only(session)
    assert answer.status_code == 302
    assert row.public_key == key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert "open sesame" not in vault.open(place(row), row.sealed_secret or b"")


@pytest.mark.parametrize(
    ("data", "fields", "field", "says"),
    [
        (b"", {}, "key_file", "Choose the file of the key, or paste the key below."),
        (b"x" * 3_000_000, {}, "key_file", "larger than a key can be (20 kB)"),
        (b"\x00\x01\x02", {}, "key_file", "This is not a private key file"),
        (b"ssh-ed25519 AAAA me", {}, "key_file", "This is the public part of a key"),
        (LOCKED, {}, "passphrase", "The key is encrypted: enter its passphrase."),
        (LOCKED, {"passphrase": "wrong"}, "passphrase", "The passphrase does not open this key."),
        (LOCKED, {"private_key": "x"}, "private_key", "Choose a file or paste the key, not both."),
    ],
)
def test_what_is_no_key_is_refused_at_its_field_and_the_present_key_stays(
    session: Session, destination: Destination, browser: FlaskClient, data: bytes, fields: dict[str, str], field: str,
    says: str,
) -> None:  # fmt: skip
    before, url = destination.sealed_secret, _url(destination, "/log-in")
    session.commit()
    file = {"key_file": (BytesIO(data), "id_ed25519")} if data else {}
    answer = browser.post(url, data={**file, **fields})
    assert answer.status_code == 422
    assert says in answer.text.split(f'id="{field}-error"')[1].split("</div>")[0]
    assert _only(session).sealed_secret == before
    assert LOCKED.splitlines()[1].decode() not in answer.text


def test_the_shown_host_key_is_confirmed(
    session: Session, destination: Destination, browser: FlaskClient, sshd: Sshd
) -> None:
    destination.host_key_type = destination.host_key_fingerprint = None
    session.commit()
    page = browser.get(_url(destination, "/host-key"))
    shown = next(kind for kind, print_ in sshd.fingerprints.items() if print_ in page.text)
    answer = browser.post(_url(destination, "/host-key"), data={"type": shown, "fingerprint": sshd.fingerprints[shown]})
    assert answer.location == _url(destination, "/test")
    row = _only(session)
    assert (row.host_key_type, row.host_key_fingerprint) == (shown, sshd.fingerprints[shown])
    assert row.host_key_confirmed_by_id == row.owner_id


@pytest.mark.parametrize("data", [{}, {"type": "ssh-ed25519", "fingerprint": "SHA256:" + "A" * 43}])
def test_another_key_than_the_shown_one_is_not_confirmed(
    session: Session, destination: Destination, browser: FlaskClient, data: dict[str, str]
) -> None:
    destination.host_key_type = destination.host_key_fingerprint = None
    session.commit()
    assert browser.post(_url(destination, "/host-key"), data=data).status_code == 422
    assert _only(session).host_key_fingerprint is None


def test_a_server_that_is_not_allowed_is_told_of_in_one_sentence(
    session: Session, destination: Destination, browser: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    destination.host = "192.168.7.7"
    session.commit()
    page = browser.get(_url(destination, "/host-key"))
    assert UNREACHABLE in page.text
    assert "not allowed here" in page.text
    assert "192.168.7.7, which is not allowed" in caplog.text


def test_every_step_of_the_test_is_shown(session: Session, destination: Destination, browser: FlaskClient) -> None:
    session.commit()
    page = browser.post(_url(destination, "/test"))
    assert page.status_code == 200
    assert "Everything works" in page.text
    row = _only(session)
    assert [step["name"] for step in row.test_steps][-1] == "delete"
    assert all(step["ok"] for step in row.test_steps)
    assert row.tested_at is not None


def test_asked_by_htmx_it_answers_with_the_steps_alone(
    session: Session, destination: Destination, browser: FlaskClient
) -> None:
    session.commit()
    page = browser.post(_url(destination, "/test"), headers={"HX-Request": "true"})
    assert "<html" not in page.text
    assert 'id="test-result"' in page.text


def test_a_failed_step_says_what_the_server_said(
    session: Session, destination: Destination, browser: FlaskClient
) -> None:
    destination.directory = "nowhere"
    session.commit()
    page = browser.post(_url(destination, "/test"))
    assert "nowhere" in page.text
    assert _url(destination, "/edit") in page.text
    assert _only(session).test_steps[-1]["ok"] is False


def test_a_refused_log_in_leads_to_the_secret_and_to_the_user_name(
    session: Session, destination: Destination, browser: FlaskClient
) -> None:
    session.commit()
    browser.post(_url(destination, "/key"))
    result = browser.post(_url(destination, "/test"), headers={"HX-Request": "true"}).text
    assert f'href="{_url(destination, "/log-in")}"' in result
    assert f'href="{_url(destination, "/edit")}"' in result


def test_a_passed_test_leads_on_to_the_tasks_of_its_owner(
    session: Session, destination: Destination, browser: FlaskClient, owner: Account
) -> None:
    session.commit()
    assert 'href="/exports"' in browser.post(_url(destination, "/test")).text.partition("Everything works")[2]
    own = _add_task(session, destination, owner)
    borrowers = _add_task(session, destination, world.account(session, "borrower@demo.example"))
    session.commit()
    page = browser.post(_url(destination, "/test")).text
    assert f'<a href="/exports/tasks/{own.id}">Monthly</a>' in page
    assert f"/exports/tasks/{borrowers.id}" not in page


def test_another_secret_is_tested_next(session: Session, destination: Destination, browser: FlaskClient) -> None:
    destination.login = "password"
    session.commit()
    answer = browser.post(_url(destination, "/log-in"), data={"password": "secret"})
    assert answer.location == _url(destination, "/test")


def test_an_unused_destination_is_deleted(session: Session, destination: Destination, browser: FlaskClient) -> None:
    session.commit()
    assert "gone for good" in browser.get(_url(destination, "/delete")).text
    assert browser.post(_url(destination, "/delete")).location == "/exports/destinations"
    assert session.scalar(sa.select(sa.func.count(Destination.id))) == 0


def test_a_used_one_is_kept_and_says_by_what(
    session: Session, destination: Destination, browser: FlaskClient, owner: Account
) -> None:
    _add_task(session, destination, owner)
    session.commit()
    assert "Monthly" in browser.get(_url(destination, "/delete")).text
    browser.post(_url(destination, "/delete"))
    assert _only(session).id == destination.id


def test_the_anonymous_are_sent_to_log_in(client: FlaskClient) -> None:
    assert client.get("/exports/destinations").status_code == 302


def test_the_servers_words_stand_at_every_step_that_went_well_and_hold_no_markup(
    session: Session, destination: Destination, browser: FlaskClient, sshd: Sshd
) -> None:
    (sshd.root / "<b>bold.xml").write_text("")
    session.commit()
    page = browser.post(_url(destination, "/test"))
    assert "SSH-2.0-OpenSSH" in page.text
    assert "It holds: &lt;b&gt;bold.xml" in page.text
    assert _only(session).test_steps[1]["said"][0].startswith("SSH-2.0-OpenSSH")
