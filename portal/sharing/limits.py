"""How far somebody may go who gives, changes or extends a grant: his own grant, the owner's maximum, the calendar."""

from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import authz, clock
from portal.core.errors import NotAllowed, RuleBroken
from portal.sharing import endings
from portal.sharing.shrinking import GIVE
from portal.sharing.terms import end_of, last_day, latest
from portal.stations.models import Grant, Permission


def source(
    session: Session, actor: Account, station_group_id: int, role: Permission, instead_of: Grant | None = None
) -> Grant | None:
    """The actor's own grant by which he may give the permission, the one that lasts longest; none when the station
    group is his. What hangs under `instead_of` does not count. RuleBroken: role."""
    allowing = [held for held, _line in authz.why(session, actor.id, station_group_id, GIVE[role])]
    if any(held.grant_id is None for held in allowing):
        return None
    spared = {instead_of.id} | set(endings.under(session, [instead_of.id])) if instead_of else set()
    ids = [held.grant_id for held in allowing if held.grant_id not in spared]
    if not ids:
        raise RuleBroken("role", "You can give at most the permission that you hold yourself.")
    own = session.scalars(sa.select(Grant).where(Grant.id.in_(ids)).execution_options(populate_existing=True)).all()
    return max(
        own, key=lambda grant: (grant.ends_at is None, grant.ends_at or grant.granted_at, not grant.hides_drivers)
    )


def may_touch(session: Session, actor: Account, grant: Grant) -> None:
    """RuleBroken when the grant has ended, or the actor's own hangs under it; NotAllowed when it is more than he may
    give."""
    if grant.revoked_at is not None or (grant.ends_at is not None and grant.ends_at <= clock.now()):
        raise RuleBroken("", "This authorisation has ended already.")
    held = [held for held, _line in authz.why(session, actor.id, grant.station_group_id, GIVE[Permission(grant.role)])]
    if not held:
        raise NotAllowed
    own = [standing.grant_id for standing in held if standing.grant_id is not None]
    if len(own) == len(held) and set(own) <= set(endings.under(session, [grant.id])):
        raise RuleBroken("", "Your own permission was given under this one. Ask the owner of the station group.")


def check_days(now: datetime, starts_at: datetime | None, ends_at: datetime | None) -> None:
    """RuleBroken: starts_on, ends_on, for a first day that is past and for an end that is past or before the start."""
    if starts_at is not None and starts_at < now:
        raise RuleBroken("starts_on", "Choose today or a later day.")
    if ends_at is not None and ends_at <= now:
        raise RuleBroken("ends_on", "Choose today or a later day.")
    if ends_at is not None and starts_at is not None and ends_at <= starts_at:
        raise RuleBroken("ends_on", "The last day comes before the first one.")


def end_within(session: Session, actor: Account, grant: Grant, under: Grant | None) -> datetime | None:
    """The end that a grant gets which is about to be given: what was asked for, or that of the grant it is given
    under. RuleBroken: ends_on (beyond that one, or beyond the owner's maximum), starts_on."""
    zone, starts_at, ends_at = ZoneInfo(actor.time_zone), grant.starts_at, grant.ends_at
    last = under.ends_at if under else None
    if last is not None and last <= starts_at:
        raise RuleBroken("starts_on", "Your own permission ends before this day.")
    if last is not None and ends_at is not None and ends_at > last:
        day = last_day(last, zone)
        if last_day(ends_at, zone) == day:  # an end in the midst of a day: nobody can choose it
            return _within_most(session, actor, grant, last)
        raise RuleBroken("ends_on", "Your own permission ends on %(day)s: choose that day or an earlier one.", day=day)
    return _within_most(session, actor, grant, ends_at or last)


def most_days(session: Session, owner_id: int) -> int | None:
    """For how many days the owner lets access to what is his be given at most; none: without limit."""
    return session.scalar(sa.select(Account.grant_most_days).where(Account.id == owner_id))


def _within_most(session: Session, actor: Account, grant: Grant, ends_at: datetime | None) -> datetime | None:
    most = most_days(session, grant.owner_id)
    if most is None:
        return ends_at
    zone = ZoneInfo(actor.time_zone)
    day = latest(most, grant.starts_at, zone)
    if ends_at is None or ends_at > end_of(day, zone):
        text = "The owner allows %(days)s days of access at most: choose %(day)s or an earlier day."
        raise RuleBroken("ends_on", text, days=most, day=day)
    return ends_at
