"""The first page after log-in."""

from flask import Blueprint, render_template

from portal.core.web import guard

bp = Blueprint("dashboard", __name__)


@bp.get("/")
@guard("dashboard:view")
def show() -> str:
    return render_template("dashboard/show.html")


blueprints = (bp,)
