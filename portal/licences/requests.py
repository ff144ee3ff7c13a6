"""Asking for a licence, and deciding on what was asked. Works in the caller's transaction and commits nothing."""

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import N_, RuleBroken
from portal.licences import operations, queries
from portal.licences.models import Kind, Licence, LicenceRequest
from portal.licences.words import WORDS

MOST_LETTERS = 1000
GONE = N_("These requests are decided or withdrawn already.")
TAKEN = N_(
    "%(address)s has the licence %(licence)s in some of these days already. Choose other days, or leave this "
    "request out."
)


def ask(session: Session, actor: Account, kind: Kind, message: str = "") -> LicenceRequest:
    """The actor's open request for this kind, made now unless there is one: a second click changes nothing.

    RuleBroken where the licence is active without end, and where the message is too long.
    """
    text = message.strip()
    if len(text) > MOST_LETTERS:
        raise RuleBroken("message", "Write at most %(most)s letters.", most=MOST_LETTERS)
    accounts.locked(session, actor.id)
    waiting = open_request(session, actor.id, kind)
    if waiting is not None:
        return waiting
    held = queries.current(session, actor.id)[kind]
    if held.is_active and held.until is None:
        raise RuleBroken("kind", "This licence is active already, without end.")
    request = LicenceRequest(account_id=actor.id, kind=kind.value, message=text)
    session.add(request)
    session.flush()
    _record(session, "licence:request", actor, request)
    return request


def withdraw(session: Session, actor: Account, kind: Kind) -> bool:
    """Take back the actor's open request for this kind; False when there is none any more."""
    accounts.locked(session, actor.id)
    request = open_request(session, actor.id, kind)
    if request is None:
        return False
    request.decided_at, request.decided_by_id = clock.now(), actor.id
    _record(session, "licence_request.withdrawn", actor, request)
    return True


def open_request(session: Session, account_id: int, kind: Kind) -> LicenceRequest | None:
    mine = (LicenceRequest.account_id == account_id, LicenceRequest.kind == kind.value)
    return session.scalar(sa.select(LicenceRequest).where(*mine, LicenceRequest.decided_at.is_(None)))


def approve(
    session: Session, actor: Account, request_ids: Sequence[int], first_day: date, last_day: date | None
) -> list[Licence]:
    """Activate what these requests ask for, all for the same days, or none of it.

    RuleBroken where none is open any more, where the days are wrong, and where they overlap with a licence that an
    account holds: the message names it.
    """
    found = []
    for request in _still_open(session, request_ids):
        account = session.get_one(Account, request.account_id)
        try:
            found.append(operations.activate(session, actor, account, Kind(request.kind), first_day, last_day))
        except RuleBroken as broken:
            if len(request_ids) == 1 or broken.message != operations.OVERLAPS:
                raise
            name = WORDS[Kind(request.kind)].name
            raise RuleBroken("first_day", TAKEN, address=account.email, licence=name) from None
    return found


def decline(session: Session, actor: Account, request_ids: Sequence[int], reason: str) -> list[LicenceRequest]:
    """Turn these requests down with a reason that the accounts are told. RuleBroken without a reason, and where none
    is open any more."""
    text = reason.strip()
    if not text:
        raise RuleBroken("reason", "Say why: the account is told.")
    if len(text) > MOST_LETTERS:
        raise RuleBroken("reason", "Write at most %(most)s letters.", most=MOST_LETTERS)
    found = _still_open(session, request_ids)
    for request in found:
        request.decided_at, request.decided_by_id = clock.now(), actor.id
        request.approved, request.reason = False, text
        _record(session, "licence_request.declined", actor, request, reason=text)
    return found


def _still_open(session: Session, request_ids: Sequence[int]) -> list[LicenceRequest]:
    """Those that nobody has decided on, locked: of two operators the second one finds them decided. The accounts are
    locked first, as who asks and who withdraws does."""
    asking = sa.select(LicenceRequest.account_id).where(LicenceRequest.id.in_(request_ids))
    session.scalars(sa.select(Account).where(Account.id.in_(asking)).order_by(Account.id).with_for_update()).all()
    chosen = sa.select(LicenceRequest).where(LicenceRequest.id.in_(request_ids), LicenceRequest.decided_at.is_(None))
    found = list(session.scalars(chosen.order_by(LicenceRequest.id), execution_options={"populate_existing": True}))
    if not found:
        raise RuleBroken("", GONE)
    return found


def _record(session: Session, action: str, actor: Account, request: LicenceRequest, **detail: str) -> None:
    subject = f"licence_request/{request.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=request.account_id, kind=request.kind, **detail)
