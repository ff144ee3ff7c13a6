"""What the pages about accounts share: the blueprint, the links of this installation, the keys of limits."""

from flask import Blueprint, Response, current_app, render_template, request
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from portal.accounts.links import DeadLink, Links

bp = Blueprint("accounts", __name__)
bp.register_error_handler(DeadLink, lambda _error: (render_template("accounts/dead_link.html"), 410))

Answer = tuple[str, int] | str | AnyResponse


def site_links() -> Links:
    """The maker of links for this installation."""
    return Links.of(current_app.extensions["settings"])


def typed_address() -> str:
    """The address typed in, as the key of a limit: whoever changes the client still meets it."""
    return f"address:{request.form.get('email', '').strip().lower()[:254]}"


def reader() -> str:
    """The logged-in account, as the key of a limit."""
    return f"account:{current_user.get_id()}"


def refused(response: Response) -> bool:
    """Whether an attempt failed; only these count against an address, lest strangers lock its holder out sooner."""
    return response.status_code == 422
