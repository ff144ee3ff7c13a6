"""`flask --app wsgi audit ...`: proving that the audit log is what was written."""

import re

import click
from flask.cli import AppGroup

from portal.core.audit.check import Finding, Mark, check
from portal.core.db import db, reading_only

group = AppGroup("audit", help="The audit log.")


def _mark(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Mark | None:
    if text is None:
        return None
    position, _, digest = text.strip().partition(":")
    if not re.fullmatch(r"[0-9]{1,10}", position) or not re.fullmatch(r"[0-9a-f]{64}", digest.lower()):
        raise click.BadParameter("give POSITION:HASH as an earlier check printed it")
    return Mark(int(position), digest.lower())


@group.command("check")
@click.option("--expect", metavar="POSITION:HASH", callback=_mark, help="A link that an earlier check has printed.")
def check_chain(expect: Mark | None) -> None:
    """Walk along the hash chain of the audit log and say whether it is whole.

    Note the printed position and hash outside of this machine: only with them can a later check see that the end of
    the log was cut off. Exits with 1 when something is wrong.
    """
    with reading_only():
        found = check(db.session(), expect)
        db.session.rollback()
    _print(found)
    if found.wrong:
        raise SystemExit(1)


def _print(found: Finding) -> None:
    click.echo(f"{found.sealed} entries in the chain, the last is {found.last.position}:{found.last.hash}")
    if found.older:
        click.echo(f"{found.older} entries are older than the chain: nothing proves them")
    for problem in found.problems:
        click.echo(f"WRONG: {problem}", err=True)
    if found.wrong > len(found.problems):
        click.echo(f"WRONG: {found.wrong - len(found.problems)} more of these", err=True)
    click.echo("the audit log is NOT what was written" if found.wrong else "nothing was changed, deleted or moved")
