"""What tests of exports and deliveries stand on: an SSH server that settings allow, and an export that is ready."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from portal.core.config import Settings
from portal.core.vault import Vault
from tests.exports.scene import Scene, set_up
from tests.servers.sshd import Sshd

Sessions = Callable[[], AbstractContextManager[Session]]


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
def scene(session: Session, vault: Vault, sshd: Sshd) -> Scene:
    """An export that wants nothing more than to be planned and delivered."""
    scene = set_up(session, vault, sshd)
    session.commit()
    return scene
