"""Many licences by a file: upload, preview row by row, activate all at once."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from portal.accounts import login
from portal.accounts.links import Links
from portal.core import clock, forms, web
from portal.core.db import db
from portal.core.display import ngettext
from portal.core.errors import RuleBroken
from portal.core.looking import LookedAt
from portal.core.paging import SIZE, Page, offset
from portal.core.text_tables import MOST_BYTES
from portal.core.web import guard, takes_files
from portal.licences import activation_list, telling
from portal.licences.activation_list import Row
from portal.licences.forms import ListForm
from portal.licences.models import Kind
from portal.licences.words import WORDS

bp = Blueprint("licence_lists", __name__, url_prefix="/operator/licences/list")
Answer = tuple[str, int] | str | Response
FILE = LookedAt("licence_list", "licences.csv")


@bp.route("", methods=["GET", "POST"])
@takes_files
@guard("licence:activate")
def upload() -> Answer:
    form = ListForm()
    if form.validate_on_submit():
        data = form.file.data.stream.read(MOST_BYTES + 1)
        try:
            _read(data)
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            FILE.keep(data)
            db.session.commit()
            return redirect(url_for("licence_lists.preview"))
    return render_template("operator/upload_licences.html", form=form, words=WORDS), 422 if form.errors else 200


@bp.get("/preview")
@guard("licence:activate")
def preview() -> Answer:
    """Every row with what it would do, those with a problem first; nothing is written."""
    rows = _kept()
    if not rows:
        return _again()
    activation_list.judge(db.session(), web.zone(), rows)
    return _show(rows)


@bp.post("/activate")
@guard("licence:activate")
def activate() -> Answer:
    """Activate what the preview showed, in one transaction; where something has changed since, show it anew first."""
    rows = _kept()
    if not rows:
        return _again()
    actor = login.current_account()
    activation_list.judge(db.session(), web.zone(), rows)
    done = activation_list.activate(db.session(), actor, rows)
    if str(len(done)) != request.form.get("expected"):
        db.session.rollback()
        flash(gettext("Something has changed since you looked: nothing is activated yet. Look again."), "warning")
        return redirect(url_for("licence_lists.preview"))
    telling.of_activation(db.session(), Links.of(current_app.extensions["settings"]), done)
    FILE.discard()
    db.session.commit()
    say = ngettext("%(num)s licence is activated.", "%(num)s licences are activated.", len(done))
    flash(f"{say} {gettext('The accounts are told by mail.')}", "success")
    return redirect(url_for("operator.list_accounts"))


@bp.post("/discard")
@guard("licence:activate")
def discard() -> Response:
    FILE.discard()
    db.session.commit()
    flash(gettext("The file is discarded. Nothing was activated."), "info")
    return redirect(url_for("licence_lists.upload"))


def _show(rows: list[Row]) -> str:
    good = sum(row.wanted is not None for row in rows)
    ordered, number = sorted(rows, key=lambda row: (not row.problem, row.line)), web.page_number()
    page = Page(ordered[offset(number) : offset(number) + SIZE], number, len(rows))
    context: dict[str, Any] = {"page": page, "good": good, "bad": len(rows) - good, "words": WORDS}
    return render_template("operator/preview_licences.html", **context)


def _kept() -> list[Row]:
    """The rows of the file that is looked at; none without one."""
    data = FILE.data()
    return _read(data) if data else []


def _read(data: bytes) -> list[Row]:
    return activation_list.read(data, _names(), clock.now().astimezone(web.zone()).date())


def _names() -> dict[str, Kind]:
    """What a kind of licence may be called: as on the screen, or as on the command line."""
    spelled = {str(words.name).casefold(): kind for kind, words in WORDS.items()}
    codes = {kind.value: kind for kind in Kind} | {kind.value.replace("_", "-"): kind for kind in Kind}
    return spelled | codes | {kind.value.replace("_", " "): kind for kind in Kind}


def _again() -> Response:
    flash(gettext("Choose a file first."), "info")
    return redirect(url_for("licence_lists.upload"))
