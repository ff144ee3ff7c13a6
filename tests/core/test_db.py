"""What both databases are made to do alike: instants, foreign keys, transactions, errors that show no values."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.orm import Session

from portal.accounts.models import Account
from portal.core import clock
from portal.core.db import database_now, reading_only, session_factory, set_reading, writing
from portal.core.files import StoredFile, StoredPiece

MOMENT = datetime(2026, 10, 25, 0, 30, 0, 123_456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def as_a_new_process() -> None:
    """Writing, whatever the last request of an earlier test in this process has chosen."""
    set_reading(False)


@pytest.fixture
def other(database_url: str) -> Iterator[Session]:
    """Another process's session."""
    factory = session_factory(database_url)
    with factory() as opened:
        yield opened
    factory.kw["bind"].dispose()


def stored(session: Session, moment: datetime) -> datetime:
    session.add(StoredFile(name="a", size=0, sha256="", created_at=moment))
    session.commit()
    session.expire_all()
    return session.scalars(sa.select(StoredFile.created_at)).one()


@pytest.mark.parametrize("hours", [0, 2, -11])
def test_an_instant_comes_back_as_utc_to_the_microsecond(session: Session, hours: int) -> None:
    found = stored(session, MOMENT.astimezone(timezone(timedelta(hours=hours))))
    assert (found, found.tzinfo) == (MOMENT, UTC)


def test_a_naive_time_is_refused(session: Session) -> None:
    with pytest.raises(StatementError, match="a naive datetime reached the database"):
        stored(session, MOMENT.replace(tzinfo=None))


def test_instants_are_compared_as_instants(session: Session) -> None:
    stored(session, MOMENT)
    later = MOMENT.astimezone(timezone(timedelta(hours=-5))) + timedelta(microseconds=1)
    assert session.query(StoredFile).filter(StoredFile.created_at < later).count() == 1
    assert session.query(StoredFile).filter(StoredFile.created_at >= later).count() == 0


def test_the_databases_clock_is_ours(session: Session) -> None:
    found = session.scalars(sa.select(database_now(session))).one()
    assert found.tzinfo is UTC
    assert abs(found - clock.now()) < timedelta(seconds=5)


def test_foreign_keys_hold(session: Session) -> None:
    session.add(StoredPiece(file_id=4711, position=0, data=b""))
    with pytest.raises(IntegrityError):
        session.commit()


def test_errors_show_no_values(session: Session) -> None:
    for _ in range(2):
        session.add(Account(email="secret@piquet.example"))
    with pytest.raises(IntegrityError) as refused:
        session.commit()
    assert "[SQL parameters hidden" in str(refused.value)


def test_two_that_write_wait_for_each_other(session: Session, other: Session) -> None:
    """Each reads before it writes, which SQLite would refuse if the lock were taken only then."""

    def add(to: Session) -> None:
        for _ in range(20):
            there = to.query(StoredFile).count()
            to.add(StoredFile(name=f"{there}", size=0, sha256=""))
            to.commit()

    threads = [threading.Thread(target=add, args=(each,)) for each in (session, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert session.query(StoredFile).count() == 40


def test_who_only_reads_waits_for_nobody(session: Session, other: Session) -> None:
    session.add(StoredFile(name="a", size=0, sha256=""))
    session.flush()
    begun = time.monotonic()
    with reading_only():
        assert other.query(StoredFile).count() == 0
        other.rollback()
    assert time.monotonic() - begun < 2
    session.commit()


def test_writing_is_possible_inside_of_reading(session: Session) -> None:
    with reading_only(), writing():
        session.add(StoredFile(name="a", size=0, sha256=""))
        session.commit()
    assert session.query(StoredFile).count() == 1


def test_on_sqlite_a_writing_transaction_takes_the_lock_at_its_first_statement(
    session: Session, other: Session, database_url: str
) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL locks rows")
    session.query(StoredFile).count()
    with pytest.raises(OperationalError, match="database is locked"):
        impatient(other)
    session.rollback()
    impatient(other)


def impatient(other: Session) -> None:
    """Begin a transaction that writes, and wait no longer than a tenth of a second for the lock."""
    raw = other.get_bind().raw_connection()
    raw.driver_connection.execute("PRAGMA busy_timeout=100")
    raw.close()
    other.rollback()
    other.query(StoredFile).count()
    other.rollback()


def test_the_choice_of_a_request_lasts(session: Session, other: Session) -> None:
    session.query(StoredFile).count()  # on SQLite this holds the write lock
    set_reading(True)
    try:
        assert other.query(StoredFile).count() == 0
    finally:
        set_reading(False)
        other.rollback()
