"""The list of stations as a file: CSV or a workbook, with the stations that the page lists."""

from collections.abc import Iterable, Iterator

from flask import Blueprint, Response, request, stream_with_context

from portal.accounts.login import current_account
from portal.bulk import listing
from portal.core.db import db
from portal.core.web import guard
from portal.formats import csv_download, xlsx_download
from portal.formats.xlsx_download import Cell
from portal.stations import pages, search, station_list

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
