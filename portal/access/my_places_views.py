"""The driver's own page: where he may charge as a special user, and what he pays there."""

from flask import Blueprint, render_template

from portal.access import labels, my_places
from portal.accounts.login import current_account
from portal.core import web
from portal.core.db import db
from portal.core.web import guard

bp = Blueprint("my_places", __name__)


@bp.get("/where-i-may-charge")
@guard("charging_place:list")
def list_places() -> str:
    page = my_places.listed(db.session(), current_account(), web.page_number())
    return render_template("my_places/list_places.html", page=page, labels=labels)
