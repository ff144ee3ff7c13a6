"""`flask --app wsgi licence ...`: activate and end licences from the server."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from portal.accounts import emails
from portal.accounts import queries as accounts
from portal.accounts.links import Links
from portal.accounts.models import Account
from portal.core import clock
from portal.core.db import db, writing
from portal.core.errors import RuleBroken
from portal.licences import operations, queries, telling
from portal.licences.models import Kind

group = AppGroup("licence", help="Licences of accounts.")
KIND = click.Choice([kind.value for kind in Kind])
DAY = click.DateTime(["%Y-%m-%d"])


@group.command("grant")
@click.argument("email")
@click.argument("kind", type=KIND)
@click.option("--from", "first", type=DAY, help="First day, as 2027-01-31; today when left out.")
@click.option("--until", "last", type=DAY, help="Last day; without end when left out.")
def grant(email: str, kind: str, first: datetime | None, last: datetime | None) -> None:
    """Activate the licence KIND for the account EMAIL. Days are those of the operator's time zone."""
    with writing():
        session = db.session()
        try:
            operator, account = _people(session, email)
            zone = ZoneInfo(operator.time_zone)
            first_day = first.date() if first else clock.now().astimezone(zone).date()
            last_day = last.date() if last else None
            licence = operations.activate(session, operator, account, Kind(kind), first_day, last_day)
            telling.of_activation(session, Links.of(current_app.extensions["settings"]), [licence])
        except RuleBroken as broken:
            raise click.ClickException(str(broken)) from None
        session.commit()
    click.echo(f"{kind} is active for {account.email} {_span(first_day, last_day)}.")


@group.command("end")
@click.argument("email")
@click.argument("kind", type=KIND)
def end(email: str, kind: str) -> None:
    """End the licence KIND of the account EMAIL now."""
    with writing():
        session = db.session()
        try:
            operator, account = _people(session, email)
            licence = queries.current(session, account.id)[Kind(kind)].active
            if licence is None:
                raise RuleBroken("kind", "%(email)s has no such licence now.", email=account.email)
            operations.end(session, operator, licence)
        except RuleBroken as broken:
            raise click.ClickException(str(broken)) from None
        session.commit()
    click.echo(f"{kind} has ended for {account.email}. Nothing was deleted.")


def _people(session: Session, email: str) -> tuple[Account, Account]:
    """The operator in whose name this is done, and the account."""
    operator = accounts.first_operator(session)
    if operator is None:
        raise RuleBroken("", "There is no operator yet: make one with `account create-operator` first.")
    account = accounts.by_email(session, emails.normalise(email))
    if account is None:
        raise RuleBroken("email", "There is no account %(email)s.", email=email)
    return operator, account


def _span(first: date, last: date | None) -> str:
    return f"from {first} to {last}" if last else f"from {first} on"
