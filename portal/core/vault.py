"""Secrets at rest: sealed with Fernet keys that rotate, bound to the place they belong to."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """A sealed secret cannot be opened: wrong keys, damaged, or moved from another row."""


class Vault:
    """Seals and opens secrets. `place` (such as "destination/17/password") is sealed in with the value, so that a
    token copied to another row is refused."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, place: str, value: str) -> bytes:
        """The token to store, under the newest key."""
        return self._fernet.encrypt(json.dumps([place, value]).encode())

    def open(self, place: str, token: bytes) -> str:
        """The secret; VaultError where keys or place do not fit."""
        try:
            sealed_place, value = json.loads(self._fernet.decrypt(token))
        except InvalidToken:
            raise VaultError(f"the secret of {place} cannot be opened with the present VAULT_KEYS") from None
        if sealed_place != place:
            raise VaultError(f"the secret of {place} was sealed for {sealed_place}")
        return str(value)

    def rotate(self, token: bytes) -> bytes:
        """The same secret under the newest key; the oldest key can go once every token was rotated."""
        try:
            return self._fernet.rotate(token)
        except InvalidToken:
            raise VaultError("a secret cannot be opened with the present VAULT_KEYS") from None
