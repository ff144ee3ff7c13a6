"""The WSGI application: `gunicorn wsgi:app`, `flask --app wsgi ...`."""

import sys

from portal.app import create_app
from portal.core.errors import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"piquet: {error}")
