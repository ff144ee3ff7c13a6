"""Writing what was looked at: all of it in the caller's transaction, or nothing."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from portal.accounts.models import Account
from portal.bulk.clashes import TAKEN
from portal.bulk.judging import Item, Wish, judge, version
from portal.core.db import among
from portal.stations.models import Connector, Station, StationGroup, StationGroupStation
from portal.stations.operations import Meanwhile, changes
from portal.stations.operations.connectors import TERMS, keep_terms_of_many, said_by


def apply(session: Session, actor: Account, wishes: Sequence[Wish], seen: str) -> list[Item]:
    """Write every wish that can be, judged anew while nobody else can change the rows, and record each station and
    connector with its values before and after. Says what was written. Meanwhile, and nothing written, unless all is
    as the `version` was that the actor has `seen`."""
    good = [item for item in judge(session, actor, wishes) if item.changes]
    _hold(session, [item.wish.station_id for item in good])
    items = judge(session, actor, wishes)
    if version(items) != seen:
        raise Meanwhile([])
    good = [item for item in items if item.changes]
    said = [(connector, said_by(connector)) for connector in _with_other_terms(session, good)]
    for item in good:  # values are handed on among them: each is free before it is given again
        for name in item.changed.keys() & TAKEN.keys():
            setattr(item.row, name, None)
    session.flush()
    for item in good:
        assert item.row is not None
        for name, (_before, after) in item.changed.items():
            setattr(item.row, name, after)
        changes.record(session, f"{changes.kind(item.row)}:edit", item.row, actor, changed=item.changed)
    keep_terms_of_many(session, said)
    changes.write(session)
    return good


def _with_other_terms(session: Session, items: Sequence[Item]) -> Sequence[Connector]:
    """The connectors whose access or prices change, with their opening times, which are kept together."""
    ids = [item.row.id for item in items if isinstance(item.row, Connector) and item.changed.keys() & set(TERMS)]
    if not ids:
        return []
    wanted = sa.select(Connector).where(among(session, Connector.id, ids)).order_by(Connector.id)
    return session.scalars(wanted.options(selectinload(Connector.opening_times))).all()


def record_refusals(session: Session, actor: Account, items: Sequence[Item]) -> None:
    """Note for the owners who tried to write fields that are not his to write. The caller commits."""
    for item in items:
        if item.refused and item.row is not None:
            row = item.row
            changes.record_refusal(session, changes.kind(row), row.id, row.owner_id, actor, item.refused)


def _hold(session: Session, station_ids: Sequence[int]) -> None:
    """Keep the stations, their connectors and what is granted on their groups from others until the transaction ends;
    in the order of `changes.hold`, station groups first, and by their ids."""
    if not station_ids:
        return
    member = StationGroupStation
    inside = sa.select(member.station_group_id).where(among(session, member.station_id, station_ids))
    groups = sa.select(StationGroup.id).where(StationGroup.id.in_(inside)).order_by(StationGroup.id)
    session.execute(groups.with_for_update(read=True)).all()
    for column, row_id in ((Station.id, Station.id), (Connector.station_id, Connector.id)):
        rows = sa.select(row_id).where(among(session, column, station_ids)).order_by(row_id)
        session.execute(rows.with_for_update(key_share=True)).all()
