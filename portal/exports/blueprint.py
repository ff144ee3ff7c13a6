"""What the pages of exports share."""

from flask import Blueprint
from werkzeug.wrappers import Response

bp = Blueprint("exports", __name__, url_prefix="/exports")
formatters_bp = Blueprint("formatters", __name__, url_prefix="/exports/formatters")
Page = str | tuple[str, int] | Response
