"""Charging sessions, their drivers and the coverage go with the charging points: the energy stays to the Wh, because
quarter hours hang on connector and session and are not touched."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from portal.charging.models import ChargingSession, Coverage, Driver, FlaggedRow
from portal.core.db import among
from portal.transfers.moving import UNSYNCHRONISED, free_names
from portal.transfers.things import Held

AT_ONCE = 100  # drivers in one CASE
UNNAMED = "Driver %s"


def drivers_to_move(session: Session, from_id: int, to_id: int) -> tuple[Sequence[int], dict[int, int]]:
    """The giver's drivers that go over as they are, and those that are drivers of the receiver's already, by their
    address: his id -> the receiver's."""
    his = aliased(Driver)
    known = sa.select(Driver.id, his.id).join(his, sa.and_(his.owner_id == to_id, his.email == Driver.email))
    same = {row[0]: row[1] for row in session.execute(known.where(Driver.owner_id == from_id))}
    ids = session.scalars(sa.select(Driver.id).where(Driver.owner_id == from_id).order_by(Driver.id)).all()
    return [row_id for row_id in ids if row_id not in same], same


def move_with_drivers(session: Session, held: Held, to_id: int, moving: Sequence[int], same: Mapping[int, int]) -> int:
    """Sessions with their drivers and cards; says how many sessions went over."""
    if moving:
        free_names(session, Driver, Driver.label, moving, to_id)
        drivers = sa.update(Driver).where(among(session, Driver.id, moving)).values(owner_id=to_id)
        session.execute(drivers, execution_options=UNSYNCHRONISED)
    count = _move(session, held, same, {"owner_id": to_id, "import_id": None})
    if same:
        session.execute(sa.delete(Driver).where(among(session, Driver.id, same)), execution_options=UNSYNCHRONISED)
    return count


def move_without_drivers(session: Session, held: Held, to_id: int) -> int:
    """Sessions, with a new driver of the receiver's for each one there was: who it is does not go over, nor the card.
    Says how many sessions went over."""
    known = sa.select(ChargingSession.driver_id).where(_here(session, held), ChargingSession.driver_id.is_not(None))
    before = [row_id for row_id in session.scalars(known.distinct()) if row_id is not None]
    labels = list(islice(_free_labels(session, to_id), len(before)))
    after: Sequence[int] = []
    if labels:
        new = sa.insert(Driver).returning(Driver.id, sort_by_parameter_order=True)
        after = session.scalars(new, [{"owner_id": to_id, "label": label} for label in labels]).all()
    drivers = dict(zip(sorted(before), after, strict=True))
    return _move(session, held, drivers, {"owner_id": to_id, "import_id": None, "card": None})


def _free_labels(session: Session, to_id: int) -> Iterator[str]:
    begins = Driver.label.startswith(UNNAMED % "")
    taken = set(session.scalars(sa.select(Driver.label).where(Driver.owner_id == to_id, begins)))
    return (label for label in (UNNAMED % number for number in count(1)) if label not in taken)


def _move(session: Session, held: Held, drivers: Mapping[int, int], values: Mapping[str, int | None]) -> int:
    """Set these columns, and the drivers by theirs; each session is written once. Says how many there were."""
    here = _here(session, held)
    unlinked = sa.update(FlaggedRow).where(FlaggedRow.session_id.in_(sa.select(ChargingSession.id).where(here)))
    session.execute(unlinked.values(session_id=None), execution_options=UNSYNCHRONISED)
    # By the drivers' index: as an expression the charging points are none that a planner would begin with.
    at_these = among(session, ChargingSession.connector_id + 0, held.connector_ids)
    moved, waiting = 0, iter(drivers.items())
    while some := dict(islice(waiting, AT_ONCE)):
        theirs = sa.update(ChargingSession).where(at_these, ChargingSession.driver_id.in_(some)).values(values)
        moved += _rows(session, theirs.values(driver_id=sa.case(some, value=ChargingSession.driver_id)))
    others = sa.update(ChargingSession).where(here, ChargingSession.owner_id != values["owner_id"])
    moved += _rows(session, others.values(values))
    covered = sa.update(Coverage).where(among(session, Coverage.connector_id, held.connector_ids))
    session.execute(covered.values(import_id=None), execution_options=UNSYNCHRONISED)
    return moved


def _rows(session: Session, statement: sa.Update) -> int:
    result = session.execute(statement, execution_options=UNSYNCHRONISED)
    return int(result.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one


def _here(session: Session, held: Held) -> sa.ColumnElement[bool]:
    return among(session, ChargingSession.connector_id, held.connector_ids)
