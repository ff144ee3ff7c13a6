"""The audit log: an owner sees what concerns his property and his account, the operator everything."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from flask import Blueprint, Response, render_template, request, stream_with_context, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.audit import kinds, queries, sentences
from portal.audit.names import names
from portal.audit.queries import Place, Wanted
from portal.core.db import LARGEST_ID, db, reading_only
from portal.core.web import guard, zone
from portal.formats import csv_download

bp = Blueprint("audit", __name__)


class Asked(NamedTuple):
    """What the address says after its question mark, as it goes into the next one."""

    first: str
    last: str
    kind: str
    person: str
    text: str

    def arguments(self) -> dict[str, str | None]:
        pairs = zip(("from", "to", "kind", "person", "q"), self, strict=True)
        return {name: text or None for name, text in pairs}


@bp.get("/audit")
@guard("audit:view")
def list_entries() -> str:
    return _page("audit.list_entries", current_user.id)


@bp.get("/audit.csv")
@guard("audit:view")
def download() -> Response:
    return _csv(current_user.id)


@bp.get("/operator/audit")
@guard("audit:view_all")
def list_all() -> str:
    return _page("audit.list_all", None)


@bp.get("/operator/audit.csv")
@guard("audit:view_all")
def download_all() -> Response:
    return _csv(None)


def _page(endpoint: str, owner_id: int | None) -> str:
    session, asked = db.session(), _asked()
    found = queries.page(session, _wanted(asked, owner_id))
    known = names(session, found.entries)
    following = found.following
    before = f"{following.at.timestamp():.6f}-{following.id}" if following else None
    return render_template(
        "audit/list_entries.html",
        everything=owner_id is None,
        asked=asked,
        filtered=any(asked),
        first_page="before" not in request.args,
        lines=[sentences.told(entry, known) for entry in found.entries],
        searched_to=found.searched_to,
        kinds=[(name, kind.label) for name, kind in kinds.KINDS.items()],
        log_url=url_for(endpoint),
        newest=url_for(endpoint, **asked.arguments()),  # type: ignore[arg-type]  # names of arguments of ours
        older=url_for(endpoint, before=before, **asked.arguments()) if before else None,  # type: ignore[arg-type]
        csv_url=url_for("audit.download_all" if owner_id is None else "audit.download", **asked.arguments()),  # type: ignore[arg-type]
    )


def _asked() -> Asked:
    kind = request.args.get("kind", "")
    first, last = (day.isoformat() if (day := _day(name)) else "" for name in ("from", "to"))
    person, text = (request.args.get(name, "").strip()[:254] for name in ("person", "q"))
    return Asked(first, last, kind if kind in kinds.KINDS else "", person, text)


def _wanted(asked: Asked, owner_id: int | None) -> Wanted:
    first, last = _day("from"), _day("to")
    return Wanted(
        owner_id,
        starts_at=_midnight(first) if first else None,
        ends_at=_midnight(last + timedelta(days=1)) if last else None,
        kind=asked.kind,
        person=asked.person,
        text=asked.text,
        before=_before(),
    )


def _day(name: str) -> date | None:
    """A day of the address; one that is none counts as not given."""
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day if 1970 <= day.year < 2200 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), zone())


def _before() -> Place | None:
    """Where a further page begins; an address that somebody made up begins at the newest."""
    stamp, _, number = request.args.get("before", "")[:40].partition("-")
    whole, _, rest = stamp.partition(".")
    if not all(text.isascii() and text.isdigit() for text in (whole, rest, number)) or len(rest) != 6:
        return None
    seconds, row_id = int(whole), int(number)
    if seconds > 7_000_000_000 or row_id > LARGEST_ID:
        return None
    return Place(datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=int(rest)), row_id)


def _csv(owner_id: int | None) -> Response:
    wanted = _wanted(_asked(), owner_id)
    head = [gettext("Time (UTC)"), gettext("Who"), gettext("What"), gettext("Changes"), gettext("Owner")]
    head += [gettext("Kind"), gettext("Subject"), gettext("Details")]

    def lines() -> Iterator[bytes]:
        yield csv_download.BEGINNING + csv_download.line(head)
        with reading_only(), Session(db.engine) as session:
            for entries in queries.everything(session, wanted):
                known = names(session, entries)
                for entry in entries:
                    yield csv_download.line(_cells(sentences.told(entry, known)))

    answer = Response(stream_with_context(lines()), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return answer


def _cells(told: sentences.Told) -> list[str]:
    entry = told.entry
    changes = "; ".join(f"{change.label}: {change.before} → {change.after}" for change in told.changes)
    detail = json.dumps(entry.detail, ensure_ascii=False, sort_keys=True)
    stamp = f"{entry.at:%Y-%m-%d %H:%M:%S}"
    return [stamp, told.person, told.sentence, changes, told.owner, entry.action, entry.subject, detail]


blueprints = (bp,)
