"""Many stations at once: choose them and what is to change, look at it, apply it."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.bulk import applying, choosing, file_views, judging, kept, words
from portal.bulk.forms import EMPTIED, OF_CONNECTOR, OF_STATION, ChangeForm
from portal.bulk.judging import MOST, NOT_THESE, Item
from portal.bulk.kept import FILE, Kept
from portal.core import forms, web
from portal.core.db import LARGEST_ID, db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.paging import SIZE, Page, offset
from portal.core.web import guard
from portal.stations import pages, refused_fields, search, station_list
from portal.stations.models import Connector, Station
from portal.stations.operations import Meanwhile

bp = Blueprint("station_changes", __name__, url_prefix="/stations")
blueprints = (bp, file_views.bp)
MOST_STATIONS = 10_000
Answer = str | tuple[str, int] | Response


@bp.route("/change", methods=["GET", "POST"])
@guard("station:list")
def choose() -> Answer:
    """The fields that are to change at the stations that were ticked, or at all of a search; what the address says."""
    session, actor, form = db.session(), current_account(), ChangeForm()
    ids = _chosen()
    if not ids or len(ids) > MOST_STATIONS:
        return _other_choice(ids)
    if form.validate_on_submit():
        try:
            items = _asked(form, ids)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            refused = [item for item in items if item.problem and item.problem.message == NOT_THESE]
            applying.record_refusals(session, actor, refused)
            wishes = [item.wish for item in items if item.matters]
            kept.keep(Kept(of_file=False, same=len(items) - len(wishes), wishes=wishes))
            session.commit()
            return redirect(url_for("station_changes.preview"))
    may = choosing.writable(session, actor, ids)
    locked = refused_fields.locked("station", OF_STATION, may.station)
    locked |= refused_fields.locked("connector", OF_CONNECTOR, may.connector)
    page = render_template("bulk/choose.html", form=form, count=len(ids), locked=locked, emptied=EMPTIED)
    return page, 422 if form.errors else 200


def _chosen() -> Sequence[int]:
    """The stations of the address: those that are ticked, or one more than MOST_STATIONS at most of its filter."""
    session, actor = db.session(), current_account()
    if request.args.get("all"):
        relation, text, group_id = pages.relation(), search.cleaned(request.args.get("q")), pages.whole_number("group")
        return station_list.ids(
            session, actor.id, relation=relation, text=text, station_group_id=group_id, most=MOST_STATIONS + 1
        )
    texts = request.args.getlist("station")[:SIZE]
    ids = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 11}
    return choosing.visible(session, actor, {row_id for row_id in ids if row_id <= LARGEST_ID})


def _other_choice(ids: Sequence[int]) -> Response:
    if ids:
        flash(gettext("Change at most %(most)s stations at once: search or filter.", most=MOST_STATIONS), "warning")
    else:
        flash(gettext("Tick the stations first."), "warning")
    kept_filter = {name: request.args.get(name) or None for name in ("q", "show", "group")}
    return redirect(url_for("stations.list_stations", **kept_filter))  # type: ignore[arg-type]  # names of ours


def _asked(form: ChangeForm, ids: Sequence[int]) -> list[Item]:
    """What the form asks for, judged. RuleBroken where it asks for nothing, for what cannot be, or for too much."""
    of_stations, of_connectors = form.texts(OF_STATION), form.texts(OF_CONNECTOR)
    if not of_stations and not of_connectors:
        raise RuleBroken("", "Fill in what is to change.")
    judging.difference(_some_station(), of_stations)
    judging.difference(_some_connector(), of_connectors)
    wishes = choosing.wishes(db.session(), ids, of_stations, of_connectors, form.only_plug_type.data or "")
    if len(wishes) > MOST:
        raise RuleBroken(
            "",
            "These are %(number)s stations and connectors, and at most %(most)s can be changed at once. Choose fewer.",
            number=len(wishes),
            most=MOST,
        )
    return judging.judge(db.session(), current_account(), wishes)


def _some_station() -> Station:
    return Station(name="-", description="", address="", support_contact="", latitude=0.0, longitude=0.0)


def _some_connector() -> Connector:
    return Connector(plug_type="type_2", access="private", price_per_kwh=0, price_per_hour=0, out_of_service=False)


@bp.get("/changes")
@guard("station:list")
def preview() -> Answer:
    """What would change, value by value, and what cannot and why, that first; nothing is written."""
    asked = kept.kept()
    if asked is None:
        return _nothing()
    items = judging.judge(db.session(), current_account(), asked.wishes)
    good = [item for item in items if item.changes]
    shown = sorted((item for item in items if item.matters), key=lambda item: item.problem is None)
    number = web.page_number()
    page = Page(shown[offset(number) : offset(number) + SIZE], number, len(shown))
    return render_template(
        "bulk/preview.html",
        page=page,
        of_file=asked.of_file,
        same=asked.same + len(items) - len(shown),
        good=_counted(good),
        bad=len(shown) - len(good),
        seen=judging.version(items),
        words=words,
    )


def _counted(items: Sequence[Item]) -> str:
    """How many stations and connectors these are; "" for none."""
    connectors = sum(isinstance(item.row, Connector) for item in items)
    stations = len(items) - connectors
    counted = [
        ngettext("%(num)s station", "%(num)s stations", stations) if stations else "",
        ngettext("%(num)s connector", "%(num)s connectors", connectors) if connectors else "",
    ]
    return ", ".join(text for text in counted if text)


@bp.post("/changes/apply")
@guard("station:list")
def apply() -> Response:
    """Write what the preview showed, in one transaction; where something has changed since, show it anew first."""
    session, asked = db.session(), kept.kept()
    if asked is None:
        return _nothing()
    try:
        written = applying.apply(session, current_account(), asked.wishes, request.form.get("seen", ""))
    except Meanwhile:
        session.rollback()
        flash(gettext("Something has changed since you looked: nothing is written yet. Look again."), "warning")
        return redirect(url_for("station_changes.preview"))
    except RuleBroken as broken:
        session.rollback()
        flash(forms.words(broken), "danger")
        return redirect(url_for("station_changes.preview"))
    FILE.discard()
    session.commit()
    flash(gettext("Saved: %(what)s.", what=_counted(written)), "success")
    return redirect(url_for("stations.list_stations"))


@bp.post("/changes/discard")
@guard("station:list")
def discard() -> Response:
    FILE.discard()
    db.session.commit()
    flash(gettext("Discarded. Nothing was changed."), "info")
    return redirect(url_for("stations.list_stations"))


def _nothing() -> Response:
    flash(gettext("Tick the stations first."), "info")
    return redirect(url_for("stations.list_stations"))
