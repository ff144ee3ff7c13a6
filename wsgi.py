"""The WSGI application: `gunicorn wsgi:app --config python:portal.workers.web`, `flask --app wsgi ...`."""

import os
import sys

from portal.app import create_app
from portal.core import schema
from portal.core.db import db
from portal.core.errors import SettingsError

CANNOT_START = 3  # gunicorn ends with it; after another status it would try again for ever

try:
    app = create_app()
    if "FLASK_RUN_FROM_CLI" not in os.environ:  # `flask db upgrade` must start on a schema that is not current
        with app.app_context():
            schema.check(db.engine)
            db.engine.dispose()  # no connection is shared by the processes forked from here
except SettingsError as error:
    sys.stderr.write(f"piquet: {error}\n")
    sys.exit(CANNOT_START)
