"""The web shell: guards, headers, language, errors. Denies by default: a view without a guard is refused."""

import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import Babel, gettext
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as WerkzeugResponse

from portal.core import authz, static_files
from portal.core import db as database
from portal.core.audit import refusals
from portal.core.config import MAX_UPLOAD_BYTES, Settings
from portal.core.db import LARGEST_ID, db
from portal.core.errors import NotAllowed, NotThere
from portal.core.languages import DEFAULT, LANGUAGES
from portal.core.urls import inner_path

THEMES = ("auto", "light", "dark")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LARGEST_PAGE = 1_000_000
LARGEST_FORM = 1 << 20
READING = {"GET", "HEAD", "OPTIONS"}
# PostgreSQL stores no NUL, and nothing encodes half a surrogate pair: either would end in the database's error.
NO_TEXT = re.compile("[\0\ud800-\udfff]")

View = TypeVar("View", bound=Callable[..., Any])

bp = Blueprint("core", __name__)
babel = Babel()
csrf = CSRFProtect()
login = LoginManager()
limiter = Limiter(get_remote_address, default_limits=[], headers_enabled=True, in_memory_fallback_enabled=True)


class Loader(Protocol):
    """Loads a row for an action: raises NotThere where the account may not see it, NotAllowed where it may see it
    but not do this."""

    def __call__(self, session: Session, account_id: int, action: str, row_id: int, /) -> object: ...


def guard(action: str, **loaders: Loader) -> Callable[[View], View]:
    """Marks a view with the action it does and loads its rows through the gate.

    Each loader named `station` replaces the URL's `station_id` by the row. Without loaders the action must be one
    that every account may do to what is its own, or the operator to the platform. Anonymous visitors are sent to the
    log-in page. ValueError at import for an action that policy.csv does not name.
    """
    if action not in authz.ACTIONS:
        raise ValueError(f"policy.csv names no action {action!r}")

    def mark(view: View) -> View:
        @wraps(view)
        def guarded(**arguments: Any) -> Any:
            if not current_user.is_authenticated:
                return current_app.login_manager.unauthorized()  # type: ignore[attr-defined]  # Flask-Login sets it
            _check_platform(action, of_rows=bool(loaders))
            asked: dict[str, object] = {}
            try:
                for name, load in loaders.items():
                    asked[name] = row_id = arguments.pop(f"{name}_id")
                    if row_id > LARGEST_ID:
                        raise NotThere
                    asked[name] = arguments[name] = load(db.session(), current_user.id, action, row_id)
                return view(**arguments)
            except NotAllowed:
                _keep_refusal(action, asked)
                raise

        guarded.action = action  # type: ignore[attr-defined]  # read by the check that refuses unmarked views
        return guarded  # type: ignore[return-value]  # the wrapper takes what the view takes

    return mark


def _check_platform(action: str, *, of_rows: bool) -> None:
    """NotThere where neither the platform allows the action nor its rows are asked. Who tries what is the operator's is
    recorded, before any row is looked for: an id that exists costs as much as one that does not."""
    if authz.platform_may(action, operator=current_user.is_operator):
        return
    if authz.platform_may(action, operator=True):
        _keep_refusal(action, {})
        raise NotThere
    if not of_rows:
        raise NotThere


def _keep_refusal(action: str, asked: dict[str, object]) -> None:
    """Record the attempt for the owner of what was asked for; for the operator alone where nothing was."""
    session = db.session()
    subject, owner_id = "", None
    for name, value in asked.items():
        subject, owner_id = refusals.thing(session, name, value)
    path = request.path[:200]
    refusals.keep(session, current_user.id, action, subject, owner_id, method=request.method, path=path)


def public(view: View) -> View:
    """Marks a view that anybody may open."""
    view.action = "public"  # type: ignore[attr-defined]  # read by the check that refuses unmarked views
    return view


def takes_files(view: View) -> View:
    """Marks a view to which those who are logged in may send files. Every other request has LARGEST_FORM bytes at
    most: a stranger does not fill the disk."""
    view.takes_files = True  # type: ignore[attr-defined]  # read before the body is
    return view


def create(app: Flask, settings: Settings) -> None:
    """Put the shell around the application: extensions, guards, headers, errors."""
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options(settings.database_url),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        REMEMBER_COOKIE_SECURE=settings.public_url.startswith("https:"),
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form left open over lunch still saves
        WTF_CSRF_SSL_STRICT=False,  # the proxy ends TLS; SameSite and the token do the work
        MAX_CONTENT_LENGTH=MAX_UPLOAD_BYTES + (1 << 20),
        RATELIMIT_STORAGE_URI=_limit_storage(settings.redis_url),
        RATELIMIT_KEY_PREFIX="piquet",
        BABEL_DEFAULT_TIMEZONE="Europe/Zurich",
        BABEL_TRANSLATION_DIRECTORIES="portal/translations",
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.init_app(app)
    with app.app_context():
        database.prepare(db.engine)
    app.before_request(_begin)  # before the token of a form is looked for, which reads the whole body
    csrf.init_app(app)
    limiter.init_app(app)
    login.init_app(app)
    login.login_view = "accounts.log_in"
    login.login_message = ""  # the page says what it is for; the default speaks English to everybody
    babel.init_app(app, locale_selector=lambda: f"{language()}_CH", timezone_selector=time_zone)
    app.register_blueprint(bp)
    static_files.create(app)
    app.after_request(_headers)
    app.register_error_handler(NotThere, lambda _error: _error_page(404))
    app.register_error_handler(NotAllowed, lambda _error: _error_page(403))
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)


def _limit_storage(redis_url: str) -> str:
    return redis_url.replace("unix://", "redis+unix://", 1)


def _begin() -> WerkzeugResponse | None:
    """Refuse what is not marked, too large, or holds no text; let GET requests read without SQLite's write lock."""
    database.set_reading(request.method in READING)
    view = current_app.view_functions.get(request.endpoint or "")
    if not (getattr(view, "takes_files", False) and current_user.is_authenticated):
        request.max_content_length = LARGEST_FORM
    if any(NO_TEXT.search(text) for text in _texts()):
        abort(400)
    if view is not None and request.endpoint != "static" and not hasattr(view, "action"):
        abort(403)
    return None


def _texts() -> Iterator[str]:
    """Every text of the request that a view may read; no view reads JSON."""
    yield request.path
    for values in (request.args, request.form):
        for name, texts in values.lists():
            yield name
            yield from texts
    for file in request.files.values():
        yield file.filename or ""


def _headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def page_number(name: str = "page") -> int:
    """The page of a list that the address asks for, from 1; for anything but a number of bearable size the first."""
    text = request.args.get(name, "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 7 else 1
    return min(max(1, number), LARGEST_PAGE)


def language() -> str:
    """The reader's language: his account's, else his choice in this browser, else what the browser prefers."""
    if current_user and current_user.is_authenticated:
        return str(current_user.language)
    chosen = session.get("language")
    return chosen if chosen in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or DEFAULT


def time_zone() -> str:
    """The reader's time zone."""
    return str(current_user.time_zone) if current_user and current_user.is_authenticated else "Europe/Zurich"


def zone() -> ZoneInfo:
    return ZoneInfo(time_zone())


def theme() -> str:
    chosen = request.cookies.get("theme", "auto")
    return chosen if chosen in THEMES else "auto"


@bp.post("/theme")
@public
def set_theme() -> WerkzeugResponse:
    chosen = request.form.get("theme")
    if chosen not in THEMES:
        abort(400)
    response = redirect(inner_path(request.form.get("next"), url_for("dashboard.show")))
    keep_theme(response, chosen)
    return response


def keep_theme(response: WerkzeugResponse, chosen: str) -> None:
    """Remember the appearance in this browser."""
    response.set_cookie("theme", chosen, max_age=31536000, samesite="Lax", httponly=True)


def _csrf_error(error: CSRFError) -> WerkzeugResponse | tuple[str, int]:
    """A form sent after its session ended, by a log-out in another tab say: to log-in, and from there back to the page
    of the form; an old log-in page: to a new one. Anything else without a valid token is refused."""
    if request.endpoint == login.login_view and request.form.get("csrf_token"):
        return redirect(url_for("accounts.log_in", next=request.args.get("next")))
    view = current_app.view_functions.get(request.endpoint or "")
    if current_user.is_authenticated or getattr(view, "action", "public") == "public":
        return _http_error(error)
    page = inner_path(urlsplit(request.referrer or "").path, url_for("dashboard.show"))
    return redirect(url_for("accounts.log_in", next=page))


def _http_error(error: HTTPException) -> tuple[str, int]:
    return _error_page(error.code or 500)


def _error_page(code: int) -> tuple[str, int]:
    """An error page that says what to do next. A row one may not see answers exactly like one that is not there."""
    db.session.rollback()
    titles = {
        400: (
            gettext("This request cannot be understood"),
            gettext("Go back, reload the page and try again."),
        ),
        403: (
            gettext("You may look, but not change this"),
            gettext("Ask the owner of the station group for more rights."),
        ),
        404: (
            gettext("There is nothing here"),
            gettext("The address is wrong, or this is not yours to see."),
        ),
        405: (
            gettext("This address takes no such request"),
            gettext("Go back and use the buttons of the page."),
        ),
        413: (
            gettext("This file is too large"),
            gettext("Files up to 100 MB are accepted. Divide it and try again."),
        ),
        429: (gettext("Too many attempts"), gettext("Wait a minute, then try again.")),
    }
    server = (
        gettext("Something went wrong here"),
        gettext("It was recorded. Try again; nothing was saved by halves."),
    )
    title, text = titles.get(code, server if code >= 500 else titles[400])
    return render_template("errors/error.html", code=code, title=title, text=text), code
