"""Licences in words: their names and what each unlocks, for pages and letters."""

from typing import Any, NamedTuple

from flask_babel import lazy_gettext as _l

from portal.licences.models import Kind


class Words(NamedTuple):
    name: Any
    unlocks: Any
    without: Any
    icon: str


WORDS = {
    Kind.AUTHORISATION: Words(
        _l("Authorisation"),
        _l("Share your station groups with others, and use what others share with you."),
        _l("Shares with you and by you stay without effect. The other side needs this licence too."),
        "share",
    ),
    Kind.AUTO_EXPORT: Words(
        _l("Auto-export"),
        _l("Deliver consumption to billing systems by itself, every month or every day."),
        _l("Exports wait. Once the licence is active they catch up on every period."),
        "export",
    ),
    Kind.REPORTS: Words(
        _l("Reports"),
        _l("Make reports per station and per driver, once or on a schedule."),
        _l("Reports cannot be made."),
        "report",
    ),
    Kind.MAINTENANCE: Words(
        _l("Maintenance"),
        _l("Plan work at stations, keep notes on them, and say who hears of it."),
        _l("Nothing can be planned or noted, and nobody gets mails about maintenance."),
        "wrench",
    ),
}
