"""Reports of the month before, made on the first of each month. No commit; runs without Flask.

Whoever is to receive one gets a report of his own, made by his own eyes and in his language: where a grant hides the
drivers from him, they are hidden in his. The licence is that of whoever set it up.
"""

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import audit, background, clock
from portal.core.errors import RuleBroken
from portal.licences import queries as licences
from portal.licences.models import Kind
from portal.reports import operations, scope
from portal.reports.models import Report, ReportSchedule, Subject

MOST_RECIPIENTS = 50
BETWEEN = re.compile(r"[\s,;]+")


class Wanted(NamedTuple):
    """What somebody asks for; `recipients` as typed, further to the account itself. QR-bills are in his own report
    alone."""

    about: tuple[Subject, int]
    kinds: Sequence[str]
    vat_permille: int | None = None
    recipients: str = ""
    with_bills: bool = False


def create(session: Session, actor: Account, wanted: Wanted) -> ReportSchedule:
    """Set up a report of each month from the present one on. NotThere or NotAllowed for what the actor may not see;
    RuleBroken at the field for what does not fit."""
    row = ReportSchedule(account_id=actor.id, next_month=_this_month(actor))
    _fill(session, actor, row, wanted)
    session.add(row)
    session.flush()
    _record(session, actor, row, "create")
    return row


def edit(session: Session, actor: Account, row: ReportSchedule, wanted: Wanted) -> None:
    """Change what is reported, how and to whom; the next report is made so. One that had stopped begins anew with the
    present month."""
    _fill(session, actor, row, wanted)
    if row.stopped_at is not None:
        row.stopped_at, row.next_month = None, _this_month(actor)
    _record(session, actor, row, "edit")


def stop(session: Session, actor: Account, row: ReportSchedule) -> None:
    """Make none any more; those that were made stay."""
    _record(session, actor, row, "stop")
    session.delete(row)


def _fill(session: Session, actor: Account, row: ReportSchedule, wanted: Wanted) -> None:
    operations.check_licence(session, actor)
    row.kinds = operations.chosen_kinds(wanted.kinds)
    row.vat_permille = wanted.vat_permille
    row.recipients = _addresses(wanted.recipients, actor)
    row.subject, subject_id = wanted.about
    for kind in Subject:
        setattr(row, f"{kind.value}_id", subject_id if kind == row.subject else None)
    row.with_bills = wanted.with_bills
    with session.no_autoflush:
        found = scope.of(session, actor.id, row)
        if row.with_bills:
            operations.check_bills(session, actor, row.kinds, found.owner_id)
        row.title = found.name


def _addresses(text: str, actor: Account) -> list[str]:
    found = [emails.normalise(part, "recipients") for part in BETWEEN.split(text) if part]
    if len(found) > MOST_RECIPIENTS:
        raise RuleBroken("recipients", "At most %(most)s addresses.", most=MOST_RECIPIENTS)
    return [email for email in dict.fromkeys(found) if email != actor.email]


def _record(session: Session, actor: Account, row: ReportSchedule, verb: str) -> None:
    told = {"title": row.title, "recipients": row.recipients, "kinds": row.kinds}
    subject = f"report_schedule/{row.id}"
    audit.record(session, f"report_schedule:{verb}", subject, actor_id=actor.id, owner_id=actor.id, **told)


def make_due(session: Session, _links: Links) -> int:
    """Order the reports of every month that has ended, in the time zone of the account, and say how many: also of
    months that passed while nothing ran. While the licence is missing they wait; what an account may not see in the
    meantime is passed by, and what went to another account has stopped."""
    latest = (clock.now() + timedelta(days=1)).date().replace(day=1)  # somewhere on earth
    wanted = sa.select(ReportSchedule, Account).join(Account, Account.id == ReportSchedule.account_id)
    due = session.execute(
        wanted.where(ReportSchedule.next_month < latest, ReportSchedule.stopped_at.is_(None)).order_by(
            ReportSchedule.next_month, ReportSchedule.id
        )
    ).all()
    licensed = licences.active_kinds(session, {account.id for _row, account in due})
    made = 0
    for row, account in due:
        if Kind.REPORTS not in licensed.get(account.id, ()):
            continue
        this_month = _this_month(account)
        while row.next_month < this_month and _take(session, row):
            made += _order_for_all(session, account, row, _month_before(row.next_month))
    return made


def _take(session: Session, row: ReportSchedule) -> bool:
    """Move on by a month; False when another scheduler has done so, or it has stopped meanwhile."""
    table, month = ReportSchedule, row.next_month
    moved = sa.update(table).where(table.id == row.id, table.next_month == month, table.stopped_at.is_(None))
    moved = moved.values(next_month=_next(month))
    taken = session.scalar(moved.returning(table.id).execution_options(synchronize_session=False)) is not None
    session.refresh(row)
    return taken


def _order_for_all(session: Session, account: Account, row: ReportSchedule, month: date) -> int:
    readers = session.scalars(
        sa.select(Account)
        .where(sa.or_(Account.id == account.id, Account.email.in_(row.recipients)), Account.verified_at.is_not(None))
        .order_by(Account.id)
    ).all()
    seeing = [reader for reader in readers if scope.may_see(session, reader.id, row)]
    for reader in seeing:
        session.add(_report(account, reader, row, month))
    if seeing:
        background.ring_after_commit(session, operations.QUEUE)
    return len(seeing)


def _report(account: Account, reader: Account, row: ReportSchedule, month: date) -> Report:
    return Report(
        account_id=reader.id,
        ordered_by_id=account.id,
        schedule_id=row.id,
        subject=row.subject,
        station_id=row.station_id,
        station_group_id=row.station_group_id,
        driver_id=row.driver_id,
        title=row.title,
        first_day=month,
        last_day=_next(month) - timedelta(days=1),
        time_zone=account.time_zone,
        language=reader.language,
        vat_permille=row.vat_permille,
        kinds=row.kinds,
        with_bills=row.with_bills and reader.id == account.id,
        to_tell=True,
    )


def _this_month(account: Account) -> date:
    return clock.now().astimezone(ZoneInfo(account.time_zone)).date().replace(day=1)


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)
