"""Rules of destinations: what may be entered, when what was confirmed stops to count, how secrets are kept."""

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
from portal.delivery.models import CertificateCheck, Destination, Login, Protocol, Writing
from portal.delivery.sending import place
from portal.transports import UNREACHABLE, DeliveryError, PeerChangedError, StepName
from portal.transports.addresses import Reach
from portal.transports.certificates import BadCertificateError, SeenCertificate, own_ca
from portal.transports.paths import is_suffix, placeholders, remote_directory
from portal.transports.probing import Step
from portal.transports.sftp import (
    BadKeyError,
    HostKey,
    PassphraseNeededError,
    PassphraseWrongError,
    generate_key_pair,
    text_of_file,
    unlocked,
)

_OTHER_KEY = N_("The server shows another key now than the one you looked at. Compare again.")
_OTHER_CERTIFICATE = N_("The server shows another certificate now than the one you looked at. Compare again.")
HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,253}")
_FILE_STEPS: tuple[StepName, ...] = ("login", "directory", "write", "size", "rename", "delete")
PORTS = {Protocol.SFTP: 22, Protocol.FTPS_EXPLICIT: 21, Protocol.FTPS_IMPLICIT: 990}


def steps_of(row: Destination) -> tuple[StepName, ...]:
    """The steps of its connection test."""
    return ("resolve", "connect", "certificate" if Protocol(row.protocol).is_ftps else "host_key", *_FILE_STEPS)


@dataclass(frozen=True, slots=True)
class Address:
    """What a form says of a destination, all but the secret. Without a port it is the protocol's own."""

    name: str
    host: str
    port: int | None
    username: str
    directory: str = ""
    login: Login = Login.PASSWORD
    protocol: Protocol = Protocol.SFTP
    certificate_check: CertificateCheck = CertificateCheck.SYSTEM
    own_ca: str = ""
    legacy_ssh: bool = False
    make_directory: bool = False
    writing: Writing = Writing.HIDDEN
    temporary_directory: str = ""
    done_suffix: str = ""


def create(session: Session, actor: Account, address: Address, allowed: Reach) -> Destination:
    """A new destination of the actor, without secret and confirmed host key or certificate. RuleBroken."""
    row = Destination(owner_id=actor.id)
    _fill(session, row, address, allowed)
    session.add(row)
    session.flush()
    _record(session, actor, "destination.created", row, changed=audit.differences({}, _told(row)))
    return row


def edit(session: Session, actor: Account, row: Destination, address: Address, allowed: Reach) -> None:
    """Change a destination. Another protocol, host or port needs its host key or certificate confirmed anew, and its
    password: one that is kept goes to no other server than the one it was entered for, nor to one that is trusted on
    other grounds. Another way to log in needs its secret anew. RuleBroken."""
    before, told = (row.protocol, row.host, row.port), _told(row)
    login, trusted = row.login, (row.certificate_check, row.own_ca, row.legacy_ssh)
    _fill(session, row, address, allowed)
    moved = before != (row.protocol, row.host, row.port)
    if moved:
        _unpin(row)
    trusts_otherwise = trusted != (row.certificate_check, row.own_ca, row.legacy_ssh)
    if login != row.login or ((moved or trusts_otherwise) and row.login == Login.PASSWORD):
        row.sealed_secret, row.public_key = None, ""
    row.tested_at, row.test_steps = None, []
    changed = audit.differences(told, _told(row))
    if changed:
        _record(session, actor, "destination.changed", row, changed=changed)


def _told(row: Destination) -> dict[str, Any]:
    """What the audit log may hold of a destination: all but its secret."""
    names = (
        "name", "protocol", "host", "port", "username", "directory", "login", "certificate_check", "own_ca",
        "legacy_ssh", "make_directory", "writing", "temporary_directory", "done_suffix",
    )  # fmt: skip
    return {name: value for name in names if (value := getattr(row, name)) not in (None, "", False)}


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
    port = PORTS[address.protocol] if address.port is None else address.port
    if port not in allowed.ports:
        ports = ", ".join(map(str, allowed.ports))
        raise RuleBroken("port", "Only these ports are allowed here: %(ports)s.", ports=ports)
    row.name, row.port, row.username = name, port, username
    _fill_trust(row, address)
    _fill_writing(row, address)


def _fill_trust(row: Destination, address: Address) -> None:
    if address.protocol.is_ftps and address.login == Login.KEY:
        raise RuleBroken("login", "FTPS logs in with a password.")
    own = ""
    if address.protocol.is_ftps and address.certificate_check == CertificateCheck.OWN_CA:
        try:
            own = own_ca(address.own_ca)
        except BadCertificateError as error:
            raise RuleBroken("own_ca", str(error)) from None
    row.protocol, row.login, row.own_ca = address.protocol.value, Login(address.login).value, own
    row.certificate_check = address.certificate_check.value
    row.legacy_ssh = address.legacy_ssh and address.protocol == Protocol.SFTP


def _fill_writing(row: Destination, address: Address) -> None:
    row.directory = _directory("directory", address.directory)
    aside = _directory("temporary_directory", address.temporary_directory)
    if address.writing != Writing.DIRECTORY:
        aside = ""
    elif not aside or aside == row.directory:
        raise RuleBroken("temporary_directory", "Enter another directory than that of the files.")
    suffix = address.done_suffix.strip()
    if suffix and not is_suffix(suffix):
        raise RuleBroken("done_suffix", "Enter a dot, then letters, digits, _ or -, such as .done.")
    row.writing, row.temporary_directory, row.done_suffix = address.writing.value, aside, suffix
    row.make_directory = address.make_directory


def _directory(field: str, text: str) -> str:
    try:
        plain = remote_directory(text.strip())
        placeholders(plain)
    except DeliveryError:
        raise RuleBroken(field, "A directory may not hold '.', '..', '\\' or control characters.") from None
    except ValueError:
        raise RuleBroken(field, "Of braces, only {year}, {month}, {day} and {task} can be used here.") from None
    return plain


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
    session: Session, actor: Account, row: Destination, vault: Vault, private_key: str | bytes, passphrase: str
) -> None:
    """Seal a private key that the actor has already, pasted as text or as the bytes of its file, without its
    passphrase. RuleBroken."""
    field = "key_file" if isinstance(private_key, bytes) else "private_key"
    try:
        text = text_of_file(private_key) if isinstance(private_key, bytes) else private_key
        pair = unlocked(text, passphrase or None)
    except (PassphraseNeededError, PassphraseWrongError) as error:
        raise RuleBroken("passphrase", error.template) from None
    except BadKeyError as error:
        raise RuleBroken(field, error.template, **error.params) from None
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


def confirm_peer(
    session: Session, actor: Account, row: Destination, shown: tuple[str, str], fresh: HostKey | SeenCertificate
) -> None:
    """Pin what the server shows: the type and fingerprint of a host key, or "" and the fingerprint of a certificate,
    that the actor was shown, if a fresh look finds the same. RuleBroken else. A certificate is from then on judged by
    its fingerprint alone."""
    is_key = isinstance(fresh, HostKey)
    if shown != ((fresh.type if isinstance(fresh, HostKey) else ""), fresh.fingerprint):
        raise RuleBroken("", _OTHER_KEY if is_key else _OTHER_CERTIFICATE)
    before = row.host_key_fingerprint if is_key else row.certificate_fingerprint
    told = {"key_type": shown[0], "fingerprint": shown[1], "before": before}
    row.changed_to = row.changed_at = None
    if is_key:
        row.host_key_type, row.host_key_fingerprint = shown
        row.host_key_confirmed_at, row.host_key_confirmed_by_id = clock.now(), actor.id
        _record(session, actor, "destination.host_key_confirmed", row, **told)
        return
    row.certificate_check, row.certificate_fingerprint = CertificateCheck.PIN.value, shown[1]
    row.certificate_confirmed_at, row.certificate_confirmed_by_id = clock.now(), actor.id
    del told["key_type"]
    _record(session, actor, "destination.certificate_confirmed", row, **told)


def keep_change(session: Session, row: Destination, error: PeerChangedError) -> None:
    """Note that the server showed another host key or certificate than the confirmed one: nothing is sent to it until
    somebody has confirmed one. Told once for each."""
    seen = error.seen or "–"
    if row.changed_to == seen:
        return
    row.changed_to, row.changed_at = seen, clock.now()
    subject = f"destination/{row.id}"
    audit.record(
        session, "destination.peer_changed", subject, actor_id=None, owner_id=row.owner_id, name=row.name,
        fingerprint=seen, before=error.pinned,
    )  # fmt: skip


def keep_test(row: Destination, steps: Iterable[Step]) -> None:
    """Note the result of a connection test, with what its owner may read. A server that shows what was confirmed is
    delivered to again, whatever it showed meanwhile."""
    steps = list(steps)
    if any(step.ok and step.name in ("host_key", "certificate") for step in steps):
        row.changed_to = row.changed_at = None
    row.test_steps = [
        {
            "name": step.name,
            "ok": step.ok,
            "detail": step.detail,
            "said": list(step.said),
            **Sentence(step.template, step.params).kept(),
        }
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
    row.host_key_type = row.host_key_fingerprint = row.certificate_fingerprint = None
    row.host_key_confirmed_at = row.host_key_confirmed_by_id = None
    row.certificate_confirmed_at = row.certificate_confirmed_by_id = None
    row.changed_to = row.changed_at = None


def _record(session: Session, actor: Account, action: str, row: Destination, **detail: Any) -> None:
    subject = f"destination/{row.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=row.owner_id, name=row.name, **detail)
