"""The demo's notice on every page: whose data it shows, and by how much they were moved."""

from typing import Any

from flask import Flask
from flask_babel import format_date, gettext
from sqlalchemy.exc import SQLAlchemyError

from portal.core.db import db
from portal.demo import loading, surroundings


def create(app: Flask) -> None:
    """Give every template `demo_notice`, in the reader's language."""

    @app.context_processor
    def _notice() -> dict[str, Any]:
        try:
            shift = loading.present_shift(db.session())
        except SQLAlchemyError:  # an error page must appear even so
            return {}
        first, last = format_date(shift.first_day), format_date(shift.last_day)
        return {"demo_notice": gettext(surroundings.NOTICE, weeks=shift.weeks, first=first, last=last)}
