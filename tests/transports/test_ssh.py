"""Whom a connection trusts, and when it sends a secret."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import paramiko
import pytest

from portal.transports import DeliveryError, PeerChangedError
from portal.transports.sftp import SftpTarget, connect, fetch_host_key, generate_key_pair
from tests.servers.drop_box import DropBox
from tests.servers.sshd import Sshd, run_sshd
from tests.transports.targets import on_drop_box, on_sshd, reach_of

OTHER = "SHA256:" + "A" * 43


def stopped(target: SftpTarget) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed, connect(target):
        pass
    return failed.value


@pytest.fixture(scope="module")
def talkative() -> Iterator[Sshd]:
    """A server whose log tells what it was sent before a login."""
    with run_sshd(settings="LogLevel DEBUG3") as server:
        yield server


def was_asked_for_a_login(server: Sshd) -> bool:
    time.sleep(0.2)  # the log is written by another process
    return "userauth-request" in server.log.read_text()


def test_a_wrong_host_key_stops_before_anything_is_sent(talkative: Sshd) -> None:
    error = stopped(on_sshd(talkative, host_key_fingerprint=OTHER))
    assert isinstance(error, PeerChangedError)
    assert (error.step, error.permanent) == ("host_key", True)
    assert (error.pinned, error.seen) == (OTHER, talkative.fingerprints["ssh-ed25519"])
    assert not was_asked_for_a_login(talkative)


@pytest.mark.parametrize("missing", ["host_key_fingerprint", "host_key_type"])
def test_without_a_confirmed_host_key_nothing_is_sent(talkative: Sshd, missing: str) -> None:
    pin = {"host_key_type": "ssh-ed25519", "host_key_fingerprint": talkative.fingerprints["ssh-ed25519"]}
    error = stopped(on_sshd(talkative, **(pin | {missing: None})))
    assert (error.step, error.permanent, type(error)) == ("host_key", True, DeliveryError)
    assert talkative.fingerprints["ssh-ed25519"] in error.message
    assert not was_asked_for_a_login(talkative)


def test_the_log_would_show_a_login(talkative: Sshd) -> None:
    with connect(on_sshd(talkative)):
        assert was_asked_for_a_login(talkative)


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_it_asks_for_the_type_of_key_that_is_confirmed(sshd: Sshd, kind: str) -> None:
    with connect(on_sshd(sshd, host_key_type=kind)) as session:
        assert session.size("nothing") is None


def test_a_type_of_key_that_is_no_longer_offered_is_a_changed_key() -> None:
    with run_sshd(key_types=("ssh-rsa",)) as server:
        error = stopped(on_sshd(server, host_key_fingerprint=OTHER))
    assert isinstance(error, PeerChangedError)
    assert (error.pinned, error.seen, error.permanent) == (OTHER, None, True)


def test_an_unknown_type_of_key_is_permanent(sshd: Sshd) -> None:
    error = stopped(on_sshd(sshd, host_key_type="ssh-dss", host_key_fingerprint=OTHER))
    assert (error.step, error.permanent) == ("host_key", True)


def test_the_host_key_is_shown_without_a_login(sshd: Sshd) -> None:
    target = on_sshd(sshd, private_key=None, host_key_type="ssh-rsa", host_key_fingerprint=OTHER)
    key = fetch_host_key(target)
    assert (key.type, key.fingerprint) == ("ssh-ed25519", sshd.fingerprints["ssh-ed25519"])
    assert re.fullmatch(rf"\[127\.0\.0\.1\]:{sshd.port} ssh-ed25519 AAAA\S+", key.line)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"private_key": generate_key_pair("another").private}, "refused the user name"),
        ({"username": "nobody-of-that-name"}, "refused the user name"),
        ({"private_key": None, "password": "secret"}, "it takes: publickey"),
        ({"private_key": None}, "neither a password nor a private key"),
        ({"private_key": "not a key"}, "not a private key file"),
    ],
)
def test_a_refused_login_is_permanent(sshd: Sshd, changes: dict[str, str | None], words: str) -> None:
    error = stopped(on_sshd(sshd, **changes))
    assert (error.step, error.permanent, error.private) == ("login", True, False)
    assert words in error.message


def test_a_wrong_password_is_permanent(drop_box: DropBox) -> None:
    error = stopped(on_drop_box(drop_box, password="wrong"))
    assert (error.step, error.permanent) == ("login", True)


def test_a_connection_that_is_cut_behind_the_servers_yes_is_no_refusal(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused login pauses a task at once; a cut must not."""
    agreed = paramiko.Transport.auth_publickey

    def cut(self: paramiko.Transport, *arguments: object) -> list[str]:
        answer = agreed(self, *arguments)  # type: ignore[arg-type]
        self.sock.shutdown(socket.SHUT_RDWR)
        self.join(5)
        return answer

    monkeypatch.setattr(paramiko.Transport, "auth_publickey", cut)
    error = stopped(on_sshd(sshd))
    assert (error.step, error.permanent) == ("login", False)


def test_a_right_password_opens(drop_box: DropBox) -> None:
    with connect(on_drop_box(drop_box)) as session:
        assert session.size("nothing") is None


def test_a_login_without_sftp_is_permanent() -> None:
    with run_sshd(settings="MaxSessions 0") as server:
        error = stopped(on_sshd(server))
    assert (error.step, error.permanent) == ("login", True)


def test_a_server_that_asks_for_a_second_secret_says_so() -> None:
    settings = "PasswordAuthentication yes\nAuthenticationMethods publickey,password"
    with run_sshd(settings=settings) as server:
        error = stopped(on_sshd(server))
    assert (error.step, error.permanent) == ("login", True)
    assert "one more way to log in: password" in error.message


def test_servers_with_nothing_but_old_encryption_are_refused() -> None:
    with run_sshd(settings="Ciphers aes128-cbc\nMACs hmac-sha1") as server:
        error = stopped(on_sshd(server))
    assert (error.step, error.permanent) == ("connect", True)
    assert "no encryption that is safe" in error.message


def test_secrets_never_show() -> None:
    target = SftpTarget(
        host="sftp.utility.example",
        username="u",
        password="SECRET-1",
        private_key="SECRET-2",
        passphrase="SECRET-3",
    )
    assert "SECRET" not in repr(target) + str(target)


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 ftp ready\r\n", b"\x00" * 5000, b""])
def test_what_is_not_ssh_is_reported_without_noise(greeting: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            accepted = listener.accept()[0]
            with accepted:
                accepted.sendall(greeting)

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        error = stopped(SftpTarget(host="127.0.0.1", port=port, username="u", password="p", reach=reach_of(port)))
    assert (error.step, error.private) == ("connect", False)
    assert caplog.records == []


def test_a_server_that_never_speaks_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        started = time.monotonic()
        error = stopped(SftpTarget(host="127.0.0.1", port=port, username="u", reach=reach_of(port, timeout=0.5)))
    assert (error.step, error.permanent) == ("connect", False)
    assert time.monotonic() - started < 3
