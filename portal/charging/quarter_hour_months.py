"""The monthly partitions of the quarter hours on PostgreSQL: what is written now stays small and together, however
much there is of earlier years. Whatever has no month of its own lies in the rest, and is found there as well."""

import logging
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.core import clock

log = logging.getLogger(__name__)
LOOK_EVERY = timedelta(hours=1)
AHEAD = 2  # months after the present one
FIRST = date(2010, 1, 1)  # no month before it: a wrong clock must not make a table for each of its months
MOST_OF_REST = 1  # a look: nobody reads energy until a month is moved and the move committed
REST = sa.text(
    "SELECT DISTINCT date_trunc('month', starts_at AT TIME ZONE 'UTC')::date FROM quarter_hour_rest"
    " WHERE starts_at >= :first AND starts_at < :until ORDER BY 1 LIMIT :most"
)
MAKE = sa.text("SELECT quarter_hour_months(:first, :last)")
HOLD = sa.text("LOCK TABLE ONLY quarter_hour IN ACCESS SHARE MODE")


def make_present(session: Session, _links: Links) -> int:
    """`make` as of today: the chore."""
    return make(session, clock.now().date())


def make(session: Session, today: date) -> int:
    """Make the months from the present one (UTC) to AHEAD that are missing, and those of up to MOST_OF_REST in the
    rest; gives how many. On SQLite there is nothing to make. A month that cannot be locked at once, as somebody writes
    for long, is left for a later look."""
    if session.get_bind().dialect.name != "postgresql":
        return 0
    last = _months_later(today, AHEAD)
    until = _months_later(today, AHEAD + 1)
    old = session.scalars(REST, {"first": FIRST, "until": until, "most": MOST_OF_REST}).all()
    made = 0
    for first, end in [(today, last), *((month, month) for month in old)]:
        try:
            with session.begin_nested():
                made += session.scalars(MAKE, {"first": first, "last": end}).one()
        except OperationalError as error:  # 55P03, lock not available
            log.info("months of quarter hours wait: %s", error.orig)
            break
    return made


def one_state(session: Session) -> None:
    """Let the transaction that begins here see everything as it is at one instant, with each quarter hour in its place
    until it ends. Without the lock, which has to come before the first read, a month that is made meanwhile takes its
    rows to where that instant does not see them, and they would count as 0 Wh. SQLite knows no other transactions."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(HOLD)


def _months_later(day: date, months: int) -> date:
    """The first day of the month so many months later."""
    ordinal = day.year * 12 + day.month - 1 + months
    return date(ordinal // 12, ordinal % 12 + 1, 1)
