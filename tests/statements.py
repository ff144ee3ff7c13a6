"""The SQL statements that a request or a function causes, and how the database carries them out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal import models

Statement = tuple[str, Any]
TRANSACTION = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|PRAGMA)\b", re.IGNORECASE)
FULL_SCAN = re.compile(r"(?:SCAN|Seq Scan on) (station|connector)\b(?! VIRTUAL)")


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Every statement that goes to a database inside, with its parameters; not what begins, ends or sets up a
    transaction."""
    found: list[Statement] = []

    def note(_connection: object, _cursor: object, text: str, parameters: Any, *_others: object) -> None:
        if not TRANSACTION.match(text):
            found.append((text, parameters))

    event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(sa.Engine, "before_cursor_execute", note)


def plan(session: Session, statement: Statement) -> str:
    """How the database would carry out the statement, as text."""
    explain = "EXPLAIN QUERY PLAN " if session.get_bind().dialect.name == "sqlite" else "EXPLAIN "
    rows = session.connection().exec_driver_sql(explain + statement[0], statement[1])
    return "\n".join(str(row[-1]) for row in rows)


def full_scans(session: Session, statements: list[Statement]) -> list[str]:
    """The plans that read all stations or all connectors there are."""
    plans = [plan(session, statement) for statement in statements]
    return [plan for plan in plans if FULL_SCAN.search(plan)]


def large_tables(session: Session, at_least: int) -> set[str]:
    """The tables with so many rows, partitions by their own names."""
    names = set(models.Base.metadata.tables)
    if session.get_bind().dialect.name == "postgresql":
        names |= set(session.scalars(sa.text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'")))
    count = sa.select(sa.func.count())
    counts = {name: session.scalar(count.select_from(sa.table(name))) or 0 for name in names}
    session.rollback()  # or a browser waits for SQLite's lock
    return {name for name, count in counts.items() if count >= at_least}


def scans_of(session: Session, statements: list[Statement], tables: set[str]) -> list[str]:
    """What reads one of these tables from end to end: the SQL with the step of its plan, by whatever name it calls the
    table, an index read from end to end included."""
    step = _sqlite_scan if session.get_bind().dialect.name == "sqlite" else _postgresql_scan
    found = [(text, step(session, (text, values), tables)) for text, values in statements]
    return [f"{scan}: {text}" for text, scan in found if scan]


def _sqlite_scan(session: Session, statement: Statement, tables: set[str]) -> str:
    views = session.connection().exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'view'").scalars()
    texts = " ".join([statement[0], *views])
    named = tables | {alias for table, alias in re.findall(r"\b(\w+) AS (\w+)", texts) if table in tables}
    steps = [line.split() for line in plan(session, statement).splitlines()]
    return next((" ".join(words) for words in steps if words[0] == "SCAN" and words[1] in named), "")


def _postgresql_scan(session: Session, statement: Statement, tables: set[str]) -> str:
    rows = session.connection().exec_driver_sql("EXPLAIN (FORMAT JSON) " + statement[0], statement[1])
    waiting = [rows.scalar_one()[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        narrowed = "Index Cond" in node or "Recheck Cond" in node or "TID Cond" in node
        writes = node["Node Type"] == "ModifyTable"  # how it finds its rows stands below it
        if node.get("Relation Name") in tables and not narrowed and not writes:
            return f"{node['Node Type']} on {node['Relation Name']}"
    return ""
