"""Licences of the account that somebody should look at."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

from portal.core import clock
from portal.dashboard.queries import Steps
from portal.licences import queries
from portal.licences.models import Kind
from portal.licences.queries import Held
from portal.licences.request_queries import SOON


class News(StrEnum):
    ENDS = "ends"
    ENDED = "ended"
    MISSING = "missing"  # what rests on it is without effect


class Look(NamedTuple):
    """`at`: when it ends or has ended."""

    kind: Kind
    news: News
    at: datetime | None


def licences(session: Session, account_id: int, steps: Steps) -> list[Look]:
    """Those that end within 30 days, ended within the last 30, or are missing although the account has given
    authorisations or set up exports. One statement."""
    needed = {Kind.AUTHORISATION: steps.has_grant, Kind.AUTO_EXPORT: steps.has_task}
    found = (_look(held, needed=needed.get(kind, False)) for kind, held in queries.current(session, account_id).items())
    return [look for look in found if look is not None]


def _look(held: Held, *, needed: bool) -> Look | None:
    now = clock.now()
    if held.is_active:
        return Look(held.kind, News.ENDS, held.until) if held.until and held.until <= now + SOON else None
    if held.last and held.last.ends_at and held.last.ends_at >= now - SOON:
        return Look(held.kind, News.ENDED, held.last.ends_at)
    return Look(held.kind, News.MISSING, None) if needed else None
