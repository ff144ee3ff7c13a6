"""Deleting a station group: a page of station groups that stands here because it ends what is granted on them."""

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts.login import current_account
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.web import guard
from portal.sharing import operations
from portal.stations import consequences
from portal.stations import queries as stations
from portal.stations.group_views import bp
from portal.stations.models import StationGroup

__all__ = ["bp"]


@bp.route("/station-groups/<int:station_group_id>/delete", methods=["GET", "POST"])
@guard("station_group:delete", station_group=stations.station_group)
def delete(station_group: StationGroup) -> str | Response:
    session = db.session()
    if request.method == "POST":
        operations.delete_station_group(session, current_account(), station_group)
        session.commit()
        flash(gettext("The group is deleted; its stations are still there."), "success")
        return redirect(url_for("station_groups.list_groups"))
    ending = consequences.of_group(session, station_group)
    ended = consequences.admitting(session, station_group_id=station_group.id)
    return render_template("station_groups/delete.html", group=station_group, sentences=_sentences(ending, ended))


def _sentences(ending: consequences.OfGroup, ended: consequences.Admitting) -> list[str]:
    leaving = []
    if ending.stations:
        leaving.append(
            ngettext(
                "%(num)s station leaves the group and stays yours.",
                "%(num)s stations leave the group and stay yours.",
                ending.stations,
            )
        )
    access = [gettext("%(who)s loses access to the group at once.", who=who) for who in ending.recipients]
    if ending.grants > len(ending.recipients):
        access.append(
            ngettext("%(num)s authorisation ends in all.", "%(num)s authorisations end in all.", ending.grants)
        )
    tasks = [
        gettext("The export task %(name)s is deleted with its history; files already delivered stay there.", name=name)
        for name in ending.tasks
    ]
    maintenance = ngettext(
        "%(num)s recipient no longer receives the maintenance of its stations.",
        "%(num)s recipients no longer receive the maintenance of its stations.",
        ending.receiving,
    )
    access += [maintenance] if ending.receiving else []
    return [*leaving, *access, *_no_longer_admitted(ended), *tasks, gettext("This cannot be undone.")]


def _no_longer_admitted(ended: consequences.Admitting) -> list[str]:
    told = []
    if ended.special_users:
        told.append(ngettext("%(num)s special user ends.", "%(num)s special users end.", ended.special_users))
    if ended.price_rules:
        told.append(ngettext("%(num)s price rule ends.", "%(num)s price rules end.", ended.price_rules))
    return told
