"""The SQL queries that a request or a function causes, and how the database carries them out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

Statement = tuple[str, Any]
FULL_SCAN = re.compile(r"(?:SCAN|Seq Scan on) (station|connector)\b(?! VIRTUAL)")


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Every query of every engine inside, with its parameters."""
    found: list[Statement] = []

    def note(_connection: object, _cursor: object, text: str, parameters: Any, *_others: object) -> None:
        if text.lstrip().upper().startswith(("SELECT", "WITH")):
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
