"""Formatters, tasks and runs, as their owners and those who may see the station group see them."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core import authz
from portal.stations.models import Grant


def shows_drivers(session: Session, account_id: int, station_group_id: int) -> bool:
    """Whether the account may export what single drivers charged in the station group: as its owner, or by a grant
    that allows exports and does not hide the drivers."""
    standing = authz.standing
    held = authz.visible(account_id, "export:create").where(standing.c.station_group_id == station_group_id)
    held = held.outerjoin(Grant, Grant.id == standing.c.grant_id)
    held = held.where(sa.or_(standing.c.grant_id.is_(None), Grant.hides_drivers.is_(False)))
    return session.scalar(held.limit(1)) is not None
