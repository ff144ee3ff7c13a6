"""The words for the states of a grant in a review."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

STATES: Mapping[str, Any] = {
    "": _l("all that stand"),
    "in_use": _l("in use"),
    "invited": _l("invited, not yet opened"),
    "planned": _l("planned"),
    "ending": _l("ending within 30 days"),
    "endless": _l("without end"),
    "unused": _l("unused for 90 days"),
    "unreviewed": _l("not confirmed for a year"),
    "unneeded": _l("need not confirmed for a year"),
    "ended": _l("ended in the last 90 days"),
    "revoked": _l("revoked"),
}
CHOICES = tuple((state, word) for state, word in STATES.items() if state != "revoked")
# How a line is called on its own, where a choice of the filter says more.
OF_LINE: Mapping[str, Any] = {**STATES, "ended": _l("ended")}
