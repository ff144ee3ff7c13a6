"""Delivery over SFTP: connect, test a connection, and all that callers need of keys."""

import contextlib
from collections.abc import Generator, Iterator

import paramiko

from portal.transports import DeliveryError, fit_to_show, legacy_sftp, ssh
from portal.transports.addresses import Judged
from portal.transports.paths import remote_directory
from portal.transports.probing import Step, done, failed, probe_files
from portal.transports.session import Session
from portal.transports.sftp_session import open_session
from portal.transports.ssh import (
    addresses,
    check_host_key,
    handshake,
    log_in,
    seen_host_key,
)
from portal.transports.ssh_keys import (
    LARGEST_KEY_FILE,
    BadKeyError,
    HostKey,
    KeyPair,
    PassphraseNeededError,
    PassphraseWrongError,
    generate_key_pair,
    public_line,
    text_of_file,
    unlocked,
)
from portal.transports.targets import SftpTarget

__all__ = [
    "LARGEST_KEY_FILE",
    "BadKeyError",
    "HostKey",
    "KeyPair",
    "PassphraseNeededError",
    "PassphraseWrongError",
    "SftpTarget",
    "Step",
    "connect",
    "fetch_host_key",
    "generate_key_pair",
    "probe",
    "public_line",
    "text_of_file",
    "unlocked",
]


@contextlib.contextmanager
def connect(target: SftpTarget) -> Iterator[Session]:
    """A session on the target, closed at the end.

    The host is resolved once and only an allowed address dialled; the pinned host key is compared before any
    secret is sent, and without a pin nothing is. Raises DeliveryError, private until a connection stands.
    """
    if target.legacy:
        with legacy_sftp.connect(target) as session:
            yield session
        return
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
        yield done("resolve", ", ".join(sorted({str(address.ip) for address in where})))
        if target.legacy:
            yield from _probe_legacy(target, where)
            return
        with contextlib.closing(handshake(target, where)) as transport:
            said = (fit_to_show(transport.remote_version),)
            yield Step("connect", True, "Port %(port)s answers as SSH.", {"port": target.port}, said=said)
            yield from _probe_server(target, transport)
    except DeliveryError as error:
        yield failed(error)


def _probe_server(target: SftpTarget, transport: paramiko.Transport) -> Iterator[Step]:
    seen = seen_host_key(target, transport)
    try:
        check_host_key(target, seen)
    except DeliveryError as error:
        yield failed(error, seen)
        return
    cipher: str = transport.remote_cipher  # type: ignore[attr-defined]  # not in the stubs
    yield done("host_key", f"{seen.type} {seen.fingerprint}", seen, [cipher])
    log_in(target, transport)
    session = open_session(target, transport)
    greeting = transport.get_banner() or b""
    yield done("login", target.username, said=[greeting.decode("utf-8", "replace")])
    yield from probe_files(target, session, connect_again)


def _probe_legacy(target: SftpTarget, where: tuple[Judged, ...]) -> Iterator[Step]:
    with contextlib.closing(legacy_sftp.Connection(target)) as connection:
        seen = connection.handshake(where, look_alone=True)
    yield Step("connect", True, "Port %(port)s answers as SSH.", {"port": target.port})
    try:
        check_host_key(target, seen)
    except DeliveryError as error:
        yield failed(error, seen)
        return
    with contextlib.closing(legacy_sftp.Connection(target)) as connection:
        seen = connection.handshake(where)
        yield done("host_key", f"{seen.type} {seen.fingerprint}", seen, connection.told())
        session = connection.open_session()
        yield done("login", target.username)
        yield from probe_files(target, session, connect_again)


def fetch_host_key(target: SftpTarget) -> HostKey:
    """The key that the server shows first, whatever is pinned, without any login. Raises DeliveryError."""
    return legacy_sftp.fetch_host_key(target) if target.legacy else ssh.fetch_host_key(target)


def connect_again(target: object) -> contextlib.AbstractContextManager[Session]:
    """As `connect`, for whoever holds a target of any protocol."""
    assert isinstance(target, SftpTarget)
    return connect(target)
