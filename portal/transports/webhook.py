"""One message to somebody's web server: posted to a judged address, no redirect followed, the answer's body unread."""

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Timer
from urllib.parse import urlsplit

from portal.transports import N_, DeliveryError
from portal.transports.addresses import Address, Reach, dial, resolve

PORTS = {"https": 443, "http": 80}
_PATH = re.compile(r"[!-~]*")  # printable ASCII without blanks: nothing that could end a line of the request


@dataclass(frozen=True)
class Place:
    """Where a message goes, taken apart."""

    secure: bool
    host: str
    port: int
    path: str


def place(url: str) -> Place:
    """The parts of an address. ValueError for one that is not http(s), names no host, or holds a log-in or a fragment:
    the first would end in logs, the second is never sent."""
    parts = urlsplit(url)
    if not _PATH.fullmatch(url) or parts.scheme not in PORTS or not parts.hostname:
        raise ValueError("no address of a web server")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("an address without log-in and fragment")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme == "https", parts.hostname, parts.port or PORTS[parts.scheme], path)


def post(url: str, headers: Mapping[str, str], body: bytes, reach: Reach) -> int:
    """The status of the answer. `reach.timeout` bounds the whole exchange. In clear only to an address that the
    operator's networks name. DeliveryError, ValueError as of `place`."""
    where = place(url)
    addresses = resolve(where.host, where.port, reach)
    if not where.secure and not all(_is_named(address.ip, reach) for address in addresses):
        words = f"{where.host} is not in an allowed network, so it is asked by https alone."
        raise DeliveryError("resolve", words, True, private=True)
    plain = dial(addresses, reach)
    twin = plain.dup()  # the same connection, to be ended by the clock whatever the other one waits for
    clock = Timer(reach.timeout, _end, [twin])
    clock.daemon = True
    clock.start()
    try:
        return _exchange(plain, where, headers, body)
    finally:
        clock.cancel()
        twin.close()
        plain.close()


def _is_named(address: Address, reach: Reach) -> bool:
    return any(address in network for network in reach.parsed if network.version == address.version)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended already


def _exchange(plain: socket.socket, where: Place, headers: Mapping[str, str], body: bytes) -> int:
    connection: http.client.HTTPConnection = http.client.HTTPConnection(where.host, where.port)
    connection.sock = plain
    try:
        if where.secure:
            connection = http.client.HTTPSConnection(where.host, where.port)
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=where.host)
        connection.request("POST", where.path, body, dict(headers))
        return int(connection.getresponse().status)
    except ssl.SSLCertVerificationError as error:
        words = N_("The certificate of the server is not trusted: %(words)s")
        raise DeliveryError("certificate", words, words=error.verify_message) from error
    except (OSError, http.client.HTTPException) as error:
        raise DeliveryError("read", N_("The server gave no answer of a web server in time.")) from error
    finally:
        connection.close()
