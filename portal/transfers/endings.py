"""Grants that end because the station group changes its owner."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, clock
from portal.sharing.endings import under
from portal.stations.group_list import stands
from portal.stations.models import Grant
from portal.stations.reach import among


def end(session: Session, actor: Account, these: sa.ColumnElement[bool]) -> int:
    """Revoke those of these grants that stand, and what was given under them; says how many ended. The caller holds
    their locks. Each is recorded for its old owner."""
    ids = list(session.scalars(sa.select(Grant.id).where(these, *stands())))
    if not ids:
        return 0
    ids += under(session, ids)
    rows = session.scalars(
        sa.update(Grant)
        .where(among(session, Grant.id, ids), *stands())
        .values(revoked_at=clock.now(), revoked_by_id=actor.id)
        .returning(Grant)
        .execution_options(populate_existing=True)
    ).all()
    for grant in rows:
        audit.record(
            session,
            "grant:revoke",
            f"station_group/{grant.station_group_id}",
            actor_id=actor.id,
            owner_id=grant.owner_id,
            grant=grant.id,
            role=grant.role,
            email=grant.email,
            user_group=grant.user_group_id,
            because="transfer",
        )
    return len(rows)
