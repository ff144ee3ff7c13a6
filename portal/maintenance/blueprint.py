"""What the pages of maintenance share."""

from flask import Blueprint, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.blueprint import reader
from portal.core.web import limiter

bp = Blueprint("maintenance", __name__)
Page = str | tuple[str, int] | Response

# Each change of planned work sends a letter to every recipient, who has not asked for it.
letters_limit = limiter.shared_limit("60 per hour; 300 per day", "maintenance", key_func=reader, methods=["POST"])


def tabs(active: str) -> list[dict[str, object]]:
    """The tabs of the pages about maintenance as a whole; `active` is work or recipients."""
    known = (
        ("work", url_for("maintenance.list_work"), gettext("Planned work")),
        ("recipients", url_for("maintenance.list_recipients"), gettext("Who receives it")),
    )
    return [{"url": url, "label": label, "active": name == active} for name, url, label in known]
