"""Costs calculated anew: what would change, then the change, on somebody's word alone. Nothing commits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.access.models import SessionCost
from portal.accounts.models import Account
from portal.charging import costing
from portal.charging.models import ChargingSession
from portal.core import audit
from portal.core.errors import RuleBroken
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation

MOST_AT_ONCE = 10_000  # sessions
BATCH = 1000
PARTS = ("energy", "time", "parking", "start", "rounding", "total", "gap", "vat_permille", "currency")


@dataclass(slots=True)
class Difference:
    """What sessions cost before and after, in Rappen by currency; how many there are, and how many cost another
    amount, or the same for another reason."""

    sessions: int = 0
    changed: int = 0
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of an owner's sessions: those that begin in a period, at a station, in a station group or all; or one."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    station: Station | None = None
    station_group: StationGroup | None = None
    charging_session: ChargingSession | None = None

    @property
    def subject(self) -> str:
        """What the audit log says it was done to."""
        for row in (self.charging_session, self.station, self.station_group):
            if row is not None:
                return f"{row.__tablename__}/{row.id}"
        return "sessions"


def batches(ids: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    """The ids in portions that one statement can name."""
    for first in range(0, len(ids), size):
        yield ids[first : first + size]


def chosen_ids(session: Session, owner_id: int, chosen: Chosen) -> Sequence[int]:
    """The ids of the owner's sessions. RuleBroken on `first_day` for more than MOST_AT_ONCE."""
    table, member = ChargingSession, StationGroupStation
    wanted = sa.select(table.id).where(table.owner_id == owner_id)
    if chosen.charging_session is not None:
        return session.scalars(wanted.where(table.id == chosen.charging_session.id)).all()
    if chosen.starts_at is not None:
        wanted = wanted.where(table.started_at >= chosen.starts_at)
    if chosen.ends_at is not None:
        wanted = wanted.where(table.started_at < chosen.ends_at)
    if chosen.station is not None:
        here = sa.select(Connector.id).where(Connector.station_id == chosen.station.id)
        wanted = wanted.where(table.connector_id.in_(here))
    if chosen.station_group is not None:
        here = sa.select(Connector.id).join(member, member.station_id == Connector.station_id)
        wanted = wanted.where(table.connector_id.in_(here.where(member.station_group_id == chosen.station_group.id)))
    ids = session.scalars(wanted.order_by(table.started_at, table.id).limit(MOST_AT_ONCE + 1)).all()
    if len(ids) > MOST_AT_ONCE:
        message = "These are more than %(most)s sessions. Choose a shorter period, or one station."
        raise RuleBroken("first_day", message, most=MOST_AT_ONCE)
    return ids


def preview(session: Session, owner_id: int, ids: Sequence[int]) -> Difference:
    """What would change; nothing is written."""
    found = Difference()
    for some in batches(ids):
        _compare(found, _kept(session, some), costing.calculated(session, owner_id, some))
    return found


def write(session: Session, owner_id: int, ids: Sequence[int]) -> Difference:
    """Calculate these sessions of the owner anew; what has changed."""
    found = Difference()
    for some in batches(ids):
        before = _kept(session, some)
        costing.calculate(session, owner_id, some)
        _compare(found, before, _kept(session, some))
    return found


def recalculate(session: Session, actor: Account, chosen: Chosen) -> Difference:
    """Calculate the actor's sessions anew by all that is stored now, for the audit log with both totals. RuleBroken as
    in `chosen_ids`."""
    found = write(session, actor.id, chosen_ids(session, actor.id, chosen))
    days = {"from": chosen.starts_at.isoformat() if chosen.starts_at else None}
    days["until"] = chosen.ends_at.isoformat() if chosen.ends_at else None
    told = {"sessions": found.sessions, "different": found.changed, **{name: at for name, at in days.items() if at}}
    changed = {"costs": [found.before, found.after]}
    audit.record(
        session,
        "session:recalculate",
        chosen.subject,
        actor_id=actor.id,
        owner_id=actor.id,
        changed=changed,
        **told,
    )
    session.flush()
    return found


Costs = Mapping[int, Mapping[str, object]]


def _kept(session: Session, ids: Sequence[int]) -> Costs:
    columns = [getattr(SessionCost, name) for name in PARTS]
    rows = session.execute(sa.select(SessionCost.session_id, *columns).where(SessionCost.session_id.in_(ids)))
    return {row[0]: dict(zip(PARTS, row[1:], strict=True)) for row in rows}


def _compare(found: Difference, before: Costs, after: Costs) -> None:
    found.sessions += len(after)
    for key, cost in after.items():
        now = {name: cost[name] for name in PARTS}
        found.changed += now != before.get(key)
    found.before = _added(found.before, before)
    found.after = _added(found.after, after)


def _added(total: dict[str, int], costs: Costs) -> dict[str, int]:
    sums = Counter(total)
    for cost in costs.values():
        sums[str(cost["currency"])] += int(str(cost["total"]))
    return dict(sorted(sums.items()))
