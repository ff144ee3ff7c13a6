"""The first page after log-in."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from babel.dates import format_interval
from flask import Blueprint, render_template, request
from flask_babel import format_date, get_locale

from portal.access import requests
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.charging import queries as charging
from portal.charging.daily_totals import ZONE
from portal.charging.finishing import instants
from portal.core import clock, paging, web
from portal.core.db import db
from portal.core.display import kwh
from portal.core.web import guard
from portal.dashboard import attention, periods, queries
from portal.dashboard.figures import Figures, Total, change_percent, figures
from portal.dashboard.periods import Kind, Period, around
from portal.exports import attention as export_attention
from portal.exports import queries as exports
from portal.exports.attention import Look
from portal.exports.models import ExportTask
from portal.sharing import queries as sharing
from portal.stations.states import DisplayState

bp = Blueprint("dashboard", __name__)
blueprints = (bp,)
LAST_SESSIONS = 10


@bp.get("/")
@guard("dashboard:view")
def show() -> str:
    account = current_account()
    steps = queries.steps(db.session(), account.id)
    first = {
        "steps": steps,
        "inert": sharing.inert_for(db.session(), account),
        "asked_for": requests.waiting_for(db.session(), account.id) if steps.has_grant else [],
        "licences": attention.licences(db.session(), account.id, steps),
    }
    if steps.is_new:
        return render_template("dashboard/new.html", **first)
    return render_template("dashboard/show.html", **first, **_charged(account, steps), **_around(account, steps))


def _charged(account: Account, steps: queries.Steps) -> dict[str, Any]:
    """What was charged in the period that the address names, with the links to others."""
    session, today = db.session(), clock.now().astimezone(ZONE).date()
    period = _period(steps.latest_session, today)
    found = figures(session, account.id, period, is_shared_with=steps.sees_shared)
    begun = _last_days(found, period)
    return {
        "period": period,
        "kinds": Kind,
        "words": _words,
        "after": period.after if period.after.has_begun(today) else None,
        "now": around(period.kind, today),
        "today": today,
        "figures": found,
        "tiles": _tiles(found, period, today),
        "bars": _bars(found, period, today),
        "latest": steps.latest_session.astimezone(ZONE).date() if steps.latest_session else None,
        "zone": ZONE.key if _another_day(period) else "",
        "lines": charging.latest_sessions(session, account.id, begun, LAST_SESSIONS, is_shared_with=steps.sees_shared),
    }


def _period(latest_session: datetime | None, today: date) -> Period:
    """As the address names it; without a day the present one, or where nothing was charged in it yet that of the last
    session: an overview of an idle month says nothing."""
    text = request.args.get("period", "")
    kind = Kind(text) if text in set(Kind) else Kind.MONTH
    try:
        day = date.fromisoformat(request.args.get("on", ""))
    except ValueError:
        day, latest = today, latest_session.astimezone(ZONE).date() if latest_session else today
        day = min(latest, today) if latest < around(kind, today).first else today
    return around(kind, min(max(day, periods.FIRST), today))


def _words(first: date, last: date) -> str:
    """Days as the reader writes them, a whole month by its name."""
    if first == last:
        return str(format_date(first, "full"))
    if around(Kind.MONTH, first) == Period(Kind.MONTH, first, last):
        return str(format_date(first, "LLLL y"))
    return str(format_interval(first, last, "yMMMd", locale=get_locale()))


def _tiles(found: Figures, period: Period, today: date) -> Mapping[str, Any]:
    """Both totals, with what they are compared with."""
    compared = period.compared(today)
    now, before = found.total(period.first, period.last), found.total(*compared)
    return {
        "now": now,
        "before": before,
        "compared": _words(*compared),
        "sessions": [found.days.get(day, Total()).sessions for day in period.days() if day <= today],
        "energy_change": change_percent(now.energy_wh, before.energy_wh),
        "sessions_change": change_percent(now.sessions, before.sessions),
    }


def _bars(found: Figures, period: Period, today: date) -> list[tuple[str, float | None, str]]:
    """What the chart and its table show: kWh of each hour or day, none of those to come."""
    if period.kind is Kind.DAY:
        now = clock.now()
        hours = [(f"{at.astimezone(ZONE):%H:%M}", wh if at <= now else None) for at, wh in found.hours.items()]
        return [(label, None if wh is None else wh / 1000, kwh(wh)) for label, wh in hours]
    form = "EEE d. MMM" if period.kind is Kind.WEEK else "d. MMM"
    days = [(day, found.days.get(day, Total()).energy_wh if day <= today else None) for day in period.days()]
    return [(format_date(day, form), None if wh is None else wh / 1000, kwh(wh)) for day, wh in days]


def _last_days(found: Figures, period: Period) -> tuple[datetime, datetime]:
    """From the day on that holds the last sessions of the period with those after it, to its end: no more has to be
    looked through for them."""
    waiting, first = LAST_SESSIONS, period.last
    for day in reversed(period.days()):
        first, waiting = day, waiting - found.days.get(day, Total()).sessions
        if waiting <= 0:
            break
    return instants(first, period.last, ZONE)


def _another_day(period: Period) -> bool:
    """Whether the reader's days begin at another time than those of the totals."""
    begin, _end = instants(period.first, period.last, ZONE)
    return begin.astimezone(web.zone()).utcoffset() != begin.astimezone(ZONE).utcoffset()


def _around(account: Account, steps: queries.Steps) -> dict[str, Any]:
    """How charging points and exports are now, whatever the period."""
    session, tasks = db.session(), _tasks(account)
    states = queries.connector_states(session, account.id, clock.now(), is_shared_with=steps.sees_shared)
    return {
        "states": [(state, states[state]) for state in DisplayState if states[state]],
        "flagged": steps.flagged,
        "tasks": tasks,
        "more_tasks": len(tasks) == paging.SIZE,
        "attention": sum(look.urgent for _, look in tasks),
    }


def _tasks(account: Account) -> list[tuple[ExportTask, Look]]:
    """The export tasks that the account sees, those that need attention first."""
    session = db.session()
    tasks = exports.first_tasks(session, account.id)
    looks = export_attention.looks(session, tasks)
    return sorted(((task, looks[task.id]) for task in tasks), key=lambda pair: not pair[1].urgent)
