"""From a destination to the server it means, and to a session there, whatever its protocol is."""

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, cast

from portal.core.config import Settings
from portal.core.errors import N_
from portal.core.vault import Vault
from portal.delivery.models import Destination, Login, Protocol, Writing
from portal.transports import DeliveryError, ftps, sftp
from portal.transports.addresses import Reach
from portal.transports.ftps import FtpsTarget, SeenCertificate
from portal.transports.paths import filled
from portal.transports.probing import Step
from portal.transports.session import Session
from portal.transports.sftp import HostKey, SftpTarget
from portal.transports.targets import Target, Trust

SECRET_LOST = N_("The stored secret cannot be opened any more. Enter it again.")
IDLE_SECONDS = 30.0  # FTP servers end idle sessions, some after a minute; firewalls forget idle connections


def reach(settings: Settings) -> Reach:
    """Where deliveries may connect to, by the operator's settings."""
    return Reach(networks=settings.delivery_allowed_networks, ports=settings.delivery_allowed_ports)


def place(destination: Destination) -> str:
    """What the destination's secret is sealed for: a token copied to another row does not open."""
    return f"destination/{destination.id}/{destination.login}"


def place_on_server(where: Target) -> str:
    """Names the folders that a target means, as 64 characters: a temporary file of one folder is not renamed in
    another one after the destination was changed."""
    meant = (type(where).__name__, where.host, where.port, where.username, where.directory, where.aside, where.direct)
    return sha256(repr(meant).encode()).hexdigest()


def target(
    destination: Destination, vault: Vault, allowed: Reach, *, period_start: date | None = None, task: str = ""
) -> Target:
    """The server with its secret opened, for one connection. The directory's placeholders are filled with the first
    day of the period, today for a test, and with the task's name. VaultError when the present keys do not open the
    secret."""
    secret = vault.open(place(destination), destination.sealed_secret) if destination.sealed_secret else None
    return _target(destination, secret, allowed, period_start or date.today(), task)  # noqa: DTZ011  a folder's name


def look_at_peer(destination: Destination, allowed: Reach) -> HostKey | SeenCertificate:
    """What the server shows of itself, whatever is confirmed; no secret is opened and none sent. DeliveryError."""
    where = _target(destination, None, allowed, date.today(), "")  # noqa: DTZ011  not used
    if isinstance(where, FtpsTarget):
        return ftps.fetch_certificate(where)
    assert isinstance(where, SftpTarget)
    return sftp.fetch_host_key(where)


def _target(destination: Destination, secret: str | None, allowed: Reach, day: date, task: str) -> Target:
    values = {"year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}", "task": task or destination.name}
    shared: dict[str, Any] = {
        "host": destination.host,
        "port": destination.port,
        "username": destination.username,
        "password": secret if destination.login == Login.PASSWORD else None,
        "directory": filled(destination.directory, values),
        "make_directory": destination.make_directory,
        "direct": destination.writing == Writing.DIRECT,
        "done_suffix": destination.done_suffix,
        "hidden": destination.writing == Writing.HIDDEN,
        "reach": allowed,
    }
    if destination.writing == Writing.DIRECTORY:
        shared["temporary_directory"] = filled(destination.temporary_directory, values)
    if Protocol(destination.protocol).is_ftps:
        return FtpsTarget(
            implicit=destination.protocol == Protocol.FTPS_IMPLICIT,
            trust=cast("Trust", destination.certificate_check),
            own_ca=destination.own_ca,
            pin=destination.certificate_fingerprint,
            **shared,
        )
    return SftpTarget(
        private_key=secret if destination.login == Login.KEY else None,
        host_key_type=destination.host_key_type,
        host_key_fingerprint=destination.host_key_fingerprint,
        legacy=destination.legacy_ssh,
        **shared,
    )


def temporary_name(destination: Destination, final_name: str, own: str) -> str:
    """The name under which a file is uploaded to the destination. `own` (letters, digits, "-") tells an attempt apart
    from every other one; where files are written direct it is the final name itself."""
    match Writing(destination.writing):
        case Writing.DIRECT:
            return final_name
        case Writing.SUFFIX:
            return f"piquet-{own}.tmp"
        case Writing.DIRECTORY:
            return f"piquet-{own}.part"
        case Writing.HIDDEN:
            return f".piquet-{own}.part"


def connect(where: Target) -> contextlib.AbstractContextManager[Session]:
    """A session on the target, closed at the end. DeliveryError, private until a connection stands."""
    if isinstance(where, FtpsTarget):
        return ftps.connect(where)
    assert isinstance(where, SftpTarget)
    return sftp.connect(where)


def probe(where: Target) -> Generator[Step]:
    """Tests a connection step by step, each yielded with its result; ends at the first that fails."""
    if isinstance(where, FtpsTarget):
        return ftps.probe(where)
    assert isinstance(where, SftpTarget)
    return sftp.probe(where)


@dataclass
class Line:
    """A session that is kept for the next file to the same server: a handshake costs as much as many small files."""

    _target: Target | None = None
    _session: Session | None = None
    _used: float = 0.0
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def to(self, wanted: Target) -> Session:
        """A session on this target; one that was idle for long is not used again. DeliveryError."""
        now = time.monotonic()
        known = self._target is not None and wanted.server == self._target.server
        if self._session is None or not known or now - self._used > IDLE_SECONDS:
            self.close()
            self._session = self._open.enter_context(connect(wanted))
        elif wanted != self._target:
            self._session.moved_to(wanted)
        self._target, self._used = wanted, time.monotonic()
        return self._session

    def close(self) -> None:
        """Forget the session; after an error it is not used again."""
        self._target, self._session = None, None
        with contextlib.suppress(DeliveryError, OSError):
            self._open.close()
