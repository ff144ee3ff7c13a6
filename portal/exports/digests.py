"""The daily digest of exports, at seven in the reader's zone and in his language: a chore, without Flask."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.numbers import format_decimal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, joinedload

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock, letters, mail
from portal.exports import telling
from portal.exports.attention import looks
from portal.exports.models import ExportFile, ExportNotice, ExportRun, ExportTask, RunState

HOUR = 7
AT_ONCE = 50
MOST_TASKS = 500  # of an account that are looked at
MOST_LINES = 30  # of each part of the letter
LOOK_EVERY = timedelta(minutes=5)
# What is news besides what is urgent, in the order of the letter.
NEWS = ("error", "stopped", "paused", "retry", "waiting", "unconfirmed")


class Line(NamedTuple):
    """A task in the letter."""

    task_id: int
    task: str
    url: str
    kind: str = ""
    reason: Mapping[str, Any] = {}
    periods: int = 0
    files: int = 0
    energy: str = ""


class Digest(NamedTuple):
    """What the letter holds. Each part is as long as it is; the letter shows MOST_LINES of it."""

    urgent: Sequence[Line]
    corrections: Sequence[Line]
    others: Sequence[Line]
    delivered: Sequence[Line]


def send(session: Session, links: Links, now: datetime | None = None) -> int:
    """Write the digest of the day to up to AT_ONCE accounts whose morning has come, and say at how many exports it
    looked. An account gets at most one a local day, from however many schedulers."""
    looked_at = 0
    for today, zones in _mornings(session, now or clock.now()).items():
        for account, wish, last in _due(session, today, zones, AT_ONCE - looked_at):
            looked_at += 1
            if _take(session, account.id, today):
                _write(session, links, account, wish, _morning(account, last or today - timedelta(days=1)), today)
    return looked_at


def _mornings(session: Session, now: datetime) -> Mapping[date, Collection[str]]:
    """The local days that have reached HOUR, each with its time zones."""
    found = defaultdict(list)
    for zone in session.scalars(sa.select(Account.time_zone).distinct()):
        local = now.astimezone(ZoneInfo(zone))
        if local.hour >= HOUR:
            found[local.date()].append(zone)
    return found


def _due(
    session: Session, today: date, zones: Collection[str], most: int
) -> Sequence[tuple[Account, str, date | None]]:
    owns = sa.exists().where(ExportTask.owner_id == Account.id)
    wish = sa.func.coalesce(ExportNotice.digest, "attention")
    rows = (
        sa.select(Account, wish, ExportNotice.digest_on)
        .outerjoin(ExportNotice, ExportNotice.account_id == Account.id)
        .where(Account.time_zone.in_(zones), owns, wish != "never")
        .where(sa.or_(ExportNotice.digest_on.is_(None), ExportNotice.digest_on < today))
        .order_by(Account.id)
        .limit(most)
    )
    return [(account, wanted, last) for account, wanted, last in session.execute(rows)]


def _take(session: Session, account_id: int, today: date) -> bool:
    """Keep that the day's digest is written; False where another scheduler has done so."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    earlier = sa.or_(ExportNotice.digest_on.is_(None), ExportNotice.digest_on < today)
    taken = insert(ExportNotice).values(account_id=account_id, digest="attention", digest_on=today)
    taken = taken.on_conflict_do_update(index_elements=["account_id"], set_={"digest_on": today}, where=earlier)
    return session.scalar(taken.returning(ExportNotice.account_id)) is not None


def _morning(account: Account, day: date) -> datetime:
    return datetime.combine(day, time(HOUR), ZoneInfo(account.time_zone))


def _write(session: Session, links: Links, account: Account, wish: str, since: datetime, today: date) -> None:
    found = digest(session, links, account, since, _morning(account, today))
    if not (found.urgent or found.corrections) and wish != "daily":
        return
    letter = letters.post(
        session,
        account.email,
        account.language,
        "export_digest",
        parts=found,
        most=MOST_LINES,
        count=len(found.urgent) + len(found.corrections),
        since=f"{since:%Y-%m-%d %H:%M}",
        notices=links.page("/exports/notices"),
        tasks=links.page("/exports"),
    )
    lines = [line for part in found for line in part if line.kind != "stopped"]
    mail.judge_at_sending(letter, "exports", [line.task_id for line in lines])


def digest(session: Session, links: Links, account: Account, since: datetime, until: datetime) -> Digest:
    """How the account's exports stand, and what was delivered between two instants."""
    owned = sa.select(ExportTask).options(joinedload(ExportTask.station_group)).where(ExportTask.owner_id == account.id)
    tasks = session.scalars(owned.order_by(ExportTask.name, ExportTask.id).limit(MOST_TASKS)).all()
    found = looks(session, tasks)
    lines = [(found[task.id], _line(links, task, found[task.id].kind, found[task.id].reason)) for task in tasks]
    lines.sort(key=lambda pair: NEWS.index(pair[0].kind) if pair[0].kind in NEWS else len(NEWS))
    open_tasks = [task for task in tasks if found[task.id].kind != "stopped"]  # else he learns nothing new of it
    return Digest(
        [line for look, line in lines if look.urgent],
        _corrections(session, links, account, open_tasks),
        [line for look, line in lines if look.kind in NEWS and not look.urgent and _is_news(look.reason)],
        _delivered(session, links, account, tasks, (since, until)),
    )


def _is_news(reason: Mapping[str, Any]) -> bool:
    return reason.get("code") != "first_period"


def _line(links: Links, task: ExportTask, kind: str = "", reason: Mapping[str, Any] | None = None) -> Line:
    told = telling.readable(reason or {}, task)
    return Line(task.id, task.name, links.page(f"/exports/tasks/{task.id}"), kind, told)


def _corrections(session: Session, links: Links, account: Account, tasks: Sequence[ExportTask]) -> Sequence[Line]:
    difference = sa.func.sum(ExportRun.reason["difference_wh"].as_integer())
    rows = (
        sa.select(ExportRun.task_id, sa.func.count(), difference)
        .where(ExportRun.task_id.in_([task.id for task in tasks]), ExportRun.state == RunState.PROPOSED)
        .group_by(ExportRun.task_id)
    )
    counted = {task_id: (count, wh) for task_id, count, wh in session.execute(rows)}
    found = []
    for task in tasks:
        if task.id in counted:
            (periods, wh), line = counted[task.id], _line(links, task)
            energy = _kwh(wh, account, signed=True)
            found.append(line._replace(url=f"{line.url}?state=proposed", periods=periods, energy=energy))
    return found


def _delivered(
    session: Session, links: Links, account: Account, tasks: Sequence[ExportTask], span: tuple[datetime, datetime]
) -> Sequence[Line]:
    files = sa.select(sa.func.count(ExportFile.id)).where(ExportFile.run_id == ExportRun.id).scalar_subquery()
    runs = (
        sa.select(ExportRun.task_id, ExportRun.energy_wh, files.label("files"))
        .where(ExportRun.task_id.in_([task.id for task in tasks]), ExportRun.state == RunState.DELIVERED)
        .where(ExportRun.delivered_at >= span[0], ExportRun.delivered_at < span[1])
        .subquery()
    )
    sums = (sa.func.count(), sa.func.sum(runs.c.files), sa.func.sum(runs.c.energy_wh))
    rows = session.execute(sa.select(runs.c.task_id, *sums).group_by(runs.c.task_id))
    counted = {row[0]: (row[1], int(row[2]), row[3]) for row in rows}
    found = []
    for task in tasks:
        if task.id in counted:
            periods, count, wh = counted[task.id]
            found.append(_line(links, task)._replace(periods=periods, files=count, energy=_kwh(wh, account)))
    return found


def _kwh(energy_wh: Any, account: Account, *, signed: bool = False) -> str:
    pattern = "+#,##0.00;-#,##0.00" if signed else "#,##0.00"
    return f"{format_decimal(Decimal(int(energy_wh or 0)) / 1000, pattern, locale=f'{account.language}_CH')} kWh"
