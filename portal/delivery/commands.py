"""`flask --app wsgi vault ...`: the keys that seal the destinations' secrets."""

from collections.abc import Callable

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from portal.core.db import db, writing
from portal.core.vault import Vault
from portal.delivery import operations

group = AppGroup("vault", help="Secrets of destinations and webhooks.")
# Other domains' secrets: each seals its own anew, and gives how many and which of them the keys do not open.
FURTHER: list[Callable[[Session, Vault], tuple[int, list[str]]]] = []


@group.command("rotate")
def rotate() -> None:
    """Seal every destination's secret anew, under the first of VAULT_KEYS.

    Harmless to repeat. Ends with 1, and names the destinations, when the present keys do not open some of them.
    """
    vault: Vault = current_app.extensions["vault"]
    with writing():
        sealed, closed = operations.seal_anew(db.session(), vault)
        others: list[str] = []
        for seal_anew in FURTHER:
            more, lost = seal_anew(db.session(), vault)
            sealed += more
            others += lost
        db.session.commit()
    click.echo(f"{sealed} secrets are sealed under the newest key.")
    if closed:
        numbers = ", ".join(map(str, closed))
        raise click.ClickException(f"The present VAULT_KEYS do not open the secrets of the destinations {numbers}.")
    if others:
        raise click.ClickException(f"The present VAULT_KEYS do not open: {', '.join(others)}.")
