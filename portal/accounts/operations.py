"""What happens to accounts. Every function works in the caller's transaction and commits nothing."""

from sqlalchemy.orm import Session

from portal.accounts import passwords, queries
from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import RuleBroken


def authenticate(session: Session, email: str, password: str) -> Account:
    """The account that this address and password open. RuleBroken, the same and as slow for an unknown address, a
    wrong password and an address not yet verified."""
    account = queries.by_email(session, email.strip().lower())
    fits = passwords.verify(account.password_hash if account else None, password)
    if account is None or not fits or account.verified_at is None:
        audit.record(session, "account:log_in_failed", "account", actor_id=None, email=email.strip()[:254])
        raise RuleBroken("", "This e-mail address and password do not fit together.")
    if account.password_hash and passwords.outdated(account.password_hash):
        account.password_hash = passwords.hashed(password)
    audit.record(session, "account:log_in", f"account/{account.id}", actor_id=account.id, owner_id=account.id)
    return account
