"""For how long an account lets others have access to what is its own: what is proposed, and the most."""

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit
from portal.core.errors import RuleBroken

MOST_DAYS = 3650


def change_durations(session: Session, actor: Account, default_days: int | None, most_days: int | None) -> None:
    """Set the usual and the longest duration of new access in days; none: without end, without limit. What was given
    before stays as it is. RuleBroken: grant_default_days, grant_most_days."""
    for field, days in (("grant_default_days", default_days), ("grant_most_days", most_days)):
        if days is not None and not 1 <= days <= MOST_DAYS:
            raise RuleBroken(field, "Enter 1 to %(most)s days, or leave it empty.", most=MOST_DAYS)
    if default_days is not None and most_days is not None and default_days > most_days:
        raise RuleBroken("grant_default_days", "The usual duration cannot be longer than the longest one.")
    before = {"grant_default_days": actor.grant_default_days, "grant_most_days": actor.grant_most_days}
    after = {"grant_default_days": default_days, "grant_most_days": most_days}
    changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    actor.grant_default_days, actor.grant_most_days = default_days, most_days
    if changed:
        subject = f"account/{actor.id}"
        audit.record(
            session, "account:change_durations", subject, actor_id=actor.id, owner_id=actor.id, changed=changed
        )
