"""GET /healthz: whether the parts this process needs answer."""

import sqlalchemy as sa
from flask import Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from portal.core import background
from portal.core.db import db
from portal.core.web import bp, public


@bp.get("/healthz")
@public
def health() -> tuple[Response, int]:
    """200 when database and queue answer; 503 names the broken part. Exports go on without the queue, only slower."""
    parts = {"database": _database(), "queue": background.reachable()}
    broken = sorted(part for part, works in parts.items() if not works)
    return jsonify(status="broken" if broken else "ok", broken=broken), 503 if broken else 200


def _database() -> bool:
    try:
        db.session.execute(sa.text("SELECT 1 FROM alembic_version"))
    except SQLAlchemyError:
        db.session.rollback()
        return False
    return True
