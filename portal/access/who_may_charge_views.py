"""The page that answers who may charge at a connector, at what price, and why."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask_babel import gettext

from portal.access import labels, who_may_charge
from portal.access.spots import here
from portal.accounts import emails
from portal.accounts.login import current_account
from portal.core import clock, web
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations import labels as station_labels
from portal.stations import queries
from portal.stations.models import Connector

bp = Blueprint("who_may_charge", __name__)
YEARS = range(2000, 2200)


@bp.get("/connectors/<int:connector_id>/who-may-charge")
@guard("special_user:edit", connector=queries.connector)
def show(connector: Connector) -> str:
    """Somebody by his address, or anybody, at an instant, both in the address of the page. For the owner, to whom
    special users, their user groups and their prices belong."""
    session, account = db.session(), current_account()
    at_place, faults = here(session, account, connector), {}
    typed, when = request.args.get("email", "").strip()[:254], request.args.get("at", "")
    email, at = "", clock.now()
    try:
        email = emails.normalise(typed) if typed else ""
    except RuleBroken as broken:
        faults["email"] = gettext(broken.message, **broken.params)
    if when:
        at = _instant(when, web.zone()) or at
        if _instant(when, web.zone()) is None:
            faults["at"] = gettext("Enter date and time such as 2026-03-31 14:05.")
    answer = None if faults else who_may_charge.ask(session, connector, email, at)
    return render_template(
        "special_users/who_may_charge.html",
        at_place=at_place,
        answer=answer,
        asked=email,
        typed=typed,
        when=at.astimezone(web.zone()).strftime("%Y-%m-%dT%H:%M") if not faults.get("at") else when,
        at=at,
        faults=faults,
        labels=labels,
        station_labels=station_labels,
    )


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return local.replace(tzinfo=zone) if local.year in YEARS and local.tzinfo is None else None
