"""Delivery over SFTP: connect, test a connection, and all that callers need of keys."""

import contextlib
import secrets
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import paramiko

from portal.transports import DeliveryError, StepName
from portal.transports.sftp_session import SftpSession, open_session, remote_directory, remote_path
from portal.transports.ssh import (
    SftpTarget,
    addresses,
    check_host_key,
    fetch_host_key,
    handshake,
    log_in,
    seen_host_key,
)
from portal.transports.ssh_keys import (
    BadKeyError,
    HostKey,
    KeyPair,
    PassphraseNeededError,
    PassphraseWrongError,
    generate_key_pair,
    public_line,
    unlocked,
)

__all__ = [
    "BadKeyError",
    "HostKey",
    "KeyPair",
    "PassphraseNeededError",
    "PassphraseWrongError",
    "SftpSession",
    "SftpTarget",
    "Step",
    "connect",
    "fetch_host_key",
    "generate_key_pair",
    "probe",
    "public_line",
    "remote_directory",
    "remote_path",
    "unlocked",
]

_AS_IT_IS = "%(words)s"  # no text of ours: nothing is to be translated
_TEST_CONTENT = b"Test of the connection; this file may be deleted.\n"


@dataclass(frozen=True)
class Step:
    """One step of a connection test. `detail` may be shown to the destination's owner.

    `template` is the gettext key of the English `detail`, `params` fill its placeholders.
    `error` is what stopped it, for the operator's log: where it is private, `detail` is the neutral sentence.
    `host_key` comes with the step host_key, also when it is not the confirmed one.
    """

    name: StepName
    ok: bool
    template: str
    params: Mapping[str, Any] = field(default_factory=dict)
    host_key: HostKey | None = None
    error: DeliveryError | None = None

    @property
    def detail(self) -> str:
        return self.template % self.params if self.params else self.template


def _done(name: StepName, words: str, host_key: HostKey | None = None) -> Step:
    return Step(name, True, _AS_IT_IS, {"words": words}, host_key)


def _failed(error: DeliveryError, host_key: HostKey | None = None) -> Step:
    return Step(error.step, False, *error.shown, host_key, error)


@contextlib.contextmanager
def connect(target: SftpTarget) -> Iterator[SftpSession]:
    """A session on the target, closed at the end.

    The host is resolved once and only an allowed address dialled; the pinned host key is compared before any
    secret is sent, and without a pin nothing is. Raises DeliveryError, private until a connection stands.
    """
    remote_directory(target.directory)
    with contextlib.closing(handshake(target, addresses(target))) as transport:
        check_host_key(target, seen_host_key(target, transport))
        log_in(target, transport)
        yield open_session(target, transport)


def probe(target: SftpTarget) -> Generator[Step]:
    """Tests a connection step by step, each yielded with its result; ends at the first that fails.

    The steps are resolve, connect, host_key, login, directory, write, size, rename, delete. Without a
    confirmed host key it ends at host_key, which shows the key: no secret goes to a server that nobody has
    vouched for.
    The test file, `.piquet-test-<random>.part`, is removed even if the test is abandoned half-way.
    """
    try:
        remote_directory(target.directory)
        where = addresses(target)
        yield _done("resolve", ", ".join(sorted({str(address.ip) for address in where})))
        with contextlib.closing(handshake(target, where)) as transport:
            yield Step("connect", True, "Port %(port)s answers as SSH.", {"port": target.port})
            yield from _probe_server(target, transport)
    except DeliveryError as error:
        yield _failed(error)


def _probe_server(target: SftpTarget, transport: paramiko.Transport) -> Iterator[Step]:
    seen = seen_host_key(target, transport)
    try:
        check_host_key(target, seen)
    except DeliveryError as error:
        yield _failed(error, seen)
        return
    yield _done("host_key", f"{seen.type} {seen.fingerprint}", seen)
    log_in(target, transport)
    session = open_session(target, transport)
    yield _done("login", target.username)
    session.check_directory()
    yield (
        _done("directory", target.directory)
        if target.directory
        else Step("directory", True, "the directory after log-in")
    )
    yield from _probe_file(target, session)


def _probe_file(target: SftpTarget, session: SftpSession) -> Iterator[Step]:
    token = secrets.token_hex(8)
    written, renamed = f".piquet-test-{token}.part", f".piquet-test-{token}-2.part"
    left = [written, renamed]
    try:
        session.upload(written, [_TEST_CONTENT], len(_TEST_CONTENT))
        yield _done("write", written)
        yield Step("size", True, "%(size)s bytes", {"size": session.size(written)})
        session.publish(written, renamed)
        yield _done("rename", renamed)
        session.remove(renamed)
        left = []
        yield _done("delete", renamed)
    finally:
        if left:
            _clean_up(target, session, left)


def _clean_up(target: SftpTarget, session: SftpSession, names: list[str]) -> None:
    """Removes what a failed test left, over a new connection if the old one is gone; gives up quietly."""
    with contextlib.suppress(DeliveryError):
        try:
            for name in names:
                session.remove(name)
        except DeliveryError as error:
            if not error.permanent:
                with connect(target) as again:
                    for name in names:
                        again.remove(name)
