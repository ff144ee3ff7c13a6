"""What the borrower of a destination reads of a failure: never the server's own words, which may name host or user."""

from typing import Final

from portal.core.errors import N_, Sentence
from portal.exports.models import ExportTask

NEUTRAL: Final = {
    "resolve": N_("The server of this destination was not reached."),
    "connect": N_("The server of this destination was not reached."),
    "host_key": N_("The server of this destination is not the one that its owner has confirmed."),
    "certificate": N_("The server of this destination is not the one that its owner has confirmed."),
    "login": N_("The server of this destination refused the log-in."),
}
REFUSED: Final = N_("The server of this destination did not take the file.")
OURS: Final = ("build", "internal")  # steps at which no server is asked


def words(task: ExportTask, step: str, message: Sentence) -> Sentence:
    """The message of a failed step as it may be kept with the task and written to its owner."""
    if step in OURS or not task.borrows_destination:
        return message
    return Sentence(NEUTRAL.get(step, REFUSED))
