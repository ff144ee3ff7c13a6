"""What tests of destinations stand on."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core.config import Settings
from portal.core.vault import Vault
from portal.delivery.models import Destination
from portal.licences.models import Kind
from tests import world
from tests.exports.scene import add_destination
from tests.servers.sshd import Sshd


@pytest.fixture
def settings(settings: Settings, sshd: Sshd) -> Iterator[Settings]:
    """As everywhere in tests, with the server's port allowed; the server is left as empty as it was."""
    yield replace(settings, delivery_allowed_ports=(22, 2222, sshd.port))
    for path in sshd.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def vault(settings: Settings) -> Vault:
    return Vault(settings.vault_keys)


@pytest.fixture
def owner(session: Session) -> Account:
    return world.account(session, "owner@demo.example", Kind.AUTO_EXPORT)


@pytest.fixture
def destination(session: Session, vault: Vault, sshd: Sshd, owner: Account) -> Destination:
    """Complete: address, key and confirmed host key."""
    return add_destination(session, vault, sshd, owner, "")


@pytest.fixture
def browser(logged_in: Callable[[Account], FlaskClient], owner: Account) -> FlaskClient:
    """A browser of the owner."""
    return logged_in(owner)
