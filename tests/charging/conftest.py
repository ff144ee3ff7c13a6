"""Counting SQL statements of the application."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import event

from portal.core.db import db


@pytest.fixture
def statements(app: Flask) -> Iterator[Callable[[], int]]:
    """A function that says how many statements the application has sent so far."""
    sent = [0]

    def count(*_: object) -> None:
        sent[0] += 1

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", count)
    yield lambda: sent[0]
    event.remove(engine, "before_cursor_execute", count)
