"""Browsers of the accounts of a large world, in an application on its database."""

import tempfile
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.large_world import PASSWORD, email
from portal.app import create_app
from portal.core import config
from portal.core.web import limiter
from portal.workers import web

PAGES = {
    "my station groups": "/station-groups",
    "my stations": "/stations",
    "search in stations": "/stations?q=basilea+1",
    "dashboard": "/",
    "dashboard, a week": "/?period=week",
    "dashboard, a day": "/?period=day",
}


def application(url: str) -> Flask:
    """The application on this database, without limits on how often one logs in."""
    folder = Path(tempfile.gettempdir())
    environ = {
        "SECRET_KEY": "a secret key that is only good for benchmarks",
        "VAULT_KEYS": "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=",
        "PUBLIC_URL": "http://piquet.example",
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
    }
    app = create_app(config.from_environment(environ))
    app.config.update(WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=True)
    limiter.enabled = False
    web.when_ready(None)
    return app


def browser(app: Flask, account: int) -> FlaskClient:
    """A browser in which the account is logged in."""
    opened = app.test_client()
    answer = opened.post("/log-in", data={"email": email(account), "password": PASSWORD})
    if answer.status_code != 302:
        raise AssertionError(f"account {account} cannot log in: {answer.status_code}")
    return opened


def get(opened: FlaskClient, path: str, status: int = 200) -> str:
    """The page; AssertionError for another answer than the expected one."""
    answer = opened.get(path)
    if answer.status_code != status:
        raise AssertionError(f"GET {path} answers {answer.status_code} instead of {status}")
    return answer.text
