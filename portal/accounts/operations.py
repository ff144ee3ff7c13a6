"""How people come in: log-in, registration, confirming an address, setting a password, the operator.

Every function works in the caller's transaction and commits nothing. What a stranger asks for with somebody's address
is answered alike, in words, time and mails, whether or not there is an account.
"""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import emails, passwords, queries
from portal.accounts.links import DeadLink, Links, Purpose
from portal.accounts.models import Account
from portal.core import audit, clock, letters
from portal.core.errors import RuleBroken
from portal.core.languages import DEFAULT, LANGUAGES

LONGEST_NAME = 120


class NotVerified(Exception):
    """The password is right, but nobody has shown yet that the address is his: another letter can be offered."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.id)
        self.account = account


def authenticate(session: Session, email: str, password: str, *, demo: bool = False) -> Account:
    """The account that this address and password open. RuleBroken, the same and as slow, for an unknown address and a
    wrong password, such as that of the demo anywhere else; NotVerified only where the password is right. The
    caller commits in any case: failures are recorded."""
    account = queries.by_email(session, email.strip().lower())
    fits = passwords.verify(account.password_hash if account else None, password)
    fits = fits and (demo or password != passwords.OF_THE_DEMO)
    if account is None or not fits:
        _record_failure(session, account, email, "password")
        raise RuleBroken("", "This e-mail address and password do not fit together.")
    if account.verified_at is None:
        _record_failure(session, account, email, "not_verified")
        raise NotVerified(account)
    if account.password_hash and passwords.outdated(account.password_hash):
        account.password_hash = passwords.hashed(password)
    _record(session, "account:log_in", account)
    return account


def log_out(session: Session, account: Account) -> None:
    """Record that the account's holder left; the browser forgets him by itself."""
    _record(session, "account:log_out", account)


def register(session: Session, to: Links, email: str, name: str, password: str, language: str) -> Account | None:
    """Open an account that waits for its address to be confirmed, and send the letter with the link.

    None where a confirmed account has the address: its holder is told by mail, and nothing is changed. Who registers
    an address again before it is confirmed replaces what was entered; the links sent before are dead.
    """
    email, password_hash = emails.normalise(email), _new_password(password)
    account = _pending(session, email, checked_name(name), password_hash, language)
    if account is None:
        known = queries.by_email(session, email)
        language = known.language if known else language
        letters.post(session, email, language, "has_account", log_in=to.page("/log-in"), reset=to.page("/reset"))
        return None
    send_verification(session, to, account)
    _record(session, "account:register", account)
    return account


def register_confirmed(session: Session, email: str, name: str, password: str, language: str) -> Account | None:
    """Open an account whose holder has just shown, by a link in a mail to it, that the address is his. An account that
    nobody has confirmed is replaced. None where a confirmed account has the address; nothing is changed then."""
    password_hash = _new_password(password)
    account = _pending(session, email, checked_name(name), password_hash, language)
    if account is not None:
        set_password(account, password_hash)
        account.verified_at = clock.now()
        _record(session, "account:register", account)
        _record(session, "account:verify", account)
    return account


def _pending(session: Session, email: str, name: str, password_hash: str, language: str) -> Account | None:
    account = queries.by_email(session, email)
    if account and account.verified_at:
        return None
    fields = {"name": name, "password_hash": password_hash, "language": _known_language(language)}
    if account:
        for field, value in fields.items():
            setattr(account, field, value)
        session.flush()
        return account
    account = Account(email=email, **fields)
    try:
        with session.begin_nested():
            session.add(account)
    except IntegrityError:  # registered by somebody else a moment ago
        return None
    return account


def send_verification(session: Session, to: Links, account: Account) -> None:
    """Send the letter that confirms the account's address."""
    letters.post(session, account.email, account.language, "verify", link=to.link(Purpose.VERIFY, account))


def send_verification_again(session: Session, to: Links, token: str) -> None:
    """Send it again to whoever knew the password a moment ago; DeadLink when the token is not good."""
    account, _ = to.read(session, Purpose.SEND_AGAIN, token)
    send_verification(session, to, account)


def check_verification(session: Session, to: Links, token: str) -> Account:
    """The account whose address the link confirms; DeadLink when the link is not good. Changes nothing."""
    account, _ = to.read(session, Purpose.VERIFY, token)
    return account


def verify(session: Session, to: Links, token: str, *, registered_here: bool, password: str) -> Account:
    """Confirm the address. DeadLink when the link is not good.

    Whoever opens the link in another browser than the one that registered shows that he chose the password: else a
    stranger could register somebody's address with a password of his own and wait for the holder to confirm it.
    """
    account, _ = to.read(session, Purpose.VERIFY, token)
    if not registered_here and not passwords.verify(account.password_hash, password):
        raise RuleBroken("password", "This is not the password that was chosen at registration.")
    account.verified_at = clock.now()
    _record(session, "account:verify", account)
    return account


def ask_reset(session: Session, to: Links, email: str, language: str) -> None:
    """Send a letter with a link to choose a new password; where there is no account, a letter that says so."""
    address = emails.normalise(email)
    account = queries.by_email(session, address)
    if account is None:
        letters.post(session, address, _known_language(language), "no_account", register=to.page("/register"))
        return
    letters.post(session, address, account.language, "reset", link=to.link(Purpose.RESET, account))
    _record(session, "account:ask_reset", account, actor=False)


def check_reset(session: Session, to: Links, token: str) -> Account:
    """The account whose password the link sets; DeadLink when the link is not good. Changes nothing."""
    account, _ = to.read(session, Purpose.RESET, token)
    return account


def reset(session: Session, to: Links, token: str, password: str) -> Account:
    """Set the password: ends every session, and confirms the address, for the link came by mail to it."""
    account, _ = to.read(session, Purpose.RESET, token)
    set_password(account, _new_password(password))
    account.verified_at = account.verified_at or clock.now()
    letters.post(session, account.email, account.language, "password_changed", reset=to.page("/reset"))
    _record(session, "account:reset_password", account)
    return account


def set_password(account: Account, password_hash: str) -> None:
    """Set the password and end every session of the account."""
    account.password_hash = password_hash
    account.session_version += 1


def operator_link_token(to: Links, email: str = "") -> str:
    """The token of the page /set-up/<token>, which makes the first operator; good for 7 days, and only while there
    is none."""
    return to.set_up_token(email)


def check_set_up(session: Session, to: Links, token: str) -> str:
    """The address that the link proposes; DeadLink when it is not good or there is an operator already."""
    if queries.operator_exists(session):
        raise DeadLink
    return to.read_set_up(token)


def create_operator(session: Session, email: str, name: str, password: str, language: str = "en") -> Account:
    """Make the first operator, whose address counts as confirmed: the link was shown on the server itself.

    DeadLink when there is one already. An account with the address becomes the operator, with this new password.
    """
    password_hash = _new_password(password)
    if queries.operator_exists(session):
        raise DeadLink
    account = appoint_operator(session, email)
    account.name, account.language = checked_name(name), _known_language(language)
    set_password(account, password_hash)
    account.verified_at = account.verified_at or clock.now()
    return account


def appoint_operator(session: Session, email: str) -> Account:
    """Make the holder of the address an operator; a new account has no password until one is set by a link.

    An account that nobody has confirmed loses its password: anybody could have chosen it.
    """
    address = emails.normalise(email)
    account = queries.by_email(session, address)
    if account is None:
        account = Account(email=address)
        session.add(account)
    if account.verified_at is None:
        account.password_hash = None
    account.is_operator = True
    session.flush()
    _record(session, "account:appoint_operator", account, actor=False)
    return account


def checked_name(name: str) -> str:
    """The name with single spaces; RuleBroken unless it has 1 to 120 characters that can be read."""
    clean = " ".join(name.split())
    if not 0 < len(clean) <= LONGEST_NAME or not clean.isprintable():
        raise RuleBroken("name", "Enter a name of 1 to 120 characters.")
    return clean


def _new_password(password: str) -> str:
    passwords.check_strength(password)
    return passwords.hashed(password)


def _known_language(language: str) -> str:
    return language if language in LANGUAGES else DEFAULT


def _record_failure(session: Session, account: Account | None, typed: str, why: str) -> None:
    """Who failed is not known; the holder of the address, where there is one, may read of it."""
    owner_id, email = account.id if account else None, typed.strip()[:254]
    audit.record(session, "account:log_in_failed", "account", actor_id=None, owner_id=owner_id, email=email, why=why)


def _record(session: Session, action: str, account: Account, *, actor: bool = True) -> None:
    actor_id = account.id if actor else None
    audit.record(session, action, f"account/{account.id}", actor_id=actor_id, owner_id=account.id)
