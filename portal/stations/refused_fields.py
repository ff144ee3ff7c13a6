"""Fields that the reader may not write: shown with the reason, and refused and recorded when they are sent all the
same."""

from collections.abc import Iterable

from flask import render_template
from flask_babel import gettext

from portal.accounts.login import current_account
from portal.core.db import db
from portal.stations import labels
from portal.stations.forms import ConnectorForm, StationForm
from portal.stations.operations import writing


def locked(resource: str, fields: Iterable[str], writable: frozenset[str]) -> dict[str, str]:
    """Of these fields of a "station" or "connector" those that may not be written, each with the reason."""
    return {field: _reason(resource, field) for field in fields if writing.column(field) not in writable}


def _reason(resource: str, field: str) -> str:
    roles = ", ".join(str(labels.ROLES[role]) for role in writing.writers(resource, field))
    return str(gettext("Your permission does not include this field. It is for: %(roles)s.", roles=roles or "–"))


def answer(refused: writing.FieldsRefused) -> tuple[str, int]:
    """The page after such an attempt. Everything that was sent is dropped; the attempt stays in the audit log."""
    db.session.rollback()
    writing.record_refusal(db.session(), current_account(), refused)
    db.session.commit()
    form = StationForm(formdata=None) if refused.kind == "station" else ConnectorForm(formdata=None)
    names = ", ".join(str(form[field].label.text) if field in form else field for field in refused.fields)
    title = gettext("You may not change every field that was sent")
    text = gettext(
        "Your permission does not include: %(fields)s. Nothing was saved. The attempt is recorded.", fields=names
    )
    return render_template("errors/error.html", code=403, title=title, text=text), 403
