"""What happens to imports, saved mappings and drivers. Every function works in the caller's transaction and commits
nothing; rows come in through the gate."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.emails import normalise
from portal.accounts.models import Account
from portal.charging import changes, wording
from portal.charging import import_queries as queries
from portal.charging.date_text import DateOrder
from portal.charging.file_reading import mapping_of, opened, shape_of, with_header
from portal.charging.finishing import instants
from portal.charging.mapping import AmbiguousHour, Mapping, MappingProblem
from portal.charging.mapping_guess import guess
from portal.charging.models import Covers, Driver, ImportMapping, ImportState, SessionImport
from portal.charging.table_files import UNCLEAR, FileProblem, detect
from portal.core import audit, background, clock, files
from portal.core.config import MAX_UPLOAD_BYTES
from portal.core.errors import NotAllowed, RuleBroken
from portal.stations.models import IDENTIFIERS


def upload(session: Session, actor: Account, owner: Account, file_name: str, chunks: Iterable[bytes]) -> SessionImport:
    """Keep a file and propose how it is to be read; nothing is imported. The chunks are streamed into the database.

    `owner` was loaded for session:import. RuleBroken on `file` for what is no table, or too large.
    """
    queries.owner(session, actor.id, "session:import", owner.id)
    kept = files.keep(session, file_name, _bounded(chunks))
    row = SessionImport(
        owner_id=owner.id, account_id=actor.id, file_id=kept.id, file_name=file_name[-255:], shape={}, mapping={}
    )
    session.add(row)
    session.flush()
    _detect(session, row, "file")
    return row


def _bounded(chunks: Iterable[bytes]) -> Iterable[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_UPLOAD_BYTES:
            raise RuleBroken("file", wording.FILE_FAULTS["too_large"])
        yield chunk


def _detect(
    session: Session,
    row: SessionImport,
    field: str,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
) -> None:
    try:
        shape = detect(opened(session, row), row.file_name, encoding=encoding, separator=separator, sheet=sheet)
    except FileProblem as problem:
        raise wording.refuse_file(problem, field) from problem
    row.shape = shape.to_json()
    row.mapping = guess(shape.columns, shape.first_rows, shape.decimal_mark).to_json()


def read_as(
    session: Session,
    row: SessionImport,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    header: bool | None = None,
    decimal_mark: str | None = None,
) -> None:
    """Read the file in another way than was proposed. What was chosen of the mapping is kept where the columns stay
    the same. RuleBroken at the field at fault."""
    _must_wait(row)
    before = mapping_of(row)
    _detect(session, row, "encoding" if encoding else "separator", encoding or None, separator or None, sheet or None)
    shape = shape_of(row)
    if header is not None and header is not shape.header:
        shape = with_header(session, row, shape, header=header)
        row.shape = shape.to_json()
    mapping = before if before.columns == shape.columns else Mapping.from_json(row.mapping | {"columns": shape.columns})
    row.mapping = replace(mapping, decimal_mark=_mark(decimal_mark, shape.decimal_mark, mapping)).to_json()


def _mark(chosen: str | None, found: str, mapping: Mapping) -> str:
    if chosen in (".", ","):
        return chosen
    return found if found != UNCLEAR else mapping.decimal_mark


def map_columns(row: SessionImport, values: dict[str, Any], source: str = "") -> None:
    """Say what the columns hold: the fields of Mapping but the dates' order and the time zone, which stay as they are.
    RuleBroken at the field that contradicts or is missing."""
    _must_wait(row)
    before = mapping_of(row)
    kept = {"date_order": before.date_order, "time_zone": before.time_zone, "ambiguous_hour": before.ambiguous_hour}
    if values.get("start") != before.start:
        kept["date_order"] = None  # another column can have another order
    try:
        mapping = Mapping.from_json({"columns": list(before.columns), **values, **kept})
    except MappingProblem as problem:
        raise RuleBroken(problem.field, wording.MAPPING_FAULTS[problem.message_key]) from problem
    for question in mapping.open_questions:
        if question not in ("date_order", "time_zone"):
            raise RuleBroken(question, wording.MAPPING_FAULTS["required"])
    row.mapping = mapping.to_json()
    row.source = _source(source)


def _source(text: str) -> str:
    name = " ".join(text.split()).lower()
    if len(name) > 20:
        raise RuleBroken("source", "A system's name has at most 20 characters.")
    if name == "ocpp":
        raise RuleBroken("source", "This name is kept for stations that are connected live.")
    return name or "file"


def set_dates(row: SessionImport, order: str, time_zone: str, ambiguous_hour: str) -> None:
    """Confirm the order of the dates, the time zone of local times, and what the hour that occurs twice means."""
    _must_wait(row)
    if order not in set(DateOrder):
        raise RuleBroken("date_order", "Choose how the dates are to be read.")
    try:
        confirmed = replace(
            mapping_of(row),
            date_order=DateOrder(order),
            time_zone=time_zone,
            ambiguous_hour=AmbiguousHour(ambiguous_hour or AmbiguousHour.FLAG),
        )
    except ValueError as problem:
        raise RuleBroken(getattr(problem, "field", "ambiguous_hour"), wording.MAPPING_FAULTS["unknown"]) from problem
    if not confirmed.time_zone:
        raise RuleBroken("time_zone", wording.MAPPING_FAULTS["required"])
    row.mapping = confirmed.to_json()


def start(
    session: Session,
    actor: Account,
    row: SessionImport,
    covers: str,
    covers_group_id: int | None = None,
    days: tuple[date, date] | None = None,
) -> None:
    """Queue the import. `covers` and `days` say for which charging points and whole local days the file tells all the
    energy there was; without days it is the span of the file. RuleBroken while a question is open."""
    _must_wait(row)
    mapping = mapping_of(row)
    if mapping.open_questions:
        raise RuleBroken("", "Answer the open questions of the steps before.")
    if covers not in set(Covers):
        raise RuleBroken("covers", "Choose for which charging points the file is complete.")
    queries.owner(session, actor.id, "session:import", row.owner_id)
    if covers == Covers.GROUP:
        groups = {group.id for group in queries.groups_to_import(session, row.account_id, row.owner_id)}
        if covers_group_id not in groups:
            raise RuleBroken("covers_group", "Choose a station group.")
    if days is not None:
        row.covers_from, row.covers_to = instants(*_checked(days, mapping), mapping.zone)
    row.covers, row.covers_group_id = covers, covers_group_id if covers == Covers.GROUP else None
    row.state = ImportState.QUEUED.value
    subject = f"session_import/{row.id}"
    audit.record(session, "session:import", subject, actor_id=actor.id, owner_id=row.owner_id, file=row.file_name)
    background.ring_after_commit(session, "imports")


def _checked(days: tuple[date, date], mapping: Mapping) -> tuple[date, date]:
    first, last = days
    if last < first:
        raise RuleBroken("covers_to", "The last day lies before the first.")
    if last >= clock.now().astimezone(mapping.zone).date():
        raise RuleBroken("covers_to", "Only days that are over can be complete: the last one is yesterday.")
    if last - first > timedelta(days=3660):
        raise RuleBroken("covers_from", "At most ten years can be confirmed at once.")
    return first, last


def delete(session: Session, actor: Account, row: SessionImport) -> None:
    """Delete an import that was not started, with its file."""
    _must_wait(row)
    subject = f"session_import/{row.id}"
    audit.record(session, "import:delete", subject, actor_id=actor.id, owner_id=row.owner_id, file=row.file_name)
    file_id = row.file_id
    session.delete(row)
    session.flush()
    files.discard(session, file_id)


def _must_wait(row: SessionImport) -> None:
    if row.state != ImportState.UPLOADED.value:
        raise RuleBroken("", "This import was started already.")


def save_mapping(session: Session, actor: Account, row: SessionImport, name: str) -> ImportMapping:
    """Keep the import's mapping under a name of the actor's; one of the same name is replaced."""
    name = " ".join(name.split())
    if not name or len(name) > 120:
        raise RuleBroken("name", "Enter a name of at most 120 characters.")
    same = sa.select(ImportMapping).where(ImportMapping.account_id == actor.id, ImportMapping.name == name)
    saved = session.scalar(same)
    if saved is None:
        saved = ImportMapping(account_id=actor.id, name=name)
        session.add(saved)
    saved.mapping = {"mapping": row.mapping, "source": row.source}
    session.flush()
    return saved


def apply_mapping(row: SessionImport, saved: ImportMapping) -> None:
    """Use a saved mapping for this file, dates and time zone included. RuleBroken on `saved` where the file lacks one
    of its columns."""
    _must_wait(row)
    moved = Mapping.from_json(saved.mapping["mapping"]).moved_to(shape_of(row).columns)
    if moved is None:
        raise RuleBroken("saved", "This file does not have the columns of %(name)s.", name=saved.name)
    row.mapping, row.source = moved.to_json(), saved.mapping["source"]


def delete_mapping(session: Session, actor: Account, saved: ImportMapping) -> None:
    if saved.account_id != actor.id:
        raise NotAllowed
    session.delete(saved)


def edit_driver(session: Session, actor: Account, driver: Driver, label: str, email: str, **identifiers: str) -> None:
    """Change a driver's label, the address of his account ("" for unknown) and the identifiers of his virtual meter.
    RuleBroken at the field that is taken by another driver of the owner, or not acceptable."""
    if driver.owner_id != actor.id:
        raise NotAllowed
    values: dict[str, str | None] = {"label": label.strip(), "email": normalise(email) if email.strip() else None}
    values |= {name: identifiers.get(name, "").strip() or None for name in IDENTIFIERS}
    if not values["label"]:
        raise RuleBroken("label", wording.MAPPING_FAULTS["required"])
    for name, value in values.items():
        if value is not None and value != getattr(driver, name):
            _must_be_free(session, driver, name, value)
    before = {name: getattr(driver, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    for name, value in changed.items():
        setattr(driver, name, value)
    if "email" in changed:
        changes.note_driver(session, driver.id)
    if changed:
        subject = f"driver/{driver.id}"
        told = audit.differences(before, values)
        audit.record(session, "driver:edit", subject, actor_id=actor.id, owner_id=actor.id, changed=told)
    session.flush()


def _must_be_free(session: Session, driver: Driver, name: str, value: str) -> None:
    column = getattr(Driver, name)
    taken = sa.select(Driver.label).where(Driver.owner_id == driver.owner_id, Driver.id != driver.id, column == value)
    other = session.scalar(taken)
    if other is not None:
        raise RuleBroken(name, "%(driver)s has this already.", driver=other)
