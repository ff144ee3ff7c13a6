"""The first page after log-in."""

from typing import Any

from flask import Blueprint, render_template
from flask_babel import format_date

from portal.access import requests
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.charging import queries as charging
from portal.core import clock, web
from portal.core.db import db
from portal.core.display import kwh
from portal.core.web import guard
from portal.dashboard import queries
from portal.exports import queries as exports
from portal.exports.models import ExportTask
from portal.exports.status import Status, status
from portal.sharing import queries as sharing
from portal.stations.states import DisplayState

bp = Blueprint("dashboard", __name__)
blueprints = (bp,)
QUIET = ("ok", "running", "paused")  # a task that nobody has to look after


@bp.get("/")
@guard("dashboard:view")
def show() -> str:
    account = current_account()
    steps = queries.steps(db.session(), account.id)
    first = {
        "steps": steps,
        "inert": sharing.inert_for(db.session(), account),
        "asked_for": requests.waiting_for(db.session(), account.id) if steps.has_grant else [],
    }
    if steps.is_new:
        return render_template("dashboard/new.html", **first)
    return render_template("dashboard/show.html", **first, **_figures(account, steps))


def _figures(account: Account, steps: queries.Steps) -> dict[str, Any]:
    session, zone = db.session(), web.zone()
    last_day = queries.last_day_with_energy(steps.latest_session, clock.now().astimezone(zone).date(), zone)
    energy, found = queries.charged_until(session, account.id, last_day, zone, is_shared_with=steps.sees_shared)
    tasks = _tasks(account)
    states = queries.connector_states(session, account.id, clock.now(), is_shared_with=steps.sees_shared)
    return {
        "energy": energy,
        "first_day": min(energy.days),
        "last_day": last_day,
        "bars": [(format_date(day, "d. MMM"), wh / 1000, kwh(wh)) for day, wh in energy.days.items()],
        "by_group": queries.group_names(session, found.by_group),
        "states": [(state, states[state]) for state in DisplayState if states[state]],
        "sessions": found.sessions,
        "lines": charging.session_lines(session, account.id, found.latest),
        "flagged": steps.flagged,
        "tasks": tasks,
        "attention": sum(state.kind not in QUIET for _, state in tasks),
    }


def _tasks(account: Account) -> list[tuple[ExportTask, Status]]:
    """The export tasks that the account sees, those that need attention first."""
    session = db.session()
    tasks = exports.first_tasks(session, account.id)
    facts = exports.facts(session, tasks)
    found = [(task, status(facts[task.id])) for task in tasks]
    return sorted(found, key=lambda pair: pair[1].kind in QUIET)
