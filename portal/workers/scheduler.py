"""The scheduler: makes what is due into rows, and rings for what waits. `python -m portal.workers.scheduler`.

Any number may run: planning is idempotent, claiming is by conditional UPDATE. Whatever has waited too long (no worker,
no Redis, a lost ring, a lease that ended) it works off itself, so exports, imports and mail go on without any queue.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from portal import models  # noqa: F401  every table
from portal.accounts.links import Links
from portal.charging import jobs as charging
from portal.core import background, clock, logs, mail, process, schema
from portal.core.db import reading_only
from portal.core.errors import SettingsError
from portal.exports import jobs as exports
from portal.exports import webhooks
from portal.reports import jobs as reports
from portal.workers import chores

log = logging.getLogger(__name__)
TICK_SECONDS = 2
TOO_LONG = timedelta(seconds=30)


@dataclass(frozen=True)
class Work:
    """A kind of work: its queue, since when its oldest due row waits, and how it is worked off."""

    queue: str
    waits_since: Callable[[Session], datetime | None]
    drain: Callable[[], int]


WORK = (
    Work("exports", exports.waits_since, exports.drain),
    Work("imports", charging.waits_since, charging.drain),
    Work("reports", reports.waits_since, reports.drain),
    Work("mail", mail.waits_since, mail.drain),
)


def tick(sessions: sessionmaker[Session]) -> None:
    """One look at everything: plan, ring, and do what nobody else does."""
    with sessions() as session:
        exports.plan(session)
        session.commit()
    for work in WORK:
        with reading_only(), sessions() as session:
            since = work.waits_since(session)
        if since is None:
            continue
        if not background.ring(work.queue) or clock.now() - since > TOO_LONG:
            work.drain()


def main() -> int:
    """Tick until SIGTERM or SIGINT. A tick that fails is logged and the next one tries again."""
    logs.set_up()
    try:
        settings, sessions = process.context()
        schema.check(sessions.kw["bind"])
    except SettingsError as error:
        sys.exit(f"piquet: {error}")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    # Of its own: a receiver that answers slowly must not keep planning and ringing.
    threading.Thread(target=webhooks.run, args=(ended, sessions, settings), daemon=True).start()
    links, chores_at = Links.of(settings), clock.now()
    while not ended.is_set():
        try:
            tick(sessions)
            if clock.now() >= chores_at:
                chores_at = clock.now() + chores.EVERY
                chores.do_all(sessions, links)
        except SQLAlchemyError as error:
            log.warning("the database could not be asked: %s", error)
        except Exception:
            log.exception("a tick failed")
        ended.wait(TICK_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
