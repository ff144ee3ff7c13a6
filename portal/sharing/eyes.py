"""Pages with the eyes of somebody else: the same pages, filled by the same questions, for an address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext
from flask_login import current_user
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.core.db import db
from portal.core.errors import RuleBroken
from portal.sharing import paths, view_as

# Where a link leads instead, so that one stays with the other's eyes. All else is the reader's own page.
INSTEAD = {
    "charging.list_sessions": "charging.view_as",
    "charging.show": "charging.view_session_as",
    "connectors.show": "view_as.connector",
    "exports.list_tasks": "exports.view_as",
    "station_groups.list_groups": "view_as.list_groups",
    "station_groups.show": "access.view_as_group",
    "stations.list_stations": "view_as.list_stations",
    "stations.show": "access.view_as_station",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What the address line asks: about whom, and whether he may do what."""

    email: str = ""  # normalised; empty when none was given or it is none
    typed: str = ""
    error: str = ""
    action: str = ""
    actions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return 422 if self.error else 200


def question(actions: Mapping[str, Any]) -> Question:
    """The question in the address of the page; the first action when none of these is chosen."""
    chosen = request.args.get("action", "")
    action = chosen if chosen in actions else next(iter(actions), "")
    typed = request.args.get("email", "").strip()
    try:
        email = emails.normalise(typed) if typed else ""
    except RuleBroken as broken:
        return Question("", typed[:254], gettext(broken.message), action, actions)
    return Question(email, typed, "", action, actions)


def links(email: str) -> Callable[..., str]:
    """A `url_for` for the templates of these pages."""

    def url_with_eyes(endpoint: str, **values: Any) -> str:
        if email and endpoint in INSTEAD:
            return url_for(INSTEAD[endpoint], email=email, **values)
        return url_for(endpoint, **values)

    return url_with_eyes


def page(template: str, section: str, filled: Callable[[Session, int], Mapping[str, Any]]) -> tuple[str, int]:
    """The page of a section (groups, stations, sessions, exports) as the address of the question would see it, of what
    is the reader's. `filled` gives what the template shows to an account; it is read with the other's eyes, the frame
    of the page with the reader's own."""
    session, asked = db.session(), question({})
    view = view_as.of_all(session, current_user.id, asked.email) if asked.email else None
    if view is None:
        known = paths.known_to_owner(session, current_user.id)
        return render_template("access/no_eyes.html", asked=asked, known=known, here=request.path), asked.status
    with view_as.eyes(session, view) as account_id:
        shown = dict(filled(session, account_id))
    return render_template(template, **around(asked, view, section), **shown), asked.status


def around(asked: Question, view: view_as.View, section: str) -> dict[str, Any]:
    """What every such page shows: whose eyes, the sections, and links that stay with them."""
    known = (
        ("groups", "view_as.list_groups", gettext("Station groups")),
        ("stations", "view_as.list_stations", gettext("Stations")),
        ("sessions", "charging.view_as", gettext("Charging sessions")),
        ("exports", "exports.view_as", gettext("Exports")),
    )
    tabs = [
        {"url": url_for(endpoint, email=asked.email), "label": label, "active": name == section}
        for name, endpoint, label in known
    ]
    return {
        "asked": asked,
        "view": view,
        "eyes_tabs": tabs,
        "kept": {"email": asked.email},
        "cut": len(view.paths) == paths.MOST,
        "url_for": links(asked.email),
    }
