"""What every page shows around its content: navigation, reader, language, theme."""

from typing import Any, NamedTuple

from flask import Flask, request, url_for
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.core import web
from portal.core.config import Settings


class Entry(NamedTuple):
    """A line of the side bar; it is active on every page of its blueprint sections."""

    endpoint: str
    label: Any
    icon: str
    sections: tuple[str, ...]


MAIN = (
    Entry("dashboard.show", _l("Overview"), "overview", ("dashboard.",)),
    Entry("stations.list_stations", _l("Stations"), "station", ("stations.",)),
    Entry("station_groups.list_groups", _l("Station groups"), "group", ("station_groups.", "sharing.")),
    Entry("user_groups.list_groups", _l("User groups"), "users", ("user_groups.",)),
    Entry("charging.list_sessions", _l("Charging sessions"), "session", ("charging.", "imports.", "drivers.")),
    Entry("exports.list_tasks", _l("Auto-export"), "export", ("exports.", "destinations.", "formatters.")),
    Entry("licences.show", _l("Licences"), "licence", ("licences.",)),
)
OPERATOR = (
    Entry("operator.list_accounts", _l("Accounts"), "users", ("operator.",)),
    Entry("outbox.list_mail", _l("Mail"), "mail", ("outbox.",)),
)


def create(app: Flask, settings: Settings) -> None:
    """Give every template the variables of base.html."""

    @app.context_processor
    def _around() -> dict[str, Any]:
        return {
            "navigation": _navigation(),
            "current_account": current_user,
            "locale": web.language(),
            "languages": web.LANGUAGES,
            "theme": web.theme(),
            "demo": settings.demo,
            "search_url": url_for("stations.list_stations"),
        }


def _navigation() -> list[dict[str, Any]]:
    if not current_user or not current_user.is_authenticated:
        return []
    groups = [{"label": None, "entries": _entries(MAIN)}]
    if current_user.is_operator:
        groups.append({"label": _l("Operator"), "entries": _entries(OPERATOR)})
    return groups


def _entries(entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    here = request.endpoint or ""
    return [
        {
            "url": url_for(entry.endpoint),
            "label": entry.label,
            "icon": entry.icon,
            "active": here.startswith(entry.sections),
        }
        for entry in entries
    ]
