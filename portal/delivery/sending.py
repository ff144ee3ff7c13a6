"""From a destination to the server it means."""

from hashlib import sha256

from portal.core.config import Settings
from portal.core.errors import N_
from portal.core.vault import Vault
from portal.delivery.models import Destination, Login
from portal.transports.addresses import Reach
from portal.transports.sftp import SftpTarget

SECRET_LOST = N_("The stored secret cannot be opened any more. Enter it again.")


def reach(settings: Settings) -> Reach:
    """Where deliveries may connect to, by the operator's settings."""
    return Reach(networks=settings.delivery_allowed_networks, ports=settings.delivery_allowed_ports)


def place(destination: Destination) -> str:
    """What the destination's secret is sealed for: a token copied to another row does not open."""
    return f"destination/{destination.id}/{destination.login}"


def place_on_server(where: SftpTarget) -> str:
    """Names the folder that a target means, as 64 characters: a temporary file of one folder is not renamed in
    another one after the destination was changed."""
    return sha256(repr((where.host, where.port, where.username, where.directory)).encode()).hexdigest()


def target(destination: Destination, vault: Vault, allowed: Reach) -> SftpTarget:
    """The server with its secret opened, for one connection. VaultError when the present keys do not open it."""
    secret = vault.open(place(destination), destination.sealed_secret) if destination.sealed_secret else None
    return SftpTarget(
        host=destination.host,
        port=destination.port,
        username=destination.username,
        directory=destination.directory,
        password=secret if destination.login == Login.PASSWORD else None,
        private_key=secret if destination.login == Login.KEY else None,
        host_key_type=destination.host_key_type,
        host_key_fingerprint=destination.host_key_fingerprint,
        reach=allowed,
    )
