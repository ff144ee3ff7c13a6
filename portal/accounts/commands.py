"""`flask --app wsgi account ...`: what only somebody at the server may do to accounts."""

import click
from flask import current_app
from flask.cli import AppGroup

from portal.accounts import operations
from portal.accounts.links import Links, Purpose
from portal.core.db import db, writing
from portal.core.errors import RuleBroken

group = AppGroup("account", help="Accounts of people.")


@group.command("create-operator")
@click.argument("email")
def create_operator(email: str) -> None:
    """Make the holder of EMAIL an operator and print a link, good for 2 hours, to set a password."""
    links = Links.of(current_app.extensions["settings"])
    with writing():
        try:
            account = operations.appoint_operator(db.session(), email)
        except RuleBroken as broken:
            raise click.ClickException(str(broken)) from None
        db.session.commit()
    if account.password_hash:
        click.echo(f"{account.email} is an operator now and logs in with the present password.")
    else:
        click.echo(f"{account.email} is an operator now. Set the password here, within 2 hours:")
        click.echo(links.link(Purpose.RESET, account))
