"""Rules of destinations: what may be entered, when a confirmed host key stops to count, how secrets are kept."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import N_, RuleBroken, Sentence
from portal.core.vault import Vault, VaultError
from portal.delivery import queries
from portal.delivery.models import Destination, Login
from portal.delivery.sending import place
from portal.transports import UNREACHABLE, DeliveryError, StepName
from portal.transports.addresses import Reach
from portal.transports.paths import remote_directory
from portal.transports.sftp import (
    BadKeyError,
    HostKey,
    PassphraseNeededError,
    PassphraseWrongError,
    Step,
    generate_key_pair,
    unlocked,
)

HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,253}")
STEPS: tuple[StepName, ...] = (
    "resolve",
    "connect",
    "host_key",
    "login",
    "directory",
    "write",
    "size",
    "rename",
    "delete",
)


@dataclass(frozen=True, slots=True)
class Address:
    """What a form says of a destination, all but the secret."""

    name: str
    host: str
    port: int
    username: str
    directory: str = ""
    login: Login = Login.PASSWORD


def create(session: Session, actor: Account, address: Address, allowed: Reach) -> Destination:
    """A new destination of the actor, without secret and host key. RuleBroken."""
    row = Destination(owner_id=actor.id)
    _fill(session, row, address, allowed)
    session.add(row)
    session.flush()
    _record(session, actor, "destination.created", row, changed=audit.differences({}, _told(row)))
    return row


def edit(session: Session, actor: Account, row: Destination, address: Address, allowed: Reach) -> None:
    """Change a destination. Another host or port needs its host key confirmed anew, and its password: one that is kept
    goes to no other server than the one it was entered for. Another way to log in needs its secret anew. RuleBroken."""
    before, told = (row.host, row.port, row.login), _told(row)
    _fill(session, row, address, allowed)
    moved = before[:2] != (row.host, row.port)
    if moved:
        _unpin(row)
    if before[2] != row.login or (moved and row.login == Login.PASSWORD):
        row.sealed_secret, row.public_key = None, ""
    row.tested_at, row.test_steps = None, []
    changed = audit.differences(told, _told(row))
    if changed:
        _record(session, actor, "destination.changed", row, changed=changed)


def _told(row: Destination) -> dict[str, Any]:
    """What the audit log may hold of a destination: all but its secret."""
    names = ("name", "host", "port", "username", "directory", "login")
    return {name: value for name in names if (value := getattr(row, name)) not in (None, "")}


def _fill(session: Session, row: Destination, address: Address, allowed: Reach) -> None:
    name, username = address.name.strip(), address.username.strip()
    same = (Destination.owner_id == row.owner_id, Destination.name == name, Destination.id != (row.id or 0))
    with session.no_autoflush:
        if session.scalar(sa.select(Destination.id).where(*same)) is not None:
            raise RuleBroken("name", "You already have a destination with this name.")
    for field, text in (("name", name), ("username", username)):
        if not text or not text.isprintable():
            raise RuleBroken(field, "This must be filled in.")
    row.host = _host(address.host, allowed)
    if address.port not in allowed.ports:
        ports = ", ".join(map(str, allowed.ports))
        raise RuleBroken("port", "Only these ports are allowed here: %(ports)s.", ports=ports)
    try:
        row.directory = remote_directory(address.directory.strip())
    except DeliveryError:
        raise RuleBroken("directory", "A directory may not hold '.', '..', '\\' or control characters.") from None
    row.name, row.port, row.username, row.login = name, address.port, username, Login(address.login).value


def _host(text: str, allowed: Reach) -> str:
    host = text.strip().rstrip(".").lower()
    if not HOST.fullmatch(host):
        raise RuleBroken("host", "Enter a host name such as sftp.company.ch, without sftp:// in front.")
    try:
        literal = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host
    if not allowed.allows(literal):
        raise RuleBroken("host", UNREACHABLE)
    return host


def set_password(session: Session, actor: Account, row: Destination, vault: Vault, password: str) -> None:
    """Seal a password; it is never read back to a form. RuleBroken."""
    if not password or len(password) > 500:
        raise RuleBroken("password", "Enter the password.")
    row.login, row.public_key = Login.PASSWORD.value, ""
    _seal(session, actor, row, vault, password)


def make_key(session: Session, actor: Account, row: Destination, vault: Vault) -> str:
    """Make a key pair: the private part is sealed, the public line returned, to be given to the server's operator."""
    pair = generate_key_pair(f"piquet {row.name}")
    row.login, row.public_key = Login.KEY.value, pair.public
    _seal(session, actor, row, vault, pair.private)
    return pair.public


def upload_key(
    session: Session, actor: Account, row: Destination, vault: Vault, private_pem: str, passphrase: str
) -> None:
    """Seal a private key that the actor has already, without its passphrase. RuleBroken."""
    try:
        pair = unlocked(private_pem, passphrase or None)
    except (PassphraseNeededError, PassphraseWrongError) as error:
        raise RuleBroken("passphrase", error.template) from None
    except BadKeyError as error:
        raise RuleBroken("private_key", error.template, **error.params) from None
    row.login, row.public_key = Login.KEY.value, pair.public
    _seal(session, actor, row, vault, pair.private)


def _seal(session: Session, actor: Account, row: Destination, vault: Vault, secret: str) -> None:
    row.sealed_secret = vault.seal(place(row), secret)
    row.tested_at, row.test_steps = None, []
    _record(session, actor, "destination.secret_set", row, login=row.login)


def seal_anew(session: Session, vault: Vault) -> tuple[int, list[int]]:
    """Seal every secret under the vault's newest key; how many, and the ids of the destinations whose secret the
    present keys do not open. One that its owner replaces meanwhile is left as he has sealed it."""
    kept = sa.select(Destination.id, Destination.sealed_secret).where(Destination.sealed_secret.is_not(None))
    sealed, closed = 0, []
    for row_id, token in session.execute(kept.order_by(Destination.id)).all():
        try:
            anew = vault.rotate(token or b"")
        except VaultError:
            closed.append(row_id)
            continue
        same = (Destination.id == row_id, Destination.sealed_secret == token)
        session.execute(
            sa.update(Destination).where(*same).values(sealed_secret=anew),
            execution_options={"synchronize_session": False},
        )
        sealed += 1
    audit.record(session, "vault.rotated", "vault", actor_id=None, sealed=sealed, closed=closed)
    return sealed, closed


def confirm_host_key(
    session: Session, actor: Account, row: Destination, shown: tuple[str, str], fresh: HostKey
) -> None:
    """Pin the server's key: the type and fingerprint that the actor was shown, if a fresh look finds the same.
    RuleBroken else."""
    if shown != (fresh.type, fresh.fingerprint):
        message = N_("The server shows another key now than the one you looked at. Compare again.")
        raise RuleBroken("", message)
    before = row.host_key_fingerprint
    row.host_key_type, row.host_key_fingerprint = shown
    row.host_key_confirmed_at, row.host_key_confirmed_by_id = clock.now(), actor.id
    told = {"key_type": shown[0], "fingerprint": shown[1], "before": before}
    _record(session, actor, "destination.host_key_confirmed", row, **told)


def keep_test(row: Destination, steps: Iterable[Step]) -> None:
    """Note the result of a connection test, with what its owner may read."""
    row.test_steps = [
        {"name": step.name, "ok": step.ok, "detail": step.detail, **Sentence(step.template, step.params).kept()}
        for step in steps
    ]
    row.tested_at = clock.now()


def delete(session: Session, actor: Account, row: Destination) -> None:
    """Delete a destination that no task uses. RuleBroken."""
    if queries.tasks_of(session, row):
        raise RuleBroken("", "Tasks deliver to this destination. Delete them, or choose another destination there.")
    _record(session, actor, "destination.deleted", row)
    session.delete(row)


def _unpin(row: Destination) -> None:
    row.host_key_type = row.host_key_fingerprint = None
    row.host_key_confirmed_at = row.host_key_confirmed_by_id = None


def _record(session: Session, actor: Account, action: str, row: Destination, **detail: Any) -> None:
    subject = f"destination/{row.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, name=row.name, **detail)
