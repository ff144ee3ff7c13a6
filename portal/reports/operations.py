"""Ordering reports. No commit; subjects come in through the gate."""

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import audit, background, files
from portal.core.errors import NotThere, RuleBroken
from portal.licences import queries as licences
from portal.reports import queries, scope
from portal.reports.models import Creditor, FileKind, Report, Subject

LONGEST = timedelta(days=3660)
MOST_WAITING = 20  # of an account: others want theirs as well
QUEUE = "reports"


def order(
    session: Session,
    actor: Account,
    about: tuple[str, int],
    days: tuple[date, date],
    kinds: Collection[str],
    vat_permille: int | None = None,
    *,
    with_bills: bool = False,
) -> Report:
    """Queue a report about a subject (Subject, its id), of these whole local days, both included. NotThere or
    NotAllowed for what the actor may not see; RuleBroken at the field for days and kinds that do not fit, and on
    `with_bills` where no QR-bills can be made."""
    first, last = days
    subject, subject_id = about
    if last < first:
        raise RuleBroken("last_day", "The last day lies before the first.")
    if last - first > LONGEST:
        raise RuleBroken("last_day", "A report spans at most ten years.")
    chosen = chosen_kinds(kinds)
    check_licence(session, actor)
    if queries.unfinished(session, actor.id) >= MOST_WAITING:
        raise RuleBroken("", "Many of your reports are still being made. Order this one when they are done.")
    report = Report(
        account_id=actor.id,
        ordered_by_id=actor.id,
        subject=subject,
        **{f"{Subject(subject).value}_id": subject_id},
        title="",
        first_day=first,
        last_day=last,
        time_zone=actor.time_zone,
        language=actor.language,
        vat_permille=vat_permille,
        kinds=chosen,
        with_bills=with_bills,
    )
    found = scope.of(session, actor.id, report)
    if with_bills:
        check_bills(session, actor, chosen, found.owner_id)
    report.title = found.name
    session.add(report)
    session.flush()
    told = {"title": report.title, "first_day": first.isoformat(), "last_day": last.isoformat(), "kinds": chosen}
    audit.record(session, "report:create", f"report/{report.id}", actor_id=actor.id, owner_id=found.owner_id, **told)
    background.ring_after_commit(session, QUEUE)
    return report


def check_bills(session: Session, actor: Account, kinds: Collection[str], owner_id: int) -> None:
    """RuleBroken where no QR-bills can be made of what belongs to this owner, in files of these kinds."""
    if owner_id != actor.id:
        raise RuleBroken("with_bills", "Only the owner of the stations can make QR-bills.")
    if FileKind.PDF not in kinds:
        raise RuleBroken("with_bills", "QR-bills are part of the PDF: choose it as well.")
    if session.get(Creditor, owner_id) is None:
        raise RuleBroken("with_bills", "Enter first under Profile, Payments, to whom and to which account is paid.")


def chosen_kinds(kinds: Collection[str]) -> list[str]:
    """These kinds of files, each once. RuleBroken where none is known."""
    chosen = [kind.value for kind in FileKind if kind in kinds]
    if not chosen:
        raise RuleBroken("kinds", "Choose at least one kind of file.")
    return chosen


def check_licence(session: Session, actor: Account) -> None:
    """RuleBroken while the actor lacks the licence for reports."""
    if licences.lacking(session, actor.id, scope.ACTION):
        raise RuleBroken("", "The licence Reports is missing: request it first.")


def delete(session: Session, actor: Account, report: Report) -> None:
    """Delete a report with its files."""
    if report.account_id != actor.id:
        raise NotThere
    kept = [file.file_id for file in report.files]
    subject = f"report/{report.id}"
    audit.record(session, "report:delete", subject, actor_id=actor.id, owner_id=actor.id, title=report.title)
    session.delete(report)
    session.flush()
    for file_id in kept:
        files.discard(session, file_id)
