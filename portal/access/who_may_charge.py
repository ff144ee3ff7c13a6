"""Who may charge at a connector at an instant, at what price and why, and what changes in the days after."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from portal.access import conditions, deciding
from portal.access.deciding import Decision, Segment
from portal.accounts.models import UserGroup
from portal.stations.models import Connector

AHEAD = timedelta(days=7)
MOST_CHANGES = 30


class Answer(NamedTuple):
    """`until` is when that changes, none: not within AHEAD; `later` the next changes. `user_group`: through which of
    the owner's user groups he is a special user, or pays by a rule."""

    decision: Decision
    until: datetime | None
    later: Sequence[Segment]
    user_group: str


def ask(session: Session, connector: Connector, email: str, at: datetime) -> Answer:
    """For whoever has this address, or for somebody unknown without one; a dozen statements at most."""
    place = conditions.conditions_of(session, [connector.id])[connector.id]
    who = (email or None, None)
    person = conditions.people_of(session, connector.owner_id, [who])[who]
    segments = _as_told(deciding.segments(place, person, at, at + AHEAD))
    decision = segments[0].decision
    until = segments[0].ends_at if len(segments) > 1 else None
    return Answer(decision, until, segments[1 : 1 + MOST_CHANGES], _user_group(session, decision))


def _as_told(segments: Sequence[Segment]) -> Sequence[Segment]:
    """Neighbours that read the same as one: a window that ends at midnight and one that begins there are one night."""
    found: list[Segment] = []
    for segment in segments:
        if found and _words(found[-1]) == _words(segment):
            found[-1] = found[-1]._replace(ends_at=segment.ends_at)
        else:
            found.append(segment)
    return found


def _words(segment: Segment) -> tuple[Decision, bool]:
    return segment.decision._replace(window=None), segment.decision.window is not None


def _user_group(session: Session, decision: Decision) -> str:
    user_group_id = decision.entry.user_group_id if decision.entry else None
    user_group_id = decision.rule.user_group_id if decision.rule else user_group_id
    row = session.get(UserGroup, user_group_id) if user_group_id else None
    return row.name if row else ""
