"""`flask --app wsgi vault rotate`."""

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy.orm import Session

from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination
from portal.delivery.sending import place

NEW = Fernet.generate_key().decode()


@pytest.fixture
def renewed(app: Flask, settings: Settings) -> Flask:
    """The application with a new key in front of the present one."""
    app.extensions["vault"] = Vault((NEW, *settings.vault_keys))
    return app


def _rotate(app: Flask) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(args=["vault", "rotate"])
    return done.exit_code, done.output


def test_the_newest_key_alone_opens_every_secret(
    session: Session, renewed: Flask, vault: Vault, destination: Destination
) -> None:
    secret = vault.open(place(destination), destination.sealed_secret or b"")
    session.commit()
    assert _rotate(renewed) == (0, "1 secrets are sealed under the newest key.\n")
    session.refresh(destination)
    assert Vault((NEW,)).open(place(destination), destination.sealed_secret or b"") == secret


def test_a_secret_that_no_key_opens_is_named_and_kept(
    session: Session, renewed: Flask, destination: Destination
) -> None:
    lost = destination.sealed_secret = Vault((Fernet.generate_key().decode(),)).seal(place(destination), "secret")
    session.commit()
    code, output = _rotate(renewed)
    assert (code, f"destinations {destination.id}." in output) == (1, True)
    session.refresh(destination)
    assert destination.sealed_secret == lost


def test_a_destination_without_secret_is_left_alone(session: Session, renewed: Flask, destination: Destination) -> None:
    destination.sealed_secret = None
    session.commit()
    assert _rotate(renewed) == (0, "0 secrets are sealed under the newest key.\n")
