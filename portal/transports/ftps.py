"""Delivery over FTPS: connect, test a connection, look at a certificate."""

import contextlib
from collections.abc import Generator, Iterator

from portal.transports import DeliveryError
from portal.transports.addresses import resolve
from portal.transports.certificates import SeenCertificate
from portal.transports.ftps_client import Client
from portal.transports.ftps_session import FtpsSession
from portal.transports.paths import remote_directory
from portal.transports.probing import Step, done, failed, probe_files
from portal.transports.session import Session
from portal.transports.targets import FtpsTarget

__all__ = ["FtpsTarget", "SeenCertificate", "connect", "fetch_certificate", "probe"]


@contextlib.contextmanager
def connect(target: FtpsTarget) -> Iterator[Session]:
    """A session on the target, closed at the end.

    The host is resolved once and only an allowed address dialled, for data as well; the certificate is judged before
    any secret is sent, and both channels are always encrypted. Raises DeliveryError, private until a connection
    stands.
    """
    remote_directory(target.directory)
    with contextlib.closing(Client(target)) as client:
        client.dial(resolve(target.host, target.port, target.reach))
        client.secure()
        client.check_certificate()
        client.log_in()
        yield FtpsSession(target, client)


def probe(target: FtpsTarget) -> Generator[Step]:
    """Tests a connection step by step, each yielded with its result; ends at the first that fails.

    The steps are resolve, connect, certificate, login, directory, write, size, rename, delete. No secret goes to a
    server whose certificate does not pass. The test file is removed even if the test is abandoned half-way.
    """
    try:
        remote_directory(target.directory)
        where = resolve(target.host, target.port, target.reach)
        yield done("resolve", ", ".join(sorted({str(address.ip) for address in where})))
        with contextlib.closing(Client(target)) as client:
            client.dial(where)
            said = tuple(client.said())
            yield Step("connect", True, "Port %(port)s answers as FTP.", {"port": target.port}, said=said)
            client.secure()
            words = f"{client.check_certificate().fingerprint} ({client.version})"
            yield done("certificate", words, said=[*client.said(), f"{client.version}, {client.cipher}"])
            client.log_in()
            yield done("login", target.username, said=client.said())
            yield from probe_files(target, FtpsSession(target, client), connect_again)
    except DeliveryError as error:
        yield failed(error)


def connect_again(target: object) -> contextlib.AbstractContextManager[Session]:
    """As `connect`, for whoever holds a target of any protocol."""
    assert isinstance(target, FtpsTarget)
    return connect(target)


def fetch_certificate(target: FtpsTarget) -> SeenCertificate:
    """The certificate that the server shows, whatever it is judged by, without any login. Raises DeliveryError."""
    with contextlib.closing(Client(target, any_certificate=True)) as client:
        client.dial(resolve(target.host, target.port, target.reach))
        client.secure()
        return client.seen()
