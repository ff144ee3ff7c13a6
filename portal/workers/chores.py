"""Chores: what falls due by the clock alone, done by each scheduler once a minute or more seldom."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts.links import Links
from portal.charging import quarter_hour_months
from portal.core import clock
from portal.exports import digests, retention, waiting, webhooks
from portal.licences import telling as licences
from portal.reports import schedules
from portal.reports import telling as reports_telling
from portal.sharing import invitations, reminders, review_reminders

log = logging.getLogger(__name__)
EVERY = timedelta(minutes=1)

Chore = Callable[[Session, Links], int]


class Seldom:
    """`look`, which says how many rows it dealt with, as a chore: done at its first call, then again once `every` has
    passed, and at the very next call as long as it dealt with `most` or more. Each scheduler counts for itself."""

    def __init__(self, look: Chore, every: timedelta, most: int) -> None:
        self._look, self._every, self._most = look, every, most
        self._next_look: datetime | None = None

    def __call__(self, session: Session, links: Links) -> int:
        if self._next_look is not None and clock.now() < self._next_look:
            return 0
        done = self._look(session, links)
        self._next_look = None if done >= self._most else clock.now() + self._every
        return done


# Each finds its rows by an index, marks them so that a second scheduler passes them by, and says how many there were.
CHORES: tuple[Chore, ...] = (
    reminders.remind_of_ends,
    invitations.send_all_waiting,
    licences.announce_ends,
    licences.tell_operators,
    Seldom(review_reminders.remind, review_reminders.LOOK_EVERY, review_reminders.AT_ONCE),
    schedules.make_due,
    reports_telling.tell_of_finished,
    Seldom(waiting.tell, waiting.LOOK_EVERY, waiting.AT_ONCE),
    Seldom(digests.send, digests.LOOK_EVERY, digests.AT_ONCE),
    retention.ClearFiles(),
    Seldom(retention.forget_old_runs, retention.LOOK_EVERY, 1),  # a period goes only after the one before it
    webhooks.forget,
    Seldom(quarter_hour_months.make_present, quarter_hour_months.LOOK_EVERY, 1),
)


def do_all(sessions: sessionmaker[Session], links: Links) -> None:
    """Do every chore once, each in a transaction of its own: one that fails is logged and keeps no other back."""
    for chore in CHORES:
        try:
            with sessions() as session:
                chore(session, links)
                session.commit()
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("a chore failed")
