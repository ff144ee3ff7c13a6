"""Cards of sessions that name no driver: which there are, whose they are, and what follows from it.

Who owns the stations says which of his drivers a card is; its sessions are his from then on, in exports, reports and
costs, and so are those of later imports. Sessions that name a driver keep him. Nothing commits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session, contains_eager

from portal.access.cards import compared
from portal.accounts.emails import normalise
from portal.accounts.models import Account
from portal.charging import changes, recalculating
from portal.charging.models import ChargingSession, Driver, DriverCard
from portal.charging.recalculating import MOST_AT_ONCE, Difference, batches
from portal.charging.session_row import SessionRow
from portal.core import audit
from portal.core.errors import NotThere, RuleBroken
from portal.core.paging import SIZE, Page, offset

LONGEST_LABEL = 120


class Unknown(NamedTuple):
    """A card of sessions without a driver."""

    number: str
    sessions: int
    energy_wh: int
    last_used: datetime


class Reached(NamedTuple):
    """The sessions that an act is about."""

    sessions: int
    energy_wh: int


def unknown(session: Session, owner_id: int, text: str = "", page: int = 1) -> Page[Unknown]:
    """A page of the cards in the owner's sessions that name no driver, the last used first; two statements."""
    table = ChargingSession
    wanted = [_unknown(owner_id), table.card_number != ""]
    if text.strip():
        wanted.append(table.card_number.contains(compared(text) or text, autoescape=True))
    total = session.scalar(sa.select(sa.func.count(table.card_number.distinct())).where(*wanted)) or 0
    last = sa.func.max(table.started_at, type_=table.started_at.type)
    columns = (table.card_number, sa.func.count(), sa.func.sum(table.energy_wh), last)
    rows = sa.select(*columns).where(*wanted).group_by(table.card_number).order_by(last.desc(), table.card_number)
    found = session.execute(rows.limit(SIZE).offset(offset(page)))
    return Page([Unknown(row[0] or "", row[1], int(row[2]), row[3]) for row in found], page, total)


def _unknown(owner_id: int) -> sa.ColumnElement[bool]:
    table = ChargingSession
    return sa.and_(table.owner_id == owner_id, table.driver_id.is_(None), table.card_number.is_not(None))


def reached(session: Session, owner_id: int, number: str, since: datetime | None = None) -> Reached:
    """The sessions of an unknown card, all or from an instant on."""
    return _reached(session, _of_card(owner_id, number, since))


def reached_back(session: Session, row: DriverCard) -> Reached:
    """The sessions that lose their driver when the card is taken back."""
    return _reached(session, _given_by(row))


def _reached(session: Session, these: sa.ColumnElement[bool]) -> Reached:
    columns = (sa.func.count(), sa.func.coalesce(sa.func.sum(ChargingSession.energy_wh), 0))
    count, energy_wh = session.execute(sa.select(*columns).where(these)).one()
    return Reached(count, int(energy_wh))


def _of_card(owner_id: int, number: str, since: datetime | None) -> sa.ColumnElement[bool]:
    these = sa.and_(_unknown(owner_id), ChargingSession.card_number == number)
    return these if since is None else sa.and_(these, ChargingSession.started_at >= since)


def _given_by(row: DriverCard) -> sa.ColumnElement[bool]:
    table = ChargingSession
    return sa.and_(table.driver_id == row.driver_id, table.card_number == row.number, table.by_card)


def assigned(session: Session, owner_id: int, page: int = 1) -> Page[DriverCard]:
    """A page of the owner's cards whose driver is known, by his label; two statements."""
    wanted = sa.select(DriverCard).join(DriverCard.driver).where(Driver.owner_id == owner_id)
    total = session.scalar(sa.select(sa.func.count()).select_from(wanted.subquery())) or 0
    rows = wanted.options(contains_eager(DriverCard.driver)).order_by(Driver.label, DriverCard.number)
    return Page(session.scalars(rows.limit(SIZE).offset(offset(page))).all(), page, total)


def driver_card(session: Session, account_id: int, _action: str, row_id: int) -> DriverCard:
    """The card with its driver, for the owner of the driver; NotThere for everybody else."""
    wanted = sa.select(DriverCard).join(DriverCard.driver).options(contains_eager(DriverCard.driver))
    row = session.scalar(wanted.where(DriverCard.id == row_id, Driver.owner_id == account_id))
    if row is None:
        raise NotThere
    return row


def of_rows(session: Session, owner_id: int, rows: Sequence[SessionRow]) -> Mapping[SessionRow, int]:
    """The driver of each row of a file that names none, where its card is known. One statement or none."""
    cards = {row: compared(row.card[:80]) for row in rows if row.card and not row.driver}
    if not cards:
        return {}
    wanted = sa.select(DriverCard.number, DriverCard.driver_id, DriverCard.since).join(DriverCard.driver)
    wanted = wanted.where(Driver.owner_id == owner_id, DriverCard.number.in_(set(cards.values())))
    known = {number: (driver_id, since) for number, driver_id, since in session.execute(wanted)}
    found = {}
    for row, number in cards.items():
        driver_id, since = known.get(number, (None, None))
        if driver_id is not None and (since is None or row.started_at >= since):
            found[row] = driver_id
    return found


def named(session: Session, owner: Account, text: str, *, add: bool = False) -> Driver:
    """The owner's driver of this label or address; with `add` another one where he has none. RuleBroken: driver."""
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_LABEL:
        raise RuleBroken("driver", "Enter a label or an e-mail address of 1 to 120 characters.")
    address = normalise(name, "driver") if "@" in name else None
    his = sa.select(Driver).where(Driver.owner_id == owner.id)
    same = sa.or_(Driver.label == name, Driver.email == address) if address else Driver.label == name
    driver = session.scalar(his.where(same).order_by(Driver.id).limit(1))
    if driver is not None:
        return driver
    if not add:
        raise RuleBroken("driver", "None of your drivers has this label or address. Tick the box to add him.")
    driver = Driver(owner_id=owner.id, label=address or name, email=address)
    session.add(driver)
    session.flush()
    audit.record(session, "driver:add", f"driver/{driver.id}", actor_id=owner.id, owner_id=owner.id, name=driver.label)
    return driver


def assign(session: Session, actor: Account, number: str, driver: Driver, since: datetime | None = None) -> Reached:
    """Say that the card is this driver's: its sessions that name no driver, all or from an instant on, become his, and
    so do those of later imports. Exports follow by corrections, costs are calculated anew. RuleBroken where another
    driver has the card, or at `since` where there are more than MOST_AT_ONCE sessions."""
    _hold(session, actor)
    known = sa.select(DriverCard).join(DriverCard.driver).options(contains_eager(DriverCard.driver))
    row = session.scalar(known.where(Driver.owner_id == actor.id, DriverCard.number == number))
    if row is not None and row.driver_id != driver.id:
        raise RuleBroken("driver", "%(driver)s has this card. Take it back first.", driver=row.driver.label)
    these = _of_card(actor.id, number, since)
    found = _reached(session, these)
    if found.sessions > MOST_AT_ONCE:
        message = "These are more than %(most)s sessions. Choose a later first day."
        raise RuleBroken("since", message, most=MOST_AT_ONCE)
    if row is None:
        session.add(DriverCard(driver_id=driver.id, number=number, since=since))
    else:
        row.since = None if since is None or row.since is None else min(row.since, since)
    costs = _write(session, actor.id, these, driver_id=driver.id, by_card=True)
    _record(session, "driver:assign_card", driver, number, found, costs)
    return found


def take_back(session: Session, actor: Account, row: DriverCard) -> Reached:
    """Say that the card is this driver's no longer: the sessions that he has by it are nobody's again."""
    _hold(session, actor)
    found, driver, these = reached_back(session, row), row.driver, _given_by(row)
    if found.sessions > MOST_AT_ONCE:
        raise RuleBroken("", "These are more than %(most)s sessions, too many at once.", most=MOST_AT_ONCE)
    session.delete(row)
    costs = _write(session, actor.id, these, driver_id=None, by_card=False)
    _record(session, "driver:take_card_back", driver, row.number, found, costs)
    return found


def _hold(session: Session, owner: Account) -> None:
    """Of two who say whose a card is, the second sees what the first has said."""
    session.execute(sa.select(Account.id).where(Account.id == owner.id).with_for_update(key_share=True))


def _write(session: Session, owner_id: int, these: sa.ColumnElement[bool], **values: object) -> Difference:
    """Set the columns of these sessions; exports follow, and costs: what they were and are."""
    table = ChargingSession
    columns = (table.id, table.connector_id, table.started_at, table.ended_at)
    rows = session.execute(sa.select(*columns).where(these)).all()
    changes.note(session, [(row.connector_id, row.started_at, row.ended_at) for row in rows])
    ids = [row.id for row in rows]
    for some in batches(ids):
        written = sa.update(table).where(table.id.in_(some)).values(**values)
        session.execute(written.execution_options(synchronize_session=False))
    return recalculating.write(session, owner_id, ids)


def _record(session: Session, action: str, driver: Driver, number: str, found: Reached, costs: Difference) -> None:
    told = {"card": number, "sessions": found.sessions, "energy_wh": found.energy_wh}
    changed = audit.differences({"costs": costs.before}, {"costs": costs.after})
    subject, owner_id = f"driver/{driver.id}", driver.owner_id  # nobody else says so
    audit.record(session, action, subject, actor_id=owner_id, owner_id=owner_id, **told, changed=changed)
    session.flush()
