"""Charging sessions: the list and one of them; and the blueprints of the whole domain."""

from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import format_time
from sqlalchemy.orm import Session

from portal.access import prices
from portal.access.labels import PRICES_BY
from portal.accounts import login
from portal.charging import (
    arguments,
    flagged,
    queries,
    views_costs,
    views_driver_cards,  # noqa: F401  adds its routes to the drivers' blueprint
    views_drivers,
    views_flagged,  # noqa: F401  adds its routes to the imports' blueprint
    views_identifiers,
    views_import_steps,  # noqa: F401  as above
    views_imports,
)
from portal.charging.models import ChargingSession
from portal.core import display, web
from portal.core.db import db
from portal.core.web import guard
from portal.sharing import eyes

bp = Blueprint("charging", __name__, url_prefix="/sessions")


@bp.get("")
@guard("session:list")
def list_sessions() -> str:
    """The sessions at every station that the reader may see, with count and energy of what the filter shows."""
    session, account = db.session(), login.current_account()
    open_rows = flagged.open_rows(session, account.id)
    return render_template("charging/list_sessions.html", **_listed(session, account.id), open_rows=open_rows)


@bp.get("/view-as")
@guard("grant:list")
def view_as() -> tuple[str, int]:
    """The same list as somebody else would see it, of what is the reader's."""
    return eyes.page("charging/view_as.html", "sessions", _listed)


def _listed(session: Session, account_id: int) -> dict[str, Any]:
    wanted = _wanted()
    return {
        "page": queries.sessions(session, account_id, wanted, web.page_number()),
        "totals": queries.totals(session, account_id, wanted),
        "wanted": wanted,
        "groups": queries.groups_to_choose(session, account_id),
        "filtered": wanted != queries.SessionFilter(),
        "stations": queries.stations_to_choose(session, account_id, wanted.station_id),
        "drivers": queries.drivers_to_choose(session, account_id, wanted.driver_id),
        "first_day": _day("from"),
        "last_day": _day("to"),
    }


def _wanted() -> queries.SessionFilter:
    first, last = _day("from"), _day("to")
    return queries.SessionFilter(
        text=arguments.text("q"),
        station_group_id=arguments.number("group"),
        station_id=arguments.number("station"),
        driver_id=arguments.number("driver"),
        import_id=arguments.number("import"),
        starts_at=_midnight(first) if first else None,
        ends_at=_midnight(last + timedelta(days=1)) if last else None,
        without_price=arguments.text("price") == "none",
    )


def _day(name: str) -> date | None:
    """A day of the address; one that is none counts as not given."""
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day if 1970 <= day.year < 2200 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), web.zone())


@bp.get("/<int:charging_session_id>")
@guard("session:view", charging_session=queries.charging_session)
def show(charging_session: ChargingSession) -> str:
    """One session with its quarter hours."""
    session, account_id = db.session(), login.current_account().id
    return render_template("charging/show.html", **_one(session, account_id, charging_session))


@bp.get("/<int:charging_session_id>/view-as")
@guard("access:view_as", charging_session=queries.charging_session)
def view_session_as(charging_session: ChargingSession) -> tuple[str, int]:
    """One session as somebody else would see it; NotThere when he does not."""

    def filled(session: Session, account_id: int) -> dict[str, Any]:
        seen = queries.charging_session(session, account_id, "session:view", charging_session.id)
        return _one(session, account_id, seen)

    return eyes.page("charging/view_session_as.html", "sessions", filled)


def _one(session: Session, account_id: int, charging_session: ChargingSession) -> dict[str, Any]:
    quarters = queries.quarter_hours(session, charging_session)
    many = len({quarter.starts_at.astimezone(web.zone()).date() for quarter in quarters}) > 1
    rows = [
        (
            display.local_datetime(quarter.starts_at) if many else format_time(quarter.starts_at, "short"),
            quarter.energy_wh / 1000,
            display.kwh(quarter.energy_wh, 3),
        )
        for quarter in quarters
    ]
    return {
        "line": queries.session_line(session, account_id, charging_session),
        "rows": rows,
        "quarters": quarters,
        "cost": queries.cost(session, charging_session),
        "prices_by": PRICES_BY,
        "vat_within": prices.vat_within,
    }


blueprints = (bp, views_costs.bp, views_imports.bp, views_drivers.bp, views_identifiers.bp)
