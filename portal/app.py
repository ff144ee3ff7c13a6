"""The application, put together."""

import os
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate

from portal.core import background, config, display, health, navigation, patterns, web
from portal.core.db import db
from portal.core.vault import Vault
from portal.demo import banner

ROOT = Path(__file__).parents[1]


def create_app(settings: config.Settings | None = None) -> Flask:
    """The Flask application with these settings, or with those of the environment (SettingsError when wrong)."""
    settings = settings or config.from_environment(os.environ)
    app = Flask(__name__, root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.extensions["settings"] = settings
    app.extensions["vault"] = Vault(settings.vault_keys)
    background.connect(settings.redis_url)
    web.create(app, settings)
    display.create(app)
    navigation.create(app, settings)
    if settings.demo:
        banner.create(app)
    Migrate(app, db, directory=str(ROOT / "portal" / "migrations"), compare_type=True)
    _register(app)
    return app


def _register(app: Flask) -> None:
    """Every domain's pages, and the operator's commands."""
    from portal import cli
    from portal.access import views as access
    from portal.accounts import views as accounts
    from portal.audit import views as audit
    from portal.bulk import views as bulk
    from portal.charging import views as charging
    from portal.core import outbox
    from portal.dashboard import views as dashboard
    from portal.delivery import views as delivery
    from portal.exports import views as exports
    from portal.licences import views as licences
    from portal.maintenance import views as maintenance
    from portal.reports import views as reports
    from portal.sharing import views as sharing
    from portal.stations import views as stations
    from portal.transfers import views as transfers

    domains = (dashboard, accounts, licences, stations, bulk, sharing, access, charging, delivery, exports, transfers)
    for domain in (*domains, reports, maintenance, outbox, audit):
        for blueprint in domain.blueprints:
            app.register_blueprint(blueprint)
    cli.create(app)


__all__ = ["create_app", "health", "patterns"]
