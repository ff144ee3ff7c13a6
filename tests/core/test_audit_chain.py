"""The hash chain of the audit log: gapless whoever writes, and whatever is tampered with is found."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core import audit, clock
from portal.core.audit import AuditEntry, AuditSeal
from portal.core.audit.check import BATCH, check
from portal.core.db import session_factory

THREADS, EACH = 8, 25


def recorded(session: Session, number: int, word: str = "written") -> None:
    """So many entries, each in a transaction of its own."""
    for n in range(number):
        audit.record(session, f"test:{word}", f"thing/{n}", actor_id=1, owner_id=2, name="Zürich", n=n)
        session.commit()


@contextmanager
def unguarded(session: Session) -> Iterator[None]:
    """Without the triggers, as somebody has it who owns the database."""
    kept = []
    if session.get_bind().dialect.name == "sqlite":
        there = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'"
        for name, text in session.execute(sa.text(there)).all():
            session.execute(sa.text(f"DROP TRIGGER {name}"))
            kept.append(text)
    else:
        session.execute(sa.text("SET session_replication_role = replica"))
    yield
    for text in kept:
        session.execute(sa.text(text))
    if not kept:
        session.execute(sa.text("SET session_replication_role = origin"))
    session.commit()


def tampered(session: Session, *statements: str) -> list[str]:
    """What the check says after these statements."""
    with unguarded(session):
        for statement in statements:
            session.execute(sa.text(statement))
    return check(session).problems


def test_entries_of_a_transaction_are_sealed_when_it_ends(session: Session) -> None:
    recorded(session, 3)
    found = check(session)
    assert (found.sealed, found.last.position, found.older, found.problems) == (3, 3, 0, [])
    assert found.last.hash == session.scalar(sa.select(AuditSeal.hash).where(AuditSeal.position == 3))


def test_a_transaction_that_is_rolled_back_leaves_nothing(session: Session) -> None:
    audit.record(session, "test:undone", "thing/1", actor_id=1)
    session.flush()
    session.rollback()
    recorded(session, 1)
    assert session.scalars(sa.select(AuditEntry.action)).all() == ["test:written"]
    assert (check(session).sealed, check(session).wrong) == (1, 0)


def test_a_savepoint_that_is_rolled_back_takes_its_entries_out_of_the_chain(session: Session) -> None:
    audit.record(session, "test:before", "thing/1", actor_id=1)
    inner = session.begin_nested()
    audit.record(session, "test:undone", "thing/2", actor_id=1)
    session.flush()
    inner.rollback()
    with session.begin_nested():
        audit.record(session, "test:after", "thing/3", actor_id=1)
    assert session.scalar(sa.select(sa.func.count(AuditSeal.position))) == 0, "a savepoint's end seals nothing"
    session.commit()
    assert sorted(session.scalars(sa.select(AuditEntry.action))) == ["test:after", "test:before"]
    assert (check(session).sealed, check(session).wrong) == (2, 0)


def test_a_session_that_is_closed_unsaved_forgets_its_entries(session: Session) -> None:
    audit.record(session, "test:undone", "thing/1", actor_id=1)
    session.flush()
    session.close()
    recorded(session, 1)
    assert (check(session).sealed, check(session).wrong) == (1, 0)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE audit_entry SET actor_id = 9 WHERE id = 3", r"entry 3 at position 3 .* was changed"),
        ("UPDATE audit_entry SET owner_id = NULL WHERE id = 3", r"entry 3 at position 3 .* was changed"),
        ("UPDATE audit_entry SET action = 'test:other' WHERE id = 3", r"entry 3 at position 3 .* was changed"),
        ("UPDATE audit_entry SET subject = 'thing/9' WHERE id = 3", r"entry 3 at position 3 .* was changed"),
        ("""UPDATE audit_entry SET detail = '{"n": 9}' WHERE id = 3""", r"entry 3 at position 3 .* was changed"),
        ("UPDATE audit_entry SET at = '2020-01-01 00:00:00.000000' WHERE id = 3", r"entry 3 .* was changed"),
        ("DELETE FROM audit_entry WHERE id = 3", r"entry 3 at position 3 is missing"),
        ("DELETE FROM audit_seal WHERE position = 3", r"no position 3: links were deleted"),
        ("DELETE FROM audit_seal WHERE position IN (1, 2)", r"no positions 1 to 2: links were deleted"),
        ("UPDATE audit_seal SET hash = 'f' WHERE position = 5", r"entry 5 at position 5 .* was changed"),
        (
            "INSERT INTO audit_entry (id, at, action, subject, detail) VALUES (9, '2026-01-01', 'a:b', 'c/1', '{}')",
            r"entry 9 is in no link",
        ),
    ],
)
def test_whatever_somebody_changes_past_the_portal_is_found(session: Session, statement: str, told: str) -> None:
    recorded(session, 5)
    problems = tampered(session, statement)
    assert re.search(told, problems[0]), problems


def test_two_links_that_changed_places_are_found_as_such(session: Session) -> None:
    recorded(session, 6)
    swap = [f"UPDATE audit_seal SET position = {new} WHERE position = {old}" for old, new in ((2, 99), (4, 2), (99, 4))]
    problems = tampered(session, *swap)
    assert len(problems) == 4, "both, and the two that followed them"
    assert all("out of order" in problem for problem in problems)


def test_two_entries_that_changed_places_are_found_as_such(session: Session) -> None:
    recorded(session, 6)
    entry = "UPDATE audit_seal SET entry_id = {} WHERE position = {}"
    problems = tampered(session, entry.format(99, 2), entry.format(2, 4), entry.format(4, 2))
    assert [re.findall(r"\d+", problem) for problem in problems] == [["4", "2"], ["2", "4"]]
    assert all("out of order" in problem for problem in problems)


def test_a_tail_that_was_cut_off_is_found_by_a_link_that_was_noted(session: Session) -> None:
    recorded(session, 5)
    noted = check(session).last
    assert check(session, noted).wrong == 0
    assert not tampered(session, "DELETE FROM audit_seal WHERE position > 3", "DELETE FROM audit_entry WHERE id > 3")
    assert check(session, noted).problems == ["the chain ends at position 3, before the expected 5: it was cut off"]
    recorded(session, 2)
    assert "written anew" in check(session, noted).problems[0]


def test_entries_from_before_the_chain_are_counted_and_not_taken_for_tampering(session: Session) -> None:
    early = {"at": clock.now(), "action": "old:one", "subject": "thing/1", "detail": {}}
    session.execute(sa.insert(AuditEntry), [early, early])
    session.commit()
    recorded(session, 1)
    found = check(session)
    assert (found.older, found.sealed, found.problems) == (2, 1, [])


def test_it_walks_over_more_links_than_it_reads_at_once(session: Session) -> None:
    for n in range(BATCH + 10):
        audit.record(session, "test:many", f"thing/{n}", actor_id=None)
    session.commit()
    found = check(session)
    assert (found.sealed, found.last.position, found.wrong) == (BATCH + 10, BATCH + 10, 0)
    told = tampered(session, "UPDATE audit_entry SET subject = 'x' WHERE id > 100")
    assert len(told) == 20
    assert check(session).wrong == BATCH + 10 - 100


def test_eight_writers_at_once_make_one_chain_without_gap(database_url: str, session: Session) -> None:
    sessions = session_factory(database_url)

    def write(writer: int) -> None:
        for n in range(EACH):
            with sessions() as own:
                audit.record(own, "test:race", f"thing/{writer}", actor_id=writer, n=n)
                own.flush()  # ids are taken in another order than transactions end
                if n % 5 == 4:
                    own.rollback()
                else:
                    own.commit()

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(write, range(THREADS)))
    sessions.kw["bind"].dispose()
    found = check(session)
    kept = THREADS * EACH * 4 // 5
    assert (found.sealed, found.last.position, found.problems) == (kept, kept, [])
    assert session.scalar(sa.select(sa.func.count(AuditEntry.id))) == kept


@pytest.mark.parametrize("table", ["audit_entry", "audit_seal"])
@pytest.mark.parametrize("verb", ["UPDATE {} SET {} = 7", "DELETE FROM {}"])
def test_rows_are_only_added(session: Session, table: str, verb: str) -> None:
    recorded(session, 1)
    column = {"audit_entry": "actor_id", "audit_seal": "entry_id"}[table]
    with pytest.raises(DBAPIError, match="only added to"):
        session.execute(sa.text(verb.format(table, column)))


def test_the_command_says_what_it_found(app: Flask, session: Session) -> None:
    recorded(session, 4)
    run = app.test_cli_runner()
    whole = run.invoke(args=["audit", "check"])
    assert whole.exit_code == 0, whole.output
    position, digest = re.search(r"4 entries in the chain, the last is (\d+):([0-9a-f]{64})", whole.output).groups()
    assert run.invoke(args=["audit", "check", "--expect", f"{position}:{digest}"]).exit_code == 0
    tampered(session, "DELETE FROM audit_seal WHERE position = 4", "DELETE FROM audit_entry WHERE id = 4")
    assert run.invoke(args=["audit", "check"]).exit_code == 0
    cut = run.invoke(args=["audit", "check", "--expect", f"{position}:{digest}"])
    assert cut.exit_code == 1
    assert "WRONG: the chain ends at position 3" in cut.output
    assert run.invoke(args=["audit", "check", "--expect", "nonsense"]).exit_code == 2
