"""Judged rows into the database: a batch in a handful of statements, each row exactly once however often it comes.

A row is known by (owner, source, external id); the schema refuses a second one, so that nothing here has to be right
about what another process does at the same time.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.accounts.emails import normalise
from portal.charging import changes, costing, driver_cards, lookups
from portal.charging.models import ChargingSession, Driver, FlaggedRow, FlaggedState
from portal.charging.quarter_rows import add_quarters, quarters_of
from portal.charging.reading import Problem, Reading, SessionRow
from portal.core import clock
from portal.core.errors import RuleBroken
from portal.stations.models import Connector

DIFFERS = "differs_from_stored"
"""The problem of a row whose external id belongs to a stored session with other times, energy or connector."""

Content = tuple[int, datetime, datetime, int]
Same = tuple[Content, str, str]


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose sessions they are, which import brings them, and which system their external ids are of."""

    owner_id: int
    import_id: int
    source: str
    importer_id: int | None = None  # none: the owner


@dataclass(slots=True)
class Stored:
    """What became of rows: they add up to the rows given."""

    added: int = 0
    known: int = 0
    flagged: int = 0
    energy_wh: int = 0
    warnings: Counter[str] = field(default_factory=Counter)


def store(session: Session, origin: Origin, readings: Sequence[Reading]) -> Stored:
    """Store what is new among the readings: good ones as charging sessions with their quarter hours, bad ones as
    flagged rows. A stored row stays as it is; a flagged row that is good now is settled."""
    stored = Stored()
    good = [reading for reading in readings if reading.good and reading.session is not None]
    bad = [(r, _flag_id(r), [str(problem) for problem in r.problems]) for r in readings if not r.good]
    known = _known_sessions(session, origin, [reading.external_id for reading in good])
    alike = _Alike(session, origin, [r.session for r in good if r.session and r.external_id not in known])
    new = []
    for reading in good:
        row = reading.session
        assert row is not None
        if reading.external_id in known:
            if known[reading.external_id] == _content(row):
                stored.known += 1
            else:
                bad.append((reading, reading.external_id, [DIFFERS]))
        elif row in alike:
            stored.known += 1
        else:
            new.append(reading)
    _add(session, origin, new, stored)
    _flag(session, origin, bad, stored)
    return stored


def still_allowed(session: Session, origin: Origin, readings: Sequence[Reading]) -> list[Reading]:
    """The readings, those for stations that the importer has lost meanwhile judged as what they are now: of a station
    that is unknown to him. Asked in the transaction that stores them."""
    connectors = {int(r.session.station_ref) for r in readings if r.good and r.session}
    gone = lookups.lost(session, origin.importer_id or origin.owner_id, origin.owner_id, connectors)
    if not gone:
        return list(readings)
    unknown = (Problem.UNKNOWN_STATION,)
    return [replace(r, problems=unknown) if r.session and int(r.session.station_ref) in gone else r for r in readings]


def known_rows(session: Session, origin: Origin, readings: Sequence[Reading]) -> int:
    """How many of the readings the portal has already, as far as the importer may be told."""
    ids = known_ids(session, origin, [reading.external_id for reading in readings])
    others = [r.session for r in readings if r.good and r.session and r.external_id not in ids]
    alike = _Alike(session, origin, others, hidden_only=True)
    return sum(r.external_id in ids or (r.session is not None and r.session in alike) for r in readings)


def known_ids(session: Session, origin: Origin, ids: Sequence[str]) -> set[str]:
    """Which of these external ids are there already, as a session or as a flagged row."""
    there: set[str] = set()
    for table in (ChargingSession, FlaggedRow):
        wanted = sa.select(table.external_id).where(
            table.owner_id == origin.owner_id, table.source == origin.source, table.external_id.in_(ids)
        )
        there.update(session.scalars(wanted))
    return there


def _content(row: SessionRow) -> Content:
    return int(row.station_ref), row.started_at, row.ended_at, row.energy_wh


def _same(row: SessionRow) -> Same:
    return _content(row), row.driver[:120], row.card[:80]


def _flag_id(reading: Reading) -> str:
    """A repetition keeps its own place beside the row that it repeats."""
    if Problem.DUPLICATE not in reading.problems:
        return reading.external_id
    named = f"{reading.external_id}#{reading.line}"
    return named if len(named) <= 120 else hashlib.sha256(named.encode(errors="replace")).hexdigest()


def _known_sessions(session: Session, origin: Origin, ids: Sequence[str]) -> dict[str, Content]:
    table = ChargingSession
    wanted = sa.select(table.external_id, table.connector_id, table.started_at, table.ended_at, table.energy_wh).where(
        table.owner_id == origin.owner_id, table.source == origin.source, table.external_id.in_(ids)
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in session.execute(wanted)}


class _Alike:
    """Stored sessions, of whatever source, that begin at the same connector and instant as one of these: the same
    outlet cannot have delivered the same energy to the same driver twice.

    Where the importer may not know the drivers, driver and card do not count: else he would learn from what is known
    whether he guessed them.
    """

    def __init__(
        self, session: Session, origin: Origin, rows: Sequence[SessionRow], *, hidden_only: bool = False
    ) -> None:
        connectors = {int(row.station_ref) for row in rows}
        importer = origin.importer_id or origin.owner_id
        self._hidden = lookups.hidden(session, importer, origin.owner_id, connectors)
        wanted = [row for row in rows if not hidden_only or int(row.station_ref) in self._hidden]
        self._same = _same_as(session, wanted)
        self._contents = {content for content, _driver, _card in self._same if content[0] in self._hidden}

    def __contains__(self, row: SessionRow) -> bool:
        return _same(row) in self._same or _content(row) in self._contents


def _same_as(session: Session, rows: Iterable[SessionRow]) -> set[Same]:
    table = ChargingSession
    places = [(int(row.station_ref), row.started_at) for row in rows]
    if not places:
        return set()
    label = sa.case((table.by_card, None), else_=Driver.label)  # the file did not name him
    columns = (table.connector_id, table.started_at, table.ended_at, table.energy_wh, label, table.card)
    wanted = sa.select(*columns).outerjoin(Driver, Driver.id == table.driver_id)
    found = session.execute(wanted.where(sa.tuple_(table.connector_id, table.started_at).in_(places)))
    return {((row[0], row[1], row[2], row[3]), row[4] or "", row[5] or "") for row in found}


def _add(session: Session, origin: Origin, readings: Sequence[Reading], stored: Stored) -> None:
    if not readings:
        return
    rows = [reading.session for reading in readings if reading.session]
    hold(session, origin.owner_id, {int(row.station_ref) for row in rows})
    drivers = drivers_of(session, origin.owner_id, {row.driver for row in rows if row.driver})
    by_card = driver_cards.of_rows(session, origin.owner_id, rows)
    values = [session_values(origin, row, drivers.get(row.driver), by_card) for row in rows]
    inserted = sa.insert(ChargingSession).returning(ChargingSession.id, sort_by_parameter_order=True)
    ids = session.scalars(inserted, values).all()
    add_quarters(session, (quarter for key, row in zip(ids, rows, strict=True) for quarter in quarters_of(key, row)))
    costing.calculate(session, origin.owner_id, ids)
    changes.note(session, ((int(row.station_ref), row.started_at, row.ended_at) for row in rows))
    _settle(session, origin, dict(zip([reading.external_id for reading in readings], ids, strict=True)))
    stored.added += len(rows)
    stored.energy_wh += sum(row.energy_wh for row in rows)
    for reading in readings:
        stored.warnings.update(str(warning) for warning in reading.warnings)


class ChangedOwner(Exception):
    """A charging point went to another owner after it was looked up: the rows have to be judged anew."""


def hold(session: Session, owner_id: int, connector_ids: set[int]) -> None:
    """Keep the charging points the owner's until the transaction ends; ChangedOwner where one is not."""
    his = sa.select(Connector.id).where(Connector.id.in_(connector_ids), Connector.owner_id == owner_id)
    if len(session.scalars(his.with_for_update(read=True, key_share=True)).all()) < len(connector_ids):
        raise ChangedOwner


def session_values(
    origin: Origin, row: SessionRow, driver_id: int | None, by_card: Mapping[SessionRow, int]
) -> dict[str, object]:
    """The columns of a charging session. `by_card`: whose card it is, of rows that name no driver."""
    return {
        "owner_id": origin.owner_id,
        "connector_id": int(row.station_ref),
        "driver_id": by_card.get(row, driver_id),
        "by_card": row in by_card,
        "card": row.card[:80] or None,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "energy_wh": row.energy_wh,
        "register_start_wh": row.register_start_wh,
        "register_end_wh": row.register_end_wh,
        "source": origin.source,
        "external_id": row.external_id,
        "import_id": origin.import_id,
        "created_at": clock.now(),
    }


def drivers_of(session: Session, owner_id: int, texts: set[str]) -> dict[str, int]:
    """The ids of the owner's drivers for the texts of a file; who is unknown is added.

    A text is a driver's label, or his e-mail address, which is then noted with him.
    """
    addresses = {text: address for text in texts if (address := _address(text))}
    found: dict[str, int] = {}
    labels = {text[:120] for text in texts}
    named = sa.or_(Driver.label.in_(labels), Driver.email.in_(set(addresses.values())))
    by_label: dict[str, int] = {}
    by_email: dict[str | None, int] = {}
    for row in session.execute(
        sa.select(Driver.id, Driver.label, Driver.email).where(Driver.owner_id == owner_id, named)
    ):
        by_label[row.label], by_email[row.email] = row.id, row.id
    for text in random.SystemRandom().sample(sorted(texts), len(texts)):  # their ids tell no alphabetical order
        known = by_label.get(text[:120]) or by_email.get(addresses.get(text, ""))
        if known is None:
            driver = Driver(owner_id=owner_id, label=text[:120], email=addresses.get(text))
            session.add(driver)
            session.flush()
            known = by_label[driver.label] = by_email[driver.email] = driver.id
            by_email.pop(None, None)
        found[text] = known
    return found


def _address(text: str) -> str | None:
    try:
        return normalise(text) if "@" in text else None
    except RuleBroken:
        return None


def _settle(session: Session, origin: Origin, ids: dict[str, int]) -> None:
    """Flagged rows that are waiting under these external ids became sessions by themselves."""
    waiting = sa.select(FlaggedRow).where(
        FlaggedRow.owner_id == origin.owner_id,
        FlaggedRow.source == origin.source,
        FlaggedRow.external_id.in_(ids),
        FlaggedRow.state != FlaggedState.CORRECTED.value,
    )
    for row in session.scalars(waiting).all():
        row.state, row.session_id, row.settled_at = FlaggedState.CORRECTED.value, ids[row.external_id], clock.now()


def _flag(session: Session, origin: Origin, bad: Sequence[tuple[Reading, str, Sequence[str]]], stored: Stored) -> None:
    known = sa.select(FlaggedRow.external_id).where(
        FlaggedRow.owner_id == origin.owner_id,
        FlaggedRow.source == origin.source,
        FlaggedRow.external_id.in_([external_id for _, external_id, _ in bad]),
    )
    there = set(session.scalars(known)) if bad else set()
    rows = []
    for reading, external_id, problems in bad:
        if external_id in there:
            stored.known += 1
            continue
        there.add(external_id)
        rows.append(
            {
                "owner_id": origin.owner_id,
                "import_id": origin.import_id,
                "line": reading.line,
                "source": origin.source,
                "external_id": external_id,
                "cells": list(reading.raw),
                "problems": list(problems),
                "state": FlaggedState.OPEN.value,
            }
        )
    if rows:
        session.execute(sa.insert(FlaggedRow), rows)
    stored.flagged += len(rows)
