"""Activating and ending licences. Every function works in the caller's transaction and commits nothing."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import N_, RuleBroken
from portal.licences import queries
from portal.licences.models import Kind, Licence, LicenceRequest

YEARS = range(2000, 3000)
OVERLAPS = N_(
    "The account has this licence in some of these days already. Choose days that do not overlap, or end the "
    "other first."
)


class Wanted(NamedTuple):
    """A licence to be activated, for whole days, both included."""

    account_id: int
    kind: Kind
    first_day: date
    last_day: date | None
    starts_at: datetime | None = None  # where that is not the beginning of the first day


def beginning(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day: midnight, or what comes after it where a clock change takes midnight away."""
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))


def period(first_day: date, last_day: date | None, zone: ZoneInfo) -> tuple[datetime, datetime | None]:
    """The instants of whole days, both included. RuleBroken at the day that is wrong."""
    if first_day.year not in YEARS:
        raise RuleBroken("first_day", "Choose a day of this millennium.")
    if last_day and last_day < first_day:
        raise RuleBroken("last_day", "The last day lies before the first.")
    if last_day and last_day.year not in YEARS:
        raise RuleBroken("last_day", "Choose a day of this millennium.")
    return beginning(first_day, zone), beginning(last_day + timedelta(days=1), zone) if last_day else None


def from_today(starts_at: datetime, ends: Iterable[datetime | None]) -> datetime:
    """When a licence begins whose first day is today: with the day, or when one of the others ended earlier today, so
    that what was ended by mistake is activated again at once."""
    now = clock.now()
    return max((end for end in ends if end and starts_at < end <= now), default=starts_at)


def activate(
    session: Session, actor: Account, account: Account, kind: Kind, first_day: date, last_day: date | None
) -> Licence:
    """Activate a licence for whole days, both included, in the actor's time zone; without `last_day` it has no end.
    An open request for it counts as approved.

    RuleBroken where the account has one of this kind in any of these days. The account is locked meanwhile, so that
    two operators cannot both find the days free.
    """
    zone = ZoneInfo(actor.time_zone)
    starts_at, ends_at = period(first_day, last_day, zone)
    accounts.locked(session, account.id)
    if first_day == clock.now().astimezone(zone).date():
        starts_at = from_today(
            starts_at, [row.ends_at for row in queries.history(session, account.id) if row.kind == kind]
        )
    if queries.overlaps(session, account.id, kind, starts_at, ends_at):
        raise RuleBroken("first_day", OVERLAPS)
    (licence,) = add(session, actor, [Wanted(account.id, kind, first_day, last_day, starts_at)])
    return licence


def add(session: Session, actor: Account, wanted: Sequence[Wanted]) -> list[Licence]:
    """Write these licences, whose days the caller has found free with the accounts locked, in a few statements; an open
    request for one of them counts as approved."""
    zone, rows = ZoneInfo(actor.time_zone), []
    for one in wanted:
        starts_at, ends_at = period(one.first_day, one.last_day, zone)
        rows.append(
            Licence(
                account_id=one.account_id,
                kind=one.kind.value,
                starts_at=one.starts_at or starts_at,
                ends_at=ends_at,
                activated_by_id=actor.id,
            )
        )
    session.add_all(rows)
    session.flush()
    for one, row in zip(wanted, rows, strict=True):
        last_day = one.last_day.isoformat() if one.last_day else None
        _record(session, "licence:activate", actor, row, first_day=one.first_day.isoformat(), last_day=last_day)
    _settle(session, actor, rows)
    return rows


def _settle(session: Session, actor: Account, rows: Sequence[Licence]) -> None:
    """Approve the open requests that these licences fulfil."""
    licences = {(row.account_id, row.kind): row for row in rows}
    accounts_asked = {account_id for account_id, _kind in licences}
    mine = (LicenceRequest.account_id.in_(accounts_asked), LicenceRequest.decided_at.is_(None))
    for request in session.scalars(sa.select(LicenceRequest).where(*mine)):
        licence = licences.get((request.account_id, request.kind))
        if licence is not None:
            request.decided_at, request.decided_by_id = clock.now(), actor.id
            request.approved, request.licence_id = True, licence.id
    session.flush()


def end(session: Session, actor: Account, licence: Licence, last_day: date | None = None) -> None:
    """End a licence now, or after a day in the actor's time zone. A licence that has not begun is withdrawn.

    RuleBroken where it has ended, where the day is over, and where the licence ends earlier anyway. Nothing is
    deleted: what needed the licence stays and waits.
    """
    accounts.locked(session, licence.account_id)
    session.refresh(licence)
    zone, now = ZoneInfo(actor.time_zone), clock.now()
    if licence.ends_at and licence.ends_at <= max(now, licence.starts_at):
        raise RuleBroken("", "This licence has ended already.")
    if last_day and last_day < now.astimezone(zone).date():
        raise RuleBroken("last_day", "Choose today or a later day.")
    if last_day and last_day.year not in YEARS:
        raise RuleBroken("last_day", "Choose a day of this millennium.")
    ends_at = beginning(last_day + timedelta(days=1), zone) if last_day else now
    if last_day and licence.ends_at and licence.ends_at < ends_at:
        raise RuleBroken("last_day", "The licence ends before that day anyway.")
    licence.ends_at = max(ends_at, licence.starts_at)
    licence.announced_days = None  # what was announced was another day
    day = {"last_day": last_day.isoformat() if last_day else None}
    _record(session, "licence:end", actor, licence, **day)


def _record(session: Session, action: str, actor: Account, licence: Licence, **detail: str | None) -> None:
    subject = f"licence/{licence.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=licence.account_id, kind=licence.kind, **detail)
