"""Access reviews: what is shared by the reader and with him, to look through, confirm, revoke and take along."""

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, flash, redirect, render_template, request, stream_with_context, url_for
from flask_babel import gettext
from flask_login import current_user
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.accounts.login import current_account
from portal.core import forms, web
from portal.core.db import LARGEST_ID, db
from portal.core.display import local_date, ngettext
from portal.core.errors import RuleBroken
from portal.core.paging import SIZE
from portal.core.urls import inner_path
from portal.core.web import guard
from portal.formats import csv_download
from portal.sharing import endings, operations, queries, received, reviews, still_needed
from portal.sharing.answers import agreed, ask, letters_limit, reason, roles_on_all, tell
from portal.sharing.forms import ChangeChosenForm
from portal.sharing.review_words import CHOICES, OF_LINE
from portal.sharing.reviews import Filter, Line
from portal.sharing.terms import last_day
from portal.stations import search
from portal.stations.labels import PERMISSIONS

bp = Blueprint("reviews", __name__)
Page = str | tuple[str, int] | WerkzeugResponse


@bp.get("/shared-by-me")
@guard("grant:list")
def shared_by_me() -> str:
    session, wanted = db.session(), filter_of_address()
    return render_template(
        "reviews/shared_by_me.html",
        lines=reviews.by_me(session, current_user.id, wanted, web.page_number()),
        wanted=wanted,
        states=CHOICES,
        permissions=PERMISSIONS,
        licensed=queries.is_licensed(session, current_user.id),
        here=request.full_path.rstrip("?"),
    )


@bp.get("/shared-by-me.csv")
@guard("grant:list")
def download_by_me() -> Response:
    """Every line of the list as it is filtered, for a spreadsheet."""
    head = [
        gettext("Station group"),
        gettext("Owner"),
        gettext("Person or user group"),
        gettext("Addresses"),
        gettext("Permission"),
        gettext("Hide the drivers"),
        gettext("State"),
        gettext("Given"),
        gettext("Given by"),
        gettext("First day"),
        gettext("Last day"),
        gettext("In use since"),
        gettext("Last use"),
        gettext("Confirmed"),
        gettext("Confirmed by"),
        gettext("Need confirmed"),
        gettext("Need confirmed by"),
    ]
    lines = reviews.all_by_me(db.session(), current_user.id, filter_of_address())
    return _csv("shared-by-me.csv", head, map(_cells, lines))


def _cells(line: Line) -> list[str]:
    grant = line.grant
    ends_at = last_day(grant.ends_at, web.zone()) if grant.ends_at else None
    return [
        line.group_name,
        line.owner_name,
        line.who,
        str(line.members) if grant.user_group_id else "1",
        str(PERMISSIONS[grant.role]),
        gettext("yes") if grant.hides_drivers else gettext("no"),
        str(OF_LINE[line.state]),
        local_date(grant.granted_at),
        line.given_by,
        *(local_date(day) for day in (grant.starts_at, ends_at, grant.first_used_at, grant.last_used_at)),
        local_date(grant.reviewed_at),
        line.reviewed_by,
        local_date(line.need.at if line.need else None),
        line.need.by if line.need else "",
    ]


@bp.post("/shared-by-me/confirm")
@guard("grant:list")
def confirm() -> WerkzeugResponse:
    """These shall stay: noted with the day and the name."""
    session = db.session()
    if not (ids := _ticked()):
        return _nothing_ticked()
    count = reviews.confirm(session, current_account(), ids)
    session.commit()
    flash(ngettext("%(num)s authorisation is confirmed.", "%(num)s authorisations are confirmed.", count), "success")
    return redirect(_back())


@bp.post("/shared-by-me/revoke")
@guard("grant:list")
def revoke() -> Page:
    """Shows what would end; sent from there again, it ends."""
    session = db.session()
    lines = reviews.chosen(session, current_user.id, _ticked(), "grant:revoke")
    if not lines:
        return _nothing_ticked()
    grants, ids = [line.grant for line in lines], [line.grant.id for line in lines]
    if "agreed" in request.form:
        try:
            ended = operations.revoke_all(session, current_account(), grants)
        except RuleBroken as broken:
            session.rollback()
            flash(reason(broken), "danger")
            return redirect(_back())
        session.commit()
        flash(ngettext("%(num)s authorisation has ended.", "%(num)s authorisations have ended.", ended), "success")
        return redirect(_back())
    losses = endings.losses(session, [*ids, *endings.under(session, ids)])
    names = {line.grant.station_group_id: line.group_name for line in lines}
    return render_template("reviews/revoke.html", ids=ids, losses=losses, names=names, back=_back())


@bp.post("/shared-by-me/change")
@letters_limit
@guard("grant:list")
def change() -> Page:
    """Asks what is to change, shows what would happen, and changes it once that was agreed to."""
    session, form = db.session(), ChangeChosenForm()
    del form.starts_on
    lines = reviews.chosen(session, current_user.id, _ticked(), "grant:change")
    if not lines:
        return _nothing_ticked()
    form.offer_roles(roles_on_all(session, [line.grant.station_group_id for line in lines]))
    if "end" in request.form and form.validate():
        try:
            done = operations.change_all(session, current_account(), [line.grant for line in lines], form.offer_for)
        except RuleBroken as broken:
            session.rollback()  # some are changed already
            forms.show(form, RuleBroken("", "Nothing is changed. %(reason)s", reason=reason(broken)))
        else:
            if not agreed(done):
                return ask(session, None, done, request.path, _back())
            tell(session)
            session.commit()
            count = len(done.grants)
            flash(
                ngettext("%(num)s authorisation is changed.", "%(num)s authorisations are changed.", count), "success"
            )
            return redirect(_back())
    page = render_template("reviews/change.html", form=form, lines=_named(lines), back=_back())
    return page, 422 if form.errors else 200


def _named(lines: Iterable[Line]) -> list[tuple[int, str, str]]:
    """Id, recipient with station group, and permission of each."""
    return [(line.grant.id, f"{line.group_name}: {line.who}", line.grant.role) for line in lines]


@bp.get("/shared-with-me.csv")
@guard("station_group:list")
def download_with_me() -> Response:
    """Every station group of others that is open to the reader, as the list is filtered."""
    head = [
        gettext("Station group"),
        gettext("Owner"),
        gettext("E-mail address"),
        gettext("Permission"),
        gettext("Through"),
        gettext("Since"),
        gettext("Last day"),
        gettext("My last use"),
        gettext("Need confirmed"),
    ]
    rows = received.everything(db.session(), current_account(), filter_of_address())
    zone = web.zone()
    cells = (
        [
            row.name,
            row.owner_name,
            row.owner_email,
            str(PERMISSIONS[row.role]),
            row.user_group_name,
            local_date(row.since),
            local_date(last_day(row.until, zone) if row.until else None),
            local_date(row.used_at),
            local_date(row.needed_at),
        ]
        for row in rows
    )
    return _csv("shared-with-me.csv", head, cells)


@bp.post("/shared-with-me/confirm")
@guard("grant:confirm_need")
def confirm_need() -> WerkzeugResponse:
    """These are still needed by the reader: noted with the day and the name."""
    session, home = db.session(), "sharing.shared_with_me"
    if not (ids := _ticked()):
        return _nothing_ticked(home)
    count = still_needed.confirm(session, current_account(), ids)
    session.commit()
    told = ngettext(
        "%(num)s authorisation is confirmed as still needed.",
        "%(num)s authorisations are confirmed as still needed.",
        count,
    )
    flash(told, "success" if count else "warning")
    return redirect(_back(home))


def filter_of_address() -> Filter:
    """The filter in the address of the page; what it does not know means all."""
    role, state = request.args.get("role", ""), request.args.get("state", "")
    return Filter(
        search.cleaned(request.args.get("q")),
        role if role in list(PERMISSIONS) else "",
        state if state in reviews.STATES else "",
    )


def _ticked() -> list[int]:
    """The ids that were ticked, or the one whose own button was pressed."""
    texts = [request.form["only"]] if "only" in request.form else request.form.getlist("grant")[:SIZE]
    ids = {int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 11}
    return sorted(row_id for row_id in ids if row_id <= LARGEST_ID)


def _back(home: str = "reviews.shared_by_me") -> str:
    return inner_path(request.form.get("back"), url_for(home))


def _nothing_ticked(home: str = "reviews.shared_by_me") -> WerkzeugResponse:
    flash(gettext("Tick the authorisations first."), "warning")
    return redirect(_back(home))


def _csv(name: str, head: list[str], rows: Iterable[list[str]]) -> Response:
    def lines() -> Iterator[bytes]:
        yield csv_download.BEGINNING
        yield csv_download.line(head)
        for row in rows:
            yield csv_download.line(row)

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(stream_with_context(lines()), mimetype="text/csv; charset=utf-8", headers=headers)
