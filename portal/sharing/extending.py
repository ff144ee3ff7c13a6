"""Making a grant last longer, in place: who holds it keeps it without a gap, and what hangs under it stays."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.errors import RuleBroken
from portal.sharing import limits, shrinking, turns
from portal.sharing.terms import Terms, end_of, last_day, latest, prolonged
from portal.stations.models import Grant, Permission


def extend(session: Session, actor: Account, grant: Grant) -> Grant:
    """Move the end of the grant by as long as it has been given for so far, as `longer_end` says. Of two who extend it
    at once the second extends what the first has made, as far as the limits go."""
    turns.take_to_give(session, actor, [grant.station_group_id])
    session.refresh(grant)
    after = Terms.of(grant)._replace(ends_at=longer_end(session, actor, grant))
    shrinking.change_in_place(session, actor, "grant:extend", grant, after)
    return grant


def longer_end(session: Session, actor: Account, grant: Grant) -> datetime:
    """The end that the actor may give the grant: as long again as so far, at most a year longer, within the end of his
    own permission, of what the grant hangs under, and the owner's maximum counted from today. Reads only.

    RuleBroken when it has ended, has no end, or can last no longer; NotAllowed when it is more than he may give.
    """
    limits.may_touch(session, actor, grant)
    if grant.ends_at is None:
        raise RuleBroken("", "This authorisation has no end.")
    zone = ZoneInfo(actor.time_zone)
    ends = [prolonged(grant, zone)]
    own = limits.source(session, actor, grant.station_group_id, Permission(grant.role), grant)
    above = session.get_one(Grant, grant.under_grant_id, populate_existing=True) if grant.under_grant_id else None
    ends += [upper.ends_at for upper in (own, above) if upper is not None and upper.ends_at is not None]
    most = limits.most_days(session, grant.owner_id)
    if most is not None:
        ends.append(end_of(latest(most, max(clock.now(), grant.starts_at), zone), zone))
    if min(ends) <= grant.ends_at:
        day = last_day(grant.ends_at, zone)
        raise RuleBroken("", "It cannot last longer than until %(day)s: this is as far as you can give it.", day=day)
    return min(ends)
