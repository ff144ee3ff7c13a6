"""The history of all tasks: what was delivered when, where to, and what was not."""

from datetime import date

from flask import render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user

from portal.charging import arguments
from portal.core.db import LARGEST_ID, db
from portal.core.web import guard
from portal.exports import history, labels
from portal.exports.blueprint import bp
from portal.exports.history import Place, Wanted
from portal.exports.models import RunState


@bp.get("/runs")
@guard("task:list")
def list_runs() -> str:
    session, wanted = db.session(), _wanted()
    found = history.page(session, current_user.id, wanted)
    tasks = history.choices(session, current_user.id)
    following = found.following
    asked = {
        "from": wanted.first_day,
        "to": wanted.last_day,
        "state": wanted.state or None,
        "task": wanted.task_id,
        "destination": wanted.destination_id,
    }
    older = f"{following.period_start}.{following.run_id}" if following else None
    return render_template(
        "exports/list_runs.html",
        runs=found.runs,
        wanted=wanted,
        filtered=any(asked.values()),
        tasks=[(one.task_id, one.task) for one in tasks],
        destinations=sorted({(one.destination_id, one.destination) for one in tasks}, key=lambda pair: pair[1]),
        states=[*labels.RUN_STATES.items(), (history.UNCONFIRMED, gettext("Delivered, unconfirmed"))],
        newest=url_for("exports.list_runs", **asked),  # type: ignore[arg-type]  # names of arguments of ours
        older=url_for("exports.list_runs", before=older, **asked) if older else None,  # type: ignore[arg-type]
        labels=labels,
    )


def _wanted() -> Wanted:
    state = request.args.get("state", "")
    return Wanted(
        first_day=day("from"),
        last_day=day("to"),
        state=state if state in {*RunState, history.UNCONFIRMED} else "",
        task_id=arguments.number("task"),
        destination_id=arguments.number("destination"),
        before=_before(),
    )


def day(name: str) -> date | None:
    """A day of the address; one that is none counts as not given."""
    try:
        found = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return found if 1970 <= found.year < 3000 else None


def _before() -> Place | None:
    """Where a further page begins; an address that somebody made up begins at the latest."""
    start, _, number = request.args.get("before", "")[:30].partition(".")
    try:
        place = Place(date.fromisoformat(start), int(number) if number.isascii() and number.isdigit() else 0)
    except ValueError:
        return None
    return place if 0 < place.run_id <= LARGEST_ID else None
