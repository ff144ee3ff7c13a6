"""What the pages of reports share."""

from flask import Blueprint, url_for
from flask_babel import gettext

from portal.accounts.blueprint import reader
from portal.core.web import limiter

bp = Blueprint("reports", __name__, url_prefix="/reports")
# A report takes a worker for minutes, and its files stay.
order_limit = limiter.shared_limit("60 per hour; 300 per day", "reports", key_func=reader, methods=["POST"])


def tabs(active: str) -> list[dict[str, object]]:
    """The tabs of the pages about reports as a whole; `active` is reports or monthly."""
    known = (
        ("reports", url_for("reports.list_reports"), gettext("Reports")),
        ("monthly", url_for("reports.list_schedules"), gettext("Every month")),
    )
    return [{"url": url, "label": label, "active": name == active} for name, url, label in known]
