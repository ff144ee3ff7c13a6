"""Who has access to a station group: see, give, change, revoke; and what others share with the reader."""

import logging
from datetime import date, datetime
from http import HTTPStatus

import sqlalchemy as sa
from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.accounts import user_groups
from portal.accounts.blueprint import reader
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.core import authz, forms, letters, web
from portal.core.db import db, writing
from portal.core.display import local_date, ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard, limiter
from portal.sharing import endings, operations, queries, user_group_views
from portal.sharing.forms import EXPLANATIONS, GiveForm, TermsForm
from portal.sharing.terms import last_day
from portal.stations import pages
from portal.stations import queries as stations
from portal.stations.labels import PERMISSIONS
from portal.stations.models import Grant, Permission, StationGroup

log = logging.getLogger(__name__)
bp = Blueprint("sharing", __name__)

OPENED = ("station_group_id", "station_id")  # what a URL names when its page shows something shared
Page = str | tuple[str, int] | WerkzeugResponse

# Each grant to an address, and each change of one, sends a letter to somebody who has not asked for it.
letters_limit = limiter.shared_limit("120 per hour; 300 per day", "grants", key_func=reader, methods=["POST"])


@bp.get("/station-groups/<int:station_group_id>/sharing")
@guard("grant:view", station_group=stations.station_group)
def list_grants(station_group: StationGroup) -> str:
    session = db.session()
    owner = session.get_one(Account, station_group.owner_id)
    return render_template(
        "sharing/list_grants.html",
        group=station_group,
        owner=owner,
        is_owner=owner.id == current_user.id,
        grants=queries.live(session, station_group, web.page_number()),
        history=queries.past(session, station_group, web.page_number("history")),
        history_open="history" in request.args,
        licensed=queries.is_licensed(session, owner.id),
        may_give=bool(_roles(session, station_group)),
        tabs=pages.group_tabs(station_group, "sharing", sees_grants=True),
    )


@bp.route("/station-groups/<int:station_group_id>/sharing/add", methods=["GET", "POST"])
@letters_limit
@guard("grant:give_display", station_group=stations.station_group)
def add(station_group: StationGroup) -> Page:
    session, form = db.session(), GiveForm()
    form.offer_roles(_roles(session, station_group))
    form.offer_user_groups(user_groups.names(session, station_group.owner_id))
    if form.validate_on_submit():
        try:
            grant = operations.give(session, current_account(), station_group, form.give_offer())
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            _tell(session, grant)
            session.commit()
            flash(gettext("The authorisation is given."), "success")
            return redirect(url_for("sharing.list_grants", station_group_id=station_group.id))
    page = render_template(
        "sharing/add.html",
        form=form,
        group=station_group,
        explanations=EXPLANATIONS,
        own_end=queries.own_end(session, current_user.id, station_group.id, operations.GIVE[Permission.DISPLAY]),
        licensed=queries.is_licensed(session, station_group.owner_id),
    )
    return page, 422 if form.errors else 200


@bp.route("/grants/<int:grant_id>/change", methods=["GET", "POST"])
@letters_limit
@guard("grant:revoke", grant=stations.grant)
def change(grant: Grant) -> Page:
    session = db.session()
    group = session.get_one(StationGroup, grant.station_group_id)
    form = TermsForm(role=grant.role, ends_on=_last_day(grant.ends_at), hides_drivers=grant.hides_drivers)
    form.offer_roles(_roles(session, group))
    if form.validate_on_submit():
        try:
            changed = operations.change(session, current_account(), grant, form.offer())
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            _tell(session, changed)
            session.commit()
            flash(gettext("The authorisation is changed."), "success")
            return redirect(url_for("sharing.list_grants", station_group_id=group.id))
    page = render_template(
        "sharing/change.html",
        form=form,
        group=group,
        grant=grant,
        explanations=EXPLANATIONS,
        who=queries.recipient(session, grant),
    )
    return page, 422 if form.errors else 200


@bp.route("/grants/<int:grant_id>/revoke", methods=["GET", "POST"])
@guard("grant:revoke", grant=stations.grant)
def revoke(grant: Grant) -> Page:
    session = db.session()
    group = session.get_one(StationGroup, grant.station_group_id)
    back = url_for("sharing.list_grants", station_group_id=group.id)
    if request.method == "POST":
        try:
            ended = operations.revoke(session, current_account(), grant)
        except RuleBroken as broken:
            flash(gettext(broken.message), "danger")
            return redirect(back)
        session.commit()
        flash(ngettext("%(num)s authorisation has ended.", "%(num)s authorisations have ended.", ended), "success")
        stays = authz.may(session, current_user.id, "grant:view", [group.id])
        return redirect(back if stays else url_for("sharing.shared_with_me"))
    return render_template(
        "sharing/revoke.html",
        grant=grant,
        group=group,
        who=queries.recipient(session, grant),
        losses=endings.ending_with(session, grant),
        back=back,
    )


@bp.get("/shared-with-me")
@guard("station_group:list")
def shared_with_me() -> str:
    session, account = db.session(), current_account()
    return render_template(
        "sharing/shared_with_me.html",
        shared=queries.shared_with(session, account, web.page_number()),
        inert=queries.inert_for(session, account),
        memberships=user_groups.memberships(session, account),
    )


@bp.after_app_request
def _note_use(response: Response) -> Response:
    """Whoever opens a page of a station group or station that is shared with him has used the grant that lets him in.

    The one place where use is noted. It hangs on what the URL names, so it covers every page of every domain; a grant
    is written at most once a day, in a short transaction of its own; a database that stays locked only costs the note.
    """
    names = request.view_args or {}
    if request.method != "GET" or response.status_code != HTTPStatus.OK or names.keys().isdisjoint(OPENED):
        return response
    if not current_user.is_authenticated:
        return response
    session = db.session()
    ids = [names["station_group_id"]] if OPENED[0] in names else stations.groups_of(session, names["station_id"])
    if operations.use_is_due(session, current_user.id, ids):
        session.close()
        try:
            with writing(), Session(db.engine) as own, own.begin():
                operations.used(own, current_user.id, ids)
        except sa.exc.OperationalError:
            log.warning("the use of a grant could not be noted", exc_info=True)
    return response


def _roles(session: Session, group: StationGroup) -> list[Permission]:
    """The permissions that the reader may give on the group."""
    return [role for role, act in operations.GIVE.items() if authz.may(session, current_user.id, act, [group.id])]


@bp.app_template_filter("permission_name")
def _permission_name(role: str) -> str:
    return str(PERMISSIONS[Permission(role)])


@bp.app_template_filter("last_day")
def _last_day(ends_at: datetime | None) -> date | None:
    return last_day(ends_at, web.zone()) if ends_at else None


def _tell(session: Session, grant: Grant) -> None:
    """A mail to the address a grant is given to, the same whether or not it has an account."""
    if not grant.email:
        return
    giver, day = current_account(), _last_day(grant.ends_at)
    page = current_app.extensions["settings"].public_url.rstrip("/") + url_for("sharing.shared_with_me")
    letters.post(
        session,
        grant.email,
        giver.language,
        "grant_given",
        giver=giver.email,
        role=grant.role,
        last_day=local_date(day) if day else "",
        page=page,
    )


blueprints: tuple[Blueprint, ...] = (bp, user_group_views.bp)
