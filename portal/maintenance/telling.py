"""Letters to those who receive maintenance, in their language. Runs without Flask.

Each is judged twice, when it is written and again when it leaves: the address must be entered for the station or one of
its groups, by itself or in a user group, and the owner must hold the licence Maintenance. What people typed - the name
of the station, the text, who has done it - goes to confirmed addresses only; others read who, when and what became of
it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import letters, mail
from portal.licences import queries as licences
from portal.licences.models import Kind
from portal.maintenance.models import MaintenanceEntry
from portal.maintenance.queries import addresses
from portal.stations.models import Station


class Reader(NamedTuple):
    """How a letter is written: language and time zone, and whether the address is confirmed."""

    language: str
    time_zone: str
    confirmed: bool


def of_work(session: Session, links: Links, actor: Account, entry: MaintenanceEntry, event: str) -> int:
    """Tell every recipient of the station but the actor that work is planned, changed, called off or done, and say how
    many there are; nobody while the owner lacks the licence."""
    station = session.get_one(Station, entry.station_id)
    owner = session.get_one(Account, station.owner_id)
    if not licences.active(session, owner.id, Kind.MAINTENANCE):
        return 0
    written: dict[Reader, tuple[str, str]] = {}
    told = 0
    for email, reader in _readers(session, station, owner):
        if email == actor.email:
            continue
        if reader not in written:
            written[reader] = _write(links, reader, owner, station, entry, event)
        message = mail.post(session, email, *written[reader])
        mail.judge_at_sending(message, "maintenance_told" if reader.confirmed else "maintenance", [station.id])
        told += 1
    return told


def receives(session: Session, recipient: str, about: Sequence[int]) -> bool:
    """Judge of JUDGES: whether the address is still to hear of this station, which is what `about` holds."""
    return _receiver(session, recipient, about) is not None


def receives_confirmed(session: Session, recipient: str, about: Sequence[int]) -> bool:
    """The same for a letter with what people typed: the address must be confirmed still."""
    found = _receiver(session, recipient, about)
    return found is not None and found.verified_at is not None


def _receiver(session: Session, recipient: str, about: Sequence[int]) -> sa.Row[Any] | None:
    station = session.get(Station, about[0])
    if station is None or not licences.active(session, station.owner_id, Kind.MAINTENANCE):
        return None
    receiving = addresses(station)
    query = sa.select(receiving.c.email, Account.verified_at).outerjoin(Account, Account.email == receiving.c.email)
    return session.execute(query.where(receiving.c.email == recipient)).one_or_none()


def _readers(session: Session, station: Station, owner: Account) -> Iterable[tuple[str, Reader]]:
    receiving = addresses(station)
    rows = session.execute(
        sa.select(
            receiving.c.email,
            sa.func.coalesce(Account.language, owner.language),
            sa.func.coalesce(Account.time_zone, owner.time_zone),
            Account.verified_at.is_not(None),
        )
        .outerjoin(Account, Account.email == receiving.c.email)
        .order_by(receiving.c.email)
    )
    return [(email, Reader(language, time_zone, bool(confirmed))) for email, language, time_zone, confirmed in rows]


def _write(
    links: Links, reader: Reader, owner: Account, station: Station, entry: MaintenanceEntry, event: str
) -> tuple[str, str]:
    typed = {
        "station": station.name,
        "address": station.address,
        "text": entry.text,
        "done_by": entry.done_by,
        "remark": entry.remark,
    }
    if not reader.confirmed:
        typed = dict.fromkeys(typed, "")
    values: dict[str, Any] = {"event": event, "owner": owner.email, "time_zone": reader.time_zone, **typed}
    page = f"/stations/{station.id}/maintenance" if reader.confirmed else "/register"
    dates = {"begin": _moment(entry.starts_at, reader), "end": _moment(entry.ends_at, reader)}
    return letters.write(reader.language, "maintenance_work", page=links.page(page), **dates, **values)


def _moment(at: datetime | None, reader: Reader) -> str:
    if at is None:
        return ""
    local, locale = at.astimezone(ZoneInfo(reader.time_zone)), f"{reader.language}_CH"
    return f"{format_date(local.date(), 'long', locale=locale)}, {format_time(local.time(), 'short', locale=locale)}"
