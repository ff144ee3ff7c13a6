"""Who was given something may give it back."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core import forms
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.web import guard
from portal.sharing import endings, giving_back
from portal.stations.models import Grant, StationGroup

bp = Blueprint("giving_back", __name__)


@bp.route("/shared-with-me/<int:own_grant_id>/give-back", methods=["GET", "POST"])
@guard("grant:give_back", own_grant=giving_back.own_grant)
def give_back(own_grant: Grant) -> str | Response:
    session = db.session()
    if request.method == "POST":
        try:
            ended = giving_back.give_back(session, current_account(), own_grant)
        except RuleBroken as broken:
            flash(forms.words(broken), "danger")
            return redirect(url_for("sharing.shared_with_me"))
        session.commit()
        flash(gettext("The authorisation is given back."), "success")
        if ended > 1:
            told = ngettext(
                "%(num)s authorisation that you gave under it has ended too.",
                "%(num)s authorisations that you gave under it have ended too.",
                ended - 1,
            )
            flash(told, "info")
        return redirect(url_for("sharing.shared_with_me"))
    losses = endings.ending_with(session, own_grant)
    return render_template(
        "sharing/give_back.html",
        grant=own_grant,
        group=session.get_one(StationGroup, own_grant.station_group_id),
        stations=next(loss.stations for loss in losses if loss.grant.id == own_grant.id),
        further=[loss for loss in losses if loss.grant.id != own_grant.id],
    )
