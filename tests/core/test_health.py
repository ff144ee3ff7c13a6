"""GET /healthz names what does not answer."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.core import background


@pytest.fixture
def ringing() -> Iterator[Callable[[str], None]]:
    """Names the queue server of this process."""
    yield background.connect
    background.connect("")


def test_all_is_well(client: FlaskClient, ringing: Callable[[str], None], valkey_url: str) -> None:
    ringing(valkey_url)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "broken": []})


def test_a_queue_that_is_away_is_named(client: FlaskClient, ringing: Callable[[str], None]) -> None:
    ringing("unix:///nonexistent/valkey.sock")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "broken", "broken": ["queue"]})


def test_a_database_without_our_tables_is_named(
    client: FlaskClient, ringing: Callable[[str], None], valkey_url: str, session: Session
) -> None:
    ringing(valkey_url)
    session.execute(sa.text("DROP TABLE alembic_version"))
    session.commit()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "broken", "broken": ["database"]})
