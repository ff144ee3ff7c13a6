"""Secrets at rest."""

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from portal.core.vault import Vault, VaultError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PLACE = "destination/17/password"


def test_it_opens_what_it_sealed() -> None:
    assert Vault((OLD,)).open(PLACE, Vault((OLD,)).seal(PLACE, "geheim: ä")) == "geheim: ä"


def test_what_it_stores_does_not_show_the_secret() -> None:
    assert b"geheim" not in Vault((OLD,)).seal(PLACE, "geheim")


def test_it_refuses_a_token_of_another_row() -> None:
    token = Vault((OLD,)).seal(PLACE, "geheim")
    with pytest.raises(VaultError, match="sealed for destination/17"):
        Vault((OLD,)).open("destination/18/password", token)


@pytest.mark.parametrize("damage", [lambda t: t[:-2], lambda t: b"x" + t, lambda t: t[:30] + t[31:], lambda t: t[:0]])
def test_it_refuses_a_damaged_token(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(VaultError):
        Vault((OLD,)).open(PLACE, damage(Vault((OLD,)).seal(PLACE, "geheim")))


def test_it_refuses_another_key() -> None:
    with pytest.raises(VaultError, match="VAULT_KEYS"):
        Vault((NEW,)).open(PLACE, Vault((OLD,)).seal(PLACE, "geheim"))


def test_keys_rotate() -> None:
    token = Vault((OLD,)).seal(PLACE, "geheim")
    both = Vault((NEW, OLD))
    assert both.open(PLACE, token) == "geheim"
    assert Vault((NEW,)).open(PLACE, both.rotate(token)) == "geheim"


def test_it_rotates_nothing_it_cannot_open() -> None:
    with pytest.raises(VaultError):
        Vault((NEW,)).rotate(Vault((OLD,)).seal(PLACE, "geheim"))
