"""The log-in session of a browser: who the reader is."""

from flask import session as browser
from flask_login import AnonymousUserMixin, UserMixin, current_user, login_user

from portal.accounts import queries
from portal.accounts.models import Account
from portal.core.db import db
from portal.core.web import login


class Reader(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """The logged-in account, as Flask-Login wants it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.id = account.id
        self.email, self.name = account.email, account.name
        self.language, self.time_zone = account.language, account.time_zone
        self.is_operator = account.is_operator

    def get_id(self) -> str:
        return f"{self.account.id}:{self.account.session_version}"


class Anonymous(AnonymousUserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    is_operator = False


login.anonymous_user = Anonymous


@login.user_loader  # type: ignore[untyped-decorator]  # Flask-Login ships no types
def _reader(key: str) -> Reader | None:
    """The reader of a session; none once the account's sessions were ended or its address is no longer verified."""
    account_id, _, version = key.partition(":")
    if not account_id.isdigit():
        return None
    account = queries.by_id(db.session(), int(account_id))
    if account is None or account.verified_at is None or str(account.session_version) != version:
        return None
    return Reader(account)


def begin(account: Account, *, remember: bool = False) -> None:
    """Start a fresh session for the account: nothing an anonymous visitor put into the old one survives."""
    browser.clear()
    login_user(Reader(account), remember=remember)


def current_account() -> Account:
    """The reader's account, on pages that need one."""
    account: Account = current_user.account
    return account
