"""Costs calculated anew: what would change is looked at first."""

import hashlib
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import DateField, SelectField
from wtforms.validators import InputRequired

from portal.accounts import login
from portal.accounts.models import Account
from portal.charging import queries, recalculating
from portal.charging.models import ChargingSession
from portal.charging.recalculating import Chosen, Difference
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.stations.models import Station, StationGroup

bp = Blueprint("costs", __name__, url_prefix="/sessions")
FIELDS = ("first_day", "last_day", "group", "station")
Answer = str | tuple[str, int] | Response
NEEDED = InputRequired(_l("This must be filled in."))


def _number(text: object) -> int | None:
    return int(str(text)) if text else None


class ChooseForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """Which sessions; sent by GET, for nothing is written by it."""

    first_day = DateField(_l("First day"), [NEEDED])
    last_day = DateField(_l("Last day"), [NEEDED])
    group = SelectField(_l("Station group"), coerce=_number)
    station = SelectField(_l("Station"), coerce=_number)


@bp.get("/costs")
@guard("cost:recalculate")
def choose() -> Answer:
    """The sessions of a period, at all stations or some; nothing is written."""
    account, form = login.current_account(), _form()
    if "first_day" not in request.args:
        return render_template("costs/choose.html", form=form, found=None)
    found = None
    if form.validate():
        try:
            chosen = _chosen(form, account)
            ids = recalculating.chosen_ids(db.session(), account.id, chosen)
            found = recalculating.preview(db.session(), account.id, ids)
        except RuleBroken as broken:
            forms.show(form, broken)
    fields = {name: request.args.get(name, "") for name in FIELDS}
    page = render_template("costs/choose.html", form=form, found=found, fields=fields, seen=_seen(found))
    return page, 422 if form.errors else 200


@bp.post("/costs/recalculate")
@guard("cost:recalculate")
def recalculate() -> Answer:
    """Calculate what was looked at; where it would come out otherwise by now, show it anew first."""
    account, form = login.current_account(), _form()
    if not form.validate():
        return render_template("costs/choose.html", form=form, found=None), 422
    fields: dict[str, Any] = {name: request.form.get(name, "") for name in FIELDS}
    again = url_for("costs.choose", **fields)
    try:
        return _apply(_chosen(form, account), url_for("charging.list_sessions"), again)
    except RuleBroken as broken:
        db.session.rollback()
        forms.show(form, broken)
        return render_template("costs/choose.html", form=form, found=None), 422


@bp.route("/<int:charging_session_id>/recalculate", methods=["GET", "POST"])
@guard("session:recalculate", charging_session=queries.charging_session)
def recalculate_one(charging_session: ChargingSession) -> Answer:
    chosen = Chosen(charging_session=charging_session)
    back = url_for("charging.show", charging_session_id=charging_session.id)
    if request.method == "POST":
        return _apply(chosen, back, request.path)
    found = recalculating.preview(db.session(), charging_session.owner_id, [charging_session.id])
    return render_template("costs/one.html", row=charging_session, found=found, seen=_seen(found), back=back)


def _apply(chosen: Chosen, done_url: str, again_url: str) -> Response:
    session = db.session()
    found = recalculating.recalculate(session, login.current_account(), chosen)
    if _seen(found) != request.form.get("seen"):
        session.rollback()
        flash(gettext("Something has changed since you looked: nothing is written yet. Look again."), "warning")
        return redirect(again_url)
    session.commit()
    flash(
        ngettext("%(num)s session was calculated anew.", "%(num)s sessions were calculated anew.", found.sessions),
        "success",
    )
    return redirect(done_url)


def _form() -> ChooseForm:
    """Filled by the address or by what was sent; the token of a form that writes is looked at before any view."""
    account, form = login.current_account(), ChooseForm(request.values, meta={"csrf": False})
    groups = sa.select(StationGroup.id, StationGroup.name).where(StationGroup.owner_id == account.id)
    stations = sa.select(Station.id, Station.name).where(Station.owner_id == account.id)
    form.group.choices = _choices(groups.order_by(StationGroup.name), gettext("all groups"))
    form.station.choices = _choices(stations.order_by(Station.name), gettext("all stations"))
    return form


def _choices(wanted: sa.Select[int, str], none: str) -> list[tuple[int | str, str]]:
    rows = db.session.execute(wanted.limit(queries.TO_CHOOSE))
    return [("", none), *((row_id, name) for row_id, name in rows)]


def _chosen(form: ChooseForm, account: Account) -> Chosen:
    first, last = form.first_day.data, form.last_day.data
    assert first is not None  # both are needed
    assert last is not None
    if last < first:
        raise RuleBroken("last_day", "The last day lies before the first.")
    if first.year not in range(1970, 2200) or last.year not in range(1970, 2200):
        raise RuleBroken("first_day", "Choose a day between 1970 and 2199.")
    session = db.session()
    group = session.get(StationGroup, form.group.data) if form.group.data else None
    station = session.get(Station, form.station.data) if form.station.data else None
    for name, row in (("group", group), ("station", station)):
        if row is not None and row.owner_id != account.id:
            raise RuleBroken(name, "This is not known.")
    return Chosen(_midnight(first), _midnight(last + timedelta(days=1)), station, group)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), web.zone())


def _seen(found: Difference | None) -> str:
    """What was looked at, in short."""
    return hashlib.sha256(repr(found).encode()).hexdigest()[:32]
