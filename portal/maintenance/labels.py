"""The states of maintenance in words: text, tone and icon of a badge."""

from flask_babel import lazy_gettext as _l

from portal.maintenance.models import State

STATES = {
    State.NOTE: (_l("Note"), "grey", "file"),
    State.PLANNED: (_l("Planned"), "blue", "calendar"),
    State.UNDER_WAY: (_l("Under way"), "yellow", "wrench"),
    State.OVERDUE: (_l("Not marked as done"), "red", "clock"),
    State.DONE: (_l("Done"), "green", "check"),
    State.CANCELLED: (_l("Called off"), "grey", "x"),
}
