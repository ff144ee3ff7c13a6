"""Rules of how an account hears of its exports."""

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import RuleBroken
from portal.exports.models import ExportNotice

DIGESTS = ("never", "attention", "daily")


def of(session: Session, account_id: int) -> ExportNotice:
    """How the account hears of its exports; as usual, and not kept yet, where it has chosen nothing."""
    return session.get(ExportNotice, account_id) or ExportNotice(account_id=account_id, digest="attention")


def choose_digest(session: Session, actor: Account, digest: str) -> None:
    """When the account gets the digest of a day. RuleBroken."""
    if digest not in DIGESTS:
        raise RuleBroken("digest", "This must be filled in.")
    notice = of(session, actor.id)
    before, notice.digest = notice.digest, digest
    session.add(notice)
    if before != digest:
        record(session, actor, "export.digest_chosen", changed={"digest": [before, digest]})


def record(session: Session, actor: Account, action: str, **detail: object) -> None:
    audit.record(session, action, f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id, **detail)
