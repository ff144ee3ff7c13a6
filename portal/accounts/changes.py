"""What a person changes about the own account. Every function works in the caller's transaction, commits nothing."""

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import emails, passwords, queries
from portal.accounts.links import Links, Purpose
from portal.accounts.models import Account
from portal.accounts.operations import checked_name, set_password
from portal.accounts.time_zones import TIME_ZONES
from portal.core import audit, letters
from portal.core.errors import RuleBroken
from portal.core.languages import LANGUAGES


def change_profile(session: Session, actor: Account, name: str, language: str, time_zone: str) -> None:
    """Set name, language and time zone. RuleBroken for a zone or a language that is not offered."""
    clean = checked_name(name)
    if language not in LANGUAGES:
        raise RuleBroken("language", "Choose one of the languages offered.")
    if time_zone not in TIME_ZONES:
        raise RuleBroken("time_zone", "Choose one of the time zones offered.")
    _assign(session, actor, name=clean, language=language, time_zone=time_zone)


def change_language(session: Session, actor: Account, language: str) -> None:
    """Set the language alone, as the menu of every page does; one of LANGUAGES."""
    _assign(session, actor, language=language)


def _assign(session: Session, actor: Account, **values: str) -> None:
    changed = {name: [getattr(actor, name), value] for name, value in values.items() if getattr(actor, name) != value}
    for name, (_before, after) in changed.items():
        setattr(actor, name, after)
    if changed:
        _record(session, "account:change_profile", actor, changed=changed)


def change_password(session: Session, to: Links, actor: Account, present: str, password: str) -> None:
    """Set a new password; the present one must be given. Every session of the account ends: begin this one anew."""
    _check_present(session, actor, present)
    passwords.check_strength(password)
    set_password(actor, passwords.hashed(password))
    letters.post(session, actor.email, actor.language, "password_changed", reset=to.page("/reset"))
    _record(session, "account:change_password", actor)


def end_sessions(session: Session, actor: Account) -> None:
    """End every session of the account."""
    actor.session_version += 1
    _record(session, "account:end_sessions", actor)


def ask_email_change(session: Session, to: Links, actor: Account, new_email: str, present: str) -> str:
    """Send a link to the new address and a notice to the present one; nothing changes before the link is used.

    Returns the new address, normalised. Where it belongs to another account its holder is told, and the answer here
    is the same.
    """
    address = emails.normalise(new_email, "new_email")
    if address == actor.email:
        raise RuleBroken("new_email", "This is your address already.")
    _check_present(session, actor, present)
    if queries.by_email(session, address):
        pages = {"log_in": to.page("/log-in"), "reset": to.page("/reset")}
        letters.post(session, address, actor.language, "email_taken", **pages)
    else:
        link = to.link(Purpose.CONFIRM_EMAIL, actor, address)
        letters.post(session, address, actor.language, "change_email", link=link)
    letters.post(session, actor.email, actor.language, "email_will_change", address=address, reset=to.page("/reset"))
    _record(session, "account:ask_email_change", actor, new_email=address)
    return address


def check_email_change(session: Session, to: Links, token: str) -> tuple[Account, str]:
    """The account and its new address; DeadLink when the link is not good. Changes nothing."""
    return to.read(session, Purpose.CONFIRM_EMAIL, token)


def change_email(session: Session, to: Links, token: str, contact: str) -> Account:
    """Change the address as the link says. `contact` is whom the old address is told to write to.

    DeadLink when the link is not good; RuleBroken when the address was taken by another account meanwhile.
    """
    account, new_email = to.read(session, Purpose.CONFIRM_EMAIL, token)
    old_email = account.email
    try:
        with session.begin_nested():
            account.email = new_email
    except IntegrityError:
        raise RuleBroken("", "This address belongs to another account by now.") from None
    letters.post(session, old_email, account.language, "email_changed", address=new_email, contact=contact)
    _record(session, "account:change_email", account, old_email=old_email, new_email=new_email)
    return account


def _check_present(session: Session, actor: Account, present: str) -> None:
    if not passwords.verify(actor.password_hash, present):
        audit.record(session, "account:wrong_password", f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id)
        raise RuleBroken("present", "This is not your present password.")


def _record(session: Session, action: str, actor: Account, **detail: object) -> None:
    audit.record(session, action, f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id, **detail)
