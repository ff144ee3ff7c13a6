"""Activating and ending licences. Every function works in the caller's transaction and commits nothing."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.core import audit, clock
from portal.core.errors import RuleBroken
from portal.licences import queries
from portal.licences.models import Kind, Licence

YEARS = range(2000, 3000)


def beginning(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day: midnight, or what comes after it where a clock change takes midnight away."""
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))


def activate(
    session: Session, actor: Account, account: Account, kind: Kind, first_day: date, last_day: date | None
) -> Licence:
    """Activate a licence for whole days, both included, in the actor's time zone; without `last_day` it has no end.

    RuleBroken where the account has one of this kind in any of these days. The account is locked meanwhile, so that
    two operators cannot both find the days free.
    """
    zone = ZoneInfo(actor.time_zone)
    if last_day and last_day < first_day:
        raise RuleBroken("last_day", "The last day lies before the first.")
    if first_day.year not in YEARS or (last_day and last_day.year not in YEARS):
        raise RuleBroken("first_day", "Choose a day of this millennium.")
    starts_at = beginning(first_day, zone)
    ends_at = beginning(last_day + timedelta(days=1), zone) if last_day else None
    accounts.locked(session, account.id)
    if queries.overlaps(session, account.id, kind, starts_at, ends_at):
        raise RuleBroken(
            "first_day",
            "The account has this licence in some of these days already. Choose days that do not overlap, or end the "
            "other first.",
        )
    licence = Licence(
        account_id=account.id, kind=kind.value, starts_at=starts_at, ends_at=ends_at, activated_by_id=actor.id
    )
    session.add(licence)
    session.flush()
    days = {"first_day": first_day.isoformat(), "last_day": last_day.isoformat() if last_day else None}
    _record(session, "licence:activate", actor, licence, **days)
    return licence


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
    day = {"last_day": last_day.isoformat() if last_day else None}
    _record(session, "licence:end", actor, licence, **day)


def _record(session: Session, action: str, actor: Account, licence: Licence, **detail: str | None) -> None:
    subject = f"licence/{licence.id}"
    audit.record(session, action, subject, actor_id=actor.id, owner_id=licence.account_id, kind=licence.kind, **detail)
