"""What every page shows around its content: navigation, reader, language, theme."""

from typing import Any, NamedTuple

from flask import Flask, current_app, request, url_for
from flask_babel import lazy_gettext as _l
from flask_login import current_user

from portal.core import web
from portal.core.config import Settings
from portal.core.languages import LANGUAGES


class Entry(NamedTuple):
    """A line of the side bar; it is active on every page whose endpoint begins like one of its sections. Of several
    entries that fit, the one that fits longest is."""

    endpoint: str
    label: Any
    icon: str
    sections: tuple[str, ...]


# Tabs of the pages about sharing as a whole: name of the section, endpoint, label.
SHARING = (
    ("by_me", "reviews.shared_by_me", _l("Shared by me")),
    ("with_me", "sharing.shared_with_me", _l("Shared with me")),
    ("invitations", "invitations.list_invitations", _l("Invitations")),
    ("transfers", "transfers.list_transfers", _l("Transfers")),
    ("audit", "audit.list_entries", _l("Audit log")),
)
SHARING_SECTIONS = (
    "reviews.",
    "sharing.shared_with_me",
    "invitations.",
    "transfers.",
    "audit.",
    "access.person",
    "view_as.",
)

OF_USER_GROUPS = tuple(f"cards.{page}_user_group" for page in ("list_cards", "add", "upload", "preview"))

MAIN = (
    Entry("dashboard.show", _l("Overview"), "overview", ("dashboard.",)),
    Entry(
        "stations.list_stations",
        _l("Stations"),
        "station",
        ("stations.", "station_changes.", "station_files.", "access.why_station", "access.view_as_station"),
    ),
    Entry("station_map.show", _l("Map"), "map-pin", ("station_map.",)),
    Entry("station_groups.list_groups", _l("Station groups"), "group", ("station_groups.", "sharing.", "access.")),
    Entry("reviews.shared_by_me", _l("Sharing"), "share", SHARING_SECTIONS),
    Entry("user_groups.list_groups", _l("User groups"), "users", ("user_groups.", "price_rules.", *OF_USER_GROUPS)),
    Entry(
        "charging.list_sessions", _l("Charging sessions"), "session", ("charging.", "costs.", "imports.", "drivers.")
    ),
    Entry("exports.list_tasks", _l("Auto-export"), "export", ("exports.", "destinations.", "formatters.")),
    Entry("reports.list_reports", _l("Reports"), "report", ("reports.",)),
    Entry("maintenance.list_work", _l("Maintenance"), "wrench", ("maintenance.",)),
    Entry("licences.show", _l("Licences"), "licence", ("licences.",)),
)
OPERATOR = (
    Entry("operator.list_accounts", _l("Accounts"), "users", ("operator.", "licence_lists.")),
    Entry("licence_requests.list_requests", _l("Licence requests"), "licence", ("licence_requests.",)),
    Entry("export_overview.list_tasks", _l("Exports"), "export", ("export_overview.",)),
    Entry("outbox.list_mail", _l("Mail"), "mail", ("outbox.",)),
    Entry("audit.list_all", _l("Audit log"), "history", ("audit.list_all",)),
)


def create(app: Flask, settings: Settings) -> None:
    """Give every template the variables of base.html."""

    @app.context_processor
    def _around() -> dict[str, Any]:
        return {
            "navigation": _navigation(),
            "current_account": current_user,
            "locale": web.language(),
            "languages": LANGUAGES,
            "theme": web.theme(),
            "demo": settings.demo,
            "search_url": url_for("stations.list_stations"),
            "sharing_sections": sharing_sections,
        }


def sharing_sections(active: str) -> list[dict[str, Any]]:
    """The tabs of the pages about sharing, as the component takes them."""
    return [
        {"url": url_for(endpoint), "label": label, "active": name == active}
        for name, endpoint, label in SHARING
        if endpoint in current_app.view_functions
    ]


def _navigation() -> list[dict[str, Any]]:
    if not current_user or not current_user.is_authenticated:
        return []
    groups = [(None, MAIN), (_l("Operator"), OPERATOR)] if current_user.is_operator else [(None, MAIN)]
    here = request.endpoint or ""
    fitting = (section for _label, entries in groups for entry in entries for section in entry.sections)
    best = max((section for section in fitting if here.startswith(section)), key=len, default="")
    return [{"label": label, "entries": _entries(entries, best)} for label, entries in groups]


def _entries(entries: tuple[Entry, ...], best: str) -> list[dict[str, Any]]:
    counts = current_app.extensions.get("navigation_counts", {})  # endpoint: how many wait there, by its blueprint
    return [
        {
            "url": url_for(entry.endpoint),
            "label": entry.label,
            "icon": entry.icon,
            "active": best in entry.sections,
            "badge": counts[entry.endpoint]() if entry.endpoint in counts else None,
        }
        for entry in entries
    ]
