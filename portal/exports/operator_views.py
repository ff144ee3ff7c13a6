"""The operator's page of exports: every task that needs attention, whosever it is."""

from flask import Blueprint, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l

from portal.core import web
from portal.core.db import db
from portal.core.web import guard
from portal.exports import labels, overseeing
from portal.exports.overseeing import Listed

bp = Blueprint("export_overview", __name__, url_prefix="/operator/exports")

CHOICES = (
    ("", _l("All")),
    ("stopped", _l("Stopped")),
    ("error", _l("Error")),
    ("paused", _l("Paused after failures")),
    ("retry", _l("Will be tried again")),
    ("waiting", _l("Waiting for more than three days")),
)
SENTENCES = {
    "values": _l("Values of its meters are missing."),
    "identifier": _l("A meter lacks its identifier."),
    "meters": _l("A meter's identifier is doubled or cannot be written."),
    "no_connectors": _l("There is no charging point in its station group."),
    "no_driver": _l("Its driver is not known in the station group."),
    "host_key": _l("The host key or certificate of the destination is not confirmed."),
    "licence": _l("The licence Auto-export is missing."),
    "permission": _l("Its owner may no longer export the station group."),
    "authorisation": _l("A licence Authorisation is not active on one of the two sides."),
    "drivers_hidden": _l("The owner of the station group hides the drivers."),
    "not_lent": _l("Its destination or formatter is no longer lent to its owner."),
}


@bp.get("")
@guard("task:list_all")
def list_tasks() -> str:
    text, kind = request.args.get("q", ""), request.args.get("state", "")
    page = overseeing.tasks(db.session(), text, kind, web.page_number())
    context = {"page": page, "query": text, "kind": kind, "choices": CHOICES, "why": _why}
    return render_template("exports/overview.html", **context)


def _why(row: Listed) -> str:
    """Our own words for a reason: what a server says and what meters are called is the owner's alone."""
    if row.code == "failed" and row.step == "build":
        return str(gettext("The file cannot be built from its data and settings."))
    if row.code == "failed":
        return str(gettext("It fails at this step: %(step)s", step=labels.STEPS.get(row.step, row.step)))
    return str(SENTENCES.get(row.code, ""))
