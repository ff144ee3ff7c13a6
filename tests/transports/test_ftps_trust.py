"""Whom an FTPS connection trusts, where its data go, and what a hostile server cannot do."""

import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from portal.transports import UNREACHABLE, DeliveryError
from portal.transports.addresses import Reach
from portal.transports.ftps import connect, fetch_certificate, probe
from portal.transports.targets import FtpsTarget
from tests.servers.certificates import Certificate, self_signed
from tests.servers.ftp import AUTHORITY, run_ftp
from tests.transports.targets import on_ftp, reach_of

DAY = timedelta(days=1)


def stopped(target: FtpsTarget) -> DeliveryError:
    with pytest.raises(DeliveryError) as failed, connect(target) as session:
        session.upload("a.part", [b"1"], 1)
    return failed.value


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (AUTHORITY.issue(begins=-9 * DAY, ends=-DAY), "expired"),
        (AUTHORITY.issue(begins=DAY), "not yet valid"),
        (AUTHORITY.issue("ftp.elsewhere.example"), "IP address mismatch"),
        (self_signed(), "self-signed"),
    ],
    ids=["expired", "early", "of another name", "self-signed"],
)
def test_an_unsound_certificate_is_told_and_gets_no_password(certificate: Certificate, words: str) -> None:
    with run_ftp("vsftpd", certificate=certificate) as server:
        error = stopped(on_ftp(server))
        assert (error.step, error.permanent, error.private) == ("certificate", True, False)
        assert words in error.message
        assert "USER" not in (server.root.parent / "transfers").read_text()
        with connect(on_ftp(server, trust="pin", pin=certificate.fingerprint)) as session:
            session.upload("a.part", [b"1"], 1)


def test_the_usual_authorities_do_not_vouch_for_ours() -> None:
    with run_ftp("proftpd") as server:
        assert "unable to get local issuer" in stopped(on_ftp(server, trust="system")).message
        assert fetch_certificate(on_ftp(server, trust="system")).fingerprint == server.certificate.fingerprint


def test_without_a_confirmed_certificate_nothing_is_sent() -> None:
    with run_ftp("vsftpd") as server:
        error = stopped(on_ftp(server, trust="pin"))
        assert (error.step, error.permanent) == ("certificate", True)
        assert server.certificate.fingerprint in error.message


def test_behind_nat_the_data_go_to_the_address_of_the_connection() -> None:
    with run_ftp("vsftpd", "pasv_address=203.0.113.9") as server, connect(on_ftp(server)) as session:
        session.upload("a.part", [b"1"], 1)
        assert session.size("a.part") == 1


@pytest.mark.parametrize("kind", ["vsftpd", "proftpd"])
def test_implicit_tls(kind: str) -> None:
    with run_ftp(kind, implicit=True) as server:
        assert [step.name for step in probe(on_ftp(server, implicit=True))][-1] == "delete"


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "127.1", "localhost", "fd00::1"])
def test_inner_addresses_are_refused_in_one_neutral_sentence(host: str) -> None:
    error = stopped(FtpsTarget(host=host, port=21, username="u", password="p", reach=Reach(ports=(21,))))
    assert (error.step, error.private, error.shown) == ("resolve", True, (UNREACHABLE, {}))


@contextmanager
def saying(*answers: bytes) -> Iterator[int]:
    """A server that gives these answers, one after each line it reads, the first at once; its port."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):  # a client that gives up closes as it likes
            for answer in answers:
                connection.sendall(answer)
                if not connection.recv(1000):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def to(port: int, **changes: object) -> FtpsTarget:
    fields: dict[str, object] = {"host": "127.0.0.1", "port": port, "username": "utility", "password": "s3cr-et"}
    return FtpsTarget(**(fields | {"reach": reach_of(port, 1.0)} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"220 ready\r\n", b"502 no TLS here\r\n"), "does not offer TLS: 502 no TLS here"),
        ((b"220 ready\r\n", b"234 go\r\n230 logged in\r\n"), "spoke before the encryption"),
        ((b"220 ready\r\n", b"234 go\r\n", b"this is no TLS\r\n" * 9), "No TLS with this server"),
    ],
)
def test_it_never_falls_back_to_clear_text(answers: tuple[bytes, ...], words: str) -> None:
    with saying(*answers) as port:
        error = stopped(to(port))
    assert words in error.message
    assert (error.step, error.permanent) == ("certificate", True)


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"220-" + b"x" * 100 + b"\r\n" * 40_000, b"220-a\r\n" * 30_000])
def test_a_server_of_another_kind_or_without_an_end_is_given_up(answer: bytes) -> None:
    with saying(answer) as port:
        error = stopped(to(port))
    assert (error.step, error.permanent) == ("connect", False)


def test_a_password_shows_in_no_message_and_no_trace() -> None:
    with run_ftp("proftpd") as server:
        target = on_ftp(server, password="n0t-the-one")
        error = stopped(target)
    assert "n0t-the-one" not in repr(target) + error.message + "".join(traceback.format_exception(error))


@pytest.mark.parametrize("changes", [{"password": "a\r\nDELE x"}, {"username": "a\nDELE x"}])
def test_line_breaks_bring_no_command_in(changes: dict[str, str]) -> None:
    with run_ftp("vsftpd") as server:
        error = stopped(on_ftp(server, **changes))
        assert (error.step, error.permanent) == ("login", True)
        assert "USER" not in (server.root.parent / "transfers").read_text()
