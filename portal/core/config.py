"""Settings: read once from the environment, checked at start, never picked up from anywhere else.

Without settings everything is embedded (SQLite and Valkey in DATA_DIR, generated keys). Who names a DATABASE_URL runs
in production and must name the keys as well: generated ones would differ between the machines that share the database.
"""

import contextlib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from portal.core.errors import SettingsError

TRUE, FALSE = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
DATABASES = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
SENDER = re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+|[^<>@,;\r\n]*<[^\s<>@,;]+@[^\s<>@,;]+>")
MAX_UPLOAD_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings. Secrets are left out of the repr."""

    data_dir: Path
    host: str
    port: int
    database_url: str = field(repr=False)
    migration_database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    embedded_queue: bool
    secret_key: str = field(repr=False)
    vault_keys: tuple[str, ...] = field(repr=False)
    mail_url: str = field(repr=False)
    mail_from: str
    public_url: str
    delivery_allowed_networks: tuple[str, ...]
    delivery_allowed_ports: tuple[int, ...]
    keep_export_files_days: int
    keep_export_runs_days: int
    trusted_proxies: int
    demo: bool


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Checked settings; SettingsError names the variable, what is wrong with it, and what it should be."""
    data_dir = Path(environ.get("DATA_DIR") or "var").absolute()
    _writable(data_dir)
    production = bool(environ.get("DATABASE_URL"))
    port = _number(environ, "PORT", 8000, 1, 65535)
    public_url = environ.get("PUBLIC_URL") or f"http://127.0.0.1:{port}"
    database_url = _database_url(environ, "DATABASE_URL", f"sqlite:///{data_dir / 'piquet.db'}")
    redis_url = environ.get("REDIS_URL") or f"unix://{data_dir / 'valkey.sock'}"
    _scheme("REDIS_URL", redis_url, {"redis", "rediss", "unix"})
    host = _public_host(public_url)
    mail_url = environ.get("MAIL_URL") or f"folder://{data_dir / 'mail'}"
    _mail_server(mail_url)
    return Settings(
        data_dir=data_dir,
        host=environ.get("HOST") or "127.0.0.1",
        port=port,
        database_url=database_url,
        migration_database_url=_database_url(environ, "MIGRATION_DATABASE_URL", database_url),
        redis_url=redis_url,
        embedded_queue=not environ.get("REDIS_URL"),
        secret_key=_secret_key(environ, data_dir, required=production),
        vault_keys=_vault_keys(environ, data_dir, required=production),
        mail_url=mail_url,
        mail_from=_sender(environ.get("MAIL_FROM") or f"piquet@{host}"),
        public_url=public_url.rstrip("/"),
        delivery_allowed_networks=_networks(environ.get("DELIVERY_ALLOWED_NETWORKS", "")),
        delivery_allowed_ports=_ports(environ.get("DELIVERY_ALLOWED_PORTS") or "21,22,990,2222"),
        keep_export_files_days=_number(environ, "KEEP_EXPORT_FILES_DAYS", 400, 1, 36500),
        keep_export_runs_days=_number(environ, "KEEP_EXPORT_RUNS_DAYS", 3650, 1, 36500),
        trusted_proxies=_number(environ, "TRUSTED_PROXIES", 0, 0, 10),
        demo=_flag(environ, "DEMO"),
    )


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name} is {text!r}, but must be a whole number from {low} to {high}.")
    return int(text)


def _flag(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "").lower()
    if text not in TRUE | FALSE:
        raise SettingsError(f"{name} is {text!r}, but must be 1 or 0.")
    return text in TRUE


def _scheme(name: str, url: str, allowed: set[str]) -> None:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in allowed:
        raise SettingsError(f"{name} must be a URL that begins with one of: {', '.join(sorted(allowed))}://")


def _public_host(url: str) -> str:
    """The host in PUBLIC_URL, which every link in a mail begins with."""
    _scheme("PUBLIC_URL", url, {"http", "https"})
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(
            "PUBLIC_URL must be the portal's address as people type it, such as https://piquet.example."
        )
    return parts.hostname


def _mail_server(url: str) -> None:
    _scheme("MAIL_URL", url, {"smtp", "smtps", "smtp+starttls", "folder"})
    parts = urlsplit(url)
    try:
        complete = bool(parts.path if parts.scheme == "folder" else parts.hostname and parts.port != 0)
    except ValueError:
        complete = False
    if not complete:
        raise SettingsError("MAIL_URL must name a host, such as smtp://mail.example:25, or a folder.")


def _sender(text: str) -> str:
    if not SENDER.fullmatch(text):
        raise SettingsError(
            "MAIL_FROM must be one address, such as piquet@portal.example or Piquet <piquet@portal.example>."
        )
    return text


def _database_url(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name) or default
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingsError(f"{name} is not a database URL, such as postgresql://user:password@host/piquet.") from None
    backend = url.get_backend_name()
    if backend not in DATABASES:
        raise SettingsError(f"{name} names {backend}, but Piquet runs on PostgreSQL 15 or newer, or on SQLite.")
    return url.set(drivername=DATABASES[backend]).render_as_string(hide_password=False)


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".writable-{secrets.token_hex(4)}"  # another process may look at the same moment
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SettingsError(f"DATA_DIR {folder} cannot be written to: {error.strerror}.") from None


def _secret_key(environ: Mapping[str, str], data_dir: Path, *, required: bool) -> str:
    text = environ.get("SECRET_KEY", "")
    if not text:
        if required:
            raise SettingsError("SECRET_KEY is missing: with a DATABASE_URL it must be set, to 32 or more characters.")
        return _generated(data_dir / "secret_key", lambda: secrets.token_urlsafe(48))
    if len(text) < 32:
        raise SettingsError("SECRET_KEY is too short: it must have 32 or more characters.")
    return text


def _vault_keys(environ: Mapping[str, str], data_dir: Path, *, required: bool) -> tuple[str, ...]:
    text = environ.get("VAULT_KEYS", "")
    if not text and required:
        raise SettingsError("VAULT_KEYS is missing: with a DATABASE_URL it must be set; `make vault-key` prints one.")
    text = text or _generated(data_dir / "vault_key", lambda: Fernet.generate_key().decode())
    keys = tuple(key.strip() for key in text.split(","))
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise SettingsError("VAULT_KEYS must be Fernet keys separated by commas, the newest first.") from None
    return keys


def _generated(path: Path, make: Callable[[], str]) -> str:
    """The key kept in `path`; made once, readable by its owner only. Two processes that start at once agree."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(make())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)  # fails where the key is there already; never a half-written one
    draft.unlink()
    return path.read_text().strip()


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise SettingsError(f"DELIVERY_ALLOWED_NETWORKS must be networks such as 10.20.0.0/16: {error}.") from None


def _ports(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 65536 for part in parts):
        raise SettingsError("DELIVERY_ALLOWED_PORTS must be port numbers separated by commas, such as 22,2222.")
    return tuple(int(part) for part in parts)
