"""`flask --app wsgi sessions ...`: imports for the operator, in the foreground."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.orm import Session, sessionmaker

from portal.accounts import queries as accounts
from portal.accounts.models import Account
from portal.charging import (
    daily_totals,
    flagged,
    import_queries,
    jobs,
    operations,
    previews,
    quarter_hour_months,
    wording,
)
from portal.charging.claims import Sessions
from portal.charging.date_text import DateOrder
from portal.charging.file_reading import mapping_of
from portal.charging.mapping import AmbiguousHour
from portal.charging.models import Covers, ImportState, SessionImport
from portal.core import files
from portal.core.db import db, reading_only
from portal.core.errors import RuleBroken

group = AppGroup("sessions", help="Charging sessions.")
MOST_DIFFERENCES = 20  # told one by one
ORDERS = [order.value for order in DateOrder]


@dataclass(frozen=True)
class _Choices:
    mapping: str | None
    date_order: str | None
    time_zone: str | None
    ambiguous_hour: str
    covers: tuple[date, date] | None


def _day(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, str] | None
) -> tuple[date, date] | None:
    if not value:
        return None
    try:
        return date.fromisoformat(value[0]), date.fromisoformat(value[1])
    except ValueError as error:
        raise click.BadParameter("two days such as 2026-01-01 2026-03-31") from error


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--owner", required=True, help="E-mail of the account whose stations the sessions belong to.")
@click.option("--mapping", "mapping", help="A mapping that the owner has saved under this name.")
@click.option("--guess", is_flag=True, help="Take the proposal made from the names and values of the columns.")
@click.option("--date-order", type=click.Choice(ORDERS), help="How the file writes its dates.")
@click.option("--time-zone", help="Time zone of the file's local times, such as Europe/Zurich.")
@click.option("--ambiguous-hour", type=click.Choice([hour.value for hour in AmbiguousHour]), default="flag")
@click.option("--covers", nargs=2, callback=_day, help="First and last day for which the file is complete.")
@with_appcontext
def import_file(file: Path, owner: str, *, guess: bool, **given: Any) -> None:
    """Import a file of charging sessions. Exit code 0 when it was read to its end, 1 else."""
    choices = _Choices(**given)
    if guess is bool(choices.mapping):
        raise click.UsageError("Say either --guess or --mapping NAME.")
    sessions = sessionmaker(db.engine, expire_on_commit=False)
    try:
        with sessions() as session, file.open("rb") as stream:
            import_id = _prepare(session, _account(session, owner), file.name, _chunks(stream), choices)
            session.commit()
    except RuleBroken as broken:
        _refuse(f"{broken.field}: {broken}" if broken.field else str(broken))
    click.echo(f"Import {import_id} of {file.name}")
    if not jobs.run_one(sessions, import_id, _show):
        _follow(sessions, import_id)
    with sessions() as session:
        done = _report(session, session.get_one(SessionImport, import_id))
    if not done:
        sys.exit(1)


def _show(permille: int, rows: int) -> None:
    click.echo(f"{permille / 10:5.1f} %  {rows} rows")


def _follow(sessions: Sessions, import_id: int) -> None:
    """A worker was quicker and has taken the import: wait for it."""
    while True:
        with reading_only(), sessions() as session:
            row = session.get_one(SessionImport, import_id)
            if row.state not in (ImportState.QUEUED.value, ImportState.RUNNING.value):
                return
            _show(row.done_permille, row.rows_read)
        time.sleep(1)


def _refuse(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(files.PIECE):
        yield chunk


def _account(session: Session, email: str) -> Account:
    account = accounts.by_email(session, email.strip().lower())
    if account is None:
        raise RuleBroken("--owner", "There is no account %(email)s.", email=email)
    return account


def _prepare(session: Session, owner: Account, name: str, chunks: Iterator[bytes], choices: _Choices) -> int:
    """Upload, map, settle the dates and queue; the id of the import."""
    row = operations.upload(session, owner, owner, name, chunks)
    if choices.mapping:
        saved = [one for one in import_queries.mappings(session, owner.id) if one.name == choices.mapping]
        if not saved:
            raise RuleBroken("--mapping", "The owner has saved no mapping of this name.")
        operations.apply_mapping(row, saved[0])
    mapping = mapping_of(row)
    lacking = [name for name in mapping.open_questions if name not in ("date_order", "time_zone")]
    if lacking:
        raise RuleBroken("--guess", "No column was found for: %(fields)s.", fields=", ".join(lacking))
    order = choices.date_order or (mapping.date_order.value if mapping.date_order else _only_order(session, row))
    zone = choices.time_zone or mapping.time_zone or owner.time_zone
    operations.set_dates(row, order, zone, choices.ambiguous_hour)
    operations.start(session, owner, row, Covers.FILE.value, days=choices.covers)
    session.flush()
    return row.id


def _only_order(session: Session, row: SessionImport) -> str:
    """The one order that fits; where several fit, the examples are printed and nothing is guessed."""
    found = previews.dates(session, row, most=None)
    if len(found.choices) == 1:
        return found.choices[0].order.value
    if not found.choices:
        raise RuleBroken("--date-order", "The column of the starts holds no dates that can be read.")
    for choice in found.choices:
        click.echo(f"--date-order {choice.order.value}: {wording.DATE_ORDERS[choice.order]}", err=True)
        for example in choice.examples:
            click.echo(f"    {example.raw} is {example.read:%d %B %Y}", err=True)
    raise RuleBroken("--date-order", "The dates can be read in more than one way. Choose one of the above.")


def _report(session: Session, row: SessionImport) -> bool:
    click.echo(f"{row.rows_read} rows: {row.sessions_added} sessions added, {row.energy_wh / 1000:.3f} kWh")
    click.echo(f"{row.rows_known} known already, {row.rows_flagged} flagged")
    problems = flagged.problems(session, row.owner_id, flagged.FlaggedFilter(row.id, state=""))
    for problem, count in problems.most_common():
        click.echo(f"    {wording.PROBLEMS.get(problem, problem)}: {count}")
    for warning, count in row.warnings.items():
        click.echo(f"    note: {wording.WARNINGS.get(warning, warning)}: {count}")
    if row.covers_from and row.covers_to:
        click.echo(f"Complete from {row.covers_from.isoformat()} to {row.covers_to.isoformat()}")
    if row.state == ImportState.FAILED.value:
        click.echo(wording.IMPORT_ERRORS[row.error["key"]] % row.error.get("params", {}), err=True)
    return row.state == ImportState.DONE.value


@group.command("check-totals")
@click.option("--repair", is_flag=True, help="Write what is wrong anew.")
@with_appcontext
def check_totals(*, repair: bool) -> None:
    """Sum sessions and quarter hours up anew and say where the daily totals of the overview differ.

    Exit code 1 when one differs and was not repaired. Reads everything: minutes for some millions of quarter hours.
    """
    sessions, wrong, connector_ids = sessionmaker(db.engine), 0, set()
    with reading_only(), sessions() as session:
        quarter_hour_months.one_state(session)
        for found in daily_totals.differences(session):
            wrong += 1
            connector_ids.add(found.key.connector_id)
            if wrong <= MOST_DIFFERENCES:
                click.echo(_difference(found), err=True)
    if not wrong:
        click.echo("the daily totals are what sessions and quarter hours say")
        return
    click.echo(f"{wrong} daily totals at {len(connector_ids)} charging points differ", err=True)
    if not repair:
        sys.exit(1)
    with sessions() as session:
        daily_totals.repair(session, sorted(connector_ids))
        session.commit()
    click.echo("written anew")


def _difference(found: daily_totals.Difference) -> str:
    kept, true = (
        "none" if of is None else f"owner {of.owner_id}, {of.energy_wh} Wh, {of.sessions} sessions"
        for of in (found.kept, found.true)
    )
    key = found.key
    whose = f"driver {key.driver_id}" if key.driver_id else "no driver"
    return f"connector {key.connector_id}, {key.day}, {whose}: {kept}; should be: {true}"
