"""The operator's commands: `flask --app wsgi ...`."""

from flask import Flask


def create(app: Flask) -> None:
    """Register the command groups."""
    del app
