"""An SSH connection: a judged address, the pinned host key, and only then the login."""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence

import paramiko

from portal.transports import N_, DeliveryError, PeerChangedError, StepName, fit_to_show
from portal.transports.addresses import Judged, dial, resolve
from portal.transports.ssh_keys import BadKeyError, HostKey, fingerprint, signing_key
from portal.transports.targets import SftpTarget

# AES-GCM first: 1.2 times as fast as paramiko's own order; CBC, 3DES, MD5 and SHA-1 are left out.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_KEEPALIVE = 15  # seconds
_ENDED = N_("The server ended the login without an answer.")

# paramiko logs every failed handshake with a traceback; each of them is a DeliveryError here.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def words(error: BaseException) -> str:
    """What the server said, fit for a page and a log line: printable and at most 300 characters."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return fit_to_show(said)


@contextlib.contextmanager
def mapped(step: StepName, transport: paramiko.Transport | None = None) -> Iterator[None]:
    """Turns what paramiko and the network raise inside it into a DeliveryError of that step."""
    try:
        yield
    except DeliveryError:
        raise
    except PermissionError as error:
        raise DeliveryError(step, "The server refused: %(words)s", permanent=True, words=words(error)) from error
    except TimeoutError as error:
        raise DeliveryError(step, "The server did not answer in time.") from error
    except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as error:
        if isinstance(error, EOFError | ConnectionError) or (transport and not transport.is_active()):
            raise DeliveryError(step, "The server ended the connection.") from error
        raise DeliveryError(step, "The server answered: %(words)s", words=words(error)) from error


@contextlib.contextmanager
def time_limit(transport: paramiko.Transport, seconds: float, step: StepName) -> Iterator[None]:
    """Ends the connection if its block takes longer: some of paramiko's waits know no limit of their own."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        transport.close()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except DeliveryError as error:
        if late.is_set():
            raise DeliveryError(step, "The server did not answer in time.") from error
        raise
    finally:
        timer.cancel()


def addresses(target: SftpTarget) -> tuple[Judged, ...]:
    """The judged addresses of a target; see `addresses.resolve`."""
    return resolve(target.host, target.port, target.reach)


def handshake(target: SftpTarget, where: tuple[Judged, ...], *, any_key: bool = False) -> paramiko.Transport:
    """A connection with its keys exchanged and nothing of the login sent; the caller closes it.

    Asks for the pinned type of host key alone (a server may show an ECDSA key where an RSA key is pinned),
    unless there is no pin or `any_key` is wanted. Raises DeliveryError.
    """
    connection = dial(where, target.reach)
    try:
        with mapped("connect"):
            transport = paramiko.Transport(connection)
        # Longer than `time_limit`, which knows to say that it was the time: paramiko's own limits do not.
        transport.banner_timeout = transport.handshake_timeout = 2 * target.reach.timeout
        transport.auth_timeout = transport.channel_timeout = target.reach.timeout
        options = transport.get_security_options()
        options.ciphers = [name for name in _CIPHERS if name in options.ciphers]
        options.digests = [name for name in _MACS if name in options.digests]
        if target.host_key_type and not any_key:
            options.key_types = _algorithms(target.host_key_type, options.key_types)
        with time_limit(transport, target.reach.timeout, "connect"):
            _exchange_keys(target, transport)
    except BaseException:
        connection.close()
        raise
    return transport


def _algorithms(key_type: str, known: Sequence[str]) -> list[str]:
    wanted = ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)
    found = [name for name in wanted if name in known]
    if not found:
        raise DeliveryError("host_key", "Host keys of type %(type)s are not taken.", permanent=True, type=key_type)
    return found


def _exchange_keys(target: SftpTarget, transport: paramiko.Transport) -> None:
    try:
        with mapped("connect", transport):
            transport.start_client(timeout=2 * target.reach.timeout)
            transport.get_remote_server_key()  # raises where start_client only stopped waiting
    except DeliveryError as error:
        transport.close()
        if not isinstance(error.__cause__, paramiko.ssh_exception.IncompatiblePeer):
            raise
        if target.host_key_type and "host key" in str(error.__cause__):
            pinned = target.host_key_fingerprint or ""
            raise PeerChangedError(
                "host_key",
                "The server no longer offers a %(type)s key (confirmed: %(confirmed)s).", pinned, None,
                type=target.host_key_type, confirmed=pinned,
            ) from error  # fmt: skip
        raise DeliveryError(
            "connect", "The server offers no encryption that is safe today: %(words)s", permanent=True,
            words=words(error.__cause__),
        ) from error  # fmt: skip


def seen_host_key(target: SftpTarget, transport: paramiko.Transport) -> HostKey:
    key = transport.get_remote_server_key()
    host = target.host if target.port == 22 else f"[{target.host}]:{target.port}"
    line = f"{host} {key.get_name()} {key.get_base64()}"
    return HostKey(type=key.get_name(), fingerprint=fingerprint(key.asbytes()), line=line)


def check_host_key(target: SftpTarget, seen: HostKey) -> None:
    """Passes for the pinned key and raises PeerChangedError or DeliveryError, both permanent, for all else."""
    pinned = target.host_key_fingerprint
    if not pinned or not target.host_key_type:
        raise DeliveryError(
            "host_key", "No host key is confirmed yet. The server shows %(shown)s.", permanent=True,
            shown=f"{seen.type} {seen.fingerprint}",
        )  # fmt: skip
    if (seen.type, seen.fingerprint) != (target.host_key_type, pinned.rstrip("=")):
        raise PeerChangedError(
                "host_key",
            "The server shows another host key than the confirmed one. Confirmed: %(confirmed)s. Shown: %(shown)s. "
            "Nothing was sent.", pinned, seen.fingerprint,
            confirmed=f"{target.host_key_type} {pinned}", shown=f"{seen.type} {seen.fingerprint}",
        )  # fmt: skip


def log_in(target: SftpTarget, transport: paramiko.Transport) -> None:
    """Sends the secrets, so the host key is checked before. Raises DeliveryError of the step login."""
    with time_limit(transport, target.reach.timeout, "login"), mapped("login", transport):
        try:
            _authenticate(target, transport)
        except BadKeyError as error:
            raise DeliveryError("login", error.template, permanent=True, **error.params) from error
        except paramiko.BadAuthenticationType as error:
            raise DeliveryError(
                "login", "The server does not take this way to log in; it takes: %(ways)s.", permanent=True,
                ways=", ".join(error.allowed_types) or "–",
            ) from error  # fmt: skip
        except paramiko.AuthenticationException as error:
            if not transport.is_active() or "timeout" in str(error).lower():
                raise DeliveryError("login", _ENDED) from error
            raise DeliveryError(
                "login", "The server refused the user name %(name)s or its secret.", permanent=True,
                name=target.username,
            ) from error  # fmt: skip
    transport.set_keepalive(_KEEPALIVE)


def _authenticate(target: SftpTarget, transport: paramiko.Transport) -> None:
    wanted: list[str] = ["password"]
    if target.private_key:
        key = signing_key(target.private_key, target.passphrase)
        wanted = transport.auth_publickey(target.username, key)
    elif target.password is None:
        raise DeliveryError("login", "There is neither a password nor a private key.", permanent=True)
    takes_password = "password" in wanted or "keyboard-interactive" in wanted
    if target.password is not None and takes_password and not transport.is_authenticated():
        wanted = transport.auth_password(target.username, target.password)
    if not transport.is_active():  # cut behind its yes: `is_authenticated` says no then as well
        raise DeliveryError("login", _ENDED)
    if not transport.is_authenticated():
        raise DeliveryError(
            "login", "The server asks for one more way to log in: %(ways)s.", permanent=True, ways=", ".join(wanted)
        )


def fetch_host_key(target: SftpTarget) -> HostKey:
    """The key that the server shows first, whatever is pinned, without any login. Raises DeliveryError."""
    transport = handshake(target, addresses(target), any_key=True)
    try:
        return seen_host_key(target, transport)
    finally:
        transport.close()
