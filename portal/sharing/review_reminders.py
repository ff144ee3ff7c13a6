"""The yearly mail that asks owners to go through what they share: a chore of the scheduler, without Flask."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock, letters
from portal.sharing.queries import not_over
from portal.sharing.reviews import YEAR, unreviewed
from portal.stations.models import Grant

AT_ONCE = 100
LOOK_EVERY = timedelta(hours=6)  # nothing hangs on the hour, and the look reads the grants of all


def remind(session: Session, links: Links) -> int:
    """Write to owners of grants that stand and that nobody has looked at for a year, once a year each, to AT_ONCE of
    them at most; says to how many. Of two schedulers the second finds the first one's mark and writes nothing."""
    now = clock.now()
    due = sa.or_(Account.review_reminded_at.is_(None), Account.review_reminded_at < now - YEAR)
    waiting = (
        sa.select(Grant.owner_id, sa.func.count())
        .join(Account, Account.id == Grant.owner_id)
        .where(Grant.revoked_at.is_(None), not_over(now), unreviewed(now), due, Account.verified_at.is_not(None))
        .group_by(Grant.owner_id)
        .order_by(Grant.owner_id)
        .limit(AT_ONCE)
    )
    counts = {row[0]: row[1] for row in session.execute(waiting)}
    if not counts:
        return 0
    accounts = session.scalars(
        sa.update(Account)
        .where(Account.id.in_(counts), due)
        .values(review_reminded_at=now)
        .returning(Account)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    page = links.page("/shared-by-me?state=unreviewed")
    for account in accounts:
        letters.post(session, account.email, account.language, "review_due", count=counts[account.id], page=page)
    return len(accounts)
