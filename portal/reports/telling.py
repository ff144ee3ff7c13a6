"""Letters that a monthly report is there. Runs without Flask.

Judged when written and again when they leave: the report must be of the account with this confirmed address, and that
account may still open it.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from babel.dates import format_date
from sqlalchemy.orm import Session

from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import letters, mail
from portal.reports import scope
from portal.reports.models import Report, ReportState

AT_ONCE = 200


def tell_of_finished(session: Session, links: Links) -> int:
    """Write to whoever gets a monthly report that is done; whoever may not see its subject any more is passed by."""
    table, told = Report, 0
    done = sa.select(table.id).where(table.to_tell, table.state == ReportState.DONE.value).order_by(table.id)
    taken = sa.update(table).where(table.id.in_(done.limit(AT_ONCE)), table.to_tell).values(to_tell=False)
    for row_id in session.scalars(taken.returning(table.id).execution_options(synchronize_session=False)).all():
        report = session.get_one(Report, row_id, populate_existing=True)
        reader = session.get_one(Account, report.account_id)
        if not may_open(session, reader.email, [report.id]):
            continue
        month = format_date(report.first_day, "MMMM y", locale=f"{reader.language}_CH")
        values = {"title": report.title, "month": month, "page": links.page(f"/reports/{report.id}")}
        orderer = session.get_one(Account, report.ordered_by_id)
        values["by"] = "" if orderer.id == reader.id else orderer.email
        letter = letters.post(session, reader.email, reader.language, "report_made", **values)
        mail.judge_at_sending(letter, "report", [report.id])
        told += 1
    return told


def may_open(session: Session, recipient: str, about: Sequence[int]) -> bool:
    """Judge of JUDGES: whether the account with this address may open the report, which is what `about` holds."""
    report = session.get(Report, about[0])
    reader = session.scalar(sa.select(Account).where(Account.email == recipient, Account.verified_at.is_not(None)))
    if report is None or reader is None or report.account_id != reader.id:
        return False
    return scope.may_open(session, report)
