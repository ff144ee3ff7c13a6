"""Settings: each wrong or missing one stops with one plain sentence that names it."""

import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from portal.core.config import from_environment
from portal.core.errors import SettingsError

KEY = Fernet.generate_key().decode()
PRODUCTION = {
    "DATABASE_URL": "postgresql://piquet:secret@database.example/piquet",
    "REDIS_URL": "redis://queue.example/0",
    "SECRET_KEY": "x" * 32,
    "VAULT_KEYS": KEY,
    "MAIL_URL": "smtp+starttls://piquet:secret@mail.example",
    "MAIL_FROM": "piquet@portal.example",
    "PUBLIC_URL": "https://portal.example/",
}


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, str]:
    return {"DATA_DIR": str(tmp_path / "var")}


def test_without_settings_everything_is_embedded(folder: dict[str, str]) -> None:
    settings = from_environment(folder)
    assert settings.database_url == f"sqlite:///{folder['DATA_DIR']}/piquet.db"
    assert settings.redis_url == f"unix://{folder['DATA_DIR']}/valkey.sock"
    assert settings.embedded_queue
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")


def test_files_are_kept_a_year_and_runs_ten(folder: dict[str, str]) -> None:
    settings = from_environment(folder)
    assert (settings.keep_export_files_days, settings.keep_export_runs_days) == (400, 3650)
    settings = from_environment(folder | {"KEEP_EXPORT_FILES_DAYS": "30", "KEEP_EXPORT_RUNS_DAYS": "60"})
    assert (settings.keep_export_files_days, settings.keep_export_runs_days) == (30, 60)


def test_production_is_read_from_the_environment(folder: dict[str, str]) -> None:
    settings = from_environment(folder | PRODUCTION)
    assert settings.database_url == "postgresql+psycopg://piquet:secret@database.example/piquet"
    assert settings.migration_database_url == settings.database_url
    assert settings.public_url == "https://portal.example"
    assert not settings.embedded_queue


def test_secrets_are_not_in_the_repr(folder: dict[str, str]) -> None:
    text = repr(from_environment(folder | PRODUCTION))
    assert "piquet:secret" not in text
    assert "x" * 32 not in text
    assert KEY not in text


def test_generated_keys_stay_and_are_the_owners_alone(folder: dict[str, str]) -> None:
    first, second = from_environment(folder), from_environment(folder)
    assert (first.secret_key, first.vault_keys) == (second.secret_key, second.vault_keys)
    for name in ("secret_key", "vault_key"):
        assert (Path(folder["DATA_DIR"]) / name).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_agree_on_the_keys(folder: dict[str, str]) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(from_environment(folder).secret_key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", ["SECRET_KEY", "VAULT_KEYS"])
def test_who_names_a_database_names_the_keys(folder: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is missing"):
        from_environment(folder | PRODUCTION | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://root@database.example/piquet"),
        ("MIGRATION_DATABASE_URL", "nonsense"),
        ("REDIS_URL", "queue.example:6379"),
        ("REDIS_URL", "http://queue.example"),
        ("SECRET_KEY", "short"),
        ("VAULT_KEYS", "no key"),
        ("VAULT_KEYS", f"{KEY},"),
        ("MAIL_URL", "mail.example"),
        ("MAIL_URL", "http://mail.example"),
        ("MAIL_URL", "smtp://"),
        ("MAIL_URL", "smtp://mail.example:port"),
        ("MAIL_FROM", "piquet"),
        ("MAIL_FROM", "piquet@portal.example\nBcc: thief@evil.example"),
        ("MAIL_FROM", "a@portal.example, b@portal.example"),
        ("PUBLIC_URL", "portal.example"),
        ("PUBLIC_URL", "ftp://portal.example"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://portal.example/?a=b"),
        ("PUBLIC_URL", "http://[portal"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "٨"),
        ("DELIVERY_ALLOWED_NETWORKS", "everything"),
        ("DELIVERY_ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("DELIVERY_ALLOWED_PORTS", "22,0"),
        ("DELIVERY_ALLOWED_PORTS", "22,65536"),
        ("DELIVERY_ALLOWED_PORTS", "ssh"),
        ("KEEP_EXPORT_FILES_DAYS", "0"),
        ("KEEP_EXPORT_FILES_DAYS", "a year"),
        ("KEEP_EXPORT_RUNS_DAYS", "36501"),
        ("TRUSTED_PROXIES", "yes"),
        ("TRUSTED_PROXIES", "11"),
        ("DEMO", "perhaps"),
    ],
)
def test_it_stops_with_one_sentence_that_names_the_setting(folder: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError) as stopped:
        from_environment(folder | PRODUCTION | {name: value})
    sentence = str(stopped.value)
    assert sentence.startswith(f"{name} ")
    assert sentence.endswith((".", "://"))
    assert "\n" not in sentence
    assert "piquet:secret" not in sentence


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"^DATA_DIR .* cannot be written to"):
        from_environment({"DATA_DIR": str(tmp_path / "file" / "var")})
