"""The operator's commands: `flask --app wsgi ...`."""

from flask import Flask

from portal.accounts import commands as accounts
from portal.audit import commands as audit
from portal.charging import commands as charging
from portal.delivery import commands as delivery
from portal.exports import commands as exports
from portal.licences import commands as licences


def create(app: Flask) -> None:
    """Register the command groups."""
    for group in (accounts.group, audit.group, licences.group, charging.group, delivery.group, exports.group):
        app.cli.add_command(group)
