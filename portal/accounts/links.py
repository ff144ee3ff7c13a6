"""One-time links: signed, limited in time, and bound to the state of the account that their use changes.

Nothing is stored: once the password, the address, its confirmation or the sessions of the account change, every link
made before is dead. Links begin with the PUBLIC_URL setting, never with the host that a request names.
"""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from portal.accounts import queries
from portal.accounts.models import Account
from portal.core.config import Settings

HOUR, DAY = 3600, 86400


class Purpose(StrEnum):
    """What a link is for; also its path in the portal."""

    VERIFY = "verify"
    RESET = "reset"
    CONFIRM_EMAIL = "confirm-email"
    SET_UP = "set-up"
    SEND_AGAIN = "send-again"  # in a form, never in a mail: whoever knew the password may ask for another letter


SECONDS = {
    Purpose.VERIFY: 7 * DAY,
    Purpose.RESET: 2 * HOUR,
    Purpose.CONFIRM_EMAIL: 2 * DAY,
    Purpose.SET_UP: 7 * DAY,
    Purpose.SEND_AGAIN: HOUR,
}


class DeadLink(Exception):
    """The link was used, is too old, or was never made here; which of them is not told."""


def state(account: Account) -> str:
    """A fingerprint of what a link is bound to. It tells nothing: the password hash carries a random salt."""
    parts = [account.id, account.email, account.verified_at is not None, account.session_version]
    return hashlib.sha256(json.dumps([*parts, account.password_hash]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads links for one installation of the portal."""

    secret_key: str = field(repr=False)
    public_url: str

    @classmethod
    def of(cls, settings: Settings) -> "Links":
        return cls(settings.secret_key, settings.public_url)

    def page(self, path: str) -> str:
        """The address of a page of the portal, for mails: `path` begins with a slash."""
        return self.public_url + path

    def token(self, purpose: Purpose, account: Account, new_email: str = "") -> str:
        return self._signer(purpose).dumps([account.id, state(account), new_email])

    def link(self, purpose: Purpose, account: Account, new_email: str = "") -> str:
        return self.page(f"/{purpose}/{self.token(purpose, account, new_email)}")

    def read(self, session: Session, purpose: Purpose, token: str) -> tuple[Account, str]:
        """The account, locked until the transaction ends so that of two readers one comes too late, and the new
        address in the token; DeadLink when it is not, or no longer, good."""
        account_id, bound_to, new_email = self._loads(purpose, token)
        account = queries.locked(session, account_id)
        if account is None or state(account) != bound_to:
            raise DeadLink
        return account, new_email

    def set_up_token(self, email: str) -> str:
        return self._signer(Purpose.SET_UP).dumps(["", "", email])

    def read_set_up(self, token: str) -> str:
        """The address that the set-up link proposes; DeadLink when it is not good."""
        return self._loads(Purpose.SET_UP, token)[2]

    def _signer(self, purpose: Purpose) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self.secret_key, salt=f"piquet/{purpose}", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def _loads(self, purpose: Purpose, token: str) -> tuple[int, str, str]:
        try:
            account_id, bound_to, new_email = self._signer(purpose).loads(token, max_age=SECONDS[purpose])
        except BadSignature:
            raise DeadLink from None
        return account_id, bound_to, new_email
