"""Special users of a place by a file: upload, preview row by row, enter all at once."""

from flask import flash, redirect, render_template, request, session
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.access import labels, special_user_file
from portal.access.forms import FileForm
from portal.access.special_user_file import Row
from portal.access.special_user_views import Page as Answer
from portal.access.special_user_views import bp
from portal.access.special_users import Spot
from portal.access.spots import at_each_place, here
from portal.accounts.login import current_account
from portal.core import forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.looking import LookedAt
from portal.core.paging import SIZE, Page, offset
from portal.core.text_tables import MOST_BYTES
from portal.core.web import takes_files

__all__ = ["bp"]

FILE, PLACE = LookedAt("special_user_file", "special-users.csv"), "special_user_file_of"  # in the account's session


@at_each_place(bp, "/special-users/upload", "special_user:edit", ("GET", "POST"))
@takes_files
def upload(place: Spot) -> Answer:
    at, form = here(db.session(), current_account(), place), FileForm()
    if form.validate_on_submit():
        data = form.file.data.stream.read(MOST_BYTES + 1)
        try:
            special_user_file.read(data)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            FILE.keep(data)
            session[PLACE] = _named(place)
            db.session.commit()
            return redirect(at.url("preview"))
    return render_template("special_users/upload.html", form=form, at=at), 422 if form.errors else 200


@at_each_place(bp, "/special-users/upload/preview", "special_user:edit")
def preview(place: Spot) -> Answer:
    """Every row with what it would do, those with a problem first; nothing is written."""
    at, rows = here(db.session(), current_account(), place), _kept(place)
    if not rows:
        flash(gettext("Choose a file first."), "info")
        return redirect(at.url("upload"))
    special_user_file.judge(db.session(), current_account(), place, rows)
    good = sum(row.problem is None for row in rows)
    ordered, number = sorted(rows, key=lambda row: (row.problem is None, row.line)), web.page_number()
    page = Page(ordered[offset(number) : offset(number) + SIZE], number, len(rows))
    return render_template(
        "special_users/preview.html",
        at=at,
        page=page,
        problems={row.line: forms.words(row.problem) for row in page.items if row.problem},
        good=good,
        bad=len(rows) - good,
        labels=labels,
    )


@at_each_place(bp, "/special-users/upload/write", "special_user:edit", ("POST",))
def write(place: Spot) -> Response:
    """Enter what the preview showed, in one transaction; where something has changed since, show it anew first."""
    at, rows = here(db.session(), current_account(), place), _kept(place)
    if not rows:
        flash(gettext("Choose a file first."), "info")
        return redirect(at.url("upload"))
    count = special_user_file.write(db.session(), current_account(), place, rows)
    if str(count) != request.form.get("expected"):
        db.session.rollback()
        flash(gettext("Something has changed since you looked: nothing is written yet. Look again."), "warning")
        return redirect(at.url("preview"))
    FILE.discard()
    db.session.commit()
    flash(ngettext("%(num)s special user is entered.", "%(num)s special users are entered.", count), "success")
    return redirect(at.url("list_users"))


@at_each_place(bp, "/special-users/upload/discard", "special_user:edit", ("POST",))
def discard(place: Spot) -> Response:
    FILE.discard()
    db.session.commit()
    flash(gettext("The file is discarded. Nothing was changed."), "info")
    return redirect(here(db.session(), current_account(), place).url("upload"))


def _kept(place: Spot) -> list[Row]:
    """The rows of the file that is looked at; none without one for this place."""
    data = FILE.data() if session.get(PLACE) == _named(place) else b""
    return special_user_file.read(data) if data else []


def _named(place: Spot) -> str:
    return f"{place.__tablename__}/{place.id}"
