"""Letters about licences, and the chores that write those which fall due by the clock. Runs without Flask."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date
from sqlalchemy.orm import Session, aliased

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import audit, clock, letters, mail
from portal.licences.models import Licence, LicenceRequest

BEFORE = (30, 7)  # days before the end on which it is announced
ENDED = 0  # announced_days once the end itself was told
TELL_ENDS_FOR = timedelta(days=7)  # an end that nobody announced for so long is no news any more
COLLECT = timedelta(days=1)
AT_ONCE = 200
TOLD = "licence_request.operators_told"


def of_activation(session: Session, links: Links, licences: Iterable[Licence]) -> None:
    """Tell each account what is active for it from when to when."""
    rows = list(licences)
    asked = sa.select(Account).where(Account.id.in_({row.account_id for row in rows}))
    people = {one.id: one for one in session.scalars(asked)}
    for row in rows:
        to = people[row.account_id]
        last_day = _last_day(row.ends_at, to) if row.ends_at else ""
        _post(session, links, to, row.kind, "licence_activated", first_day=_day(row.starts_at, to), last_day=last_day)


def of_decline(session: Session, links: Links, requests: Iterable[LicenceRequest]) -> None:
    """Tell each account why it does not get what it asked for."""
    for row in requests:
        to = session.get_one(Account, row.account_id)
        _post(session, links, to, row.kind, "licence_declined", reason=row.reason)


def announce_ends(session: Session, links: Links) -> int:
    """Announce every licence that ends within 30 days, again within 7, and once it has ended: each once for an end,
    and only where no other licence continues it. Says how many were looked at."""
    now, rows = clock.now(), _ending(session)
    for row in rows:
        if row.ends_at is None:
            continue
        days = ENDED if row.ends_at <= now else min(days for days in BEFORE if row.ends_at <= now + timedelta(days))
        row.announced_days = days
        to = session.get_one(Account, row.account_id)
        values = {"last_day": _last_day(row.ends_at, to)}
        if days == ENDED:
            _post(session, links, to, row.kind, "licence_ended", **values)
        elif row.starts_at + timedelta(days) < row.ends_at:  # who has it for less than that knows
            _post(session, links, to, row.kind, "licence_ends_soon", **values)
    return len(rows)


def tell_operators(session: Session, links: Links) -> int:
    """Tell every operator of the requests that have come since the last such mail, at most once a day. Says how many
    requests there were."""
    now, operators = clock.now(), _operators(session)
    last = session.scalar(sa.select(sa.func.max(audit.AuditEntry.at)).where(audit.AuditEntry.action == TOLD))
    if not operators or (last is not None and last > now - COLLECT):
        return 0
    fresh = sa.select(LicenceRequest, Account.email).join(Account, Account.id == LicenceRequest.account_id)
    fresh = fresh.where(LicenceRequest.decided_at.is_(None))
    if last is not None:
        fresh = fresh.where(LicenceRequest.requested_at > last)
    rows = session.execute(fresh.order_by(LicenceRequest.requested_at).limit(AT_ONCE)).all()
    if not rows:
        return 0
    asked = [(email, row.kind) for row, email in rows]
    for to in operators:
        page = links.page("/operator/requests")
        letter = letters.post(session, to.email, to.language, "licence_requests", requests=asked, page=page)
        mail.judge_at_sending(letter, "operator", [to.id])
    audit.record(session, TOLD, "licence_request", actor_id=None, count=len(rows))
    return len(rows)


def is_operator(session: Session, recipient: str, account_ids: Sequence[int]) -> bool:
    """Whether the account with this address is one of these and an operator: judges the mail about requests."""
    mine = sa.select(Account.id).where(Account.email == recipient, Account.id.in_(account_ids), Account.is_operator)
    return session.scalar(mine) is not None


def _operators(session: Session) -> Sequence[Account]:
    """All of them, locked: of two schedulers the second one finds what the first one wrote."""
    query = sa.select(Account).where(Account.is_operator, Account.verified_at.is_not(None)).order_by(Account.id)
    return session.scalars(query.with_for_update()).all()


def _ending(session: Session) -> Sequence[Licence]:
    now, following = clock.now(), aliased(Licence)
    continued = sa.exists().where(
        following.account_id == Licence.account_id,
        following.kind == Licence.kind,
        following.starts_at <= Licence.ends_at,
        sa.or_(following.ends_at.is_(None), following.ends_at > Licence.ends_at),
    )
    most, least = max(BEFORE), min(BEFORE)
    stage = sa.case((Licence.ends_at <= now, ENDED), (Licence.ends_at <= now + timedelta(least), least), else_=most)
    due = (
        sa.select(Licence)
        .where(Licence.ends_at > now - TELL_ENDS_FOR, Licence.ends_at <= now + timedelta(most))
        .where(Licence.ends_at > Licence.starts_at, Licence.starts_at <= now, ~continued)
        .where(sa.or_(Licence.announced_days.is_(None), Licence.announced_days > stage))
        .order_by(Licence.ends_at)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(due).all()


def _post(session: Session, links: Links, to: Account, kind: str, name: str, **values: str) -> None:
    letters.post(session, to.email, to.language, name, kind=kind, page=links.page("/licences"), **values)


def _day(instant: datetime, reader: Account) -> str:
    day = instant.astimezone(ZoneInfo(reader.time_zone)).date()
    return str(format_date(day, "long", locale=f"{reader.language}_CH"))


def _last_day(ends_at: datetime, reader: Account) -> str:
    return _day(ends_at - timedelta(microseconds=1), reader)
