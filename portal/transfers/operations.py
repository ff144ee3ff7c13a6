"""Offering, withdrawing, declining and accepting. Every function works in the caller's transaction, commits nothing.

An offer promises nothing: whether the thing is still the giver's, and the receiver the one meant, is asked again at
acceptance, behind the locks of all that goes over.
"""

from datetime import timedelta
from functools import partial

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from portal.accounts import emails, passwords, user_groups
from portal.accounts.models import Account, UserGroupMember
from portal.core import audit, clock
from portal.core.db import among
from portal.core.errors import NotAllowed, RuleBroken
from portal.sharing import operations as sharing
from portal.sharing import shrinking
from portal.sharing.models import Transfer
from portal.stations.group_list import stands
from portal.stations.models import Grant, Station, StationGroup
from portal.transfers import charging, clashes, exporting, moving, reporting, things
from portal.transfers.things import Held, Kind, State, Thing

VALID = timedelta(days=14)
LONGEST_MESSAGE = 1000
DEADLOCK = "40P01"
MEANWHILE = "Somebody else changed this at the same moment. Look again, then accept once more."


def check_password(session: Session, actor: Account, present: str) -> None:
    """RuleBroken unless it is the actor's password; the attempt stays recorded when the caller commits."""
    if not passwords.verify(actor.password_hash, present):
        audit.record(session, "account:wrong_password", f"account/{actor.id}", actor_id=actor.id, owner_id=actor.id)
        raise RuleBroken("present", "This is not your present password.")


def offer(session: Session, actor: Account, thing: Thing, email: str, message: str = "") -> Transfer:
    """Offer what is the actor's own to the holder of an address, whether or not it has an account. RuleBroken: email,
    message, or none of these where an offer of the same thing is open or there is nothing to offer."""
    if thing.owner_id != actor.id:
        raise NotAllowed
    to_email = emails.normalise(email)
    if to_email == actor.email:
        raise RuleBroken("email", "This is your own address.")
    message = message.strip()
    if len(message) > LONGEST_MESSAGE:
        raise RuleBroken("message", "Use at most %(most)s characters.", most=LONGEST_MESSAGE)
    _locked_thing(session, thing)
    if open_offer(session, thing) is not None:
        raise RuleBroken("", "This is offered to somebody already. Withdraw that offer first.")
    if thing.kind is Kind.ACCOUNT and not _owns_anything(session, actor):
        raise RuleBroken("", "You own no station and no station group: there is nothing to transfer.")
    row = Transfer(
        kind=thing.kind.value,
        from_id=actor.id,
        to_email=to_email,
        station_id=thing.id if thing.kind is Kind.STATION else None,
        station_group_id=thing.id if thing.kind is Kind.STATION_GROUP else None,
        message=message,
        expires_at=clock.now() + VALID,
        moved={"name": thing.name},
    )
    session.add(row)
    session.flush()
    _record(session, "transfer:offer", row, actor, actor.id)
    return row


def open_offer(session: Session, thing: Thing) -> Transfer | None:
    """The offer of this thing that can be accepted still."""
    same = {
        Kind.STATION: Transfer.station_id == thing.id,
        Kind.STATION_GROUP: Transfer.station_group_id == thing.id,
        Kind.ACCOUNT: Transfer.kind == Kind.ACCOUNT.value,
    }[thing.kind]
    mine = Transfer.from_id == thing.owner_id
    return session.scalar(sa.select(Transfer).where(mine, same, *things.open_offers()).limit(1))


def withdraw(session: Session, actor: Account, transfer: Transfer) -> None:
    """Take the actor's own offer back. RuleBroken when it was decided already."""
    _lock(session, transfer)
    if transfer.from_id != actor.id:
        raise NotAllowed
    _decide(session, transfer, actor, State.WITHDRAWN)
    _record(session, "transfer:withdraw", transfer, actor, actor.id)


def decline(session: Session, actor: Account, transfer: Transfer) -> None:
    """Refuse what is offered to the actor's address. RuleBroken when it was decided already."""
    _lock(session, transfer)
    _must_be_meant(session, actor, transfer)
    _decide(session, transfer, actor, State.DECLINED)
    _record(session, "transfer:decline", transfer, actor, transfer.from_id)


def accept(session: Session, actor: Account, transfer: Transfer) -> Thing:
    """Take over what is offered to the actor's address: from here on it is his, and says what it is.

    RuleBroken, and nothing has changed, when the offer was decided or has expired, when it is no longer the giver's,
    when the actor uses the same references, identifiers or session numbers, or when something it needs was changed at
    this very moment; the whole transaction is rolled back then.
    """
    try:
        return _accept(session, actor, transfer)
    except (IntegrityError, OperationalError) as error:
        if isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") != DEADLOCK:
            raise
        session.rollback()
        raise RuleBroken("", MEANWHILE) from None


def _accept(session: Session, actor: Account, transfer: Transfer) -> Thing:
    _lock(session, transfer)
    _must_be_meant(session, actor, transfer)
    _must_be_open(transfer)
    if transfer.from_id == actor.id:
        raise RuleBroken("", "This is yours already.")
    thing = things.of(session, transfer)
    held = things.hold(session, thing) if thing else None
    if thing is None or held is None or not _is_there(thing, held):
        raise RuleBroken("", "This no longer belongs to the one who offered it.")
    moved = (
        _move_account(session, actor, thing, held) if thing.kind is Kind.ACCOUNT else _move(session, actor, thing, held)
    )
    moving.tasks_and_imports(session, held, thing.owner_id, actor.id)
    _decide(session, transfer, actor, State.ACCEPTED)
    transfer.moved = {**transfer.moved, **moved}
    _withdraw_others(session, transfer, held)
    _record(session, "transfer:accept", transfer, actor, thing.owner_id)
    _record(session, "transfer:accept", transfer, actor, actor.id)
    session.flush()
    session.expire_all()
    return thing


def _is_there(thing: Thing, held: Held) -> bool:
    """Whether what was offered was still the giver's behind the locks."""
    if thing.kind is Kind.ACCOUNT:
        return bool(held.station_ids or held.group_ids)
    return thing.id in (held.station_ids if thing.kind is Kind.STATION else held.group_ids)


def _move(session: Session, actor: Account, thing: Thing, held: Held) -> dict[str, int]:
    clashes.check(session, held, actor.id)
    ended = 0
    if thing.kind is Kind.STATION_GROUP:
        ended = sharing.end_all_on(session, actor, thing.id)
        moving.forget_grants(session, held)
    moving.forget_recipients(session, held)
    moving.forget_special_users(session, held)
    reporting.stop(session, held, actor.id)
    moving.stations_and_groups(session, held, actor.id)
    sessions = charging.move_without_drivers(session, held, actor.id)
    return _figures(held) | {"sessions": sessions, "grants_ended": ended}


def _move_account(session: Session, actor: Account, thing: Thing, held: Held) -> dict[str, int]:
    drivers, same = charging.drivers_to_move(session, thing.owner_id, actor.id)
    clashes.check(session, held, actor.id, drivers)
    giver = session.get_one(Account, thing.owner_id)
    exports = exporting.move(session, giver.id, actor.id, actor.email)
    reports = reporting.move(session, giver.id, actor.id, actor.email)
    reporting.follow_drivers(session, same)
    coming, theirs = among(session, Grant.station_group_id, held.group_ids), Grant.email.in_([actor.email, giver.email])
    ended = shrinking.end(session, actor, session.scalars(sa.select(Grant.id).where(coming, theirs, *stands())))
    # The giver may stand in his own user groups: he would keep by them what he gives away.
    inside = among(session, UserGroupMember.user_group_id, held.user_group_ids)
    himself = sa.select(UserGroupMember).where(inside, UserGroupMember.email == giver.email)
    for member in session.scalars(himself).all():
        user_groups.remove_member(session, actor, member)
    move = partial(moving.stations_and_groups, session, held, actor.id)
    move = partial(moving.with_user_groups, session, held, actor.id, move)
    moving.with_recipients(session, held, actor.id, move)
    moving.rules_for_all_stations(session, giver.id, actor.id)
    sessions = charging.move_with_drivers(session, held, actor.id, drivers, same)
    figures = {"sessions": sessions, "grants_ended": len(ended), "user_groups": len(held.user_group_ids)}
    return _figures(held) | figures | exports | reports | {"drivers": len(drivers) + len(same)}


def _figures(held: Held) -> dict[str, int]:
    counts = {"stations": held.station_ids, "connectors": held.connector_ids, "groups": held.group_ids}
    return {name: len(ids) for name, ids in counts.items()}


def _withdraw_others(session: Session, transfer: Transfer, held: Held) -> None:
    """Offers of the same giver for what is no longer his come to their end with this one."""
    gone = sa.or_(
        among(session, Transfer.station_id, held.station_ids),  # type: ignore[arg-type]  # may be NULL
        among(session, Transfer.station_group_id, held.group_ids),  # type: ignore[arg-type]  # may be NULL
    )
    others = sa.update(Transfer).where(Transfer.id != transfer.id, Transfer.from_id == transfer.from_id, gone)
    values = {"state": State.WITHDRAWN.value, "decided_at": clock.now()}
    session.execute(others.where(*things.open_offers()).values(values), execution_options=moving.UNSYNCHRONISED)


def _lock(session: Session, transfer: Transfer) -> None:
    session.refresh(transfer, with_for_update=True)


def _must_be_open(transfer: Transfer) -> None:
    state = things.state(transfer)
    if state is State.EXPIRED:
        raise RuleBroken("", "This offer has expired. Ask for a new one.")
    if state is not State.OFFERED:
        raise RuleBroken("", "This offer was answered or withdrawn already.")


def _must_be_meant(session: Session, actor: Account, transfer: Transfer) -> None:
    """The address is read again and kept from changing until the transaction ends."""
    session.refresh(actor, with_for_update={"read": True})
    if actor.verified_at is None or actor.email != transfer.to_email:
        raise NotAllowed


def _decide(session: Session, transfer: Transfer, actor: Account, state: State) -> None:
    _must_be_open(transfer)
    transfer.state, transfer.decided_at, transfer.decided_by_id = state.value, clock.now(), actor.id
    session.flush()


def _locked_thing(session: Session, thing: Thing) -> None:
    """Of two offers of one thing at the same moment the second sees the first."""
    ids = {Kind.STATION: Station.id, Kind.STATION_GROUP: StationGroup.id, Kind.ACCOUNT: Account.id}[thing.kind]
    session.execute(sa.select(ids).where(ids == thing.id).with_for_update(key_share=True)).all()


def _owns_anything(session: Session, actor: Account) -> bool:
    stations = sa.select(Station.id).where(Station.owner_id == actor.id).exists()
    groups = sa.select(StationGroup.id).where(StationGroup.owner_id == actor.id).exists()
    return bool(session.scalar(sa.select(sa.or_(stations, groups))))


def _record(session: Session, action: str, transfer: Transfer, actor: Account, owner_id: int) -> None:
    subject = transfer.station_id or transfer.station_group_id or transfer.from_id
    audit.record(
        session,
        action,
        f"{transfer.kind}/{subject}",
        actor_id=actor.id,
        owner_id=owner_id,
        transfer=transfer.id,
        to=transfer.to_email,
        **transfer.moved,
    )
