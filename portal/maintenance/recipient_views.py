"""Who receives maintenance: the owner's list, adding and removing."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import user_groups
from portal.accounts.login import current_account
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.licences import queries as licences
from portal.maintenance import queries, recipients
from portal.maintenance.blueprint import Page, bp, tabs
from portal.maintenance.forms import RecipientsForm
from portal.maintenance.models import MaintenanceRecipient
from portal.stations import pages, search
from portal.stations import queries as stations
from portal.stations.models import Grant, Station, StationGroup


@bp.get("/maintenance/recipients")
@guard("maintenance:list")
def list_recipients() -> str:
    session, account = db.session(), current_account()
    text = search.cleaned(request.args.get("q"))
    return render_template(
        "maintenance/list_recipients.html",
        page=queries.owned_recipients(session, account.id, text, web.page_number()),
        text=text,
        groups=queries.own_groups(session, account.id),
        tabs=tabs("recipients"),
    )


@bp.get("/maintenance/recipients/add")
@guard("maintenance:list")
def choose_group() -> Response:
    """From the list to the form of the station group that was chosen there."""
    group_id = pages.whole_number("group")
    if group_id is None:
        return redirect(url_for("maintenance.list_recipients"))
    return redirect(url_for("maintenance.add_to_group", station_group_id=group_id))


@bp.route("/stations/<int:station_id>/maintenance/recipients/add", methods=["GET", "POST"])
@guard("maintenance:divide", station=stations.station)
def add_to_station(station: Station) -> Page:
    return _add(station, url_for("maintenance.show_station", station_id=station.id))


@bp.route("/station-groups/<int:station_group_id>/maintenance/recipients/add", methods=["GET", "POST"])
@guard("maintenance:divide", station_group=stations.station_group)
def add_to_group(station_group: StationGroup) -> Page:
    return _add(station_group, url_for("maintenance.show_group", station_group_id=station_group.id))


def _add(place: Station | StationGroup, back: str) -> Page:
    session, account, form = db.session(), current_account(), RecipientsForm()
    form.offer_user_groups(user_groups.names(session, account.id))
    if form.validate_on_submit():
        try:
            added = recipients.add(session, account, place, form.emails.data or "", form.user_group_id)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            session.commit()
            _say_added(added)
            return redirect(back)
    page = render_template(
        "maintenance/add_recipients.html",
        form=form,
        name=place.name,
        back=back,
        of_station=isinstance(place, Station),
        lacking=licences.lacking(session, account.id, "maintenance:divide"),
    )
    return page, 422 if form.errors else 200


@bp.post("/grants/<int:grant_id>/maintenance")
@guard("maintenance:divide", grant=stations.grant)
def add_of_grant(grant: Grant) -> Response:
    """One click on the page of the share: who is given the group receives its maintenance too."""
    session = db.session()
    group = stations.station_group(session, current_account().id, "maintenance:divide", grant.station_group_id)
    try:
        added = recipients.add_of_grant(session, current_account(), group, grant)
    except RuleBroken as broken:
        flash(forms.words(broken), "danger")
        return redirect(url_for("maintenance.list_recipients"))
    session.commit()
    _say_added(int(added))
    return redirect(url_for("sharing.list_grants", station_group_id=group.id))


@bp.post("/maintenance/recipients/<int:maintenance_recipient_id>/remove")
@guard("maintenance:divide", maintenance_recipient=queries.recipient)
def remove_recipient(maintenance_recipient: MaintenanceRecipient) -> Response:
    row = maintenance_recipient
    back = url_for("maintenance.list_recipients")
    if request.form.get("back") == "place" and row.station_id:
        back = url_for("maintenance.show_station", station_id=row.station_id)
    elif request.form.get("back") == "place":
        back = url_for("maintenance.show_group", station_group_id=row.station_group_id)
    recipients.remove(db.session(), current_account(), row)
    db.session.commit()
    flash(gettext("Removed. No mail about this maintenance goes there any more."), "success")
    return redirect(back)


def _say_added(added: int) -> None:
    if added:
        said = ngettext("%(num)s recipient is added.", "%(num)s recipients are added.", added)
        flash(said, "success")
    else:
        flash(gettext("They receive it already; nothing was added."), "info")
