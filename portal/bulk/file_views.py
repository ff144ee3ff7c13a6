"""The list of stations as a file: downloaded with the stations that the page lists, and read in again."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from flask import Blueprint, Response, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as Redirect

from portal.accounts.login import current_account
from portal.bulk import applying, judging, kept, listing, reading
from portal.bulk.forms import FileForm
from portal.bulk.judging import Item, Wish
from portal.bulk.kept import Kept
from portal.core import forms
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.core.web import guard, takes_files
from portal.formats import csv_download, xlsx_download
from portal.formats.xlsx_download import Cell
from portal.stations import pages, search, station_list
from portal.stations.operations import writing

bp = Blueprint("station_files", __name__, url_prefix="/stations")
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@bp.get("/list.csv")
@guard("station:list")
def csv() -> Response:
    return _download(_csv(_rows()), "text/csv; charset=utf-8", "stations.csv")


@bp.get("/list.xlsx")
@guard("station:list")
def xlsx() -> Response:
    return _download(xlsx_download.write(listing.headings(), _rows()), WORKBOOK, "stations.xlsx")


def _rows() -> Iterator[list[Cell]]:
    """Those that the page lists with this filter, and all of them."""
    found = station_list.every(
        db.session(),
        current_account().id,
        relation=pages.relation(),
        text=search.cleaned(request.args.get("q")),
        station_group_id=pages.whole_number("group"),
    )
    return listing.rows(found)


def _csv(rows: Iterable[list[Cell]]) -> Iterator[bytes]:
    yield csv_download.BEGINNING + csv_download.line(listing.headings())
    for row in rows:
        yield csv_download.line(listing.texts(row))


def _download(pieces: Iterator[bytes], mimetype: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(stream_with_context(pieces), mimetype=mimetype, headers=headers)


@bp.route("/read-in", methods=["GET", "POST"])
@takes_files
@guard("station:list")
def upload() -> tuple[str, int] | Redirect:
    """A changed list: what differs from what is stored is kept to be looked at; nothing is written."""
    session, actor, form = db.session(), current_account(), FileForm()
    if form.validate_on_submit():
        file = form.file.data
        try:
            wishes = reading.read(file.stream.read(reading.MOST_BYTES + 1), file.filename or "")
        except RuleBroken as broken:
            forms.show(form, broken)
        else:
            items = judging.judge(session, actor, wishes)
            applying.record_refusals(session, actor, items)
            kept.keep(Kept(of_file=True, same=sum(not item.matters for item in items), wishes=_differing(items)))
            session.commit()
            return redirect(url_for("station_changes.preview"))
    return render_template("bulk/upload.html", form=form, most=reading.MOST_ROWS), 422 if form.errors else 200


def _differing(items: Iterable[Item]) -> list[Wish]:
    """Of each row the cells that differ: what somebody else changes elsewhere in it meanwhile is not undone. That a
    station is not there is said once for each row."""
    found: list[Wish] = []
    for item in items:
        if item.station is None and found and found[-1].line == item.wish.line:
            continue
        if item.changes:
            columns = {writing.column(name): name for name in item.wish.texts}
            texts = {columns[name]: item.wish.texts[columns[name]] for name in item.changed}
            found.append(replace(item.wish, texts=texts))
        elif item.matters:
            found.append(item.wish)
    return found
