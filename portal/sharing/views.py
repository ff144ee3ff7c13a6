"""Who has access to a station group: see, give, change, revoke; and what others share with the reader."""

import logging
from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus

import sqlalchemy as sa
from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.accounts import user_groups
from portal.accounts.login import current_account
from portal.accounts.models import Account
from portal.core import clock, forms, web
from portal.core.db import at_once, db, reading_only, writing
from portal.core.display import local_date
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.sharing import (
    access_views,
    chosen_views,
    endings,
    extending,
    giving_back_views,
    invitation_views,
    member_views,
    operations,
    queries,
    received,
    review_views,
    station_group_views,
    uses,
    view_as_views,
)
from portal.sharing.answers import agreed, ask, letters_limit, proposed_end, roles, say_revoked, tell, tell_extended
from portal.sharing.forms import EXPLANATIONS, GiveForm, TermsForm
from portal.sharing.review_words import STATES
from portal.sharing.shrinking import GIVE
from portal.sharing.terms import first_day, last_day
from portal.stations import pages
from portal.stations import queries as stations
from portal.stations.labels import PERMISSIONS
from portal.stations.models import Grant, Permission, StationGroup

__all__ = ["blueprints", "station_group_views"]  # that one adds a page to the blueprint of station groups

log = logging.getLogger(__name__)
bp = Blueprint("sharing", __name__)

LONGEST_SEARCH = 100
Page = str | tuple[str, int] | WerkzeugResponse


@bp.get("/station-groups/<int:station_group_id>/sharing")
@guard("grant:view", station_group=stations.station_group)
def list_grants(station_group: StationGroup) -> str:
    session, text = db.session(), request.args.get("q", "").strip()[:LONGEST_SEARCH]
    owner = session.get_one(Account, station_group.owner_id)
    pages_asked = (web.page_number(), web.page_number("history"))
    listed = queries.listed(session, station_group, *pages_asked, text, current_user.id)
    return render_template(
        "sharing/list_grants.html",
        group=station_group,
        owner=owner,
        is_owner=owner.id == current_user.id,
        text=text,
        grants=listed.live,
        history=listed.past,
        history_open="history" in request.args,
        licensed=listed.licensed,
        may_give=bool(roles(session, station_group)),
        tabs=pages.group_tabs(station_group, "sharing", sees_grants=True),
    )


@bp.route("/station-groups/<int:station_group_id>/sharing/add", methods=["GET", "POST"])
@letters_limit
@guard("grant:give_display", station_group=stations.station_group)
def add(station_group: StationGroup) -> Page:
    session, form = db.session(), GiveForm()
    held: Sequence[Grant] = ()
    form.offer_roles(roles(session, station_group))
    form.offer_user_groups(user_groups.names(session, station_group.owner_id))
    if form.validate_on_submit():
        try:
            grant = operations.give(session, current_account(), station_group, form.give_offer())
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            held = () if form.besides.data else queries.held_besides(session, grant)
            if not held:
                tell(session)
                session.commit()
                flash(gettext("The authorisation is given."), "success")
                return redirect(url_for("sharing.list_grants", station_group_id=station_group.id))
    owner, giving = session.get_one(Account, station_group.owner_id), GIVE[Permission.DISPLAY]
    own_end = queries.own_end(session, current_user.id, station_group.id, giving)
    if request.method == "GET":
        form.ends_on.data = proposed_end(owner, own_end)
    page = render_template(
        "sharing/add.html",
        form=form,
        group=station_group,
        held=held,
        explanations=EXPLANATIONS,
        own_end=own_end,
        most_days=owner.grant_most_days,
        licensed=queries.is_licensed(session, owner.id),
    )
    session.rollback()  # nothing is given on top of something else before that was said
    return page, 422 if form.errors or held else 200


@bp.route("/grants/<int:grant_id>/change", methods=["GET", "POST"])
@letters_limit
@guard("grant:change", grant=stations.grant)
def change(grant: Grant) -> Page:
    session = db.session()
    group = session.get_one(StationGroup, grant.station_group_id)
    form = _filled(grant)
    form.offer_roles(roles(session, group))
    if form.validate_on_submit():
        try:
            done = operations.change_all(session, current_account(), [grant], lambda _grant: form.offer())
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            if done.effects and not agreed(done):
                return ask(session, group, done, request.path)
            tell(session)
            session.commit()
            flash(gettext("The authorisation is changed."), "success")
            return redirect(url_for("sharing.list_grants", station_group_id=group.id))
    page = render_template(
        "sharing/change.html",
        form=form,
        group=group,
        grant=grant,
        explanations=EXPLANATIONS,
        most_days=session.get_one(Account, group.owner_id).grant_most_days,
        who=queries.recipient(session, grant),
    )
    return page, 422 if form.errors else 200


@bp.route("/grants/<int:grant_id>/extend", methods=["GET", "POST"])
@letters_limit
@guard("grant:extend", grant=stations.grant)
def extend(grant: Grant) -> Page:
    session, problem = db.session(), ""
    group = session.get_one(StationGroup, grant.station_group_id)
    try:
        if request.method == "POST":
            before = grant.ends_at
            extending.extend(session, current_account(), grant)
            tell_extended(session, grant)
            session.commit()
            told = gettext(
                "The access of %(who)s now lasts until %(day)s instead of %(before)s. Who holds it is told by mail.",
                who=queries.recipient(session, grant),
                day=local_date(_last_day(grant.ends_at)),
                before=local_date(_last_day(before)),
            )
            flash(told, "success")
            return redirect(url_for("sharing.list_grants", station_group_id=group.id))
        longer = extending.longer_end(session, current_account(), grant)
    except RuleBroken as broken:
        longer, problem = None, forms.words(broken)
    page = render_template(
        "sharing/extend.html",
        grant=grant,
        group=group,
        longer=longer,
        problem=problem,
        who=queries.recipient(session, grant),
    )
    return page, 422 if problem and request.method == "POST" else 200


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
            flash(forms.words(broken), "danger")
            return redirect(back)
        session.commit()
        return say_revoked(session, group, ended)
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
    session, account, wanted = db.session(), current_account(), review_views.filter_of_address()
    return render_template(
        "sharing/shared_with_me.html",
        shared=received.listed(session, account, wanted, web.page_number()),
        wanted=wanted,
        states=[(state, STATES[state]) for state in received.STATES],
        permissions=PERMISSIONS,
        inert=queries.inert_for(session, account),
        memberships=user_groups.memberships(session, account),
        here=request.full_path.rstrip("?"),
    )


@bp.after_app_request
def _note_use(response: Response) -> Response:
    """Whoever opens or changes something that is shared with him has used the grant that lets him in.

    The one place where use is noted, besides the confirmation that it is needed. It hangs on what the URL names
    (`uses.NAMES`): a station group, a station, or what belongs to one, as a connector, a charging session, a grant, an
    export or its run and files. A list names nothing and is no use. A grant and a membership are each written at most
    once a day, in a short transaction of their own that waits for nobody: while others write, the page is shown at once
    and the next one is noted.
    """
    names = request.view_args or {}
    if names.keys().isdisjoint(uses.NAMES) or not _was_let_in(response) or not current_user.is_authenticated:
        return response
    session = db.session()
    if request.method == "POST":
        session.rollback()  # what was to stay is committed; nothing of the rest is to be written with the note
    with reading_only():
        account_id = current_user.id
        grant_id = operations.unnoted_use(session, account_id, names)
    if grant_id is not None:
        session.rollback()  # its locks would keep the note waiting
        try:
            with writing(), at_once(db.engine) as own:
                operations.used(own, account_id, grant_id)
                own.commit()
        except sa.exc.OperationalError as error:
            log.info("the use of a grant is noted another time: %s", type(error.orig).__name__)
    return response


def _was_let_in(response: Response) -> bool:
    """Whether the page was shown, or the form taken."""
    if request.method == "POST":
        return response.status_code < HTTPStatus.BAD_REQUEST
    return request.method == "GET" and response.status_code == HTTPStatus.OK


@bp.app_template_filter("permission_name")
def _permission_name(role: str) -> str:
    return str(PERMISSIONS[Permission(role)])


@bp.app_template_filter("last_day")
def _last_day(ends_at: datetime | None) -> date | None:
    return last_day(ends_at, web.zone()) if ends_at else None


def _filled(grant: Grant) -> TermsForm:
    """The form about a grant, as it stands; one that has begun has no first day to choose."""
    begun = grant.starts_at <= clock.now()
    form = TermsForm(
        role=grant.role,
        starts_on=None if begun else first_day(grant.starts_at, web.zone()),
        ends_on=_last_day(grant.ends_at),
        hides_drivers=grant.hides_drivers,
        seen=operations.version(grant),
    )
    if begun:
        del form.starts_on
    return form


blueprints: tuple[Blueprint, ...] = (
    bp,
    member_views.bp,
    chosen_views.bp,
    invitation_views.bp,
    access_views.bp,
    view_as_views.bp,
    review_views.bp,
    giving_back_views.bp,
)
