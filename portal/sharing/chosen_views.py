"""Many grants of a station group at once: revoke and change those that were ticked in the list."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.db import LARGEST_ID, db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.paging import SIZE
from portal.core.web import guard
from portal.sharing import endings, operations, queries
from portal.sharing.answers import agreed, ask, letters_limit, reason, roles, say_revoked, tell
from portal.sharing.forms import ChangeChosenForm
from portal.stations import queries as stations
from portal.stations.models import Grant, StationGroup

bp = Blueprint("chosen_grants", __name__)
Page = str | tuple[str, int] | Response


@bp.route("/station-groups/<int:station_group_id>/sharing/revoke", methods=["GET", "POST"])
@guard("grant:revoke", station_group=stations.station_group)
def revoke(station_group: StationGroup) -> Page:
    session, grants = db.session(), _ticked(station_group)
    if not grants:
        return _nothing_ticked(station_group)
    if request.method == "POST":
        try:
            ended = operations.revoke_all(session, current_account(), grants)
        except RuleBroken as broken:
            flash(reason(broken), "danger")
            return redirect(url_for("sharing.list_grants", station_group_id=station_group.id))
        session.commit()
        return say_revoked(session, station_group, ended)
    ids = [grant.id for grant in grants]
    losses = endings.losses(session, [*ids, *endings.under(session, ids)])
    back = url_for("sharing.list_grants", station_group_id=station_group.id)
    return render_template("sharing/revoke_chosen.html", group=station_group, ids=ids, losses=losses, back=back)


@bp.route("/station-groups/<int:station_group_id>/sharing/change", methods=["GET", "POST"])
@letters_limit
@guard("grant:change", station_group=stations.station_group)
def change(station_group: StationGroup) -> Page:
    """Always asks before it changes anything: what becomes of many is not seen at a glance."""
    session, grants, form = db.session(), _ticked(station_group), ChangeChosenForm()
    del form.starts_on
    if not grants:
        return _nothing_ticked(station_group)
    form.offer_roles(roles(session, station_group))
    if form.validate_on_submit():
        try:
            done = operations.change_all(session, current_account(), grants, form.offer_for)
        except RuleBroken as broken:
            session.rollback()  # some are changed already
            forms.show(form, RuleBroken("", "Nothing is changed. %(reason)s", reason=reason(broken)))
        else:
            if not agreed(done):
                return ask(session, station_group, done, request.path)
            tell(session)
            session.commit()
            count = len(done.grants)
            flash(
                ngettext("%(num)s authorisation is changed.", "%(num)s authorisations are changed.", count), "success"
            )
            return redirect(url_for("sharing.list_grants", station_group_id=station_group.id))
    page = render_template(
        "sharing/change_chosen.html",
        group=station_group,
        form=form,
        lines=_named(grants),
        back=url_for("sharing.list_grants", station_group_id=station_group.id),
    )
    return page, 422 if form.errors else 200


def _ticked(group: StationGroup) -> Sequence[Grant]:
    """The live grants of the station group that were ticked, in the address or in the form."""
    texts = request.values.getlist("grant")[:SIZE]
    ids = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 11}
    return queries.chosen(db.session(), group, {row_id for row_id in ids if row_id <= LARGEST_ID})


def _nothing_ticked(group: StationGroup) -> Response:
    flash(gettext("Tick the authorisations first."), "warning")
    return redirect(url_for("sharing.list_grants", station_group_id=group.id))


def _named(grants: Sequence[Grant]) -> list[tuple[int, str, str]]:
    """Id, recipient and permission of each."""
    return [(grant.id, queries.recipient(db.session(), grant), grant.role) for grant in grants]
