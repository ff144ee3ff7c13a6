"""Says at once, to whoever has changed identifiers, which exports cannot be written with them."""

from collections.abc import Sequence

from flask import flash
from flask_babel import gettext
from flask_login import current_user

from portal.core import forms
from portal.core.db import db
from portal.exports import affected
from portal.stations.renaming import renamed


@renamed.connect
def warn(_sender: object, *, connector_ids: Sequence[int] = (), driver_ids: Sequence[int] = ()) -> None:
    lost = affected.broken_by(db.session(), current_user.id, connector_ids, driver_ids)
    if not lost:
        return
    names = ", ".join(one.name for one in lost[: affected.MOST_NAMES])
    more = ", …" if len(lost) > affected.MOST_NAMES else ""
    said = {"tasks": names + more, "words": forms.words(lost[0].reason)}
    flash(gettext("These tasks cannot deliver with these identifiers: %(tasks)s. %(words)s", **said), "warning")
